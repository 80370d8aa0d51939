import CKernel
import FUSEWire
import VirtioTestSupport

/// What a client of the session knows: nodes and handles that replies have given, and names.
struct RequestPools {
    struct Handle { var number: UInt64, node: UInt64, isFolder: Bool }
    struct Node { var number: UInt64, type: UInt32 }

    /// One entry for each lookup.
    private(set) var nodes: [Node] = []
    private(set) var handles: [Handle] = []
    /// Nodes and handles that were given back.
    private(set) var stale: [UInt64] = []

    static let names =
        ["file", "folder", "inner", "out", "secret", "absolute", "loop", "parent", "fifo"]
        + (0..<24).map { "name-\($0)" }
        + ["ünïcode", "with\nnewline", "-rf", "...", "a\\b", String(repeating: "n", count: 255)]

    /// The most that a client of a test holds, so that no other test runs out of descriptors.
    private static let mostNodes = 150
    private static let mostHandles = 60

    var hasTooManyNodes: Bool { nodes.count > Self.mostNodes }
    var hasTooManyHandles: Bool { handles.count > Self.mostHandles }

    mutating func clear() { (nodes, handles, stale) = ([], [], []) }

    mutating func removeNode(at index: Int) -> UInt64 {
        let node = nodes.swapAndRemove(at: index).number
        stale.append(node)
        if stale.count > 50 { stale.removeFirst() }
        return node
    }

    mutating func removeHandle(_ number: UInt64) {
        handles.removeAll { $0.number == number }
        stale.append(number)
    }

    /// Takes in what a successful reply gives.
    mutating func learn(opcode: UInt32, node: UInt64, request: [UInt8], _ reply: FUSEReply) {
        switch Opcode(rawValue: opcode) {
        case .lookup, .mknod, .mkdir, .symlink, .link: learnEntry(reply)
        case .create:
            learnEntry(reply)
            let open = reply.structure(UInt64.self, at: MemoryLayout<fuse_entry_out>.size)
            if let created = nodes.last, let open {
                handles.append(Handle(number: open, node: created.number, isFolder: false))
            }
        case .open, .opendir:
            guard let number = reply.structure(UInt64.self) else { return }
            handles.append(Handle(number: number, node: node, isFolder: opcode == Opcode.opendir.rawValue))
        case .readdirplus:
            for entry in reply.entries(plus: true) ?? [] where entry.node.rawValue != 0 {
                nodes.append(Node(number: entry.node.rawValue, type: UInt32(S_IFREG)))
            }
        case .release, .releasedir:
            guard request.count >= 48 else { return }
            removeHandle(request.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 40, as: UInt64.self) })
        default: return
        }
    }

    private mutating func learnEntry(_ reply: FUSEReply) {
        guard let entry = reply.structure(fuse_entry_out.self), entry.nodeid != 0 else { return }
        nodes.append(Node(number: entry.nodeid, type: entry.attr.mode & 0o170000))
    }
}

extension Array {
    /// Takes one out without keeping the order.
    mutating func swapAndRemove(at index: Int) -> Element {
        swapAt(index, count - 1)
        return removeLast()
    }
}
