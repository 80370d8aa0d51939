import CKernel
import FUSEWire
import HostDirectory
import Logging
import Syscalls
import SystemPackage
import Testing
import Virtio
import VirtioFSDevice
import VirtioFSDriver
import VirtioTestSupport

/// More requests than slots, and what must pass all the same.
struct FullRingTests {
    private static func options(queueSize: UInt16, queues: Int = 1) -> DriverOptions {
        var options = DriverOptions()
        (options.queueSize, options.requestQueueCount) = (queueSize, queues)
        return options
    }

    @Test(
        "Calls from 60 threads over 8 slots of each of 2 queues all complete, answered in any order",
        arguments: [true, false])
    func manyThreads(indirect: Bool) throws {
        let held = Journal<MockChain>()
        var claims = MockDevice.Claims(requestQueueCount: 2)
        if !indirect { claims.features.remove(.indirectDescriptors) }
        let test = try DriverUnderTest(claims, options: Self.options(queueSize: 8, queues: 2)) { held.append($0) }
        let answering = try OSThread(name: "answering") {
            var generator = SeededGenerator(seed: 1)
            var answered = 0
            while answered < 60 * 20 {
                guard held.wait(for: 1) else { return }
                for chain in held.removeAll().shuffled(using: &generator) {
                    chain.answerZeros()
                    answered += 1
                }
            }
        }
        let results = Journal<Bool>()
        let threads = try (0..<60).map { index in
            try OSThread(name: "caller-\(index)") {
                for _ in 0..<20 {
                    let message: FUSEMessage = index % 3 == 0 ? .read(size: 6000) : .getattr
                    let result = test.call(message, queue: index)
                    results.append((try? result.get().count) == (index % 3 == 0 ? 6000 : 104))
                }
            }
        }
        threads.forEach { $0.join() }
        answering.join()
        #expect(results.count == 60 * 20 && results.all.allSatisfy { $0 })
    }

    @Test("FORGET and INTERRUPT pass while all request slots are taken by a device that never answers")
    func hiprioPasses() throws {
        let held = Journal<MockChain>()
        let hiprio = Journal<UInt32>()
        let test = try DriverUnderTest(options: Self.options(queueSize: 8)) { chain in
            guard chain.queue.number == 0 else { return held.append(chain) }
            hiprio.append(chain.header.opcode)
            chain.finish()
        }
        let replies = Journal<(UInt64, Errno?)>()
        test.driver.onReply { replies.append(($0.id.rawValue, $0.error)) }
        let lane = DriverLane(test.driver, index: 0)
        for unique in 1...12 { lane.sendWhole(FUSEMessage(opcode: 17, node: 1, unique: UInt64(unique)).bytes) }
        #expect(held.wait(for: 8))
        for _ in 0..<50 {
            lane.sendWhole(FUSEMessage.forget(1).bytes)
            lane.sendWhole(FUSEMessage.interrupt(3).bytes)
        }
        #expect(hiprio.wait(for: 100))
        #expect(hiprio.all.filter { $0 == Opcode.interrupt.rawValue }.count == 50, "for a request that the device has")
        // One that has not gone out is answered by the driver itself, and never goes out.
        lane.sendWhole(FUSEMessage.interrupt(10).bytes)
        #expect(replies.all.map(\.0) == [10] && replies.all.map(\.1) == [.interrupted])
        #expect(hiprio.count == 100)
        test.setScript { $0.answerZeros() }
        held.all.forEach { $0.answerZeros() }
        #expect(replies.wait(for: 12))
        #expect(replies.all.map(\.0).sorted() == Array(1...12))
    }

    @Test("FORGETs bring no interrupts; those that find no slot go out as soon as the device returns others")
    func forgetsWithoutInterrupts() throws {
        let held = Journal<MockChain>()
        var claims = MockDevice.Claims()
        claims.heedsEvents = true
        let test = try DriverUnderTest(claims, options: Self.options(queueSize: 8)) { held.append($0) }
        let queue = try #require(test.device.queue(0))
        func post(_ count: Int) { for _ in 0..<count { test.driver.post(FUSEMessage.forget(1).bytes) } }
        func finish() { held.removeAll().forEach { $0.finish() } }
        for _ in 0..<20 {
            post(8)
            #expect(held.wait(for: 8))
            finish()
        }
        #expect(queue.interrupts.count <= 1, "a ring begins with the wish for one")
        post(8 + 5)
        #expect(held.wait(for: 8))
        finish()
        #expect(held.wait(for: 5), "told by an interrupt that there are slots again")
        finish()
        let before = queue.interrupts.count
        for _ in 0..<20 {
            post(8)
            #expect(held.wait(for: 8))
            finish()
        }
        #expect(queue.interrupts.count <= before + 1)
    }

    /// The replies of one lane would else be delivered by two threads, and its next requests sent by both.
    @Test("What is returned to a polled lane is delivered by who polls, whoever interrupts; later by interrupts again")
    func polledLane() throws {
        let held = Journal<MockChain>()
        let test = try DriverUnderTest { held.append($0) }
        let replies = Journal<UInt64>()
        test.driver.onReply { replies.append($0.id.rawValue) }
        func exchange(_ lane: PolledLane, _ unique: UInt64) {
            _ = lane.prepare()
            let bytes = FUSEMessage(opcode: 17, node: 1, unique: unique).bytes
            bytes.withUnsafeBytes { lane.send(head: $0, length: $0.count, lending: false) }
            #expect(held.wait(for: 1))
            // The mock interrupts, though it was not asked to.
            held.removeAll().forEach { $0.answerZeros() }
        }
        do {
            let lane = PolledLane(test.driver, index: 0)
            for unique in UInt64(1)...3 {
                exchange(lane, unique)
                #expect(replies.count == Int(unique) - 1)
                lane.takeReplies()
                #expect(replies.count == Int(unique))
            }
            exchange(lane, 4)
            #expect(replies.count == 3)
        }
        #expect(replies.all == [1, 2, 3, 4])
    }

    @Test("An INTERRUPT for a call that is parked ends that call with EINTR")
    func interruptParkedCall() throws {
        let held = Journal<MockChain>()
        let test = try DriverUnderTest(options: Self.options(queueSize: 4)) { chain in
            if chain.queue.number == 0 { chain.finish() } else { held.append(chain) }
        }
        let taken = try test.startCalls(4, .getattr)
        #expect(held.wait(for: 4))
        let results = Journal<Errno?>()
        let started = OneTimeEvent()
        var message = FUSEMessage.statfs
        message.header.unique = 77
        let bytes = message.bytes
        let parked = try OSThread(name: "parked") {
            started.signal()
            do throws(Errno) {
                _ = try test.driver.call(bytes)
                results.append(nil)
            } catch {
                results.append(error)
            }
        }
        started.wait()
        // The call may not be parked yet: then the device is told, which this one ignores; so ask until it is answered.
        let deadline = monotonicNanoseconds() + 120_000_000_000
        while results.count == 0 && monotonicNanoseconds() < deadline {
            test.driver.post(FUSEMessage.interrupt(77).bytes)
        }
        #expect(results.all == [.interrupted])
        parked.join()
        test.setScript { $0.answerZeros() }
        held.all.forEach { $0.answerZeros() }
        _ = taken.wait()
    }

    @Test("Lanes that wait for requests never hold all slots: calls, INIT among them, and other lanes go on")
    func idleLanes() throws {
        let test = try DriverUnderTest(options: Self.options(queueSize: 16)) { $0.answerZeros() }
        let replies = Journal<UInt64>()
        test.driver.onReply { replies.append($0.id.rawValue) }
        let lanes = (0..<18).map { DriverLane(test.driver, index: $0) }
        for lane in lanes { _ = lane.prepare() }
        #expect(test.call(.getattr) == .success([UInt8](repeating: 0, count: 104)))
        for (index, lane) in lanes.enumerated() { lane.sendWhole(FUSEMessage(.statfs, unique: UInt64(index)).bytes) }
        #expect(replies.wait(for: 18))
        // A broken session is opened again while all lanes wait.
        for lane in lanes { _ = lane.prepare() }
        test.setScript { $0.finish(id: .max) }
        #expect(isEIO(test.call(.getattr)))
        #expect(test.inits.wait(for: 2))
        test.setScript { $0.answerZeros() }
        #expect(test.call(.getattr) == .success([UInt8](repeating: 0, count: 104)))
    }

    @Test(
        "The last slot is for whoever has a request, however many lanes wait, where slots are few or lanes pause",
        arguments: [4, 16])
    func lastSlot(queueSize: Int) throws {
        let held = Journal<MockChain>()
        let test = try DriverUnderTest(options: Self.options(queueSize: UInt16(queueSize))) { held.append($0) }
        let replies = Journal<UInt64>()
        test.driver.onReply { replies.append($0.id.rawValue) }
        let idle = (1...3).map { DriverLane(test.driver, index: $0) }
        for lane in idle { _ = lane.prepare() }
        if queueSize > 4 { idle.forEach { $0.pause() } }
        let lane = DriverLane(test.driver, index: 0)
        for unique in 1...queueSize { lane.sendWhole(FUSEMessage(.statfs, unique: UInt64(unique)).bytes) }
        #expect(held.wait(for: queueSize), "as many as there are slots are out")
        held.removeAll().forEach { $0.answerZeros() }
        #expect(replies.wait(for: queueSize))
    }

    @Test("An INTERRUPT ends a parked request only where the driver's user says so")
    func interruptParkedIfWanted() throws {
        let held = Journal<MockChain>()
        let test = try DriverUnderTest(options: Self.options(queueSize: 4)) { chain in
            if chain.queue.number == 0 { chain.finish() } else { held.append(chain) }
        }
        let replies = Journal<(UInt64, Errno?)>()
        test.driver.onReply { replies.append(($0.id.rawValue, $0.error)) }
        test.driver.onInterruptOfParked { $0.id.rawValue == 6 }
        let lane = DriverLane(test.driver, index: 0)
        for unique in 1...6 { lane.sendWhole(FUSEMessage(.statfs, unique: UInt64(unique)).bytes) }
        for unique in [5, 6] { lane.sendWhole(FUSEMessage.interrupt(UInt64(unique)).bytes) }
        #expect(replies.all.map(\.0) == [6] && replies.all.map(\.1) == [.interrupted])
        test.setScript { $0.answerZeros() }
        held.all.forEach { $0.answerZeros() }
        #expect(replies.wait(for: 6))
        #expect(replies.all.dropFirst().allSatisfy { $0.1 == nil })
    }

    @Test("A request that is shorter than its header, or longer than a slot, is refused and harms no other")
    func sizes() throws {
        let test = try DriverUnderTest { chain in
            if chain.queue.number == 0 { chain.finish() } else { chain.answerZeros() }
        }
        for size in [0, 1, 39, test.driver.largestRequest + 1, 2 * test.driver.largestRequest] {
            #expect(throws: Errno.invalidArgument) { try test.driver.call([UInt8](repeating: 0, count: size)) }
            test.driver.post([UInt8](repeating: 0, count: size))
        }
        test.driver.post(FUSEMessage.forget(1).bytes + [UInt8](repeating: 0, count: 100_000))
        let most = FUSEMessage(.write).with(bytes: [UInt8](repeating: 1, count: test.driver.largestRequest - 40))
        #expect(test.call(most) == .success([UInt8](repeating: 0, count: 8)))
    }

    @Test("The ledger counts what LOOKUP, CREATE and READDIRPLUS give and FORGET and BATCH_FORGET take")
    func ledger() throws {
        let entry = Self.entry
        let entryBytes = withUnsafeBytes(of: entry) { Array($0) }
        let test = try DriverUnderTest { chain in
            switch Opcode(rawValue: chain.header.opcode) {
            case .lookup: chain.answer(payload: entryBytes)
            case .mkdir: chain.answer(error: -EEXIST)
            case .create: chain.answer(payload: entryBytes + [UInt8](repeating: 0, count: 16))
            case .readdirplus: chain.answer(payload: Self.listing(entry))
            default: chain.finish()
            }
        }
        let ledger = test.driver.ledger
        for _ in 0..<10 { _ = test.call(FUSEMessage(.lookup).with(name: "x")) }
        #expect(ledger.heldLookups == 10)
        _ = test.call(FUSEMessage(.mkdir).with(fuse_mkdir_in()).with(name: "x"))
        #expect(ledger.heldLookups == 10, "an error gives nothing")
        _ = test.call(FUSEMessage(.create).with(fuse_create_in()).with(name: "x"))
        _ = test.call(.read(.readdirplus, size: 4096))
        #expect(ledger.heldLookups == 14, "three of the four entries have a node")
        test.driver.post(FUSEMessage.forget(4).bytes)
        #expect(ledger.heldLookups == 10)
        let one = fuse_forget_one(nodeid: 9, nlookup: 5)
        let batch = FUSEMessage(.batchForget).with(fuse_batch_forget_in(count: 2, dummy: 0)).with(one).with(one)
        test.driver.post(batch.bytes)
        #expect(ledger.heldLookups == 0)
    }

    private static let entry = {
        var entry = fuse_entry_out()
        entry.nodeid = 9
        return entry
    }()

    private static func listing(_ entry: fuse_entry_out) -> [UInt8] {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
        defer { room.deallocate() }
        var writer = DirectoryEntryWriter(into: room)
        for (index, name) in [".", "a", "bc", "def"].enumerated() {
            Array(name.utf8).withUnsafeBytes { bytes in
                writer.append(
                    inode: 1, cookie: UInt64(index), type: 0, name: bytes, entry: index == 0 ? fuse_entry_out() : entry)
            }
        }
        return Array(room.prefix(writer.count))
    }

    @Test("Driver and device agree on every lookup held, with a real host folder behind")
    func agreement() throws {
        let folder = TemporaryFolder()
        for index in 0..<50 { try folder.add("file-\(index)") }
        let files = try HostDirectory(path: folder.path)
        let settings = try #require(DeviceSettings(tag: "real"))
        let device = VirtioFSDevice(files: files, settings: settings)
        let driver = try VirtioFSDriver(transport: InProcessTransport(device: device))
        let request = DriverUnderTest.initRequest
        _ = try driver.call(request, internally: true)
        driver.sessionOpened(with: request)
        for index in 0..<100 {
            // Half of the names exist.
            _ = try? driver.call(FUSEMessage(.lookup).with(name: "file-\(index)").bytes)
        }
        let opened = try driver.call(FUSEMessage(.opendir).with(fuse_open_in()).bytes)
        var arguments = fuse_read_in()
        arguments.fh = opened.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        arguments.size = 100_000
        _ = try driver.call(FUSEMessage(.readdirplus).with(arguments).bytes)
        #expect(driver.ledger.heldLookups == 100)
        #expect(files.lookupCount == 100)
        driver.closeSession()
        #expect(files.lookupCount == 0 && files.openHandleCount == 0)
        driver.shutDown()
    }
}
