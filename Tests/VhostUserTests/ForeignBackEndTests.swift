import Foundation
import ServeSupport
import SystemPackage
import Testing

extension VhostUserTests {
    /// The driver against a back end that this project did not write: QEMU's own virtiofsd, where it is installed.
    @Suite(.enabled(if: OfferedDevice.Maker.present.contains(.qemu) && geteuid() == 0))
    struct ForeignBackEndTests {
        @Test("The driver reads and writes through QEMU's virtiofsd")
        func drives() throws {
            let device = try OfferedDevice(by: .qemu)
            let file = FilePath(device.share).appending("hello.txt").string
            try "hello".write(toFile: file, atomically: false, encoding: .utf8)
            let client = try Client(path: device.socketPath, packed: false)
            let node = try client.lookup("hello.txt")
            #expect(try client.read(node) == Array("hello".utf8))
            try client.write(to: node, Array("HELLO, world".utf8))
            client.close()
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "HELLO, world")
        }
    }
}
