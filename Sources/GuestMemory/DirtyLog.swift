import Synchronization
import Syscalls
public import SystemPackage

/// A bitmap, in memory of somebody else's, of the pages of guest memory that a device has written: what a virtual machine's
/// monitor still has to copy when the machine moves to another host (vhost-user, "Migration").
public final class DirtyLog: Sendable {
    /// Bytes of guest memory that one bit stands for: VHOST_LOG_PAGE.
    public static let pageSize: UInt64 = 4096

    private let mapping: MemoryMapping

    /// Maps `size` bytes of `file` from `offset` on, a multiple of the page size. The first bit is for guest address 0.
    public init(mapping file: FileDescriptor, offset: Int, size: Int) throws(Errno) {
        mapping = try MemoryMapping(sharing: file, offset: offset, size: size, survivesShrinking: true)
    }

    /// Whether there is a bit for each page below `end`.
    public func covers(upTo end: UInt64) -> Bool { (end + Self.pageSize - 1) / Self.pageSize <= pageCount }

    private var pageCount: UInt64 { UInt64(mapping.size) * 8 }

    /// Notes that `count` bytes from `address` on were written. Pages that the log has no bit for are passed over.
    public func mark(_ address: GuestAddress, count: UInt64) {
        guard count > 0 else { return }
        let (end, overflow) = address.rawValue.addingReportingOverflow(count - 1)
        let first = address.rawValue / Self.pageSize
        let last = min((overflow ? .max : end) / Self.pageSize, pageCount - 1)
        guard first <= last else { return }
        let bits = unsafe mapping.base.assumingMemoryBound(to: Atomic<UInt8>.self)
        for page in first...last {
            // The front end takes bits out at the same time.
            unsafe bits[Int(page / 8)].bitwiseOr(1 << UInt8(page % 8), ordering: .releasing)
        }
    }
}

/// Where a device's threads note what they write, while somebody wants to know. While nobody does it costs a look at a flag.
public final class WriteLog: @unchecked Sendable {
    private let on = Atomic<Bool>(false)
    private let lock = Lock()
    /// Guarded by `lock`.
    private var log: DirtyLog?
    private var changed: (@Sendable () -> Void)?

    public init() {}

    /// Whether somebody wants to know. To be asked after the write, with a full fence between: then what was written before
    /// the log was turned on is seen by who turned it on, and what was written later is noted.
    public var isOn: Bool { on.load(ordering: .acquiring) }

    /// Notes from here on into `log`, or nothing any more.
    ///
    /// - Parameter changed: called after something was noted.
    public func set(_ log: DirtyLog?, changed: (@Sendable () -> Void)? = nil) {
        lock.withLock {
            self.log = log
            self.changed = changed
        }
        on.store(log != nil, ordering: .sequentiallyConsistent)
        fullFence()
    }

    /// Notes what `body` marks, if anybody wants to know.
    public func note(_ body: (DirtyLog) -> Void) {
        let changed = lock.withLock { () -> (@Sendable () -> Void)? in
            guard let log else { return nil }
            body(log)
            return self.changed
        }
        changed?()
    }
}
