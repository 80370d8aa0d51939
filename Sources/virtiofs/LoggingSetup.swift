import Logging

/// Where messages go, and how many.
enum LoggingSetup {
    static func start(verbosity: Int) {
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = verbosity == 0 ? .warning : verbosity == 1 ? .debug : .trace
            return handler
        }
    }

    /// - Parameters:
    ///   - level: nothing logs nothing.
    ///   - syslog: whether to syslog(3), and not to standard error.
    static func start(level: Logger.Level?, syslog: Bool = false) {
        if syslog { SyslogHandler.prepare() }
        LoggingSystem.bootstrap { label in
            guard let level else { return SwiftLogNoOpLogHandler() }
            if syslog { return SyslogHandler(label: label, level: level) }
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
    }
}
