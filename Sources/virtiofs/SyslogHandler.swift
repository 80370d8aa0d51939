import Glibc
import Logging

/// Messages to syslog(3), facility daemon.
struct SyslogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    private let label: String

    init(label: String, level: Logger.Level) {
        self.label = label
        logLevel = level
        // The name has to stay where it is for as long as the process lives.
        _ = Self.isOpen
    }

    private static let isOpen: Bool = {
        openlog(strdup("virtiofs"), LOG_PID, LOG_DAEMON)
        return true
    }()

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let words = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let line = "\(label): \(event.message)\(words)"
        line.withCString { text in withVaList([text]) { vsyslog(Self.priority(event.level), "%s", $0) } }
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
