import CKernel
import Glibc
import Sandbox
import Syscalls
import SystemPackage

/// A process that confines itself as `virtiofs serve` does, and then, as code of a guest's would, tries one way out.
///
/// Its exit status is 0 where the way is closed and 3 where it is open; with a filter, the attempt may be its end.
@main
enum Probe {
    static func main() {
        let words = CommandLine.arguments.dropFirst()
        guard words.count == 6, let settings = Settings(Array(words)) else { _exit(2) }
        if settings.isOrdinary { become(user: 65534) }
        // What an attacker could have found out before.
        let outside = Outside(settings)
        confine(settings)
        let isOpen = attempts[settings.attempt]!(outside)
        print(isOpen ? "open" : "closed (\(String(cString: strerror(errno))))")
        exit(isOpen ? 3 : 0)
    }

    private static func become(user: UInt32) {
        do {
            try ProcessControl.leaveGroups()
            try ProcessControl.become(user: user, group: user)
        } catch { _exit(2) }
        // As after an execve(2): a process that has changed its user can't map ids.
        _ = ck_prctl(PR_SET_DUMPABLE, 1, 0)
    }

    private static func confine(_ settings: Settings) {
        do {
            let share = try FileDescriptor.folder(at: FilePath(settings.share)).release()
            // Something of the host's that a careless caller has left open.
            _ = try FileDescriptor.workingFolder.openAt("/", flags: O_RDONLY | O_DIRECTORY)
            _ = try settings.sandbox.enter(share: share) {}
        } catch {
            print("not confined: \(error)")
            exit(2)
        }
    }
}

/// The words of the command line: the mode and the filter, whether as an ordinary user, the attempt, the share, and a
/// process, a file and a port outside of it.
struct Settings {
    var sandbox = Sandbox()
    let isOrdinary: Bool
    let attempt: String
    let share: String
    let process: pid_t
    let outside: String
    let port: UInt16

    init?(_ words: [String]) {
        let form = words[0].split(separator: "/").map { String($0) }
        guard form.count == 3, let mode = Sandbox.Mode(rawValue: form[0]),
            let filter = SystemCallFilter.Action(rawValue: form[1]), attempts[words[1]] != nil,
            let process = pid_t(words[3]), let port = UInt16(words[5])
        else { return nil }
        sandbox.mode = mode
        sandbox.filter = filter
        isOrdinary = form[2] == "ordinary"
        attempt = words[1]
        share = words[2]
        self.process = process
        outside = words[4]
        self.port = port
    }
}
