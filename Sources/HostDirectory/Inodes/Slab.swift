import Synchronization
import Syscalls
import SystemPackage

/// Records with names that are never given out twice: generation in the upper half, place in the lower.
///
/// The memory of a record is never freed and never moves while the slab lives, so that any name, however old or invented,
/// can be examined safely. A place whose generations are used up is left empty for ever.
///
/// `@unchecked Sendable`: what is shared is atomic, or guarded by `lock`, or belongs to one thread by the rules of
/// ``PinWord``.
final class Slab<Payload: BitwiseCopyable>: @unchecked Sendable {
    /// What threads share of a record, all of it atomic: nothing here is ever modified in the eyes of the language.
    struct Header: ~Copyable {
        let pins = PinWord()
        /// Belongs to the slab's owner, who may change it while the record is pinned, unlike the payload.
        let word = Atomic<UInt64>(0)
        /// A link in a list of places: the owner's while the record is alive, the free list's when it is not.
        let next = Atomic<UInt32>(0)
        /// A descriptor and a pointer, of which the slab knows nothing: as `word`.
        let descriptor = Atomic<Int32>(-1)
        let memory = Atomic<UnsafeMutableRawPointer?>(nil)
    }

    /// Where a record is: its header and behind that its payload, in one cache line if they are small enough.
    struct Record {
        fileprivate static var payloadOffset: Int {
            let alignment = MemoryLayout<Payload>.alignment
            return (MemoryLayout<Header>.size + alignment - 1) & ~(alignment - 1)
        }

        let base: UnsafeMutableRawPointer

        @inline(__always) var header: UnsafeMutablePointer<Header> { base.assumingMemoryBound(to: Header.self) }
        /// Constant while the record is alive or pinned.
        @inline(__always) var payload: UnsafeMutablePointer<Payload> {
            (base + Self.payloadOffset).assumingMemoryBound(to: Payload.self)
        }

        /// The link; see ``Header``.
        var next: UInt32 {
            get { header.pointee.next.load(ordering: .relaxed) }
            nonmutating set { header.pointee.next.store(newValue, ordering: .relaxed) }
        }
    }

    /// A record that stays what it is until it is given to ``unpin(_:)``.
    struct Pin {
        let record: Record
        let id: UInt64
        /// Whether what the record stands for was evicted when this pin was taken.
        var wasEvicted = false

        @inline(__always) var payload: Payload { record.payload.pointee }
        @inline(__always) var header: UnsafeMutablePointer<Header> { record.header }
        var index: UInt32 { UInt32(truncatingIfNeeded: id) }
    }

    private typealias Segment = UnsafeMutableRawPointer
    /// Segment `n` has `firstSegment << n` records: so many segments hold every place that 32 bits can name.
    private static var firstSegment: UInt64 { 1024 }
    private static var segmentCount: Int { 22 }
    private static var largestPlace: UInt32 { .max - 2048 }

    private let segments: UnsafeMutablePointer<Atomic<Segment?>>
    /// Places below this one have been used, 0 excepted, which ends lists.
    private let limit = Atomic<UInt32>(1)
    private let lock = Lock()
    private var firstFree: UInt32 = 0

    init() {
        segments = .allocate(capacity: Self.segmentCount)
        for index in 0..<Self.segmentCount { (segments + index).initialize(to: Atomic(nil)) }
    }

    deinit {
        for index in 0..<Self.segmentCount {
            segments[index].load(ordering: .relaxed)?.deallocate()  // records need no deinitialization
        }
        segments.deinitialize(count: Self.segmentCount)
        segments.deallocate()
    }

    /// Bytes that one record takes.
    static var recordSize: Int { (Record.payloadOffset + MemoryLayout<Payload>.size + 63) & ~63 }

    /// The first place that was never used.
    var end: UInt32 { limit.load(ordering: .acquiring) }

    /// The record at a place below ``end``.
    @inline(__always)
    func record(at index: UInt32) -> Record {
        let (segment, offset) = Self.locate(index)
        let base = segments[segment].load(ordering: .acquiring).unsafelyUnwrapped
        return Record(base: base + offset &* Self.recordSize)
    }

    @inline(__always)
    private static func locate(_ index: UInt32) -> (segment: Int, offset: Int) {
        let shifted = UInt64(index) &+ firstSegment
        let segment = 63 &- shifted.leadingZeroBitCount &- firstSegment.trailingZeroBitCount
        return (segment, Int(truncatingIfNeeded: shifted &- firstSegment << UInt64(segment)))
    }

    /// The record of that name, held until ``unpin(_:)``; nothing if the name is not alive.
    ///
    /// - Parameter marking: whether this counts as a use; see ``PinWord/takeUse()``.
    @inline(__always)
    func pin(_ id: UInt64, marking: Bool = true) -> Pin? {
        let index = UInt32(truncatingIfNeeded: id)
        guard index != 0, index < end else { return nil }
        let record = record(at: index)
        let generation = UInt32(truncatingIfNeeded: id >> 32)
        guard let evicted = record.header.pointee.pins.pin(generation: generation, marking: marking) else { return nil }
        return Pin(record: record, id: id, wasEvicted: evicted)
    }

    /// Whatever is alive at a place below ``end``.
    func pin(at index: UInt32, marking: Bool = true) -> Pin? {
        pin(UInt64(record(at: index).header.pointee.pins.generation) << 32 | UInt64(index), marking: marking)
    }

    /// Lets go. True when the record is now the caller's to clean up and ``recycle(_:)``.
    @inline(__always)
    func unpin(_ pin: Pin) -> Bool { pin.header.pointee.pins.unpin() }

    /// Makes a record; its name. `prepare` sees it before anybody else can. With `memory`, it begins as an evicted one.
    ///
    /// - Throws: ENFILE when there are no places left.
    func insert(
        _ payload: Payload, word: UInt64 = 0, descriptor: Int32 = -1, memory: UnsafeMutableRawPointer? = nil,
        generation first: UInt32 = 1,
        prepare: (Record, UInt32) -> Void = { _, _ in }
    ) throws(Errno) -> UInt64 {
        let (index, isNew) = try takePlace()
        let record = record(at: index)
        let generation = isNew ? first : record.header.pointee.pins.generation + 1
        record.payload.initialize(to: payload)
        record.header.pointee.word.store(word, ordering: .relaxed)
        record.header.pointee.descriptor.store(descriptor, ordering: .relaxed)
        record.header.pointee.memory.store(memory, ordering: .relaxed)
        prepare(record, index)
        record.header.pointee.pins.publish(generation: generation, isEvicted: memory != nil)
        return UInt64(generation) << 32 | UInt64(index)
    }

    /// Gives the place of a record that ``unpin(_:)`` left to the caller to the next who needs one.
    func recycle(_ pin: Pin) {
        guard pin.id >> 32 < UInt64(UInt32.max) else { return }
        lock.withLock {
            pin.record.next = firstFree
            firstFree = pin.index
        }
    }

    private func takePlace() throws(Errno) -> (index: UInt32, isNew: Bool) {
        lock.lock()
        defer { lock.unlock() }
        if firstFree != 0 {
            let index = firstFree
            firstFree = record(at: index).next
            return (index, false)
        }
        let index = limit.load(ordering: .relaxed)
        guard index < Self.largestPlace else { throw .tooManyOpenFilesInSystem }
        addSegment(for: index)
        record(at: index).header.initialize(to: Header())
        limit.store(index + 1, ordering: .releasing)
        return (index, true)
    }

    private func addSegment(for index: UInt32) {
        let (segment, _) = Self.locate(index)
        guard segments[segment].load(ordering: .relaxed) == nil else { return }
        // The pages of a large allocation cost nothing until a record touches them.
        let records = Segment.allocate(
            byteCount: Self.recordSize * (Int(Self.firstSegment) << segment), alignment: 64)
        segments[segment].store(records, ordering: .releasing)
    }
}
