import Syscalls

/// A ring half with a place of its own in memory, so that what holds it can be used through a plain reference while the
/// half changes. Who may call what at the same time is the half's own rule.
@safe struct RingPlace<Half: ~Copyable>: ~Copyable, @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Half>

    init(_ half: consuming Half) {
        unsafe pointer = .allocateOnOwnCacheLines()
        unsafe pointer.initialize(to: half)
    }

    deinit {
        unsafe pointer.deinitialize(count: 1)
        unsafe pointer.deallocate()
    }
}
