import CKernel
import FUSEWire
import HostDirectory
import Synchronization
import Syscalls
import SystemPackage
import Testing

@testable import VirtioFSDevice

@Suite struct LockTests {
    let share: Share
    let node: NodeID
    let handle: UInt64

    init() throws {
        share = try Share()
        (node, handle) = try share.create("file")
    }

    private func arguments(
        _ owner: UInt64, _ type: Int32, _ range: ClosedRange<UInt64>, whole: Bool = false, pid: UInt32 = 0,
        through handle: UInt64? = nil
    ) -> fuse_lk_in {
        fuse_lk_in(
            fh: handle ?? self.handle, owner: owner,
            lk: fuse_file_lock(start: range.lowerBound, end: range.upperBound, type: UInt32(type), pid: pid),
            lk_flags: whole ? UInt32(FUSE_LK_FLOCK) : 0, padding: 0)
    }

    private func set(
        _ owner: UInt64, _ type: Int32, _ range: ClosedRange<UInt64> = 0...UInt64(Int64.max), whole: Bool = false,
        waits: Bool = false, pid: UInt32 = 0, _ request: Request? = nil
    ) -> Errno {
        errorOf {
            try share.fs.setlk(
                node, arguments(owner, type, range, whole: whole, pid: pid), waits: waits, request ?? share.request())
        }
    }

    private func get(_ owner: UInt64, _ type: Int32, _ range: ClosedRange<UInt64>) throws -> fuse_file_lock {
        try share.fs.getlk(node, arguments(owner, type, range), share.request())
    }

    /// What the host's own lock of the range comes to, in a file that it opens itself.
    private func host(_ range: RangeLock) throws -> Errno {
        let file = OwnedDescriptor(owning: try FileDescriptor.workingFolder.openAt(share.path("file"), flags: O_RDWR))
        return errorOf { try file.descriptor.setLock(range) }
    }

    private let success = Errno(rawValue: 0)
    private let refused = Errno.resourceTemporarilyUnavailable

    @Test("Owners stand in each other's way, byte for byte; one owner's locks replace each other")
    func owners() throws {
        #expect(set(1, F_WRLCK, 0...99) == success)
        #expect(set(2, F_WRLCK, 50...60) == refused && set(2, F_RDLCK, 99...99) == refused)
        #expect(set(2, F_WRLCK, 100...200) == success)
        #expect(set(1, F_RDLCK, 0...49) == success && set(3, F_RDLCK, 0...49) == success)
        #expect(set(1, F_WRLCK, 0...0) == refused)
        #expect(set(1, F_UNLCK, 50...99) == success && set(3, F_WRLCK, 50...99) == success)
        #expect(set(9, F_UNLCK) == success)
        #expect(set(1, 77) == .invalidArgument && set(1, F_RDLCK, (1 << 63)...(1 << 63)) == .invalidArgument)
    }

    @Test("GETLK tells range, type and process of what stands in the way, and nothing of one's own")
    func getlk() throws {
        #expect(set(1, F_WRLCK, 10...19, pid: 4711) == success)
        #expect(set(1, F_RDLCK, 30...UInt64(Int64.max), pid: 4712) == success)
        let first = try get(2, F_RDLCK, 0...99)
        #expect(first.start == 10 && first.end == 19 && first.type == UInt32(F_WRLCK) && first.pid == 4711)
        let second = try get(2, F_WRLCK, 25...40)
        #expect(second.start == 30 && second.end == UInt64(Int64.max) && second.pid == 4712)
        #expect(try get(2, F_RDLCK, 25...40).type == UInt32(F_UNLCK))
        #expect(try get(1, F_WRLCK, 0...99).type == UInt32(F_UNLCK))
    }

    @Test("The host, and another mount of the folder, see the locks, and we theirs")
    func hostAndOtherMount() throws {
        let other = try HostDirectory(path: FilePath(share.root))
        _ = other.begin(offered: InitFlags(rawValue: .max))
        let entry = try other.lookup(.root, share.name("file"), share.request())
        let otherNode = NodeID(rawValue: entry.nodeid)
        var theirs = arguments(1, F_WRLCK, 0...9)
        theirs.fh = try other.open(otherNode, fuse_open_in(flags: UInt32(O_RDWR), open_flags: 0), share.request()).fh
        #expect(set(1, F_WRLCK, 0...9) == success)
        #expect(errorOf { try other.setlk(otherNode, theirs, waits: false, share.request()) } == refused)
        #expect(try host(RangeLock(type: F_RDLCK, start: 5, end: 5)) == refused)
        #expect(try host(RangeLock(type: F_RDLCK, start: 10, end: 10)) == success)
        let file = OwnedDescriptor(owning: try FileDescriptor.workingFolder.openAt(share.path("file"), flags: O_RDWR))
        try file.descriptor.setLock(RangeLock(type: F_WRLCK, start: 20, end: 29))
        #expect(set(1, F_RDLCK, 25...25) == refused)
        #expect(try get(1, F_RDLCK, 0...99).start == 20)
        try file.descriptor.setWholeLock(F_RDLCK)
        #expect(set(1, F_WRLCK, whole: true) == refused && set(1, F_RDLCK, whole: true) == success)
    }

    @Test("FLUSH drops the owner's locks of fcntl(2), RELEASE those of flock(2) when it says so, the session's end all")
    func dropping() throws {
        #expect(set(1, F_WRLCK) == success && set(2, F_WRLCK, whole: true) == success)
        #expect(set(3, F_WRLCK) == refused && set(3, F_WRLCK, whole: true) == refused)
        var flush = fuse_flush_in()
        (flush.fh, flush.lock_owner) = (handle, 2)
        try share.fs.flush(node, flush, share.request())
        #expect(set(3, F_WRLCK) == refused && set(3, F_WRLCK, whole: true) == refused)
        flush.lock_owner = 1
        try share.fs.flush(node, flush, share.request())
        #expect(set(3, F_WRLCK) == success && set(3, F_WRLCK, whole: true) == refused)
        let other = try share.open(node, O_RDWR)
        var release = fuse_release_in()
        (release.fh, release.lock_owner, release.release_flags) = (other, 2, UInt32(FUSE_RELEASE_FLOCK_UNLOCK))
        try share.fs.release(node, release, share.request())
        #expect(set(3, F_WRLCK, whole: true) == success)
        share.fs.end()
        #expect(try host(RangeLock(type: F_WRLCK, start: 0, end: .max)) == success)
        #expect(share.descriptorCount == 1)
    }

    @Test("Locks of an open file (F_OFD_SETLK) go with its RELEASE, which does not name their owner")
    func openFileLocks() throws {
        let other = try share.open(node, O_RDWR)
        let mine = arguments(77, F_WRLCK, 0...9, through: other)
        try share.fs.setlk(node, mine, waits: false, share.request())
        #expect(set(1, F_WRLCK, 0...9) == refused && set(1, F_WRLCK, 10...19) == success)
        // The file of another owner stays locked.
        try share.fs.setlk(node, arguments(77, F_RDLCK, 30...39), waits: false, share.request())
        try share.release(node, other)
        #expect(set(2, F_WRLCK, 0...9) == success && set(2, F_WRLCK, 10...19) == refused)
    }

    @Test("SETLKW and flock wait until the lock is free", .timeLimit(.minutes(1)), arguments: [false, true])
    func waiting(whole: Bool) throws {
        #expect(set(1, F_WRLCK, whole: whole) == success)
        let got = Atomic<Int32>(-1)
        try withThreads(1) { _ in
            got.store(set(2, F_WRLCK, whole: whole, waits: true).rawValue, ordering: .releasing)
        } meanwhile: {
            usleep(100_000)
            #expect(got.load(ordering: .acquiring) == -1)
            #expect(set(1, F_UNLCK, whole: whole) == success)
        }
        #expect(got.load(ordering: .acquiring) == 0 && set(1, F_WRLCK, whole: whole) == refused)
    }

    enum Breaking: CaseIterable { case interrupt, earlyInterrupt, queueStop, release, sessionEnd }

    @Test(
        "A lock that waits is broken off by INTERRUPT, RELEASE, the queue's stop and the session's end",
        .timeLimit(.minutes(1)), arguments: Breaking.allCases)
    func breaking(how: Breaking) throws {
        let host = WaitingHost()
        #expect(set(1, F_WRLCK) == success)
        let id = RequestID(rawValue: 42)
        if how == .earlyInterrupt { host.interrupts.interrupt(id) }
        let got = Atomic<Int32>(-1)
        try withThreads(1) { _ in
            let request = Request()
            request.header.unique = id.rawValue
            request.server = host
            request.hasBlocked = true
            got.store(set(2, F_WRLCK, waits: true, request).rawValue, ordering: .releasing)
        } meanwhile: {
            while how != .earlyInterrupt && !host.isWaiting { usleep(1000) }
            switch how {
            case .interrupt: host.interrupts.interrupt(id)
            case .earlyInterrupt: break
            case .queueStop: host.interrupts.interruptAll(on: host)
            case .release: try share.release(node, handle)
            case .sessionEnd: share.fs.end()
            }
        }
        #expect(got.load(ordering: .acquiring) == EINTR)
        share.fs.end()
        #expect(share.descriptorCount == 1)
    }

    @Test("A queue's last thread does not wait for a lock: it may be the one to serve the unlock")
    func lastThread() throws {
        let host = WaitingHost()
        let request = Request()
        request.server = host
        #expect(set(1, F_WRLCK) == success)
        #expect(set(2, F_WRLCK, waits: true, request) == Errno(rawValue: ENOLCK))
    }

    @Test("Locks of eight threads keep a counter in the file right", .timeLimit(.minutes(1)))
    func exclusion() throws {
        let wrong = Atomic<Int>(0)
        let counter = Counter()
        try withThreads(8) { thread in
            for round in 0..<200 {
                let whole = round % 2 == 0
                if set(UInt64(thread), F_WRLCK, whole: true, waits: true) != success {
                    wrong.add(1, ordering: .relaxed)
                }
                if !whole, set(UInt64(thread), F_WRLCK, 0...0, waits: true) != success {
                    wrong.add(1, ordering: .relaxed)
                }
                counter.value += 1
                if !whole, set(UInt64(thread), F_UNLCK, 0...0) != success { wrong.add(1, ordering: .relaxed) }
                if set(UInt64(thread), F_UNLCK, whole: true) != success { wrong.add(1, ordering: .relaxed) }
            }
        }
        #expect(counter.value == 1600 && wrong.load(ordering: .relaxed) == 0)
    }
}

/// Guarded by the locks under test, of which no sanitizer knows: so it is volatile in its own way.
private final class Counter: Sendable {
    private let bits = Atomic<Int>(0)
    /// Not one atomic step, on purpose.
    var value: Int {
        get { bits.load(ordering: .relaxed) }
        set { bits.store(newValue, ordering: .relaxed) }
    }
}

/// What a queue server is to a request that waits.
private final class WaitingHost: BlockingHost, Sendable {
    let interrupts = InterruptRegistry()
    private let waiting = Atomic<Bool>(false)

    var isWaiting: Bool { waiting.load(ordering: .acquiring) }

    func willBlock(_ request: Request) throws(Errno) {}
    func startWait(_ request: Request, _ action: @escaping @Sendable () -> Void) throws(Errno) -> Int {
        defer { waiting.store(true, ordering: .releasing) }
        return try interrupts.startWait(of: request.id, on: self, action)
    }
    func endWait(_ wait: Int) { interrupts.endWait(wait) }
}
