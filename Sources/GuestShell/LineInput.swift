import CKernel
import Glibc

/// Lines of standard input, where that is no terminal.
struct LineInput {
    private var read: [UInt8] = []
    private var hasEnded = false

    /// The next line, without its end; the last need not have one. Nothing after it.
    mutating func next() -> [UInt8]? {
        while true {
            if let end = read.firstIndex(of: UInt8(ascii: "\n")) {
                defer { read.removeSubrange(...end) }
                return Array(read[..<end])
            }
            guard !hasEnded else {
                defer { read = [] }
                return read.isEmpty ? nil : read
            }
            fill()
        }
    }

    private mutating func fill() {
        var piece = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(STDIN_FILENO, &piece, piece.count)
        if count > 0 {
            read += piece[..<count]
        } else if count == 0 || errno != EINTR {
            hasEnded = true
        }
    }
}
