import CKernel
import Glibc
import Logging
import Syscalls
import SystemPackage

/// Messages to the system's log, facility daemon, in the form of syslog(3), which itself can't be used: it connects when
/// and as often as it likes, and a confined process can't.
struct SyslogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    private let label: String

    init(label: String, level: Logger.Level) {
        self.label = label
        logLevel = level
    }

    /// Finds on the host what a process can't once it is confined: the socket, and its number there.
    static func prepare() { _ = (socket, process) }

    /// A socket to the system's logger, made once and never closed; nothing where there is none.
    static let socket: FileDescriptor? = {
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = Glibc.socket(AF_UNIX, kind, 0)
        guard socket >= 0, ck_connect_unix(socket, "/dev/log") == 0 else { return nil }
        return FileDescriptor(rawValue: socket)
    }()

    /// The number by which the host knows this process, or the one that stays outside of its sandbox.
    private static let process = getpid()

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let words = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let priority = LOG_DAEMON | Self.priority(event.level)
        let line = "<\(priority)>virtiofs[\(Self.process)]: \(label): \(event.message)\(words)"
        // Nobody waits for a logger that is slow or gone.
        if let socket = Self.socket { _ = try? socket.send(Array(line.utf8)) }
    }

    private static func priority(_ level: Logger.Level) -> Int32 {
        switch level {
        case .trace, .debug: LOG_DEBUG
        case .info: LOG_INFO
        case .notice: LOG_NOTICE
        case .warning: LOG_WARNING
        case .error: LOG_ERR
        case .critical: LOG_CRIT
        }
    }
}
