/// What numbers of a recording stand for in the device that it is run against.
struct ReplayMap {
    private var found: [Key: UInt64] = [:]
    /// Nodes that the client has given up, wholly or in part: the device may give the file another number when it is looked
    /// up again. The recorded one did not where it served that LOOKUP before the FORGET, on another queue, took effect.
    private var forgotten: Set<UInt64> = []

    private struct Key: Hashable {
        let kind: WireField.Kind
        let recorded: UInt64
    }

    init() { found[Key(kind: .node, recorded: 1)] = 1 }

    /// A request with the numbers that this device gave.
    func translate(_ request: [UInt8], _ fields: [WireField]) -> [UInt8] {
        var result = request
        for field in fields where field.kind != .ignored {
            let recorded = WireFields.number(request, field.offset)
            guard let number = found[Key(kind: field.kind, recorded: recorded)] else { continue }
            result.withUnsafeMutableBytes { $0.storeBytes(of: number, toByteOffset: field.offset, as: UInt64.self) }
        }
        return result
    }

    /// The nodes of a recorded FORGET or BATCH_FORGET are given up.
    mutating func forget(_ request: [UInt8], _ fields: [WireField]) {
        for field in fields where field.kind == .node { forgotten.insert(WireFields.number(request, field.offset)) }
    }

    /// Takes in what an answer names for the first time, and makes the two answers comparable: a number that stands for the
    /// same thing becomes the same.
    mutating func reconcile(_ recorded: [UInt8], _ reply: inout [UInt8], _ fields: [WireField]) {
        var isNewFile = false
        for field in fields where field.offset + field.size <= reply.count {
            switch field.kind {
            case .ignored:
                reply.replaceSubrange(
                    field.offset..<field.offset + field.size, with: recorded[field.offset..<field.offset + field.size])
            case .handle, .cookie, .node, .inode:
                let old = WireFields.number(recorded, field.offset)
                let new = WireFields.number(reply, field.offset)
                let key = Key(kind: field.kind, recorded: old)
                // Handles and cookies are given again and again, for something else each time, and inode numbers when a
                // file has gone.
                let isNew = found[key] == nil
                let isGivenAgain =
                    switch field.kind {
                    case .node: forgotten.remove(old) != nil
                    case .inode: isNewFile
                    default: true
                    }
                if isNew || isGivenAgain { found[key] = new }
                if field.kind == .node { isNewFile = isNew }
                guard found[key] == new else { continue }
                reply.withUnsafeMutableBytes { $0.storeBytes(of: old, toByteOffset: field.offset, as: UInt64.self) }
            }
        }
    }
}
