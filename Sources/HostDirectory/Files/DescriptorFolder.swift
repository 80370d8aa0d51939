import CKernel
import Syscalls
import SystemPackage

/// The folder /proc/self/fd, held open from the start: through it, what is held with `O_PATH` is opened, changed and
/// linked, without a path that anybody could have moved meanwhile.
///
/// It is the folder of the process that opened it: to be made after the last fork(2).
struct DescriptorFolder: ~Copyable, Sendable {
    private let folder: OwnedDescriptor
    /// Whether the kernel has setxattrat(2) and its relatives.
    let hasAttributeCalls: Bool
    /// What leads to the folder where the kernel has not: its path, or nothing where every thread has it as its working
    /// folder.
    let path: StaticString
    /// Whether open_tree(2) may be called. Linux has it since 5.2, and containers often refuse it.
    private let hasOpenTree: Bool

    init() throws(Errno) {
        let folder = OwnedDescriptor(
            owning: try FileDescriptor.workingFolder.openAt("/proc/self/fd", flags: O_PATH | O_DIRECTORY))
        self.init(folder, isWorkingFolder: false)
    }

    /// - Parameters:
    ///   - isWorkingFolder: whether it is the working folder of every thread, so that it needs no /proc.
    ///   - usesOpenTree: false to do without open_tree(2), as in a container that refuses it.
    init(_ folder: consuming OwnedDescriptor, isWorkingFolder: Bool, usesOpenTree: Bool = true) {
        hasOpenTree = usesOpenTree && Self.probeOpenTree(folder.descriptor)
        hasAttributeCalls = Self.probeAttributeCalls(folder.descriptor)
        path = isWorkingFolder ? "" : "/proc/self/fd/"
        self.folder = folder
    }

    /// Runs `body` with this folder and the name in it of what `descriptor` holds.
    @inline(__always)
    func withName<Result>(
        of descriptor: FileDescriptor, _ body: (FileDescriptor, UnsafePointer<CChar>) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        let name = DecimalName(descriptor)
        return try name.withPointer { path throws(Errno) in try body(folder.descriptor, path) }
    }

    /// Holds what `descriptor` has open once more, with `O_PATH`. That takes two microseconds less than by its name here.
    func hold(_ descriptor: FileDescriptor) throws(Errno) -> OwnedDescriptor {
        guard hasOpenTree else { return try reopen(descriptor, flags: O_PATH) }
        return try descriptor.held()
    }

    private static func probeOpenTree(_ folder: FileDescriptor) -> Bool {
        do throws(Errno) {
            _ = try folder.held()
            return true
        } catch {
            return false
        }
    }

    /// Opens what `descriptor` holds once more.
    func reopen(_ descriptor: FileDescriptor, flags: Int32) throws(Errno) -> OwnedDescriptor {
        let name = DecimalName(descriptor)
        return OwnedDescriptor(
            owning: try name.withPointer { path throws(Errno) in
                try folder.descriptor.openAt(path, flags: flags | O_NOCTTY)
            })
    }

    /// Changes the permissions of what `descriptor` holds: fchmod(2) does not take an `O_PATH` descriptor.
    func changeMode(of descriptor: FileDescriptor, _ mode: mode_t) throws(Errno) {
        let name = DecimalName(descriptor)
        try name.withPointer { path throws(Errno) in try folder.descriptor.changeModeAt(path, mode: mode) }
    }

    /// Gives what `descriptor` holds, even if it is a symbolic link, another name.
    func link(
        _ descriptor: FileDescriptor, to target: FileDescriptor, _ newName: UnsafePointer<CChar>
    ) throws(Errno) {
        let name = DecimalName(descriptor)
        try name.withPointer { path throws(Errno) in
            try folder.descriptor.linkAt(path, to: target, newName, flags: AT_SYMLINK_FOLLOW)
        }
    }
}

/// A descriptor's number as a C string that needs no memory of its own.
struct DecimalName {
    /// At most ten digits, the first in the lowest byte, and zeros.
    private var bytes: (UInt64, UInt64) = (0, 0)

    init(_ descriptor: FileDescriptor) {
        var rest = UInt32(bitPattern: descriptor.rawValue)
        repeat {
            bytes.1 = bytes.1 << 8 | bytes.0 >> 56
            bytes.0 = bytes.0 << 8 | UInt64(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        bytes = (bytes.0.littleEndian, bytes.1.littleEndian)
    }

    @inline(__always)
    func withPointer<Result>(_ body: (UnsafePointer<CChar>) throws(Errno) -> Result) throws(Errno) -> Result {
        try withUnsafePointer(to: bytes) { pointer throws(Errno) in
            try body(UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))
        }
    }
}
