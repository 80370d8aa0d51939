import CKernel
import FUSEWire
import HostDirectory
import Synchronization
import Syscalls
import SystemPackage
import Testing

@Suite struct ConfinementTests {
    let share: Share
    init() throws { share = try Share() }

    @Test("A folder that is swapped for a symbolic link again and again never leads outside")
    func symlinkSwap() throws {
        mkdir(share.path("folder"), 0o755)
        Share.write("inside", to: share.path("folder/outside"))
        symlink("..", share.path("link"))
        let stop = Atomic<Bool>(false)
        try withThreads(1) { _ in
            while !stop.load(ordering: .relaxed) {
                renameat2(AT_FDCWD, share.path("folder"), AT_FDCWD, share.path("link"), UInt32(RENAME_EXCHANGE))
            }
        } meanwhile: {
            defer { stop.store(true, ordering: .relaxed) }
            for _ in 0..<3000 {
                guard let folder = try? share.node("folder"), let node = try? share.node("outside", in: folder),
                    let handle = try? share.open(node, O_RDONLY)
                else { continue }
                #expect(try share.read(node, handle) == "inside")
                try share.release(node, handle)
            }
        }
        share.fs.end()
        #expect(share.fs.lookupCount == 0 && share.descriptorCount == 1)
    }

    @Test("A symbolic link is never followed: not as a parent, not by OPEN, not by CREATE")
    func links() throws {
        symlink(share.base, share.path("up"))
        symlink(share.base + "/outside", share.path("file"))
        let (up, file) = (try share.node("up"), try share.node("file"))
        #expect(errorOf { try share.lookup("outside", in: up) } == .notDirectory)
        #expect(errorOf { try share.opendir(up) } == .notDirectory)
        #expect(errorOf { try share.open(file, O_RDONLY) } == .tooManySymbolicLinkLevels)
        #expect(errorOf { try share.create("file", O_RDWR | O_TRUNC) } == .tooManySymbolicLinkLevels)
        #expect(errorOf { try share.change(file) { $0.valid = UInt32(FATTR_SIZE) } } == .invalidArgument)
        #expect(try share.lookup("file").attr.mode & UInt32(S_IFMT) == UInt32(S_IFLNK))
    }

    @Test("A FIFO, a socket and a device are never opened: OPEN, CREATE, size", .timeLimit(.minutes(1)))
    func special() throws {
        mkfifo(share.path("fifo"), 0o666)
        mknod(share.path("socket"), mode_t(S_IFSOCK) | 0o666, 0)
        mknod(share.path("device"), mode_t(S_IFCHR) | 0o666, ck_makedev(1, 3))
        for name in ["fifo", "socket", "device"] {
            let node = try share.node(name)
            for flags in [O_RDONLY, O_WRONLY, O_RDWR | O_NONBLOCK] {
                #expect(errorOf { try share.open(node, flags) } == .noSuchAddressOrDevice)
                #expect(errorOf { try share.create(name, flags) } == .noSuchAddressOrDevice)
            }
            #expect(errorOf { try share.opendir(node) } == .notDirectory)
            #expect(errorOf { try share.change(node) { $0.valid = UInt32(FATTR_SIZE) } } == .invalidArgument)
            share.fs.forget(node, count: 1)
        }
        #expect(share.fs.lookupCount == 0)
    }
}

/// Runs `body` on a thread as the device has them, with a umask of its own.
func onOwnThread(_ body: () throws -> Void) throws {
    let outcome = Outcome()
    try withoutActuallyEscaping(body) { body in
        let call = UncheckedCall(body: body)
        try withThreads(1) { _ in outcome.result = Result { try call.body() } }
    }
    try outcome.result?.get()
}

private final class Outcome: @unchecked Sendable { var result: Result<Void, any Error>? }
private struct UncheckedCall: @unchecked Sendable { let body: () throws -> Void }

/// Runs `body` on so many threads, `meanwhile` on this one, and waits for all.
func withThreads(
    _ count: Int, _ body: @escaping @Sendable (Int) -> Void, meanwhile: () throws -> Void = {}
) throws {
    let threads = try (0..<count).map { index in try OSThread(name: "test \(index)") { body(index) } }
    defer { threads.forEach { $0.join() } }
    try meanwhile()
}
