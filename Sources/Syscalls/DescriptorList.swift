public import SystemPackage

/// Descriptors that came with a message, in order. Those that nobody takes are closed.
public final class DescriptorList {
    private var descriptors: [FileDescriptor] = []

    public init() {}

    deinit { descriptors.forEach { $0.closeOwned() } }

    public var count: Int { descriptors.count }

    /// Takes `descriptor` over.
    public func append(_ descriptor: FileDescriptor) { descriptors.append(descriptor) }

    /// Gives away the first one that is left.
    public func takeFirst() -> OwnedDescriptor? {
        descriptors.isEmpty ? nil : OwnedDescriptor(owning: descriptors.removeFirst())
    }
}
