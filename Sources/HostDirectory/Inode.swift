import CKernel
import SystemPackage

/// A file of the host that the client knows, as long as it knows it. What can change is not here, but at the host.
struct Inode: BitwiseCopyable {
    let key: InodeKey
    /// When it came into the table, in counts of inodes that did; see ``InodeTable/retain(_:knownSince:)``.
    let birth: UInt64
    private let rawDescriptor: Int32
    /// `S_IFREG` and so on: what a file is never changes.
    private let type: Int32

    init(key: InodeKey, birth: UInt64, descriptor: FileDescriptor, mode: UInt16) {
        self.key = key
        self.birth = birth
        rawDescriptor = descriptor.rawValue
        type = Int32(mode) & S_IFMT
    }

    /// Opened with `O_PATH`, which pins the file but does not open it. To be had through
    /// ``HostDirectory/withNode(_:_:)``, so that another way to hold a file needs a change in one place.
    var descriptor: FileDescriptor { FileDescriptor(rawValue: rawDescriptor) }

    var isFolder: Bool { type == S_IFDIR }
    var isRegular: Bool { type == S_IFREG }
    var isLink: Bool { type == S_IFLNK }

    /// Refuses to open anything but a regular file: to open a FIFO, a socket or a device here would be to wait for, or
    /// to act on, something of the host. A client's kernel opens those itself.
    func checkIsRegular() throws(Errno) {
        switch type {
        case S_IFREG: return
        case S_IFDIR: throw .isDirectory
        case S_IFLNK: throw .tooManySymbolicLinkLevels
        default: throw .noSuchAddressOrDevice
        }
    }
}
