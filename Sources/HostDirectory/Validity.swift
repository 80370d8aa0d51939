/// How long an answer is good for, as FUSE writes it.
struct Validity: Sendable {
    let seconds: UInt64
    let nanoseconds: UInt32

    init(_ duration: Duration) {
        let (seconds, attoseconds) = max(duration, .zero).components
        self.seconds = UInt64(seconds)
        nanoseconds = UInt32(attoseconds / 1_000_000_000)
    }

    var isZero: Bool { seconds == 0 && nanoseconds == 0 }
}
