public import SystemPackage

import CKernel
import Glibc
import Syscalls

/// A folder of a test's own, removed with all that is in it when the test lets go of it.
public final class TemporaryFolder: Sendable {
    public let path: FilePath

    /// /tmp, or what `VIRTIOFS_TEST_FOLDER` names: paths of sockets have to be short.
    private static let usualParent = getenv("VIRTIOFS_TEST_FOLDER").map { String(cString: $0) } ?? "/tmp"

    /// - Parameter parent: where to make it, if not in /tmp.
    public init(in parent: String? = nil) {
        let parent = parent ?? Self.usualParent
        var template = Array("\(parent)/virtiofs-test-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "can't make a temporary folder")
        path = template.withUnsafeBufferPointer { FilePath(platformString: $0.baseAddress!) }
    }

    deinit {
        do {
            let folder = OwnedDescriptor(
                owning: try FileDescriptor.workingFolder.openAt(path.string, flags: O_RDONLY | O_DIRECTORY))
            Self.empty(folder.descriptor)
        } catch {}
        _ = rmdir(path.string)
    }

    /// Makes a file with that content.
    public func add(_ name: String, _ content: [UInt8] = []) throws {
        let file = try FileDescriptor.open(
            path.appending(name), .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
        try file.closeAfter { _ = try file.writeAll(content) }
    }

    /// Makes a folder.
    public func addFolder(_ name: String) throws {
        try FileDescriptor.workingFolder.makeDirectoryAt(path.appending(name).string, mode: 0o755)
    }

    /// The content of a file of at most 64 KiB.
    public func content(_ name: String) throws -> [UInt8] {
        let file = try FileDescriptor.open(path.appending(name), .readOnly)
        return try file.closeAfter {
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0) }
            return Array(bytes.prefix(count))
        }
    }

    /// Removes what is in a folder, whatever its names and modes are, without following a link or opening a FIFO.
    private static func empty(_ folder: FileDescriptor) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 8)
        defer { buffer.deallocate() }
        while let count = try? folder.readEntries(into: buffer), count > 0 {
            var offset = 0
            var removed = false
            while offset < count {
                // d_reclen and d_name of struct linux_dirent64 (getdents64(2)).
                let name = (buffer.baseAddress! + offset + 19).assumingMemoryBound(to: CChar.self)
                offset += Int(buffer.load(fromByteOffset: offset + 16, as: UInt16.self))
                if strcmp(name, ".") != 0, strcmp(name, "..") != 0, remove(name, from: folder) { removed = true }
            }
            guard removed, (try? folder.setPosition(0)) != nil else { return }
        }
    }

    private static func remove(_ name: UnsafePointer<CChar>, from folder: FileDescriptor) -> Bool {
        if (try? folder.unlinkAt(name, flags: 0)) != nil { return true }
        if let inner = try? folder.openAt(name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW) {
            empty(inner)
            inner.closeOwned()
        }
        return (try? folder.unlinkAt(name, flags: AT_REMOVEDIR)) != nil
    }
}
