import CKernel
import SystemPackage

/// What came of an action: an error, or what was found.
enum Outcome: Equatable, CustomStringConvertible {
    case done(String)
    case failed(Errno)

    var description: String {
        switch self {
        case .done(let text): "done \(text)"
        case .failed(let error): "\(error)"
        }
    }

    /// What stat(2) says that has to be the same on both sides.
    static func status(mode: UInt32, uid: UInt32, gid: UInt32, links: UInt32, size: UInt64) -> Outcome {
        let isFolder = mode & UInt32(S_IFMT) == S_IFDIR
        return .done("\(String(mode, radix: 8)) \(uid) \(gid) \(links) \(isFolder ? 0 : size)")
    }
}
