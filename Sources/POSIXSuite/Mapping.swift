import CKernel
import Glibc
import SystemPackage

/// A mapping of an open file from its start (mmap(2)), unmapped when nobody has it any more.
final class Mapping: @unchecked Sendable {
    let bytes: UnsafeMutablePointer<UInt8>
    private let size: Int

    init(
        _ file: File, _ size: Int, protection: Int32 = PROT_READ | PROT_WRITE, flags: Int32 = MAP_SHARED
    ) throws(Errno) {
        let address = mmap(nil, size, protection, flags, file.number, 0)
        guard let address, address != MAP_FAILED else {
            try call(-1)
            fatalError("call(-1) throws")
        }
        bytes = address.assumingMemoryBound(to: UInt8.self)
        self.size = size
    }

    deinit { munmap(bytes, size) }

    func sync() throws(Errno) { try call(msync(bytes, size, MS_SYNC)) }
    func text(_ count: Int, at offset: Int = 0) -> String {
        String(decoding: UnsafeBufferPointer(start: bytes + offset, count: count), as: UTF8.self)
    }

    func write(_ text: String, at offset: Int = 0) {
        for (index, byte) in text.utf8.enumerated() { bytes[offset + index] = byte }
    }
}
