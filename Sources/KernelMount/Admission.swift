import FUSEWire

/// Who may use a mount with the option `allow_root`: its owner and root.
///
/// The kernel knows no such option and lets everybody in; it is the server that has to refuse the others. As with
/// libfuse, they see what the kernel has in its caches, and may use what somebody else has opened for them.
struct Admission: Sendable {
    let owner: UInt32

    /// Nothing where the mount's options don't ask for it.
    ///
    /// - Parameter options: as they follow `-o`.
    init?(options: [String], owner: UInt32) {
        guard options.contains(where: { $0.split(separator: ",").contains("allow_root") }) else { return nil }
        self.owner = owner
    }

    func admits(_ opcode: UInt32, uid: UInt32) -> Bool {
        if uid == 0 || uid == owner { return true }
        guard let opcode = Opcode(rawValue: opcode) else { return false }
        switch opcode {
        case .initialize, .read, .write, .flush, .fsync, .release, .readdir, .readdirplus, .fsyncdir, .releasedir:
            return true
        default: return opcode.hasNoReply
        }
    }
}
