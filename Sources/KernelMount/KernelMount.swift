import CKernel
import FUSEWire
public import Logging
import Synchronization
import Syscalls
public import SystemPackage
public import VirtioFSDriver

/// What a kernel mount sends requests to.
public protocol RequestPath: AnyObject, Sendable {
    associatedtype Lane: RequestLane

    /// Opens the session with the kernel's INIT; the payload of the reply.
    func open(_ request: [UInt8]) throws(Errno) -> [UInt8]
    /// The session is open as far as the kernel knows: requests may come.
    func opened(with request: [UInt8])
    /// A lane for a reader thread. Those with different numbers hinder each other least.
    func makeLane(_ index: Int) -> Lane
    /// Sets where replies go; before the first request.
    func onReply(_ handler: @escaping @Sendable (Reply) -> Void)
    /// Ends the session.
    func close()
}

/// A mount of this machine's kernel whose requests go through a ``RequestPath``: through a virtqueue to a device.
public final class KernelMount<Path: RequestPath>: @unchecked Sendable {
    /// Of a READ or WRITE, in bytes.
    private static var largestPayload: Int { 1 << 20 }

    private let path: Path
    private let session: LibfuseSession
    private let connection: KernelConnection
    private let logger: Logger
    private let admission: Admission?
    private var readers: [OSThread] = []
    private let crew: ReaderCrew
    private let mountPoint: String
    private let stopping = Atomic<Bool>(false)
    private let runningReaders: ParkingWord
    /// What the kernel may read ahead beyond its own measure, in bytes; zero where it may not.
    private let readAhead = Atomic<UInt32>(0)
    private let up = OneTimeEvent()
    /// Rings when the first reader has ended.
    private let ended: EventDescriptor

    /// Mounts on `mountPoint`. Returns before the kernel's INIT; ``waitUntilUp(seconds:)`` waits for that.
    ///
    /// - Parameters:
    ///   - options: as they follow `-o`, as libfuse knows them.
    ///   - readerCount: threads that receive requests; at least two. The last one that is free never lends itself to the
    ///     device.
    public init(
        path: Path, mountPoint: String, options: [String], readerCount: Int,
        logger: Logger = Logger(label: "virtiofs.mount")
    ) throws(MountError) {
        precondition(readerCount >= 2, "one reader has to be left while the others lend themselves")
        self.path = path
        self.mountPoint = mountPoint
        self.logger = logger
        admission = Admission(options: options, owner: ProcessIdentity.uid)
        runningReaders = ParkingWord(UInt32(readerCount))
        do throws(Errno) {
            ended = try EventDescriptor()
        } catch {
            throw MountError("can't make an eventfd", error)
        }
        session = try LibfuseSession(options: options)
        connection = try session.mount(at: mountPoint)
        do throws(Errno) {
            crew = try ReaderCrew(count: readerCount)
        } catch {
            throw MountError("can't start a thread", error)
        }
        path.onReply { [connection] reply in
            connection.answer(reply.id, error: reply.error, payload: reply.payload)
        }
        for index in 0..<readerCount { try startReader(index) }
    }

    private func startReader(_ index: Int) throws(MountError) {
        do throws(Errno) {
            readers.append(try OSThread(name: "reader-\(index)") { [self] in read(index) })
        } catch {
            throw MountError("can't start a thread", error)
        }
    }

    /// Whether the kernel has opened the session, within that time. The kernel then reads ahead as much as the device has
    /// agreed to, at most what one request holds, if this process may set that.
    public func waitUntilUp(seconds: Int) -> Bool {
        guard up.wait(seconds: seconds) else { return false }
        let bytes = readAhead.load(ordering: .acquiring)
        if bytes > 0 { ReadAhead.widen(at: mountPoint, to: bytes) }
        return true
    }

    /// Readable when the file system was unmounted from outside.
    public var endDescriptor: FileDescriptor { ended.descriptor }

    /// Unmounts if need be, waits for the readers, and ends the session.
    public func end() {
        session.unmount()
        // Of a mount that is in use only the name is gone: the connection lives on, and its readers are told to go.
        stopping.store(true, ordering: .releasing)
        crew.dismiss()
        while runningReaders.value > 0 {
            for reader in readers { reader.interrupt() }
            runningReaders.park(while: runningReaders.value, nanoseconds: 1_000_000)
        }
        for reader in readers { reader.join() }
        readers = []
        crew.join()
        path.close()
    }

    // MARK: a reader

    private func read(_ index: Int) {
        OSThread.allowInterruption()
        let lane = path.makeLane(index)
        let head = UnsafeMutableRawBufferPointer.allocate(byteCount: Path.Lane.headSize, alignment: 8)
        defer {
            head.deallocate()
            runningReaders.add(UInt32.max)
            runningReaders.wake()
            ended.ring()
        }
        var turn = ReaderTurn()
        var follower = CallerFollower(crew.lookup, crew.deference, crew.places, index: index)
        // A thread that has ended is not to be rescued: its number may be another's by then.
        defer { follower.rest() }
        while !stopping.load(ordering: .acquiring) {
            if crew.isSpare(turn) {
                lane.pause()
                follower.rest()
                crew.park(&turn)
            }
            let rest = lane.prepare()
            follower.giveWay()
            switch crew.receive(from: connection, head: head, rest: rest, &turn) {
            case .request(let length):
                let lending = crew.beginServing()
                follower.note(UnsafeRawBufferPointer(head), length, isAlone: crew.isAlone, turn)
                serve(lane, head: UnsafeRawBufferPointer(head), rest: rest, length, lending: lending)
                crew.endServing()
            case .nothing: continue
            case .unmounted: return crew.dismiss()
            case .failed(let error):
                logger.error("can't read from /dev/fuse", metadata: ["error": "\(error)"])
                return crew.dismiss()
            }
        }
    }

    private func serve(
        _ lane: Path.Lane, head: UnsafeRawBufferPointer, rest: UnsafeMutableRawBufferPointer, _ length: Int,
        lending: Bool
    ) {
        let opcode = head.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        guard opcode != Opcode.initialize.rawValue else {
            return openSession(Array(head) + Array(rest.prefix(max(0, length - head.count))), length)
        }
        if let admission {
            let uid = head.loadUnaligned(fromByteOffset: 24, as: UInt32.self)
            guard admission.admits(opcode, uid: uid) else { return refuse(head) }
        }
        let present = UnsafeRawBufferPointer(rebasing: head[..<min(length, head.count)])
        lane.send(head: present, length: length, lending: lending)
    }

    private func refuse(_ head: UnsafeRawBufferPointer) {
        let id = RequestID(rawValue: head.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        connection.answer(id, error: .permissionDenied, payload: UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// INIT: what can't cross a virtqueue is taken out of the kernel's offer, and what this path can't carry out of the
    /// device's answer.
    private func openSession(_ bytes: [UInt8], _ length: Int) {
        let request = InitExchange.offer(Array(bytes.prefix(length)))
        let id = RequestID(rawValue: bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self) })
        do throws(Errno) {
            let answer = InitExchange.answer(try path.open(request), largestPayload: Self.largestPayload)
            path.opened(with: request)
            readAhead.store(InitExchange.readAhead(answer, beyond: bytes) ?? 0, ordering: .releasing)
            answer.withUnsafeBytes { _ = connection.answer(id, error: nil, payload: $0) }
        } catch {
            logger.error("the device refused the session", metadata: ["error": "\(error)"])
            connection.answer(id, error: error, payload: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        up.signal()
    }
}
