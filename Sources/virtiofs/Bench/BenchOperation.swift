import CKernel
import FUSEWire
import VirtioFSDriver

/// One of the requests that are under way at once, or what stands behind it: it does one operation after the other.
struct BenchActor {
    /// The file of data that its requests go to.
    let file: BenchFile
    /// Of the file that it makes and removes.
    let fileName: String
    /// The next request of the operation.
    var step = 0
    var node = NodeID.root
    var handle: UInt64 = 0
    var isListing = false
    var offset: UInt64 = 0
    /// When the operation began, in nanoseconds.
    var start: UInt64 = 0
    /// Lookups that it was given and has not given back.
    var lookups: UInt64 = 0
    private var seed: UInt64

    init(number: Int, file: BenchFile) {
        self.file = file
        fileName = "new-\(number)"
        seed = UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15
    }

    /// A place for a block of `size` bytes in its file (xorshift64).
    mutating func randomOffset(size: Int) -> UInt64 {
        seed ^= seed << 13
        seed ^= seed >> 7
        seed ^= seed << 17
        return seed % UInt64(file.size / size) * UInt64(size)
    }

    mutating func nextOffset(size: Int) -> UInt64 {
        defer { offset = (offset + UInt64(size)) % UInt64(file.size / size * size) }
        return offset
    }
}

/// A row of the measurement: what an actor does over and over.
struct BenchOperation {
    enum Step {
        case send(BenchRequest)
        /// The operation is over; this many things came of it.
        case done(items: Int)
        /// The device's answer makes no sense.
        case failed(String)
    }

    let name: String
    /// Bytes of data in each operation.
    var bytes = 0
    /// What is counted, where it is not operations.
    var unit = "ops"
    var depths = [1, 16, 64]
    /// What comes next, after the reply to the step before.
    let next: (inout BenchActor, UnsafeRawBufferPointer) -> Step
}

extension BenchOperation {
    /// All rows, in the order of the table.
    static func all(on share: BenchShare) -> [BenchOperation] {
        let large = share.session.largestTransfer
        return [
            single("GETATTR") { actor in .getattr(actor.file.node) },
            lookup(in: share), openAndRelease,
            single("READ 4k", bytes: 4096) { actor in
                .read(actor.file.node, actor.file.handle, at: actor.randomOffset(size: 4096), count: 4096)
            },
            single("WRITE 4k", bytes: 4096) { actor in
                .write(actor.file.node, actor.file.handle, at: actor.randomOffset(size: 4096), count: 4096)
            },
            single("READ \(large >> 10)k", bytes: large) { actor in
                .read(actor.file.node, actor.file.handle, at: actor.nextOffset(size: large), count: large)
            },
            single("WRITE \(large >> 10)k", bytes: large) { actor in
                .write(actor.file.node, actor.file.handle, at: actor.nextOffset(size: large), count: large)
            },
            list(share), createAndUnlink(in: share),
        ]
    }

    /// An operation of one request.
    private static func single(
        _ name: String, bytes: Int = 0, _ request: @escaping (inout BenchActor) -> BenchRequest
    ) -> BenchOperation {
        BenchOperation(name: name, bytes: bytes) { actor, _ in
            actor.step == 0 ? .send(request(&actor)) : .done(items: 1)
        }
    }

    private static func lookup(in share: BenchShare) -> BenchOperation {
        BenchOperation(name: "LOOKUP") { actor, _ in
            guard actor.step == 0 else {
                actor.node = actor.file.node
                actor.lookups += 1
                return .done(items: 1)
            }
            return .send(.lookup(actor.file.name, in: share.folder))
        }
    }

    private static var openAndRelease: BenchOperation {
        BenchOperation(name: "OPEN + RELEASE") { actor, reply in
            switch actor.step {
            case 0: .send(.open(actor.file.node))
            case 1: .send(.release(actor.file.node, reply.loadUnaligned(as: fuse_open_out.self).fh))
            default: .done(items: 1)
            }
        }
    }

    /// A whole listing, from OPENDIR to RELEASEDIR.
    private static func list(_ share: BenchShare) -> BenchOperation {
        BenchOperation(name: "READDIRPLUS \(share.entryCount)", unit: "entries", depths: [1]) { actor, reply in
            switch actor.step {
            case 0: return .send(.open(share.entries, folder: true))
            case 1:
                actor.handle = reply.loadUnaligned(as: fuse_open_out.self).fh
                (actor.isListing, actor.offset, share.listed) = (true, 0, 0)
            default:
                guard actor.isListing else { return .done(items: share.listed) }
                guard !reply.isEmpty, !share.session.isEnding else {
                    actor.isListing = false
                    return .send(.release(share.entries, actor.handle, folder: true))
                }
                guard let last = share.take(listing: reply) else { return .failed("a reply holds no whole entry") }
                actor.offset = last
            }
            return .send(
                .read(share.entries, actor.handle, at: actor.offset, count: BenchShare.listingSize, as: .readdirplus))
        }
    }

    private static func createAndUnlink(in share: BenchShare) -> BenchOperation {
        BenchOperation(name: "CREATE + UNLINK") { actor, reply in
            switch actor.step {
            case 0: return .send(.create(actor.fileName, in: share.folder))
            case 1:
                actor.node = NodeID(rawValue: reply.loadUnaligned(as: fuse_entry_out.self).nodeid)
                let open = reply.loadUnaligned(
                    fromByteOffset: MemoryLayout<fuse_entry_out>.size, as: fuse_open_out.self)
                return .send(.release(actor.node, open.fh))
            case 2: return .send(.unlink(actor.fileName, in: share.folder))
            default:
                share.session.post(.forget(actor.node, count: 1))
                return .done(items: 1)
            }
        }
    }
}
