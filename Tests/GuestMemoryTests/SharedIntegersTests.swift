import GuestMemory
import Testing

/// virtio 1.4, 1.4: ring fields are little-endian whatever the processor.
@Suite struct SharedIntegersTests {
    @Test("split.device-little-endian, split.driver-little-endian: stored low byte first")
    func storesLittleEndian() {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 8)
        defer { bytes.deallocate() }
        SharedUInt16(at: bytes.baseAddress!).store(0x0201)
        SharedUInt32(at: bytes.baseAddress! + 4).store(0x0807_0605)
        SharedUInt64(at: bytes.baseAddress! + 8).store(0x100f_0e0d_0c0b_0a09)
        #expect([UInt8](bytes[..<2]) == [1, 2])
        #expect([UInt8](bytes[4...]) == [UInt8](5...16))
        #expect(SharedUInt16(at: bytes.baseAddress!).load() == 0x0201)
        #expect(SharedUInt32(at: bytes.baseAddress! + 4).load() == 0x0807_0605)
        #expect(SharedUInt64(at: bytes.baseAddress! + 8).load() == 0x100f_0e0d_0c0b_0a09)
    }
}
