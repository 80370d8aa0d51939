import FUSEWire
import VirtioFSDriver

/// A node that was looked up once; forgotten when nobody holds it any more.
final class HeldNode: Sendable {
    let id: NodeID
    private let client: FUSEClient

    /// Takes one lookup over. The root has none.
    init(_ id: NodeID, of client: FUSEClient) {
        self.id = id
        self.client = client
    }

    deinit { client.forget(id) }
}
