import CKernel
import GuestVFS
import Syscalls
import SystemPackage
import VirtioFSDriver

/// Copies between the share and this machine.
///
/// The device is not trusted with this machine's files: what comes out of a folder is written below the target only, each
/// name from the descriptor of its folder, and through no symbolic link.
struct Transfer {
    let shell: Shell
    let isDeep: Bool

    init(_ shell: Shell, isDeep: Bool = false) {
        self.shell = shell
        self.isDeep = isDeep
    }

    private var process: GuestProcess { shell.process }
    /// Bytes that are moved at once.
    private static let pieceSize = 1 << 20

    /// Reads a file from its beginning to its end.
    func read(
        _ path: GuestPath, _ consume: (UnsafeRawBufferPointer) throws(ShellError) -> Void
    ) async throws(ShellError) {
        let file = try await about(path) { () async throws(Errno) in
            let file = try await process.open(path, O_RDONLY)
            guard file.isFolder else { return file }
            try await file.close()
            throw .isDirectory
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceSize, alignment: 4096)
        defer { buffer.deallocate() }
        do throws(ShellError) {
            var offset: Int64 = 0
            while !Task.isCancelled {
                let start = offset
                let count = try await about(path) { () async throws(Errno) in
                    try await file.read(into: buffer, at: start)
                }
                guard count > 0 else { break }
                try consume(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                offset += Int64(count)
            }
        } catch {
            try? await file.close()
            throw error
        }
        try await about(path) { () async throws(Errno) in try await file.close() }
    }

    // MARK: to this machine

    /// - Parameter isOneOfSeveral: then the target has to be a folder.
    func get(_ path: GuestPath, to target: LocalPath, isOneOfSeveral: Bool) async throws(ShellError) {
        var local = target
        if target.isFolder, let name = path.lastName {
            local = target.appending(name.bytes)
        } else if isOneOfSeveral {
            throw ShellError("\(target.shown) on this machine: \(Errno.notDirectory)")
        }
        let found = try await about(path) { () async throws(Errno) in try await process.stat(path) }
        try await get(path, found, to: local, in: .workingFolder, noFollow: 0)
    }

    /// Copies what is at `path` to a name of a folder of this machine's.
    private func get(
        _ path: GuestPath, _ found: fuse_attr, to name: LocalPath, in folder: FileDescriptor, noFollow: Int32
    ) async throws(ShellError) {
        switch Int32(bitPattern: found.fileType) {
        case S_IFREG: try await getFile(path, found, to: name, in: folder, noFollow: noFollow)
        case S_IFDIR where isDeep: try await getFolder(path, to: name, in: folder, noFollow: noFollow)
        case S_IFDIR: throw ShellError("\(ShownName.shown(path.bytes)) is a folder: use -r")
        case S_IFLNK:
            let target = try await about(path) { () async throws(Errno) in try await process.readlink(path) }
            try name.about { () throws(Errno) in
                try name.withPointer { name throws(Errno) in
                    try LocalPath(target.bytes).withPointer { target throws(Errno) in
                        try folder.makeSymbolicLinkAt(name, target: target)
                    }
                }
            }
        default: throw ShellError("\(ShownName.shown(path.bytes)) is a \(Listing.typeName(found)), and left out")
        }
    }

    private func getFile(
        _ path: GuestPath, _ found: fuse_attr, to name: LocalPath, in folder: FileDescriptor, noFollow: Int32
    ) async throws(ShellError) {
        let local = try name.about { () throws(Errno) in
            try name.withPointer { pointer throws(Errno) in
                try folder.openAt(
                    pointer, flags: O_WRONLY | O_CREAT | O_TRUNC | noFollow, mode: found.mode & 0o777)
            }
        }
        defer { local.closeOwned() }
        try await read(path) { bytes throws(ShellError) in
            do { try local.writeAll(bytes) } catch { throw ShellError("\(name.shown) on this machine: \(error)") }
        }
    }

    private func getFolder(
        _ path: GuestPath, to name: LocalPath, in folder: FileDescriptor, noFollow: Int32
    ) async throws(ShellError) {
        let entries = try await shell.entries(of: path)
        let local = try name.about { () throws(Errno) in
            try name.withPointer { pointer throws(Errno) in
                do throws(Errno) { try folder.makeDirectoryAt(pointer, mode: 0o777) } catch .fileExists {}
                return try folder.openAt(pointer, flags: O_RDONLY | O_DIRECTORY | noFollow)
            }
        }
        defer { local.closeOwned() }
        for entry in entries where !Task.isCancelled {
            let below = path.appending(entry.name)
            do throws(ShellError) {
                let found = try await about(below) { () async throws(Errno) in
                    try await process.stat(below, follows: false)
                }
                try await get(below, found, to: LocalPath(entry.name.bytes), in: local, noFollow: O_NOFOLLOW)
            } catch {
                shell.complain("get: \(error.description)")
            }
        }
    }
}
