public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

/// GETLK, SETLK and SETLKW: locks of fcntl(2), and with `FUSE_LK_FLOCK` of flock(2).
extension HostDirectory {
    public func getlk(_ node: NodeID, _ arguments: fuse_lk_in, _ request: Request) throws(Errno) -> fuse_file_lock {
        let range = try range(arguments, request)
        guard range.type != F_UNLCK, !arguments.isWhole else { throw .invalidArgument }
        return try withHandle(arguments.fh, of: node, .file) { file throws(Errno) in
            // Who has no locks on the file has no open file for them: then any one tells.
            let holder = locks.holder(LockTable.Key(node: node, owner: arguments.owner, kind: .range))
            let descriptor = holder?.descriptor.descriptor ?? file.payload.descriptor
            guard var found = try descriptor.lockInTheWay(of: range) else {
                return fuse_file_lock(start: 0, end: 0, type: UInt32(F_UNLCK), pid: 0)
            }
            if found.pid == nil { found.pid = locks.pid(of: found, on: node, notBy: arguments.owner) }
            return fuse_file_lock(
                start: UInt64(found.start), end: UInt64(found.end), type: UInt32(found.type),
                pid: UInt32(bitPattern: found.pid ?? 0))
        }
    }

    public func setlk(
        _ node: NodeID, _ arguments: fuse_lk_in, waits: Bool, _ request: Request
    ) throws(Errno) {
        let range = try range(arguments, request)
        let key = LockTable.Key(
            node: node, owner: arguments.owner, kind: arguments.isWhole ? .whole : .range)
        try withHandle(arguments.fh, of: node, .file) { file throws(Errno) in
            if range.type == F_UNLCK, locks.holder(key) == nil { return }
            file.noteLocks()
            let holder = try holder(key, arguments.fh)
            do throws(Errno) {
                try set(range, key.kind, holder.descriptor.descriptor)
            } catch {
                guard waits, error == .resourceTemporarilyUnavailable else { throw error }
                try wait(for: range, key, holder, arguments.fh, request)
            }
            try locks.note(range, holder)
        }
    }

    private func set(_ range: RangeLock, _ kind: LockTable.Kind, _ file: FileDescriptor) throws(Errno) {
        switch kind {
        case .range: try file.setLock(range)
        case .whole: try file.setWholeLock(range.type)
        }
    }

    private func wait(
        for range: RangeLock, _ key: LockTable.Key, _ holder: LockTable.Holder, _ handle: UInt64, _ request: Request
    ) throws(Errno) {
        try request.mayBlock()
        // The queue's last thread must not wait for an unlock that nobody would serve.
        guard !request.holdsQueue else { throw Errno(rawValue: ENOLCK) }
        try locks.wait(for: holder, handle) { call throws(Errno) in
            try request.onInterrupt({ call.end() }) { () throws(Errno) in
                let file = holder.descriptor.descriptor
                switch key.kind {
                case .range: try file.setLock(range, waitingIn: call)
                case .whole: try file.setWholeLock(range.type, waitingIn: call)
                }
            }
        }
    }

    /// The open file for an owner's locks.
    private func holder(_ key: LockTable.Key, _ handle: UInt64) throws(Errno) -> LockTable.Holder {
        if let holder = locks.holder(key) { return holder }
        try inodes.makeRoomForFile()
        return try withNode(key.node) { descriptor, inode throws(Errno) in
            try inode.checkIsRegular()
            let file = try openForLocks(descriptor)
            return locks.insert(LockTable.Holder(file, through: handle, inodes.budget), key)
        }
    }

    /// A write lock needs a file open for writing, which may not be had; a client that opened it so may not ask for one.
    private func openForLocks(_ descriptor: FileDescriptor) throws(Errno) -> OwnedDescriptor {
        guard !options.readOnly else { return try descriptors.reopen(descriptor, flags: O_RDONLY) }
        do throws(Errno) {
            return try descriptors.reopen(descriptor, flags: O_RDWR)
        } catch {
            guard [EACCES, EPERM, EROFS, ETXTBSY].contains(error.rawValue) else { throw error }
            return try descriptors.reopen(descriptor, flags: O_RDONLY)
        }
    }

    private func range(_ arguments: fuse_lk_in, _ request: Request) throws(Errno) -> RangeLock {
        let type = Int32(bitPattern: arguments.lk.type)
        guard [F_RDLCK, F_WRLCK, F_UNLCK].contains(type) else { throw .invalidArgument }
        let (start, end) = (try position(arguments.lk.start), Int(clamping: arguments.lk.end))
        guard start <= end else { throw .invalidArgument }
        let pid = arguments.lk.pid == 0 ? request.pid : arguments.lk.pid
        return RangeLock(type: type, start: start, end: end, pid: Int32(bitPattern: pid))
    }
}

extension fuse_lk_in {
    /// A lock of flock(2).
    fileprivate var isWhole: Bool { lk_flags & UInt32(FUSE_LK_FLOCK) != 0 }
}
