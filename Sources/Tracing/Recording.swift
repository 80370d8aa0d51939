public import SystemPackage

/// A recording of what a device was asked and what it answered.
///
/// The file, all numbers little-endian: the eight bytes `virtiofs`, the version (32 bits, 2), the length of the settings (32
/// bits), and the settings: text that says how the device was told to serve. A file of version 1 has none. Then one entry
/// for each request, in the order in which they were answered:
///
/// | bytes | what |
/// |---|---|
/// | 4 | length of the request |
/// | 4 | length of the answer; zero where there is none |
/// | 2 | number of the queue |
/// | 6 | zero |
/// | 8 | when the request was taken, in nanoseconds of a clock that never jumps |
/// | 8 | when it was answered |
/// | | the request: `fuse_in_header` and what follows |
/// | | the answer: `fuse_out_header` and what follows |
public enum Recording {
    static let magic = Array("virtiofs".utf8)
    static let versions: ClosedRange<UInt32> = 1...2
    static let headSize = 16
    static let entrySize = 32
    /// Bytes of a request or an answer at most: more than any device takes.
    static let largestPart = 16 << 20

    /// What begins the file.
    static func head(settings: String) -> [UInt8] {
        let text = Array(settings.utf8)
        return magic + bytes(of: versions.upperBound.littleEndian) + bytes(of: UInt32(text.count).littleEndian) + text
    }
}

/// A request and its answer.
public struct RecordedExchange: Equatable, Sendable {
    public let queue: Int
    /// Nanoseconds, from any point in time on.
    public let start: UInt64
    public let end: UInt64
    public let request: [UInt8]
    /// Empty where a request has none.
    public let reply: [UInt8]
}

/// Why a file is no recording.
public enum RecordingError: Error, Equatable, Sendable {
    case system(Errno)
    case notARecording
    case version(UInt32)
    /// The file ends in the middle of an entry, or an entry says that it is longer than any can be.
    case entry(number: Int)
}

func bytes<Value: BitwiseCopyable>(of value: Value) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
