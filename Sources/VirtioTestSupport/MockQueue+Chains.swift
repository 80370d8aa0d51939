import GuestMemory
public import Virtqueue

/// How a chain's descriptors are laid out.
public enum ChainLayout: Sendable, CaseIterable {
    /// In the queue's own table.
    case direct
    /// All in an indirect table (virtio 1.4, 2.7.5.3).
    case indirect
    /// The first one direct, the rest in an indirect table (virtio 1.4, 2.7.5.3.2).
    case mixed
    /// In an indirect table whose entries are linked in no particular order, at an odd address.
    case scattered
}

/// A chain that the device has, or had.
public struct SentChain: Sendable {
    /// Its first descriptor.
    public let head: UInt16
    public let readable: [GuestBuffer]
    public let writable: [GuestBuffer]
    let descriptors: [UInt16]
    let request: [UInt8]
    let mark: MockGuestMemory.Mark
}

/// What came back.
public struct ChainReply: Sendable {
    /// The first bytes of the writable buffers, as many as ``usedLength`` says.
    public let bytes: [UInt8]
    public let usedLength: UInt32

    /// The bytes as a FUSE reply, if they are one.
    public var reply: FUSEReply? { FUSEReply(bytes) }
}

extension MockQueue {
    /// What surrounds every writable buffer, and what it holds before the device writes.
    static let canary: UInt8 = 0xA5
    static let margin = 16

    /// Sends one request and waits for the reply.
    ///
    /// - Parameters:
    ///   - cuts: sizes of the readable buffers; the last takes what is left. Empty: one buffer.
    ///   - writable: sizes of the writable buffers.
    ///   - lending: see ``Virtio/Doorbell/ring(lending:)``.
    public func send(
        _ request: [UInt8], cuts: [Int] = [], writable: [Int] = [4096], layout: ChainLayout = .direct,
        lending: Bool = true
    ) throws(MockDriverError) -> ChainReply {
        try collect(submit(request, cuts: cuts, writable: writable, layout: layout, lending: lending))
    }

    /// Sends one request and does not wait.
    public func submit(
        _ request: [UInt8], cuts: [Int] = [], writable: [Int] = [4096], layout: ChainLayout = .direct,
        lending: Bool = true
    ) -> SentChain {
        let chain = prepare(request, cuts: cuts, writable: writable, layout: layout)
        stage([chain.head])
        publish()
        kick(lending: lending)
        return chain
    }

    /// Lays a chain out without telling the device.
    public func prepare(
        _ request: [UInt8], cuts: [Int] = [], writable: [Int] = [4096], layout: ChainLayout = .direct
    ) -> SentChain {
        let mark = driver.memory.mark
        var readable = place(request, cuts: cuts)
        let room = writable.map(placeRoom)
        // A chain has at least one descriptor.
        if readable.isEmpty && room.isEmpty { readable = [GuestBuffer(MockGuestMemory.start, count: 0)] }
        let descriptors = describe(readable, room, layout)
        return SentChain(
            head: descriptors[0], readable: readable, writable: room, descriptors: descriptors, request: request,
            mark: mark)
    }

    /// Waits for a chain and checks what no device may do: write outside the writable buffers or into the readable ones
    /// (split.desc.device-no-write-readable), or claim more bytes than there is room for.
    ///
    /// - Parameter changing: whether the test itself has changed the readable buffers meanwhile.
    public func collect(_ chain: SentChain, changing: Bool = false) throws(MockDriverError) -> ChainReply {
        let length = try waitForUsed(chain.head)
        freeDescriptors.append(contentsOf: chain.descriptors.reversed())
        let capacity = chain.writable.reduce(0) { $0 + Int($1.count) }
        guard length <= capacity else { throw .usedLength(length, capacity: capacity) }
        try checkMargins(chain)
        if !changing { try checkRequest(chain) }
        var bytes: [UInt8] = []
        for buffer in chain.writable where bytes.count < length {
            let count = min(Int(buffer.count), Int(length) - bytes.count)
            bytes.append(contentsOf: driver.memory.read(at: buffer.address, count: count))
        }
        if inFlightCount == 0 { driver.memory.release(to: chain.mark) }
        return ChainReply(bytes: bytes, usedLength: length)
    }

    private func checkMargins(_ chain: SentChain) throws(MockDriverError) {
        let memory = driver.memory
        for buffer in chain.writable {
            for margin in [
                GuestAddress(buffer.address.rawValue - UInt64(Self.margin)), buffer.address + UInt64(buffer.count),
            ] where !memory.holds(Self.canary, at: margin, count: Self.margin) {
                throw .wroteOutside(margin)
            }
        }
    }

    private func checkRequest(_ chain: SentChain) throws(MockDriverError) {
        var offset = 0
        for buffer in chain.readable {
            let end = offset + Int(buffer.count)
            guard driver.memory.holds(chain.request[offset..<end], at: buffer.address) else {
                throw .wroteOutside(buffer.address)
            }
            offset = end
        }
    }

    // MARK: laying out

    private func place(_ request: [UInt8], cuts: [Int]) -> [GuestBuffer] {
        var buffers: [GuestBuffer] = []
        var rest = request[...]
        for cut in cuts + [request.count] where !rest.isEmpty {
            let piece = rest.prefix(cut)
            rest = rest.dropFirst(piece.count)
            guard !piece.isEmpty else { continue }
            let address = driver.memory.allocate(piece.count)
            driver.memory.write(piece, at: address)
            buffers.append(GuestBuffer(address, count: UInt32(piece.count)))
        }
        return buffers
    }

    private func placeRoom(_ count: Int) -> GuestBuffer {
        let whole = driver.memory.allocate(count + 2 * Self.margin)
        driver.memory.fill(Self.canary, at: whole, count: count + 2 * Self.margin)
        return GuestBuffer(whole + UInt64(Self.margin), count: UInt32(count))
    }

    /// Writes the descriptors; those of the queue's own table that the chain takes, the head first.
    private func describe(
        _ readable: [GuestBuffer], _ writable: [GuestBuffer], _ layout: ChainLayout
    ) -> [UInt16] {
        let all = readable.map { RawDescriptor($0) } + writable.map { RawDescriptor($0, flags: RawDescriptor.write) }
        let directCount =
            switch layout {
            case .direct: all.count
            case .indirect, .scattered: 0
            case .mixed: min(1, all.count - 1)
            }
        var direct = Array(all.prefix(directCount))
        if directCount < all.count {
            direct.append(writeTable(Array(all.dropFirst(directCount)), shuffled: layout == .scattered))
        }
        let indices = direct.indices.map { _ in freeDescriptors.removeLast() }
        for (position, index) in indices.enumerated() {
            if position + 1 < indices.count {
                direct[position].flags |= RawDescriptor.next
                direct[position].next = indices[position + 1]
            }
            ring.setDescriptor(index, direct[position])
        }
        return indices
    }

    private func writeTable(_ entries: [RawDescriptor], shuffled: Bool) -> RawDescriptor {
        // Entry 0 is where the walk begins; the others may lie anywhere.
        let places = [0] + (shuffled ? Array((1..<entries.count).reversed()) : Array(1..<max(1, entries.count)))
        var bytes = [UInt8](repeating: 0, count: 16 * entries.count)
        for (position, var entry) in entries.enumerated() {
            if position + 1 < entries.count {
                entry.flags |= RawDescriptor.next
                entry.next = UInt16(places[position + 1])
            }
            bytes.replaceSubrange(16 * places[position]..<16 * places[position] + 16, with: entry.bytes)
        }
        let table = driver.memory.allocate(bytes.count, alignment: 16)
        let address = shuffled ? driver.memory.allocate(bytes.count + 1) + 1 : table
        driver.memory.write(bytes, at: address)
        return RawDescriptor(
            address: address.rawValue, length: UInt32(bytes.count), flags: RawDescriptor.indirect, next: 0)
    }
}
