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

    /// - Parameter level: nothing logs nothing.
    static func start(level: Logger.Level?) {
        LoggingSystem.bootstrap { label in
            guard let level else { return SwiftLogNoOpLogHandler() }
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
    }
}
