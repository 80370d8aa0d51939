import CKernel
import GuestMemory
import Syscalls
import SystemPackage
import Virtio
import Virtqueue

/// What lets a virtual machine move to another host, and a back end be replaced by another: the log of written pages
/// (vhost-user, "Migration") and the record of chains in flight ("Inflight I/O tracking").
extension BackEndConnection {
    /// VHOST_F_LOG_ALL: what the device writes is noted in the log.
    static let logAllBit = FeatureBits(rawValue: 1 << 26)

    /// Turns the log on or off, as features and log stand now.
    func updateLog() throws(ProtocolError) {
        let isOn = features.contains(Self.logAllBit)
        if isOn, let log, !log.covers(upTo: memory.map.end) { throw .logTooSmall }
        writeLog.set(isOn ? log : nil) { [logSignal] in logSignal.raise() }
    }

    /// SET_LOG_BASE. Its reply comes even to who wants no acknowledgement.
    func setLog(_ message: Message) throws(ProtocolError) -> Reply {
        guard protocolFeatures.contains(.logFile) else { throw .notNegotiated }
        let area = try message.decode(LogDescription.self)
        try message.expectDescriptors(1)
        let file = message.descriptors.takeFirst()!
        try checkArea(offset: area.offset, size: area.size, of: file.descriptor)
        do throws(Errno) {
            log = try DirtyLog(mapping: file.descriptor, offset: Int(area.offset), size: Int(area.size))
        } catch {
            throw .mapping(error)
        }
        try updateLog()
        return Reply(bytes(of: UInt64(0)))
    }

    /// SET_LOG_FD: where the front end wants to hear that something was noted.
    func setLogSignal(_ message: Message) throws(ProtocolError) {
        try message.expectPayload(0)
        try message.expectDescriptors(1)
        let descriptor = message.descriptors.takeFirst()!
        do throws(Errno) { try logSignal.setTarget(descriptor.descriptor) } catch { throw .descriptor(error) }
    }

    private func checkArea(offset: UInt64, size: UInt64, of file: FileDescriptor) throws(ProtocolError) {
        guard size > 0, size <= 1 << 40, offset <= 1 << 40 else { throw .regionBeyondFile }
        guard offset % 4096 == 0 else { throw .regionAlignment }
        let fileSize: Int64
        do throws(Errno) { fileSize = Int64(try file.fileSize()) } catch { throw .mapping(error) }
        guard offset + size <= UInt64(max(fileSize, 0)) else { throw .regionBeyondFile }
    }

    // MARK: chains in flight

    /// GET_INFLIGHT_FD: memory for the records of that many queues, which the front end keeps for the next back end.
    func makeInflight(_ message: Message) throws(ProtocolError) -> Reply {
        guard protocolFeatures.contains(.inflightFile) else { throw .notNegotiated }
        var description = try decodeInflight(message)
        let size = Int(description.queueCount) * inflightSize(description.queueSize)
        let region: GuestRegion
        do throws(Errno) {
            region = try GuestRegion(start: GuestAddress(0), keeping: MemoryFile(name: "inflight", size: size))
        } catch {
            throw .mapping(error)
        }
        description.size = UInt64(size)
        description.offset = 0
        return Reply(Array(bytes(of: description).prefix(message.payload.count)), keeping: region)
    }

    /// SET_INFLIGHT_FD: the records that this back end, or one before it, has kept. Queues that are started from here on go
    /// by them.
    func setInflight(_ message: Message) throws(ProtocolError) {
        guard protocolFeatures.contains(.inflightFile) else { throw .notNegotiated }
        let description = try decodeInflight(message)
        try message.expectDescriptors(1)
        let file = message.descriptors.takeFirst()!
        try checkArea(offset: description.offset, size: description.size, of: file.descriptor)
        do throws(Errno) {
            let region = try GuestRegion(
                start: GuestAddress(0), mapping: file.descriptor, offset: Int(description.offset),
                size: Int(description.size), isForeign: true)
            inflight = (description, region)
        } catch {
            throw .mapping(error)
        }
    }

    private func decodeInflight(_ message: Message) throws(ProtocolError) -> InflightDescription {
        let description = try InflightDescription(message)
        let largest = device.queueSizes.max() ?? 0
        guard (1...UInt16(rings.count)).contains(description.queueCount) else {
            throw .noSuchQueue(UInt32(description.queueCount))
        }
        guard description.queueSize > 0, description.queueSize <= largest else {
            throw .queueSize(UInt32(description.queueSize), largest: largest)
        }
        return description
    }

    private func inflightSize(_ queueSize: UInt16) -> Int {
        InflightRegion.size(of: queueSize, features: features.ringFeatures)
    }

    /// Where a queue that is about to start keeps its records; nothing where the front end has not asked for any.
    func inflightRegion(of number: Int) throws(ProtocolError) -> InflightRegion? {
        guard let (description, region) = inflight, number < Int(description.queueCount) else { return nil }
        let size = inflightSize(description.queueSize)
        guard rings[number].size <= UInt32(description.queueSize), (number + 1) * size <= region.size else {
            throw .inflightTooSmall
        }
        return InflightRegion(in: region, offset: number * size)
    }
}

/// Before the log (vhost-user, "Log description").
struct LogDescription: BitwiseCopyable {
    /// Bytes.
    var size: UInt64
    var offset: UInt64
}

/// How the records of chains in flight lie in their file (vhost-user, "Inflight description").
struct InflightDescription: BitwiseCopyable {
    /// Bytes.
    var size: UInt64
    var offset: UInt64 = 0
    var queueCount: UInt16
    /// Descriptors of each queue.
    var queueSize: UInt16
    private var padding: UInt32 = 0

    init(size: UInt64, queueCount: UInt16, queueSize: UInt16) {
        self.size = size
        self.queueCount = queueCount
        self.queueSize = queueSize
    }

    /// Front ends send the C structure, with four bytes behind the last field, or only the fields.
    init(_ message: Message) throws(ProtocolError) {
        let fields = MemoryLayout<Self>.size - MemoryLayout<UInt32>.size
        if message.payload.count != fields { try message.expectPayload(MemoryLayout<Self>.size) }
        let whole = message.payload + [0, 0, 0, 0]
        self = whole.withUnsafeBytes { $0.loadUnaligned(as: Self.self) }
        padding = 0
    }
}
