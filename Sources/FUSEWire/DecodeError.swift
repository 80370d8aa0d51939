/// Why the bytes of a request or a reply are not one.
public enum DecodeError: Error, Equatable, Sendable {
    /// Fewer bytes than the structure needs.
    case short(needed: Int, have: Int)
    /// A name or a link target without its terminating zero.
    case unterminated
    /// A name that is empty or longer than a name can be.
    case badName
    /// A length field that contradicts the bytes: what it says, what there is.
    case badLength(UInt64, have: UInt64)
}
