import CKernel
import Glibc

/// Where commands print to: standard output, collected until a command ends or much has come together.
final class Output {
    private let descriptor: Int32
    private var collected: [UInt8] = []
    let isTerminal: Bool

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1
    }

    func line(_ text: String) {
        collected += Array(text.utf8)
        collected.append(UInt8(ascii: "\n"))
        if collected.count > 1 << 16 { flush() }
    }

    func bytes(_ bytes: UnsafeRawBufferPointer) {
        flush()
        write(bytes)
    }

    func flush() {
        collected.withUnsafeBytes { write($0) }
        collected.removeAll(keepingCapacity: true)
    }

    /// Columns of the terminal; nothing where there is none.
    var width: Int? {
        guard isTerminal else { return nil }
        var size = winsize()
        guard ck_ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    private func write(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            guard count > 0 || errno == EINTR else { return }
            rest = rest.dropFirst(max(0, count))
        }
    }
}
