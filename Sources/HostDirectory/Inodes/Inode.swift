import CKernel
import SystemPackage

/// A file of the host that the client knows, as long as it knows it. What can change is not here, but at the host; what
/// holds the file is in the record beside this one, see ``InodeTable/descriptor(of:)``.
struct Inode: BitwiseCopyable {
    let key: InodeKey
    /// The file's type in the upper four bits, which never changes, and in the others ``birth``.
    private let typeAndBirth: UInt64

    private static let birthBits: UInt64 = 60

    init(key: InodeKey, birth: UInt64, mode: UInt16) {
        self.key = key
        typeAndBirth = (UInt64(mode) >> 12) << Self.birthBits | birth
    }

    /// When it came into the table, in counts of inodes that did; see ``InodeTable/retain(_:knownSince:)``.
    var birth: UInt64 { typeAndBirth & (1 << Self.birthBits - 1) }
    /// `S_IFREG` and so on.
    private var type: Int32 { Int32(typeAndBirth >> Self.birthBits) << 12 }

    func isOfType(_ mode: UInt16) -> Bool { type == Int32(mode) & S_IFMT }
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
