import GuestMemory
import SystemPackage

/// What a back end answers.
struct Reply {
    let payload: [UInt8]
    /// Memory whose file goes along.
    private let memory: GuestRegion?

    init(_ payload: [UInt8], keeping memory: GuestRegion? = nil) {
        self.payload = payload
        self.memory = memory
    }

    var descriptors: [FileDescriptor] { memory?.file.map { [$0] } ?? [] }
}
