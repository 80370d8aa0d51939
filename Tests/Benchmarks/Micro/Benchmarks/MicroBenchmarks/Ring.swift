import Glibc
import GuestMemory
import SystemPackage
import Virtqueue

/// Both ends of one ring in guest memory of its own, on one thread: a request there and back, without notifications.
struct Ring: ~Copyable {
    private static let start = GuestAddress(0x1_0000)
    private static let tableStart = GuestAddress(0x10_0000)
    private static let dataStart = GuestAddress(0x20_0000)
    private static let size: UInt16 = 128

    private var driver: DriverQueue
    private var reader: AvailableReader
    private var writer: UsedWriter
    private var segments: SegmentList
    private let table: IndirectTable
    /// As a READ of 4 KiB has them: its head; the reply's header and the data.
    private let readable = [GuestBuffer(Self.dataStart, count: 80)]
    private let writable = [
        GuestBuffer(Self.dataStart + 80, count: 16), GuestBuffer(Self.dataStart + 4096, count: 4096),
    ]

    init(_ features: RingFeatures) throws {
        let layout = QueueLayout(size: Self.size, features: features)
        let memory = GuestMemoryMap(regions: [
            try Self.region(Self.start, layout.total), try Self.region(Self.tableStart, 4096),
            try Self.region(Self.dataStart, 8192),
        ])!
        let configuration = QueueConfiguration(
            size: Self.size, descriptorArea: Self.start, driverArea: Self.start + UInt64(layout.driverOffset),
            deviceArea: Self.start + UInt64(layout.deviceOffset), features: features)
        let driver = try DriverQueue(configuration, memory: memory)
        let reader = try AvailableReader(configuration, memory: memory)
        // Nothing throws from here on: a half-made value can't be unmade.
        writer = reader.usedWriter()
        self.driver = driver
        self.reader = reader
        segments = SegmentList(queueSize: Self.size)
        table = IndirectTable(
            address: Self.tableStart, pointer: memory.translate(Self.tableStart, count: 1)!, capacity: 32)
    }

    /// A file that has no name any more is as good as a memfd.
    private static func region(_ start: GuestAddress, _ size: Int) throws -> GuestRegion {
        let path = FilePath("/dev/shm/virtiofs-ring-\(start.rawValue)")
        let file = try FileDescriptor.open(
            path, .readWrite, options: [.create, .truncate], permissions: FilePermissions(rawValue: 0o600))
        return try file.closeAfter {
            unlink(path.string)
            try file.resize(to: Int64(size))
            return try GuestRegion(start: start, mapping: file, size: size)
        }
    }

    /// One request: made available, popped, walked, used, completed.
    mutating func exchange(indirect: Bool) throws {
        let table = indirect ? table : nil
        let added = readable.withUnsafeBufferPointer { readable in
            writable.withUnsafeBufferPointer { writable in
                driver.add(readable: readable, writable: writable, table: table, token: 1)
            }
        }
        guard added, let chain = try reader.pop() else { fatalError("the ring has no room") }
        try reader.walk(from: chain, into: &segments)
        writer.push(chain, written: 4112)
        guard let (_, written) = try driver.popUsed(), written == 4112 else { fatalError("the reply is lost") }
    }
}
