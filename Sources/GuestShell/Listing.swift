import CKernel
import GuestVFS

/// Attributes as ls(1) and stat(1) write them.
enum Listing {
    /// "drwxr-xr-x".
    static func modeText(_ attributes: fuse_attr) -> String {
        let mode = attributes.mode
        var text = [typeLetter(attributes)]
        for (shift, special, letter) in [
            (6, UInt32(S_ISUID), "s"), (3, UInt32(S_ISGID), "s"), (0, UInt32(S_ISVTX), "t"),
        ]
            as [(UInt32, UInt32, Character)]
        {
            let bits = mode >> shift
            text.append(bits & 4 != 0 ? "r" : "-")
            text.append(bits & 2 != 0 ? "w" : "-")
            let runs = bits & 1 != 0
            if mode & special != 0 {
                text.append(runs ? letter : Character(letter.uppercased()))
            } else {
                text.append(runs ? "x" : "-")
            }
        }
        return String(text)
    }

    private static func typeLetter(_ attributes: fuse_attr) -> Character {
        switch Int32(bitPattern: attributes.fileType) {
        case S_IFDIR: "d"
        case S_IFLNK: "l"
        case S_IFIFO: "p"
        case S_IFSOCK: "s"
        case S_IFCHR: "c"
        case S_IFBLK: "b"
        default: "-"
        }
    }

    static func typeName(_ attributes: fuse_attr) -> String {
        switch Int32(bitPattern: attributes.fileType) {
        case S_IFDIR: "folder"
        case S_IFLNK: "symbolic link"
        case S_IFIFO: "FIFO"
        case S_IFSOCK: "socket"
        case S_IFCHR: "character device"
        case S_IFBLK: "block device"
        default: "regular file"
        }
    }

    /// "2026-01-31 09:05", and with nanoseconds to their last digit.
    static func time(_ seconds: UInt64, _ nanoseconds: UInt32? = nil) -> String {
        var moment = time_t(bitPattern: UInt(seconds))
        var parts = tm()
        guard localtime_r(&moment, &parts) != nil else { return String(moment) }
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : String(number) }
        let day = "\(Int(parts.tm_year) + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        let minute = "\(two(parts.tm_hour)):\(two(parts.tm_min))"
        guard let nanoseconds else { return "\(day) \(minute)" }
        let fraction = String(nanoseconds)
        return "\(day) \(minute):\(two(parts.tm_sec))." + String(repeating: "0", count: max(0, 9 - fraction.count))
            + fraction
    }

    /// "1.5K", "12M".
    static func human(_ bytes: UInt64) -> String {
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < 6 {
            value /= 1024
            unit += 1
        }
        guard unit > 0 else { return String(bytes) }
        let tenths = Int((value * 10).rounded(.up))
        let letter = Array("BKMGTPE")[unit]
        return tenths < 100 ? "\(tenths / 10).\(tenths % 10)\(letter)" : "\((tenths + 9) / 10)\(letter)"
    }

    /// Rows with their columns below each other.
    ///
    /// - Parameter right: columns that are numbers.
    static func table(_ rows: [[String]], right: Set<Int>) -> [String] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in rows.map { $0.count > column ? ShownWidth.of($0[column]) : 0 }.max()! }
        return rows.map { row in
            row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - ShownWidth.of(row[column]))
                if right.contains(column) { return padding + row[column] }
                return column == row.count - 1 ? row[column] : row[column] + padding
            }.joined(separator: " ")
        }
    }

    /// Names side by side, as many as fit, sorted downwards.
    static func columns(_ names: [String], width: Int) -> [String] {
        guard !names.isEmpty else { return [] }
        let widths = names.map(ShownWidth.of)
        for rowCount in 1...names.count {
            let starts = stride(from: 0, to: names.count, by: rowCount)
            let columnWidths = starts.map { widths[$0..<min($0 + rowCount, names.count)].max()! + 2 }
            guard rowCount == names.count || columnWidths.reduce(-2, +) <= width else { continue }
            return (0..<rowCount).map { row in
                zip(starts, columnWidths).filter { $0.0 + row < names.count }.map { start, columnWidth in
                    let isLast = start + row + rowCount >= names.count
                    let padding = isLast ? 0 : columnWidth - widths[start + row]
                    return names[start + row] + String(repeating: " ", count: padding)
                }.joined()
            }
        }
        return names
    }
}
