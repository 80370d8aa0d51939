/// What a front end knows of a device whose back end has no configuration space (no ``ProtocolFeatures/configuration``):
/// then it is the front end that makes one up, as QEMU does for this device.
public struct FrontEndOptions: Sendable {
    public var tag = "myfs"
    public var requestQueueCount: UInt32 = 1
    /// Protocol features to do without.
    public var withoutProtocolFeatures: ProtocolFeatures = []

    public init() {}
}
