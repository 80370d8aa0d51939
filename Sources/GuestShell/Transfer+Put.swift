import CKernel
import Glibc
import GuestVFS
import Syscalls
import SystemPackage
import VirtioFSDriver

/// From this machine to the share.
extension Transfer {
    func put(_ local: LocalPath, to path: GuestPath) async throws(ShellError) {
        guard let found = local.status else {
            throw ShellError("\(local.shown) on this machine: \(Errno(rawValue: errno))")
        }
        try await put(local, found.st_mode, to: path)
    }

    private func put(_ local: LocalPath, _ mode: UInt32, to path: GuestPath) async throws(ShellError) {
        switch Int32(bitPattern: mode & Glibc.S_IFMT) {
        case S_IFREG: try await putFile(local, mode, to: path)
        case S_IFDIR where isDeep: try await putFolder(local, to: path)
        case S_IFDIR: throw ShellError("\(local.shown) is a folder: use -r")
        case S_IFLNK:
            let target = try local.about { () throws(Errno) in try readLink(local) }
            try await about(path) { () async throws(Errno) in
                try await shell.process.symlink(path, target: GuestPath(target))
            }
        default: throw ShellError("\(local.shown) is no file, folder or link, and left out")
        }
    }

    private func readLink(_ local: LocalPath) throws(Errno) -> [UInt8] {
        let link = try local.withPointer { pointer throws(Errno) in
            try FileDescriptor.workingFolder.openAt(pointer, flags: O_PATH | O_NOFOLLOW)
        }
        defer { link.closeOwned() }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
        defer { buffer.deallocate() }
        return Array(buffer.prefix(try link.readLink(into: buffer)))
    }

    private func putFile(_ local: LocalPath, _ mode: UInt32, to path: GuestPath) async throws(ShellError) {
        let source = try local.about { () throws(Errno) in
            try local.withPointer { pointer throws(Errno) in
                try FileDescriptor.workingFolder.openAt(pointer, flags: O_RDONLY)
            }
        }
        defer { source.closeOwned() }
        let file = try await about(path) { () async throws(Errno) in
            try await shell.process.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: mode & 0o777)
        }
        do throws(ShellError) {
            try await copy(source, local, to: file, path)
        } catch {
            try? await file.close()
            throw error
        }
        try await about(path) { () async throws(Errno) in try await file.close() }
    }

    private func copy(
        _ source: FileDescriptor, _ local: LocalPath, to file: GuestFile, _ path: GuestPath
    ) async throws(ShellError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var offset: Int64 = 0
        while !Task.isCancelled {
            let count: Int
            do { count = try source.read(into: buffer) } catch {
                throw ShellError("\(local.shown) on this machine: \(error)")
            }
            guard count > 0 else { return }
            let start = offset
            let written = try await about(path) { () async throws(Errno) in
                try await file.write(from: UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: start)
            }
            guard written == count else { throw ShellError(path, .noSpace) }
            offset += Int64(count)
        }
    }

    private func putFolder(_ local: LocalPath, to path: GuestPath) async throws(ShellError) {
        let names = try local.about { () throws(Errno) in try namesBelow(local) }
        try await about(path) { () async throws(Errno) in
            do throws(Errno) { try await shell.process.mkdir(path, mode: 0o777) } catch .fileExists {
                guard try await shell.process.stat(path).isFolder else { throw .fileExists }
            }
        }
        for name in names where !Task.isCancelled {
            do throws(ShellError) {
                let below = local.appending(name)
                var found = CKernel.stat()
                try below.about { () throws(Errno) in
                    let result = try below.withPointer { fstatat(AT_FDCWD, $0, &found, AT_SYMLINK_NOFOLLOW) }
                    guard result == 0 else { throw Errno(rawValue: errno) }
                }
                try await put(below, found.st_mode, to: path.appending(EntryName(name)))
            } catch {
                shell.complain("put: \(error.description)")
            }
        }
    }

    /// The names in a folder of this machine's, without "." and "..".
    private func namesBelow(_ local: LocalPath) throws(Errno) -> [[UInt8]] {
        let folder = try local.withPointer { opendir($0) }
        guard let folder else { throw Errno(rawValue: errno) }
        defer { closedir(folder) }
        var names: [[UInt8]] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in Array(bytes.prefix { $0 != 0 }) }
            if name != [UInt8(ascii: ".")] && name != Array("..".utf8) { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }
}
