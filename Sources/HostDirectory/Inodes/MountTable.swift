import CKernel
import Syscalls
import SystemPackage

/// The host's mounts that the share reaches, by their ids (`stx_mnt_id`): a file handle is opened through a descriptor of
/// its mount, which one with `O_PATH` can't be.
final class MountTable: @unchecked Sendable {
    /// A descriptor of a mount, closed when nobody uses it any more.
    final class Mount: Sendable {
        let descriptor: OwnedDescriptor
        init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
    }

    private struct Entry {
        let id: UInt64
        /// Nothing where handles can't be had or used.
        let mount: Mount?
    }

    private static let largestCount = 256

    private let isEnabled: Bool
    private let lock = Lock()
    /// The share's own first; guarded by `lock`.
    private var entries: [Entry] = []
    /// The mount of the share itself.
    private let first: UInt64

    /// - Parameters:
    ///   - root: of the share, with `O_PATH`.
    ///   - isEnabled: whether handles are wanted.
    init(root: FileDescriptor, _ id: UInt64, isEnabled: Bool) {
        self.isEnabled = isEnabled
        first = id
        entries.append(Entry(id: id, mount: isEnabled ? Self.open(root) : nil))
    }

    /// Whether files of the share's own mount can be opened by their handles.
    var canReopen: Bool { mount(first) != nil }

    func mount(_ id: UInt64) -> Mount? {
        lock.withLock { entries.first { $0.id == id }?.mount }
    }

    /// Gets to know the mount that `folder` is on, if it is another than the share's and new.
    func note(_ id: UInt64, _ folder: FileDescriptor) {
        guard isEnabled, id != first, id != 0 else { return }
        let isKnown = lock.withLock { entries.count >= Self.largestCount || entries.contains { $0.id == id } }
        guard !isKnown else { return }
        let entry = Entry(id: id, mount: Self.open(folder))
        lock.withLock {
            if !entries.contains(where: { $0.id == id }) { entries.append(entry) }
        }
    }

    /// Lets go of all mounts but the share's, so that the host can unmount them.
    func removeAll() {
        lock.withLock { entries.removeSubrange(1...) }
    }

    /// The mount of a folder, if a file of it can be opened by its handle: tried on the folder itself.
    private static func open(_ folder: FileDescriptor) -> Mount? {
        do throws(Errno) {
            let mount = Mount(
                OwnedDescriptor(owning: try folder.openAt(".", flags: O_RDONLY | O_DIRECTORY | O_NONBLOCK)))
            let handle = try HostFileHandle(of: folder).copy()
            defer { handle.deallocate() }
            _ = try HostFileHandle.open(handle, on: mount.descriptor.descriptor, flags: O_PATH)
            return mount
        } catch {
            return nil
        }
    }
}
