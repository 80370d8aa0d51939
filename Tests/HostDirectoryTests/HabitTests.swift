import CKernel
import FUSEWire
import Glibc
import Synchronization
import Syscalls
import SystemPackage
import Testing

@testable import HostDirectory

@Suite struct HabitTests {
    private let habits = ListingHabits()
    private let lister: UInt32 = 70
    private let other: UInt32 = 71
    private func folder(_ number: UInt64) -> NodeID { NodeID(rawValue: number) }

    /// Lists a folder as the device does: what it is told, and that something was left out if so.
    private func list(_ number: UInt64, by caller: UInt32) -> ListingHabits.Nodes {
        let nodes = habits.nodes(for: folder(number), listedBy: caller)
        if nodes != .forAll { habits.leftOut(in: folder(number), listedBy: caller) }
        return nodes
    }

    @Test("Who is new gets nodes; who has looked up nothing of one folder gets none of files in the next")
    func names() {
        #expect(list(1, by: lister) == .forAllButOne)
        for number in UInt64(2)..<20 { #expect(list(number, by: lister) == .forFolders) }
        #expect(list(20, by: other) == .forAllButOne)
    }

    @Test("Who looks files up gets nodes, and is asked seldom once it has done so often")
    func lookedUp() {
        for number in UInt64(1)..<10 {
            #expect(list(4 * number, by: lister) == .forAllButOne)
            habits.lookedUp(in: folder(4 * number))
        }
        for number in UInt64(10)..<20 { #expect(list(4 * number + 1, by: lister) == .forAll) }
        #expect(list(400, by: lister) == .forAllButOne)
    }

    @Test("One file that is looked up, by whomever, brings the nodes back; one of a folder that nobody listed does not")
    func change() {
        _ = list(1, by: lister)
        #expect(list(2, by: lister) == .forFolders)
        habits.lookedUp(in: folder(3))
        #expect(list(4, by: lister) == .forFolders)
        habits.lookedUp(in: folder(4))
        #expect(list(5, by: lister) == .forAllButOne)
    }

    @Test("A request of nobody's gets nodes; a caller that takes the place of another in the table is new")
    func nobody() {
        for number in UInt64(1)..<9 { #expect(list(number, by: 0) == .forAll) }
        _ = list(1, by: lister)
        #expect(list(2, by: lister) == .forFolders)
        #expect(list(3, by: lister + 64) == .forAllButOne)
        #expect(list(4, by: lister) == .forAllButOne)
    }

    @Test("Files that have to be held, one after the other: the next is held at once, but for a sample")
    func uses() {
        let habits = UseHabits()
        for _ in 0..<4 {
            let expects = habits.expectsUse()
            #expect(!expects)
            habits.noteUse()
        }
        let looks = (0..<800).count { _ in !habits.expectsUse() }
        #expect(looks == 100)
        habits.noteKnown()
        let expects = habits.expectsUse()
        #expect(!expects)
    }

    @Test("Files that nobody uses after all: within a hundred, they are only looked at again")
    func unused() {
        let habits = UseHabits()
        for _ in 0..<100 { habits.noteUse() }
        let held = (0..<100).count { _ in
            let expects = habits.expectsUse()
            if !expects { habits.noteNew() }
            return expects
        }
        let expects = habits.expectsUse()
        #expect(!expects && held < 80)
    }

    @Test("A folder that may be read but not searched is listed all the same")
    func unsearchable() throws {
        let share = try Share()
        mkdir(share.path("folder"), 0o755)
        Share.write("", to: share.path("folder/file"))
        let node = try share.node("folder")
        chmod(share.path("folder"), 0o444)
        let listed = Mutex<Result<[String], Errno>>(.success([]))
        // As an ordinary user, which a thread can be for itself.
        let thread = try OSThread(name: "user") {
            _ = ck_setfsuid(65_534)
            let outcome = Result { () throws(Errno) in
                let handle = try share.opendir(node)
                defer { try? share.release(node, handle, folder: true) }
                return try share.list(node, handle, plus: false).map(\.text)
            }
            listed.withLock { $0 = outcome }
        }
        thread.join()
        #expect(try listed.withLock { try $0.get() }.contains("file"))
        chmod(share.path("folder"), 0o755)
    }
}
