public import SystemPackage

import CKernel
import Glibc

/// A file of memory (memfd_create(2)) of a fixed size, sealed so that no process can shrink it under a mapping.
public struct MemoryFile: ~Copyable, Sendable {
    private let owned: OwnedDescriptor
    /// Bytes.
    public let size: Int

    /// - Parameter name: what /proc shows for it.
    public init(name: String, size: Int) throws(Errno) {
        let raw = try check(memfd_create(name, UInt32(MFD_CLOEXEC | MFD_ALLOW_SEALING)))
        let file = OwnedDescriptor(owning: FileDescriptor(rawValue: raw))
        try check(ftruncate(raw, off_t(size)))
        try check(ck_fcntl_int(raw, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        owned = file
        self.size = size
    }

    public var descriptor: FileDescriptor { owned.descriptor }
}

/// A shared mapping of a file (mmap(2)) between two pages that nobody may touch, unmapped when its owner goes. An access
/// that runs off its end is a fault, never a hit on something else.
public struct MemoryMapping: ~Copyable, @unchecked Sendable {
    private static let guardSize = 4096

    public let base: UnsafeMutableRawPointer
    /// Bytes.
    public let size: Int

    private let survivesShrinking: Bool

    /// Maps `size` bytes of `descriptor` from `offset` on, for reading and writing.
    ///
    /// - Parameters:
    ///   - offset: a multiple of the page size.
    ///   - survivesShrinking: whether the file is somebody else's, who may shrink it under the mapping. What is missing
    ///     then reads as zeros, and the process lives on.
    public init(
        sharing descriptor: FileDescriptor, offset: Int = 0, size: Int, survivesShrinking: Bool = false
    ) throws(Errno) {
        let whole = Self.wholeSize(size)
        let reserved = mmap(nil, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let reserved, reserved != MAP_FAILED else { throw lastErrno() }
        let inside = reserved + Self.guardSize
        let address = mmap(
            inside, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor.rawValue, off_t(offset))
        guard let address, address != MAP_FAILED else {
            let error = lastErrno()
            munmap(reserved, whole)
            throw error
        }
        if survivesShrinking {
            do throws(Errno) {
                try MappingFaults.add(address, size: Self.wholeSize(size) - 2 * Self.guardSize)
            } catch {
                munmap(reserved, whole)
                throw error
            }
        }
        base = address
        self.size = size
        self.survivesShrinking = survivesShrinking
    }

    /// The mapping in whole pages, and the guards.
    private static func wholeSize(_ size: Int) -> Int { (size + guardSize - 1) & ~(guardSize - 1) + 2 * guardSize }

    deinit {
        if survivesShrinking { MappingFaults.remove(base) }
        munmap(base - Self.guardSize, Self.wholeSize(size))
    }
}
