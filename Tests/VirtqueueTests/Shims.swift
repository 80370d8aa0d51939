import Virtqueue

typealias DriverQueue = SplitDriverQueue
typealias AvailableReader = SplitAvailableReader
typealias UsedWriter = SplitUsedWriter
typealias PoppedChain = UInt16

extension UsedWriter {
    mutating func push(_ chain: PoppedChain, written: UInt32) { push(head: chain, written: written) }
}
