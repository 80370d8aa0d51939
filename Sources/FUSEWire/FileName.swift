import CKernel

/// A name out of a request: bytes, terminated by a zero, without a slash. Valid while the request is served.
@safe public struct FileName: @unchecked Sendable {
    public let pointer: UnsafePointer<CChar>
    /// Bytes, without the terminator.
    public let count: Int

    public init(pointer: UnsafePointer<CChar>, count: Int) {
        unsafe self.pointer = unsafe pointer
        self.count = count
    }

    /// Whether this names an entry of a folder: not empty, not ".", not "..", and without "/". A zero can't be in it.
    public var isEntryName: Bool {
        guard count > 0 else { return false }
        let dot = CChar(bitPattern: UInt8(ascii: "."))
        if unsafe pointer[0] == dot && (count == 1 || (count == 2 && pointer[1] == dot)) { return false }
        return unsafe memchr(pointer, Int32(UInt8(ascii: "/")), count) == nil
    }
}

extension FileName: CustomStringConvertible {
    public var description: String { unsafe String(cString: pointer) }
}
