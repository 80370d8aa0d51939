import CKernel
import FUSEWire
import Syscalls

/// Keeps a reader on the processor of the thread whose requests it serves, and lets it defer to that thread (``Deference``).
///
/// While a request is served, who made it sleeps, so the two never need two processors: but left to itself, the scheduler
/// gives each its own, and each hand-over wakes a sleeping processor, which takes longer than most requests. That holds
/// for small requests of one caller. Those of several, and large ones, which the kernel may read ahead while the caller
/// computes, are better served wherever there is room.
struct CallerFollower {
    /// How often a caller's processor is looked up: at most, and where it stays where it was.
    private static let intervals: (shortest: UInt64, longest: UInt64) = (100_000, 3_200_000)
    /// Requests, one behind the other, that did not wait for the reader before it looks where their caller is. Those of a
    /// caller on the reader's own processor wait: it doesn't run while the caller does.
    private static let awaited = 2
    /// Requests that came right behind a RELEASE tell nothing: with so many of them it looks, too.
    private static let uncertainties = 16
    /// A request that carries more is large, and how many of those one after the other end the following.
    private static let largeRequest = 16 << 10
    private static let patience = 4
    /// Requests follow each other quickly when there is less time between two, and how many have to before a reader defers.
    private static let quick: UInt64 = 1_000_000
    private static let quickRequests = 8
    /// Time between two requests that ends the deferring.
    private static let stall: UInt64 = 4_000_000
    /// How long it waits before it looks again whether the machine has nothing else to do.
    private static let idleLook: UInt64 = 1_000_000
    /// How often it looks whether it shares its processor with another reader.
    private static let placeLook: UInt64 = 1_000_000
    /// How long a reader doesn't defer after it was held up: first, and at most.
    private static let pauses: (first: UInt64, longest: UInt64) = (10_000_000, 1_000_000_000)

    private var callers = CallerMix()
    private let lookup: CallerLookup
    private let deference: Deference
    private let places: ThreadPlaces
    private let index: Int
    private let thread = ck_gettid()

    private var processor: Int?
    /// Where the caller is, but this process may not be: it isn't tried again before the next look.
    private var refused: Int?
    private var nextLook: UInt64 = 0
    private var interval = intervals.shortest
    private var waits = 0
    private var uncertain = 0
    /// Whether the last request was one that nobody waits for.
    private var isBehindUnawaited = false
    private var largeRequests = 0
    private var nextPlaceLook: UInt64 = 0
    private var hasPlace = false
    private var givingWay = GivingWay()

    private var isDeferring = false
    private var deferringSince: UInt64 = 0
    private var lastRequest: UInt64 = 0
    private var inARow = 0
    private var notBefore: UInt64 = 0
    private var pause = pauses.first

    /// - Parameter index: the reader's number.
    init(_ lookup: CallerLookup, _ deference: Deference, _ places: ThreadPlaces, index: Int) {
        self.lookup = lookup
        self.deference = deference
        self.places = places
        self.index = index
    }

    /// The reader is about to look for the next request.
    mutating func giveWay() {
        guard hasPlace else { return }
        let start = monotonicNanoseconds()
        guard givingWay.isWorthwhile(at: start) else { return }
        yieldProcessor()
        givingWay.note(from: start, to: monotonicNanoseconds())
    }

    /// A request is about to be served.
    ///
    /// - Parameters:
    ///   - head: its first bytes.
    ///   - isAlone: whether no other reader serves requests.
    ///   - turn: what the reader has seen.
    mutating func note(_ head: UnsafeRawBufferPointer, _ length: Int, isAlone: Bool, _ turn: ReaderTurn) {
        let header = head.loadUnaligned(as: fuse_in_header.self)
        // FORGET and the like are nobody's, and a RELEASE is nothing that anybody waits for.
        guard header.pid != 0, header.opcode != Opcode.release.rawValue else {
            isBehindUnawaited = true
            return
        }
        let isBehind = isBehindUnawaited
        isBehindUnawaited = false
        callers.note(header.pid)
        guard isAlone, !callers.areSeveral else {
            roam()
            return isAlone ? leavePlace() : keepPlace(at: turn.received)
        }
        leavePlace()
        guard !isLarge(header, head, length) else {
            largeRequests += 1
            return largeRequests >= Self.patience ? roam() : ()
        }
        largeRequests = 0
        let mayBeElsewhere = noteWait(turn.hadWaited, isBehind: isBehind)
        if processor == nil || mayBeElsewhere { follow(header.pid, at: turn.received) }
        if processor != nil { considerDeferring(at: turn.received) }
    }

    /// Whether the caller may be on another processor.
    ///
    /// - Parameters:
    ///   - hadWaited: whether the request had waited for the reader.
    ///   - isBehind: whether it came right behind one that nobody waits for. Then it would have waited on any processor.
    private mutating func noteWait(_ hadWaited: Bool, isBehind: Bool) -> Bool {
        switch (hadWaited, isBehind) {
        case (false, _): waits += 1
        case (true, false): (waits, uncertain) = (0, 0)
        case (true, true):
            uncertain += 1
            guard uncertain >= Self.uncertainties else { break }
            uncertain = 0
            return true
        }
        return waits >= Self.awaited
    }

    /// Whether a request carries much, and the caller may do something else meanwhile. A program that writes waits, unless it
    /// is the kernel that writes pages of its cache.
    private func isLarge(_ header: fuse_in_header, _ head: UnsafeRawBufferPointer, _ length: Int) -> Bool {
        let start = MemoryLayout<fuse_in_header>.size
        switch Opcode(rawValue: header.opcode) {
        case .read:
            return head.loadUnaligned(fromByteOffset: start, as: fuse_read_in.self).size > UInt32(Self.largeRequest)
        case .write:
            guard length > Self.largeRequest else { return false }
            let flags = head.loadUnaligned(fromByteOffset: start, as: fuse_write_in.self).write_flags
            return flags & UInt32(FUSE_WRITE_CACHE) != 0
        default: return length > Self.largeRequest
        }
    }

    private mutating func follow(_ caller: UInt32, at now: UInt64) {
        if now >= nextLook {
            interval = min(interval * 2, Self.intervals.longest)
            nextLook = now &+ interval
            lookup.ask(caller)
            refused = nil
        }
        guard let found = lookup.processor(of: caller), found != processor, found != refused else { return }
        waits = 0
        guard Affinity.stay(on: found) else {
            refused = found
            return unpin()
        }
        processor = found
        interval = Self.intervals.shortest
    }

    private mutating func considerDeferring(at now: UInt64) {
        let between = now &- lastRequest
        lastRequest = now
        guard isDeferring else {
            inARow = between < Self.quick ? inARow + 1 : 0
            if inARow >= Self.quickRequests, now >= notBefore { beginDeferring(at: now) }
            return
        }
        let isRescued = !deference.holds(thread)
        if isRescued { unpin() }
        if isRescued || between > Self.stall { endDeferring(at: now) }
    }

    private mutating func beginDeferring(at now: UInt64) {
        inARow = 0
        isDeferring = deference.isMachineIdle && deference.begin(thread)
        if isDeferring { deferringSince = now } else { notBefore = now &+ Self.idleLook }
    }

    /// The longer the pause, the sooner the reader was held up by somebody else.
    private mutating func endDeferring(at now: UInt64) {
        isDeferring = false
        inARow = 0
        deference.end(thread)
        if now &- deferringSince > 10 * Self.pauses.first { pause = Self.pauses.first }
        guard !deference.isMachineIdle else { return }
        notBefore = now &+ pause
        pause = min(pause * 2, Self.pauses.longest)
    }

    private mutating func roam() {
        if isDeferring {
            isDeferring = false
            deference.end(thread)
        }
        unpin()
    }

    private mutating func unpin() {
        guard processor != nil else { return }
        processor = nil
        Affinity.roam()
    }

    /// Serves mostly several callers: two such readers on one processor push the callers to the others, and every request and
    /// every answer then wakes a thread across processors, which takes longer than a small request. Each on its own, they are
    /// put aside by the callers that they wake beside them, and find the next request when they are back, without having
    /// slept.
    private mutating func keepPlace(at now: UInt64) {
        guard now >= nextPlaceLook else { return }
        nextPlaceLook = now &+ Self.placeLook
        places.keepApart(index)
        hasPlace = true
    }

    private mutating func leavePlace() {
        guard hasPlace else { return }
        places.leave(index)
        hasPlace = false
    }

    /// The reader is to park.
    mutating func rest() {
        roam()
        leavePlace()
    }
}

/// Whether requests come from one caller or from several at a time.
struct CallerMix {
    /// A change of the caller counts as many requests.
    private static let weight = 4
    private static let several = 32

    private var last: UInt32 = 0
    private var score = 0
    private(set) var areSeveral = false

    mutating func note(_ caller: UInt32) {
        score = caller == last ? max(score - 1, 0) : min(score + Self.weight, Self.several)
        last = caller
        if score == Self.several { areSeveral = true } else if score == 0 { areSeveral = false }
    }
}
