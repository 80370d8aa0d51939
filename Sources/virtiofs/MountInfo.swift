import Glibc

/// What is mounted where, by proc(5)'s mountinfo.
struct MountInfo {
    let mountPoint: String
    let type: String
    let source: String

    /// What is mounted on `path`, which is absolute and free of links; the uppermost, if there are several.
    static func mounted(on path: String) -> MountInfo? {
        guard let file = fopen("/proc/self/mountinfo", "re") else { return nil }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        var found: MountInfo?
        while getline(&line, &capacity, file) > 0 {
            if let info = MountInfo(line: String(cString: line!)), info.mountPoint == path { found = info }
        }
        return found
    }

    /// The mount point is the fifth field; type and source are the first two behind a lone hyphen.
    init?(line: String) {
        let fields = line.split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard let hyphen = fields.firstIndex(of: "-"), hyphen >= 5, fields.count > hyphen + 2 else { return nil }
        mountPoint = Self.unescape(fields[4])
        type = Self.unescape(fields[hyphen + 1])
        source = Self.unescape(fields[hyphen + 2])
    }

    /// Spaces and the like are written as a backslash and three octal digits.
    private static func unescape(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
