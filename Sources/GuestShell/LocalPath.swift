import CKernel
import Syscalls
import SystemPackage

/// A path of this machine's: bytes, with their terminating zero.
struct LocalPath {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var shown: String { ShownName.shown(bytes) }

    func withPointer<Result>(_ body: (UnsafePointer<CChar>) throws(Errno) -> Result) throws(Errno) -> Result {
        let terminated = bytes + [0]
        return try terminated.withUnsafeBufferPointer { bytes throws(Errno) in
            try body(UnsafeRawPointer(bytes.baseAddress!).assumingMemoryBound(to: CChar.self))
        }
    }

    func appending(_ name: [UInt8]) -> LocalPath {
        LocalPath(bytes.last == UInt8(ascii: "/") ? bytes + name : bytes + [UInt8(ascii: "/")] + name)
    }

    /// What it leads to, links followed; nothing where nothing is.
    var status: CKernel.stat? {
        var found = CKernel.stat()
        let result = try? withPointer { pointer throws(Errno) in fstatat(AT_FDCWD, pointer, &found, 0) }
        return result == 0 ? found : nil
    }

    var isFolder: Bool { status.map { $0.st_mode & UInt32(S_IFMT) == S_IFDIR } ?? false }

    /// Runs `body`, and says that its error is about this path.
    func about<Result>(_ body: () throws(Errno) -> Result) throws(ShellError) -> Result {
        do throws(Errno) { return try body() } catch { throw ShellError("\(shown) on this machine: \(error)") }
    }
}
