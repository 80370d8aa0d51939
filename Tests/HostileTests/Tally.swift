import FUSEWire
import Foundation

/// Counts of what came of the requests, by opcode and errno.
struct Tally {
    private var counts: [UInt32: [Int32: Int]] = [:]
    private(set) var total = 0
    /// Requests that the file system has seen for certain: neither refused for their form, nor without a name for what they
    /// want. Those that it has itself found invalid are not in here.
    private(set) var reached = 0

    mutating func count(opcode: UInt32, errno: Int32?) {
        total += 1
        // Opcodes that are none share a line.
        let line = Opcode(rawValue: opcode) == nil ? UInt32.max : opcode
        counts[line, default: [:]][errno ?? -1, default: 0] += 1
        switch errno {
        case EINVAL, ENOSYS, EIO: break
        case .some: reached += 1
        case nil: if opcode == Opcode.forget.rawValue || opcode == Opcode.batchForget.rawValue { reached += 1 }
        }
    }

    /// One line an opcode.
    var table: String {
        counts.sorted { $0.key < $1.key }.map { opcode, errors in
            let name = Opcode(rawValue: opcode).map { "\($0)" } ?? "(none)"
            let sum = errors.values.reduce(0, +)
            let cells = errors.sorted { $0.value > $1.value }.map { "\(Self.name(of: $0.key)) \($0.value)" }
            return "\(name) \(sum): " + cells.joined(separator: ", ")
        }.joined(separator: "\n")
    }

    private static func name(of errno: Int32) -> String {
        switch errno {
        case -1: "(no reply)"
        case 0: "ok"
        default: String(cString: strerror(errno)).lowercased()
        }
    }
}
