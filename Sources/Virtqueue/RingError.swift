public import GuestMemory

/// What a peer did to a ring that no correct peer does. The ring can't be used any more.
public enum RingError: Error, Equatable, Sendable {
    /// The ring's own memory is not in guest memory, or not aligned (virtio 1.4, 2.7).
    case ringOutsideMemory
    /// The size is zero, above 32768, or for a split queue not a power of two (virtio 1.4, 2.7).
    case badSize(UInt16)
    /// An index moved further than the queue is long.
    case indexJump(from: UInt16, to: UInt16)
    /// A descriptor index is not below the queue size, or below the length of the indirect table.
    case descriptorIndex(UInt16)
    /// The driver overwrote descriptors of a packed queue that the device has not used yet (virtio 1.4, 2.8.16).
    case tooManyInFlight
    /// A chain has more descriptors than its queue, as every loop does (virtio 1.4, 2.7.5.1).
    case chainTooLong
    /// A chain describes more than 2³² bytes (virtio 1.4, 2.7.5.2).
    case chainTooLarge
    /// A buffer is not wholly inside guest memory.
    case bufferOutsideMemory(GuestAddress, count: UInt32)
    /// A descriptor that the device may only read follows one that it may write (virtio 1.4, 2.7.4.2).
    case readableAfterWritable
    /// An indirect table without the feature, inside another, with NEXT set, empty, or of a broken size
    /// (virtio 1.4, 2.7.5.3.1).
    case badIndirectTable
    /// What a device before this one has left about its chains in flight makes no sense.
    case badInflightRegion
    /// The device returned a chain that it does not have.
    case unknownUsedID(UInt32)
    /// The device claims to have written more than the chain can hold.
    case writtenTooMuch(UInt32)
}
