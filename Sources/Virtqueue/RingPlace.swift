/// A ring half with a place of its own in memory, so that what holds it can be used through a plain reference while the
/// half changes. Who may call what at the same time is the half's own rule.
@safe struct RingPlace<Half: ~Copyable>: ~Copyable, @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Half>

    init(_ half: consuming Half) {
        // Several threads use it in turn: on cache lines of its own.
        let count = (MemoryLayout<Half>.size + 127) & ~127
        unsafe pointer = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 128)
            .bindMemory(to: Half.self, capacity: 1)
        unsafe pointer.initialize(to: half)
    }

    deinit {
        unsafe pointer.deinitialize(count: 1)
        unsafe pointer.deallocate()
    }
}
