public import SystemPackage

/// Reads a recording, from a file that may hold anything.
public struct RecordingReader: Sequence, IteratorProtocol {
    private let content: [UInt8]
    private var offset: Int
    private var count = 0
    /// How the device was told to serve.
    public let settings: String
    /// What is wrong with the entry at which the reading ended.
    public private(set) var error: RecordingError?

    public init(path: FilePath) throws(RecordingError) {
        do {
            let file = try FileDescriptor.open(path, .readOnly)
            let content = try file.closeAfter { try Self.all(of: file) }
            try self.init(content)
        } catch let error as RecordingError {
            throw error
        } catch {
            throw .system(error as? Errno ?? .ioError)
        }
    }

    private static func all(of file: FileDescriptor) throws -> [UInt8] {
        var content: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        while case let count = try piece.withUnsafeMutableBytes({ try file.read(into: $0) }), count > 0 {
            content += piece.prefix(count)
        }
        return content
    }

    public init(_ content: [UInt8]) throws(RecordingError) {
        guard content.count >= Recording.headSize, content.starts(with: Recording.magic) else { throw .notARecording }
        self.content = content
        let version = Self.number(UInt32.self, in: content, at: Recording.magic.count)
        guard Recording.versions.contains(version) else { throw .version(version) }
        let size = Int(Self.number(UInt32.self, in: content, at: Recording.magic.count + 4))
        guard size <= content.count - Recording.headSize else { throw .notARecording }
        offset = Recording.headSize + size
        settings = String(decoding: content[Recording.headSize..<offset], as: UTF8.self)
    }

    private func number<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type, at offset: Int) -> Number {
        Self.number(type, in: content, at: offset)
    }

    private static func number<Number: FixedWidthInteger & BitwiseCopyable>(
        _ type: Number.Type, in content: [UInt8], at offset: Int
    ) -> Number {
        content.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Number.self)) }
    }

    public mutating func next() -> RecordedExchange? {
        guard error == nil, offset < content.count else { return nil }
        guard content.count - offset >= Recording.entrySize else { return fail() }
        let requestSize = Int(number(UInt32.self, at: offset))
        let replySize = Int(number(UInt32.self, at: offset + 4))
        let start = offset + Recording.entrySize
        guard requestSize <= Recording.largestPart, replySize <= Recording.largestPart,
            content.count - start >= requestSize + replySize
        else { return fail() }
        let middle = start + requestSize
        let exchange = RecordedExchange(
            queue: Int(number(UInt16.self, at: offset + 8)), start: number(UInt64.self, at: offset + 16),
            end: number(UInt64.self, at: offset + 24), request: Array(content[start..<middle]),
            reply: Array(content[middle..<middle + replySize]))
        offset = middle + replySize
        count += 1
        return exchange
    }

    private mutating func fail() -> RecordedExchange? {
        error = .entry(number: count)
        return nil
    }
}
