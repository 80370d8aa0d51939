import CKernel
import SystemPackage

/// FIFOs, sockets and device nodes.
extension Suite {
    @CaseList static var specialFiles: [Case] {
        Case("special.fifo-mode-sweep") { t in
            for mode: mode_t in [0, 0o400, 0o600, 0o644, 0o777] {
                try t.mknod("p", .fifo | mode)
                try expectEqual(try t.stat("p").mode, .fifo | mode)
                try t.unlink("p")
            }
        }
        Case("special.fifo-carries-data", needs: .kernel) { t in
            try t.mknod("p", .fifo | 0o600)
            let reader = try t.open("p", O_RDONLY | O_NONBLOCK)
            let writer = try t.open("p", O_WRONLY)
            try expectEqual(try call(write(writer.number, "text", 4)), 4)
            var bytes = [UInt8](repeating: 0, count: 10)
            try expectEqual(try call(read(reader.number, &bytes, 10)), 4)
            try expectEqual(Array(bytes.prefix(4)), Array("text".utf8))
        }
        Case("special.fifo-without-a-reader") { t in
            try t.mknod("p", .fifo | 0o600)
            try expectError(.noSuchAddressOrDevice) { _ = try t.open("p", O_WRONLY | O_NONBLOCK) }
        }
        Case("special.fifo-can't-be-sought", needs: .kernel) { t in
            try t.mknod("p", .fifo | 0o600)
            let file = try t.open("p", O_RDWR | O_NONBLOCK)
            try expectError(.illegalSeek) { _ = try file.seek(0, SEEK_SET) }
            try expectError(.illegalSeek) { _ = try file.read(1) }
        }
        Case("special.fifo-by-its-second-name", needs: .kernel) { t in
            try t.mknod("p", .fifo | 0o600)
            try t.link("p", "q")
            let reader = try t.open("p", O_RDONLY | O_NONBLOCK)
            let writer = try t.open("q", O_WRONLY | O_NONBLOCK)
            try expectEqual(try call(write(writer.number, "x", 1)), 1)
            var byte: UInt8 = 0
            try expectEqual(try call(read(reader.number, &byte, 1)), 1)
        }
        Case("special.socket-is-bound-and-connected-to", needs: .kernel) { t in
            let server = try call(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
            let client = try call(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
            defer { [server, client].forEach { close($0) } }
            let path = "/proc/self/fd/\(t.folder)/socket"
            try call(ck_bind_unix(server, path))
            try expectEqual(try t.lstat("socket").type, .socket)
            try call(listen(server, 1))
            try call(ck_connect_unix(client, path))
            let accepted = try call(ck_accept(server))
            defer { close(accepted) }
            try expectEqual(try call(write(client, "x", 1)), 1)
            var byte: UInt8 = 0
            try expectEqual(try call(read(accepted, &byte, 1)), 1)
        }
        Case("special.socket-of-a-dead-server", needs: .kernel) { t in
            let server = try call(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
            let path = "/proc/self/fd/\(t.folder)/socket"
            try call(ck_bind_unix(server, path))
            close(server)
            let client = try call(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
            defer { close(client) }
            try expectError(.connectionRefused) { try call(ck_connect_unix(client, path)) }
            try expectError(.addressInUse) { try call(ck_bind_unix(client, path)) }
        }
        Case("special.device-numbers", needs: .root) { t in
            for (major, minor) in [(1, 3), (8, 0), (255, 255), (4095, 1_048_575), (7, 256), (259, 65_536)] {
                for (name, type) in [("c", mode_t.characters), ("b", .blocks)] {
                    try t.mknod(Path(name), type | 0o600, (UInt32(major), UInt32(minor)))
                    let status = try t.lstat(Path(name))
                    try expectEqual(status.mode, type | 0o600)
                    try expectEqual([Int(status.node.major), Int(status.node.minor)], [major, minor])
                    try t.unlink(Path(name))
                }
            }
        }
        Case("special.regular-file-by-mknod") { t in
            try t.mknod("f", .regular | 0o640)
            try expectEqual(try t.stat("f").mode, .regular | 0o640)
            try t.open("f").write("text")
            try expectEqual(try t.text("f"), "text")
        }
        Case("special.mknod-without-type-is-a-file") { t in
            try t.mknod("f", 0o600)
            try expectEqual(try t.stat("f").type, .regular)
        }
        Case("special.mknod-of-folder-or-symlink-is-refused") { t in
            try expectError(.notPermitted, .invalidArgument) { try t.mknod("d", .folder | 0o755) }
            try expectError(.invalidArgument) { try t.mknod("l", .symlink | 0o777) }
        }
        Case("special.over-what-is-there-is-refused") { t in
            try t.make("f")
            try t.symlink("none", "s")
            try expectError(.fileExists) { try t.mknod("f", .fifo | 0o600) }
            try expectError(.fileExists) { try t.mknod("s", .fifo | 0o600) }
        }
        Case("special.sizes-are-zero") { t in
            try t.mknod("p", .fifo | 0o600)
            try t.mknod("s", .socket | 0o600)
            for name in ["p", "s"] as [Path] {
                try expectEqual(try t.stat(name).size, 0)
                try expectEqual(try t.stat(name).links, 1)
            }
        }
    }
}
