import Foundation
import ServeSupport
import Testing
import SystemPackage
import VirtioTestSupport

extension VhostUserTests {
    /// The driver against a back end that this project did not write: QEMU's own virtiofsd, where it is installed.
    @Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: foreignBackEnd) && geteuid() == 0))
    struct ForeignBackEndTests {
        @Test("The driver reads and writes through QEMU's virtiofsd")
        func drives() throws {
            let folder = TemporaryFolder()
            let place = TemporaryFolder()
            try folder.add("hello.txt", Array("hello".utf8))
            let socket = place.path.appending("socket").string
            let process = Process()
            process.executableURL = URL(fileURLWithPath: foreignBackEnd)
            process.arguments = [
                "--socket-path=\(socket)", "-o", "source=\(folder.path.string)", "-o", "sandbox=chroot",
            ]
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            defer {
                process.terminate()
                process.waitUntilExit()
            }
            try #require(ServeProcess.wait(seconds: 10) { FileManager.default.fileExists(atPath: socket) })
            let client = try Client(path: socket, packed: false)
            let node = try client.lookup("hello.txt")
            #expect(try client.read(node) == Array("hello".utf8))
            try client.write(to: node, Array("HELLO, world".utf8))
            client.close()
            #expect(try folder.content("hello.txt") == Array("HELLO, world".utf8))
        }
    }
}

/// Where QEMU's package puts it.
private let foreignBackEnd = "/usr/lib/qemu/virtiofsd"
