import FUSEWire
import SystemPackage

/// A file or a folder between OPEN and RELEASE.
struct OpenFile: BitwiseCopyable {
    /// The node that was opened. A handle is good for this one only.
    let node: NodeID
    let rawDescriptor: Int32
    /// Whether each call may wait for a disk or a network: the file was opened for direct or synchronous I/O.
    let waits: Bool
    /// Whether it was opened for writing.
    let writes: Bool
    /// How far a folder has been listed; nothing for a file.
    let listing: UnsafeMutablePointer<FolderListing>?

    var descriptor: FileDescriptor { FileDescriptor(rawValue: rawDescriptor) }
    var kind: Kind { listing == nil ? .file : .folder }

    enum Kind { case file, folder }
}
