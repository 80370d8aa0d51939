import ProcessSupport
import Syscalls
import SystemPackage
import Testing
import VhostUser
import VirtioTestSupport

extension VhostUserTests {
    /// A device that comes up and answers nothing.
    @Suite struct SilentDeviceTests {
        @Test("bench gives up a device that doesn't answer its INIT")
        func noSession() throws {
            let requests = NotificationCounter()
            let device = MockDevice { _ in requests.add() }
            device.claims.queueSizes = [1024, 1024]
            let folder = TemporaryFolder()
            let path = folder.path.appending("socket")
            let listener = try FileDescriptor.listening(at: path, mode: 0o600)
            let stop = try EventDescriptor()
            let server = try OSThread(name: "server") { [listener = listener.descriptor, stop = stop.descriptor] in
                try? BackEndServer(device: device).serve(listener: listener, stop: stop)
            }
            let outcome = try Child(commandPath, ["bench", "--socket-path", path.string]).outcome()
            stop.ring()
            server.join()
            #expect(outcome.status == 1)
            #expect(outcome.errors == "virtiofs: the session can't be opened: Input/output error\n")
            #expect(requests.count == 1)
        }
    }
}
