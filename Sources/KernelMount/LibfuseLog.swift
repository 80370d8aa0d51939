import CFuse3
import Glibc
import Syscalls

/// What libfuse would print to standard error, kept, so that the user sees one line and not several.
enum LibfuseLog {
    private final class Kept: @unchecked Sendable {
        let lock = Lock()
        var text = ""
    }

    private static let kept = Kept()

    static func install() {
        fuse_set_log_func { _, format, arguments in LibfuseLog.keep(format, arguments) }
    }

    private static func keep(_ format: UnsafePointer<CChar>?, _ arguments: CVaListPointer?) {
        guard let format, let arguments else { return }
        var buffer = [CChar](repeating: 0, count: 512)
        vsnprintf(&buffer, buffer.count, format, arguments)
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let text = String(decoding: bytes, as: UTF8.self)
        // A message can come in several pieces.
        kept.lock.withLock { kept.text += text }
    }

    /// The first message since this was last called: the cause, of which later ones are consequences.
    static func takeMessage() -> String? {
        kept.lock.withLock {
            defer { kept.text = "" }
            guard let message = kept.text.split(separator: "\n").first else { return nil }
            return String(message.hasPrefix("fuse: ") ? message.dropFirst(6) : message)
        }
    }
}
