import FUSEWire
import Foundation
import HostDirectory
@testable import KernelMount
import ProcessSupport
import Syscalls
import SystemPackage
import Testing
@testable import Virtio
@testable import VirtioFSDevice
@testable import VirtioFSDriver
import VirtioTestSupport

/// A mount of this process's, over a file system that stalls where the test wants it to.
private final class StallingMount {
    let folder = VirtioTestSupport.TemporaryFolder()
    let gate = Gate()
    let files: HostDirectory
    let device: VirtioFSDevice<HookedFileSystem<HostDirectory>>
    let transport: InProcessTransport
    let driver: VirtioFSDriver
    let mount: KernelMount<DriverPath>
    var mountPoint: String { folder.path.string + "/mnt" }

    /// - Parameter stalled: the operation that stops at the gate.
    init(stalled: Opcode, queues: Int = 2, queueSize: UInt16, kick: ServiceOptions.KickPolicy) throws {
        try folder.addFolder("mnt")
        try folder.addFolder("share")
        for index in 0..<40 { try folder.add("share/f\(index)", Array("content \(index)".utf8)) }
        files = try HostDirectory(path: folder.path.appending("share"), options: HostDirectoryOptions())
        var settings = DeviceSettings(tag: "stall", requestQueueCount: UInt32(queues))!
        settings.service.kick = kick
        let gate = gate
        let hooked = HookedFileSystem(files) { opcode, _ throws(Errno) in if opcode == stalled { gate.pass() } }
        device = VirtioFSDevice(files: hooked, settings: settings)
        transport = InProcessTransport(device: device)
        var options = DriverOptions()
        options.requestQueueCount = queues
        options.queueSize = queueSize
        driver = try VirtioFSDriver(transport: transport, options: options)
        mount = try KernelMount(
            path: DriverPath(driver), mountPoint: folder.path.string + "/mnt",
            options: ["fsname=stall", "subtype=virtiofs", "allow_other"], readerCount: 3)
        try #require(mount.waitUntilUp(seconds: 60))
    }

    /// A program that reads a file on the mount past the kernel's cache.
    func reader(_ index: Int) throws -> Child {
        try Child("/bin/dd", ["if=\(mountPoint)/f\(index)", "iflag=direct", "bs=4k", "status=none"])
    }

    /// Requests that the driver holds until a slot is free: all, or those of one kind.
    func parkedCount(_ opcode: Opcode? = nil) -> Int {
        driver.queues.dropFirst().flatMap(\.parked).count { opcode == nil || $0.opcode == opcode?.rawValue }
    }

    deinit {
        gate.letThrough()
        mount.end()
    }
}

/// Waits for a condition that other threads bring about; a test that waits two minutes has failed.
private func eventually(_ condition: () -> Bool) -> Bool {
    let deadline = Date().addingTimeInterval(120)
    while !condition() {
        if Date() > deadline { return false }
        sched_yield()
    }
    return true
}

@Suite(.serialized)
struct StalledDeviceTests {
    @Test(
        "fs.hiprio.device-never-paused: with the device stalled and all request queues full, FORGET and INTERRUPT get through",
        arguments: ServiceOptions.KickPolicy.allCases)
    func forgetAndInterrupt(_ kick: ServiceOptions.KickPolicy) throws {
        // Not READ: one that is direct is no program's in the kernel, so no signal interrupts it.
        let stalling = try StallingMount(stalled: .readlink, queueSize: 4, kick: kick)
        for index in 0..<20 { symlink("f\(index)", "\(stalling.folder.path)/share/link\(index)") }
        // Files that the kernel knows and nobody uses.
        for index in 20..<40 { #expect(access("\(stalling.mountPoint)/f\(index)", F_OK) == 0) }
        let readers = try (0..<20).map { try Child("/usr/bin/readlink", ["\(stalling.mountPoint)/link\($0)"]) }
        #expect(eventually { stalling.parkedCount() >= 3 }, "the queues of four are full, and requests wait")

        let known = stalling.files.lookupCount
        try Data("2".utf8).write(to: URL(fileURLWithPath: "/proc/sys/vm/drop_caches"))
        #expect(eventually { stalling.files.lookupCount < known }, "FORGET arrived at the device")

        // An INTERRUPT is sent for each reader: those whose request has not gone out end at once, the device hears of others.
        for reader in readers { reader.signal(SIGKILL) }
        #expect(eventually { readers.contains { !$0.isRunning } }, "a parked request was answered EINTR")
        #expect(eventually { stalling.device.session.interrupts.count > 0 }, "INTERRUPT arrived at the device")

        stalling.gate.letThrough()
        for reader in readers { _ = reader.outcome() }
        #expect(try stalling.reader(0).outcome().output == "content 0")
    }

    @Test("A stalled READ holds up neither other files nor the unmount of what is idle")
    func othersGoOn() throws {
        let stalling = try StallingMount(stalled: .readlink, queueSize: 8, kick: .adaptive)
        symlink("f1", "\(stalling.mountPoint)/link")
        let process = try Child("/usr/bin/readlink", ["\(stalling.mountPoint)/link"])
        #expect(stalling.gate.waitForArrivals(1))
        // The other queue is free: enough programs to use both.
        let readers = try (0..<6).map { try stalling.reader($0) }
        #expect(eventually { readers.contains { !$0.isRunning } })
        stalling.gate.letThrough()
        #expect(process.outcome().output == "f1\n")
        for (index, reader) in readers.enumerated() { #expect(reader.outcome().output == "content \(index)") }
    }

    @Test("After a broken ring what is in flight gets EIO, and the mount goes on with a new session")
    func brokenRing() throws {
        let stalling = try StallingMount(stalled: .read, queueSize: 16, kick: .worker)
        let reader = try stalling.reader(1)
        #expect(stalling.gate.waitForArrivals(1))
        stalling.transport.needsReset()
        // The program has its error while the device still works on its request; its close waits for the new session.
        #expect(reader.firstLineOfErrors().contains("Input/output error"))
        stalling.gate.letThrough()
        #expect(reader.outcome().status == 1)
        #expect(try stalling.reader(2).outcome().output == "content 2")
        #expect(try String(contentsOfFile: "\(stalling.mountPoint)/f3", encoding: .utf8) == "content 3")
    }

    @Test("Whether a program is killed can be asked while it executes another and waits for a FLUSH")
    func executing() throws {
        let stalling = try StallingMount(stalled: .flush, queueSize: 8, kick: .worker)
        let program = """
            import os
            os.open('\(stalling.mountPoint)/f1', os.O_RDONLY | os.O_CLOEXEC)
            os.execv('/bin/true', ['true'])
            """
        let child = try Child(find("python3"), ["-c", program])
        #expect(stalling.gate.waitForArrivals(1))
        let answers = Guarded<[Bool]>([])
        let asker = try OSThread(name: "asker") { [pid = UInt32(child.pid)] in
            answers.withLock { $0.append(ThreadStatus.isBeingKilled(pid)) }
            kill(pid_t(pid), SIGKILL)
            answers.withLock { $0.append(ThreadStatus.isBeingKilled(pid)) }
        }
        #expect(eventually { answers.withLock { $0 } == [false, true] })
        stalling.gate.letThrough()
        asker.join()
        #expect(child.outcome().status == 128 + SIGKILL)
    }

    @Test("A program that is killed while its FLUSH waits for a free slot still gives up its locks")
    func killedWhileClosing() throws {
        let stalling = try StallingMount(stalled: .readlink, queues: 1, queueSize: 4, kick: .worker)
        for index in 0..<20 { symlink("f\(index)", "\(stalling.folder.path)/share/link\(index)") }
        // Its parent has the file open too, so that no RELEASE gives up what the FLUSH has to.
        let program = """
            import fcntl, os, signal
            file = os.open('\(stalling.mountPoint)/f30', os.O_RDWR)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
            child = os.fork()
            if child == 0:
                fcntl.lockf(file, fcntl.LOCK_EX)
                print(os.getpid(), flush=True)
                signal.sigwait([signal.SIGUSR1])
                os.close(file)
                signal.pause()
            print(os.WTERMSIG(os.waitpid(child, 0)[1]))
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            """
        let parent = try Child(find("python3"), ["-c", program])
        let child = try #require(pid_t(parent.firstLine()))
        let readers = try (0..<20).map { try Child("/usr/bin/readlink", ["\(stalling.mountPoint)/link\($0)"]) }
        #expect(eventually { stalling.parkedCount() >= 3 }, "the queue is full, and requests wait")
        kill(child, SIGUSR1)
        #expect(eventually { stalling.parkedCount(.flush) == 1 })
        kill(child, SIGKILL)
        // Interrupts are handled in their order.
        for reader in readers { reader.signal(SIGKILL) }
        #expect(eventually { readers.contains { !$0.isRunning } })
        #expect(stalling.parkedCount(.flush) == 1)
        stalling.gate.letThrough()
        #expect(parent.firstLine() == "\(SIGKILL)")
        let outcome = parent.outcome()
        #expect(outcome.status == 0 && outcome.errors == "", "\(outcome)")
        for reader in readers { _ = reader.outcome() }
    }

    @Test("Device and driver agree on the lookups held when the mount ends")
    func ledger() throws {
        let stalling = try StallingMount(stalled: .readlink, queueSize: 32, kick: .adaptive)
        for index in 0..<40 { _ = try stalling.reader(index).outcome() }
        _ = try FileManager.default.contentsOfDirectory(atPath: stalling.mountPoint)
        try FileManager.default.removeItem(atPath: "\(stalling.mountPoint)/f1")
        #expect(eventually { stalling.files.lookupCount == stalling.driver.ledger.heldLookups })
    }
}
