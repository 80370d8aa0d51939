import CKernel
import Syscalls
public import SystemPackage

/// Writes into this process's memory by way of the kernel (/proc/self/mem), as a peer in another process would: while
/// our own threads read there, which no thread sanitizer takes for a race of ours.
public struct ForeignWriter: ~Copyable, Sendable {
    private let memory: OwnedDescriptor

    public init() throws(Errno) {
        memory = OwnedDescriptor(owning: try FileDescriptor.workingFolder.openAt("/proc/self/mem", flags: O_RDWR))
    }

    /// - Returns: whether there was memory to write to.
    @discardableResult
    public func write(_ bytes: [UInt8], to address: UnsafeMutableRawPointer) -> Bool {
        pwrite64(memory.rawValue, bytes, bytes.count, off_t(Int(bitPattern: address))) == bytes.count
    }
}
