import CKernel
import SystemPackage

/// An open file of a case, closed when nobody has it any more.
final class File: @unchecked Sendable {
    private let calls: any FileCalls
    /// The descriptor, where the kernel serves the folder.
    let number: Int32
    private var isOpen = true

    init(_ calls: any FileCalls, _ path: Path, _ flags: Int32, _ mode: mode_t) throws(Errno) {
        self.calls = calls
        number = try calls.open(path, flags, mode)
    }

    deinit { close() }

    func close() {
        if isOpen { calls.close(number) }
        isOpen = false
    }

    func read(_ count: Int, at offset: Int = 0) throws(Errno) -> [UInt8] { try calls.pread(number, count, offset) }

    func text(_ count: Int = 4096, at offset: Int = 0) throws(Errno) -> String {
        String(decoding: try read(count, at: offset), as: UTF8.self)
    }

    @discardableResult
    func write(_ bytes: [UInt8], at offset: Int = 0) throws(Errno) -> Int { try calls.pwrite(number, bytes, offset) }

    @discardableResult
    func write(_ text: String, at offset: Int = 0) throws(Errno) -> Int { try write(Array(text.utf8), at: offset) }

    func sync() throws(Errno) { try calls.fsync(number) }
    func truncate(_ size: Int) throws(Errno) { try calls.ftruncate(number, size) }

    func allocate(_ mode: Int32, _ offset: Int, _ length: Int) throws(Errno) {
        try calls.fallocate(number, mode, offset, length)
    }

    func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int { try calls.lseek(number, offset, whence) }

    func copy(_ count: Int, from offset: Int = 0, to file: File, at target: Int = 0) throws(Errno) -> Int {
        try calls.copyFileRange(number, offset, file.number, target, count)
    }

    var status: Status { get throws(Errno) { try calls.fstat(number) } }
    var size: Int { get throws(Errno) { try status.size } }
}
