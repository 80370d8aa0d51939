import CKernel
import VirtioTestSupport

extension RequestForge {
    private static let words: [UInt64] = [
        0, 1, 2, 7, 39, 40, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 1 << 63,
        .max,
    ]

    /// Changes a request that was right in form, whatever it means.
    mutating func spoilBytes(_ request: inout Request) {
        switch generator.next() % 9 {
        case 0: lieAboutLength(&request)
        case 1: truncate(&request, honestly: true)
        case 2: truncate(&request, honestly: false)
        case 3: putWord(&request, at: 4, UInt64(UInt32.random(in: 0...60, using: &generator)), size: 4)
        case 4: putWord(&request, at: 4, generator.next(), size: 4)
        case 5, 6: spoilArguments(&request)
        case 7:
            request.bytes.append(contentsOf: [UInt8](repeating: 0x41, count: generator.pick([1, 7, 8, 4096])))
            if generator.once(in: 2) { putWord(&request, at: 0, UInt64(request.bytes.count), size: 4) }
        default: request.room = generator.pick([0, 1, 15, 16, 17, 40, 120, 143, 9000])
        }
    }

    private func putWord(_ request: inout Request, at offset: Int, _ value: UInt64, size: Int) {
        guard request.bytes.count >= offset + size else { return }
        let bytes = withUnsafeBytes(of: value.littleEndian) { Array($0.prefix(size)) }
        request.bytes.replaceSubrange(offset..<offset + size, with: bytes)
    }

    private mutating func lieAboutLength(_ request: inout Request) {
        let right = UInt64(request.bytes.count)
        putWord(&request, at: 0, generator.pick([0, 1, 39, 40, right - 1, right + 1, right + 4096, .max]), size: 4)
    }

    private mutating func truncate(_ request: inout Request, honestly: Bool) {
        request.bytes.removeLast(Int.random(in: 0...request.bytes.count, using: &generator))
        if honestly { putWord(&request, at: 0, UInt64(request.bytes.count), size: 4) }
    }

    private mutating func spoilArguments(_ request: inout Request) {
        guard request.bytes.count > 48 else { return }
        let size = generator.pick([1, 4, 8])
        let offset = Int.random(in: 40..<request.bytes.count, using: &generator) / size * size
        let value = generator.once(in: 2) ? generator.pick(Self.words) : generator.next()
        putWord(&request, at: offset, value, size: size)
    }
}
