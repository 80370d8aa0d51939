import ArgumentParser
import FUSEWire

/// A file of data that is measured on.
struct BenchFile {
    let name: String
    let node: NodeID
    /// Open for reading and writing.
    let handle: UInt64
    /// In bytes.
    let size: Int
}

/// What files the requests go to that are under way at once.
enum BenchFiles: String, CaseIterable, ExpressibleByArgument {
    /// All to one: they meet at what a host keeps for a file, its lock for writes among it.
    case one
    /// Each to one of its own, as those of several programs do.
    case each
}
