import CKernel
import FUSEWire
import Syscalls
import SystemPackage
import Testing
import VirtioFSDriver
import VirtioTestSupport

/// How the client's calls and Swift tasks meet.
struct ClientTaskTests {
    @Test("A thousand calls at once from a few threads, over queues with fewer slots; the ledgers agree")
    func many() async throws {
        var options = DriverOptions()
        options.queueSize = 8
        options.requestQueueCount = 3
        try await ClientUnderTest.run(options) { test in
            for index in 0..<50 { try test.folder.add("f\(index)", Array("content \(index)".utf8)) }
            let (client, caller) = (test.client, test.caller)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<1000 {
                    group.addTask {
                        let name = EntryName("f\(index % 50)")
                        let entry = try await client.lookup(.root, name, as: caller)
                        let size = try await client.getattr(NodeID(rawValue: entry.nodeid), as: caller).attr.size
                        #expect(size == UInt64("content \(index % 50)".utf8.count))
                        if index % 3 == 0 { client.forget(NodeID(rawValue: entry.nodeid)) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(client.heldLookups == 1000 - 334)
            let node = try await test.node("f1")
            #expect(client.heldLookups(of: node) == 14)
            client.forget([node, node, node])
            #expect(client.heldLookups(of: node) == 11)
            client.forget(node, 100)
            client.forget(node)
            #expect(client.heldLookups(of: node) == 0)
        }
    }

    @Test("Calls that the device stalls block no thread of Swift's: tasks go on")
    func stalled() async throws {
        let gate = Gate()
        try await ClientUnderTest.run(
            hook: { opcode, _ in
                if opcode == .statfs { gate.pass() }
            }
        ) { test in
            let (client, caller) = (test.client, test.caller)
            // More than Swift has threads for tasks, and than the ring has slots.
            let stalled = (0..<300).map { _ in Task { try await client.statfs(.root, as: caller) } }
            while gate.arrivalCount == 0 { await Task.yield() }
            // These run behind the 300 that have been started.
            for _ in 0..<300 { await Task {}.value }
            gate.letThrough()
            for task in stalled { _ = try await task.value }
        }
    }

    @Test("Cancelling a task that waits for a lock ends the wait with EINTR, and the lock is not taken")
    func cancelledLock() async throws {
        let asked = Gate()
        asked.letThrough()
        try await ClientUnderTest.run(
            hook: { opcode, _ in
                if opcode == .setlkw { asked.pass() }
            }
        ) { test in
            let (client, caller) = (test.client, test.caller)
            try test.folder.add("f")
            try await test.withFile("f", O_RDWR) { node, handle in
                let whole = fuse_file_lock(start: 0, end: UInt64(Int64.max), type: UInt32(F_WRLCK), pid: 1)
                try await client.setlk(node, handle, owner: 1, whole, as: caller)
                let waiting = Task {
                    await failure { () async throws(Errno) in
                        try await client.setlk(node, handle, owner: 2, whole, waits: true, as: caller)
                    }
                }
                while asked.arrivalCount == 0 { await Task.yield() }
                waiting.cancel()
                #expect(await waiting.value == .interrupted)
                let found = try await client.getlk(node, handle, owner: 2, whole, as: caller)
                #expect(found.type == UInt32(F_WRLCK))
                // A lock that comes free in time is taken.
                let patient = Task { try await client.setlk(node, handle, owner: 2, whole, waits: true, as: caller) }
                var free = whole
                free.type = UInt32(F_UNLCK)
                try await client.setlk(node, handle, owner: 1, free, as: caller)
                try await patient.value
                #expect(
                    await failure { () async throws(Errno) in
                        try await client.setlk(node, handle, owner: 1, whole, as: caller)
                    } == .resourceTemporarilyUnavailable)
                try await client.flock(node, handle, owner: 1, type: F_WRLCK, as: caller)
                try await client.flush(node, handle, owner: 2, as: caller)
            }
        }
    }

    @Test("A task that is cancelled already still opens and releases: nothing stays open on the device")
    func cancelledBefore() async throws {
        try await ClientUnderTest.run { test in
            try test.folder.add("f")
            let (client, caller) = (test.client, test.caller)
            let node = try await test.node("f")
            let task = Task {
                while !Task.isCancelled { await Task.yield() }
                for _ in 0..<100 {
                    let open = try await client.open(node, flags: O_RDONLY, as: caller)
                    try await client.release(node, FileHandle(rawValue: open.fh), as: caller)
                }
            }
            task.cancel()
            try await task.value
        }
    }

    @Test("After a reset the client holds nothing, and forgets nothing that it no longer holds")
    func reset() async throws {
        let test = try DriverUnderTest { $0.answerZeros() }
        #expect(test.driver.ledger.heldLookups == 0)
        let client = try await FUSEClient(driver: test.driver)
        test.setScript { chain in
            var entry = fuse_entry_out()
            entry.nodeid = 7
            chain.answer(payload: withUnsafeBytes(of: entry) { Array($0) })
        }
        let node = NodeID(rawValue: 7)
        for _ in 0..<3 { _ = try await client.lookup(.root, "x", as: .root) }
        #expect(client.heldLookups == 3 && client.heldLookups(of: node) == 3)
        test.setScript { $0.finish(id: .max) }
        #expect(await failure { () async throws(Errno) in try await client.lookup(.root, "x", as: .root) } == .ioError)
        #expect(test.inits.wait(for: 3))
        test.setScript { $0.answerZeros() }
        _ = try await client.statfs(.root, as: .root)
        client.forget(node, 3)
        #expect(client.heldLookups == 0 && client.heldLookups(of: node) == 0)
    }

    @Test("A device that goes with the session that is closed is left alone")
    func closed() async throws {
        let test = try DriverUnderTest { $0.answerZeros() }
        let client = try await FUSEClient(driver: test.driver)
        let opened = test.inits.count
        test.setScript { $0.queue.breakDown() }
        await client.close()
        #expect(await failure { () async throws(Errno) in try await client.statfs(.root, as: .root) } == .ioError)
        #expect(test.inits.count == opened)
    }

    @Test(
        "A listing whose names lead elsewhere is EIO, and what it gave is counted all the same",
        arguments: ["../x", "/", "", "a\0b"])
    func namesThatLeadElsewhere(name: String) async throws {
        let test = try DriverUnderTest { $0.answerZeros() }
        let client = try await FUSEClient(driver: test.driver)
        test.setScript { chain in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 8)
            defer { buffer.deallocate() }
            var writer = DirectoryEntryWriter(into: buffer)
            let isPlus = chain.header.opcode == Opcode.readdirplus.rawValue
            for (cookie, name) in ["fine", name].enumerated() {
                var entry = fuse_entry_out()
                entry.nodeid = 7
                Array((name + "x").utf8).withUnsafeBytes { bytes in
                    writer.append(
                        inode: 1, cookie: UInt64(cookie + 1), type: 0,
                        name: UnsafeRawBufferPointer(rebasing: bytes.dropLast()), entry: isPlus ? entry : nil)
                }
            }
            chain.answer(payload: Array(buffer.prefix(writer.count)))
        }
        for plus in [false, true] {
            let error = await failure { () async throws(Errno) in
                let handle = FileHandle(rawValue: 1)
                return plus
                    ? try await client.readdirplus(.root, handle, after: 0, as: .root)
                    : try await client.readdir(.root, handle, after: 0, as: .root)
            }
            #expect(error == .ioError)
        }
        #expect(client.heldLookups == 2 && client.heldLookups(of: NodeID(rawValue: 7)) == 2)
        client.forgetAll()
        #expect(client.heldLookups == 0)
    }
}
