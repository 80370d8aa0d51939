/// A descriptor chain that the device took out of a queue and must return: `walk(from:into:)` gives its buffers, as often
/// as wanted, until `push(_:written:)` returns it.
public struct PoppedChain: Hashable, Sendable, BitwiseCopyable {
    /// What the device returns the chain as: the index of its head in a split queue (virtio 1.4, 2.7.8), its buffer ID
    /// in a packed queue (virtio 1.4, 2.8.1).
    public let id: UInt16
    /// Packed only: where the device keeps its copy of the descriptors.
    let copy: UInt16
    /// Packed only: descriptors of the ring that the chain takes.
    let count: UInt16

    init(id: UInt16, copy: UInt16 = 0, count: UInt16 = 1) {
        self.id = id
        self.copy = copy
        self.count = count
    }
}
