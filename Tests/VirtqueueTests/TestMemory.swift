import GuestMemory
import Syscalls
import SystemPackage
import Virtqueue

/// The guest memory of a test: a region for a ring, one for indirect tables, and adjacent ones for buffers, whose
/// borders lie where the test wants them.
final class TestMemory: Sendable {
    static let ringStart = GuestAddress(0x1_0000)
    static let tableStart = GuestAddress(0x1000_0000)
    static let dataStart = GuestAddress(0x2000_0000)

    let map: GuestMemoryMap
    let ringSize: Int
    let dataSize: Int

    init(ringSize: Int, tableSize: Int = 4096, dataSize: Int, borders: [Int] = []) throws {
        var regions = [try Self.region(Self.ringStart, ringSize), try Self.region(Self.tableStart, tableSize)]
        var start = 0
        for end in Set(borders.filter { $0 > 0 && $0 < dataSize } + [dataSize]).sorted() {
            regions.append(try Self.region(Self.dataStart + UInt64(start), end - start))
            start = end
        }
        map = GuestMemoryMap(regions: regions)!
        self.ringSize = ringSize
        self.dataSize = dataSize
    }

    private static func region(_ start: GuestAddress, _ size: Int) throws -> GuestRegion {
        let file = try MemoryFile(name: "guest", size: size)
        return try GuestRegion(start: start, mapping: file.descriptor, size: size)
    }

    var ringBytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: pointer(Self.ringStart), count: ringSize)
    }

    /// A copy of the memory for buffers.
    var dataBytes: [UInt8] {
        var bytes: [UInt8] = []
        forEachPiece(of: GuestBuffer(Self.dataStart, count: UInt32(dataSize))) { bytes += $0 }
        return bytes
    }

    /// Where a byte of guest memory is.
    func pointer(_ address: GuestAddress) -> UnsafeMutableRawPointer { map.translate(address, count: 1)! }

    /// The stretches of memory that make up a buffer, in order.
    func forEachPiece(of buffer: GuestBuffer, _ body: (UnsafeMutableRawBufferPointer) -> Void) {
        var address = buffer.address
        var left = Int(buffer.count)
        while left > 0 {
            let (base, available) = map.locate(address)!
            let taken = min(left, Int(available))
            body(UnsafeMutableRawBufferPointer(start: base, count: taken))
            address = address + UInt64(taken)
            left -= taken
        }
    }
}

/// A ring of a test: its configuration, and the memory it lies in.
struct TestQueue: Sendable {
    let memory: TestMemory
    let configuration: QueueConfiguration

    init(size: UInt16, features: RingFeatures, dataSize: Int = 4096, borders: [Int] = []) throws {
        let layout = QueueLayout(size: size, features: features)
        memory = try TestMemory(
            ringSize: layout.total, tableSize: 16 * 32 * Int(size), dataSize: dataSize, borders: borders)
        configuration = QueueConfiguration(
            size: size, descriptorArea: TestMemory.ringStart,
            driverArea: TestMemory.ringStart + UInt64(layout.driverOffset),
            deviceArea: TestMemory.ringStart + UInt64(layout.deviceOffset), features: features)
    }

    var map: GuestMemoryMap { memory.map }

    /// Room for a table of 32 descriptors, one for each descriptor of the queue.
    func table(_ index: Int) -> IndirectTable {
        let address = TestMemory.tableStart + UInt64(16 * 32 * index)
        return IndirectTable(address: address, pointer: memory.pointer(address), capacity: 32)
    }
}
