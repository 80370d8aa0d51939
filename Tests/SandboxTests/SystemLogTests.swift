import CKernel
import Glibc
import ProcessSupport
import ServeSupport
import SystemPackage
import Testing
import VirtioTestSupport

/// What the system's logs get from a process that is confined.
@Suite struct SystemLogTests {
    @Test("With --seccomp log, a call that the filter refuses is made, and the kernel logs its number")
    func refusedCall() throws {
        let place = try Place(user: "root")
        let log = try KernelLog()
        // Its namespace, not the filter, keeps the attempt from the network. The kernel logs at most ten lines in five
        // seconds, and other tests' processes may have had those.
        let isLogged = ServeProcess.wait(seconds: 30, pause: 500_000) {
            #expect((try? place.fate(of: "network", in: "namespace/log/root")) == .closed)
            return log.news().contains {
                $0.contains("exe=\"\(Place.probe)\"") && $0.contains(" syscall=\(SYS_socket) ")
                    && $0.contains(" code=0x7ffc0000")  // SECCOMP_RET_LOG
            }
        }
        #expect(isLogged)
    }

    @Test("With --syslog, what a confined device has to say reaches the system's logger, and nobody else")
    func logger() throws {
        let place = TemporaryFolder()
        let logger = OwnedSocket(AF_UNIX, kind: SOCK_DGRAM)
        logger.bind(at: place.path.appending("log").string)
        let output = try succeedInNamespace(
            """
            mkdir dev
            for file in null fuse; do touch dev/$file; mount --bind /dev/$file dev/$file; done
            touch dev/log
            mount --bind '\(place.path)/log' dev/log
            mount --rbind dev /dev
            virtiofs serve share --socket-path socket --rlimit-nofile 256 --syslog &
            until [ -e socket ]; do sleep 0.1; done
            echo "process $!"
            (cd share && seq 300 | xargs touch)
            virtiofs attach --socket-path socket m > /dev/null
            python3 -c 'import glob; files = [open(name) for name in glob.glob("m/*")]' 2> errors || echo "some failed"
            umount m
            """)
        let process = try #require(output.split(separator: "\n").first { $0.hasPrefix("process ") }).dropFirst(8)
        #expect(output.hasSuffix("some failed\n"), "\(output)")
        // LOG_DAEMON | LOG_ERR.
        let beginning = "<27>virtiofs[\(process)]: virtiofs.files: "
        let messages = logger.messages()
        #expect(messages.count == 1 && messages.allSatisfy { $0.hasPrefix(beginning) }, "\(messages)")
        #expect(messages.first?.hasSuffix(" limit=256") == true, "\(messages)")
    }
}
