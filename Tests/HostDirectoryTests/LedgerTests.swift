import CKernel
import FUSEWire
import Synchronization
import Syscalls
import SystemPackage
import Testing

@testable import HostDirectory

@Suite struct LedgerTests {
    let share: Share
    init() throws { share = try Share() }

    @Test("FORGET takes back what it says, at most what there is, and a wrong node harms nobody")
    func forget() throws {
        Share.write("", to: share.path("a"))
        let node = try share.node("a")
        for _ in 0..<9 { _ = try share.node("a") }
        #expect(share.fs.lookupCount == 10)
        share.fs.forget(node, count: 4)
        share.fs.forget(node, count: 0)
        share.fs.forget(NodeID(rawValue: node.rawValue + 1 << 32), count: 100)
        share.fs.forget(.root, count: .max)
        #expect(share.fs.lookupCount == 6 && share.fs.inodeCount == 2)
        share.fs.forget(node, count: .max)
        share.fs.forget(node, count: 1)
        #expect(share.fs.lookupCount == 0 && share.fs.inodeCount == 1)
    }

    @Test("Lookups and forgets of four threads at the same files leave exact counts and no descriptor")
    func racing() throws {
        let names = (0..<8).map { "file \($0)" }
        for name in names { Share.write(name, to: share.path(name)) }
        let surplus = Atomic<Int>(0)
        try withThreads(4) { thread in
            for round in 0..<4000 {
                let name = names[(round &* 7 &+ thread) % names.count]
                guard let node = try? share.node(name) else { continue }
                let attributes = try? share.fs.getattr(node, nil, share.request())
                if attributes?.attr.size != UInt64(name.utf8.count) { surplus.store(1 << 30, ordering: .relaxed) }
                if round % 100 == 0 {
                    surplus.wrappingAdd(1, ordering: .relaxed)
                } else {
                    share.fs.forget(node, count: 1)
                }
            }
        }
        #expect(share.fs.lookupCount == UInt64(surplus.load(ordering: .relaxed)))
        #expect(share.descriptorCount == share.fs.inodeCount)
        share.fs.end()
        #expect(share.fs.lookupCount == 0 && share.fs.inodeCount == 1 && share.descriptorCount == 1)
    }

    @Test("FORGET and RELEASE racing with use never close a descriptor under somebody")
    func racingUse() throws {
        Share.write("content", to: share.path("file"))
        let shared = Atomic<UInt64>(1)
        let opened = Atomic<UInt64>(0)
        let wrong = Atomic<Int>(0)
        let stop = Atomic<Bool>(false)
        try withThreads(3) { _ in
            while !stop.load(ordering: .relaxed) {
                let node = NodeID(rawValue: shared.load(ordering: .acquiring))
                let seen = errorOf {
                    guard node != .root else { return }
                    if try share.fs.getattr(node, nil, share.request()).attr.size != 7 { throw Errno.ioError }
                    let handle = opened.load(ordering: .acquiring)
                    if try share.read(node, handle) != "content" { throw Errno.ioError }
                }
                if ![0, ESTALE, EBADF].contains(seen.rawValue) { wrong.add(1, ordering: .relaxed) }
            }
        } meanwhile: {
            defer { stop.store(true, ordering: .relaxed) }
            for _ in 0..<3000 {
                let node = try share.node("file")
                let handle = try share.open(node, O_RDONLY)
                opened.store(handle, ordering: .releasing)
                shared.store(node.rawValue, ordering: .releasing)
                try share.release(node, handle)
                share.fs.forget(node, count: 1)
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
        #expect(share.fs.lookupCount == 0 && share.fs.openHandleCount == 0 && share.descriptorCount == 1)
    }

    @Test("The end of a session closes all nodes but the root and all handles; the share then serves the next one")
    func end() throws {
        for index in 0..<100 {
            let (node, _) = try share.create("file \(index)")
            _ = try share.open(node, O_RDONLY)
        }
        _ = try share.opendir(.root)
        #expect(share.descriptorCount == 302)
        share.fs.end()
        #expect(share.descriptorCount == 1 && share.fs.openHandleCount == 0 && share.fs.inodeCount == 1)
        _ = share.fs.begin(offered: [])
        #expect(try share.lookup("file 7").attr.ino == share.status("file 7").st_ino)
    }

    @Test("The names of a place in the slab differ, until they are used up, and then it stays empty")
    func generations() throws {
        let slab = Slab<UInt64>()
        var names: Set<UInt64> = []
        for _ in 0..<1000 {
            let name = try slab.insert(7)
            names.insert(name)
            let pin = try #require(slab.pin(name))
            let (first, second) = (pin.header.pointee.pins.retire(), pin.header.pointee.pins.retire())
            #expect(first && !second)
            #expect(slab.pin(name) == nil)
            #expect(slab.unpin(pin))
            slab.recycle(pin)
        }
        #expect(names.count == 1000 && Set(names.map { UInt32(truncatingIfNeeded: $0) }) == [1])
        let last = try slab.insert(7)
        let record = slab.record(at: 1)
        record.header.pointee.pins.publish(generation: .max)
        slab.recycle(.init(record: record, id: last | 0xffff_ffff << 32))
        #expect(UInt32(truncatingIfNeeded: try slab.insert(7)) == 2)
    }

    @Test("Places of every segment are found where they were put")
    func manyPlaces() throws {
        let slab = Slab<UInt64>()
        let names = try (0..<200_000).map { try slab.insert(UInt64($0)) }
        for (index, name) in names.enumerated() {
            let pin = try #require(slab.pin(name))
            #expect(pin.payload == UInt64(index))
            _ = slab.unpin(pin)
        }
    }

    @Test("A node takes at most 256 bytes of memory")
    func memory() throws {
        #expect(InodeTable.bytesPerInode <= 64)  // and its bucket, eight bytes at most
    }
}
