/// Makes keys of the bytes that a terminal sends: UTF-8, control characters, and the sequences of ECMA-48 and of xterm.
struct KeyReader {
    /// The next byte; nothing at the end.
    let nextByte: () -> UInt8?

    /// The next key that means anything.
    func next() -> Key {
        while let byte = nextByte() {
            if let key = key(byte) { return key }
        }
        return .endOfInput
    }

    private func key(_ byte: UInt8) -> Key? {
        switch byte {
        case 0x0D, 0x0A: .enter
        case 0x09: .tab
        case 0x7F, 0x08: .backspace
        case 0x1B: escaped()
        case 0x01..<0x1B: .control(Character(UnicodeScalar(byte + 0x60)))
        case 0x20..<0x7F: .character(UnicodeScalar(byte))
        case 0xC2...0xF4: scalar(byte)
        default: nil
        }
    }

    private func scalar(_ first: UInt8) -> Key? {
        var bytes = [first]
        let count = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        while bytes.count < count {
            guard let next = nextByte(), next & 0xC0 == 0x80 else { return nil }
            bytes.append(next)
        }
        return String(validating: bytes, as: UTF8.self)?.unicodeScalars.first.map { .character($0) }
    }

    private func escaped() -> Key? {
        switch nextByte() {
        case UInt8(ascii: "["), UInt8(ascii: "O"): sequence()
        case UInt8(ascii: "b"): .wordLeft
        case UInt8(ascii: "f"): .wordRight
        default: nil
        }
    }

    /// Parameters, then the byte that ends the sequence (ECMA-48, 5.4).
    private func sequence() -> Key? {
        var parameters = ""
        while let byte = nextByte() {
            guard (0x40...0x7E).contains(byte) else {
                parameters.unicodeScalars.append(UnicodeScalar(byte))
                continue
            }
            let isControlled = parameters.hasSuffix(";5")
            switch UnicodeScalar(byte) {
            case "A": return .up
            case "B": return .down
            case "C": return isControlled ? .wordRight : .right
            case "D": return isControlled ? .wordLeft : .left
            case "H": return .home
            case "F": return .end
            case "~":
                return (["1": .home, "7": .home, "3": .delete, "4": .end, "8": .end] as [String: Key])[parameters]
            default: return nil
            }
        }
        return nil
    }
}
