public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

/// Where a file's bytes are: reserved, missing, or another file's.
extension HostDirectory {
    public func fallocate(_ node: NodeID, _ arguments: fuse_fallocate_in, _ request: Request) throws(Errno) {
        try refuseChange()
        let (offset, length) = (try position(arguments.offset), try position(arguments.length))
        try withHandle(arguments.fh, of: node, .file) { file throws(Errno) in
            try request.mayBlock()
            try withoutFSETID(!request.isRoot, group: try hostGroup(request.gid)) { () throws(Errno) in
                try file.payload.descriptor.allocate(
                    mode: Int32(bitPattern: arguments.mode), offset: offset, length: length)
            }
        }
    }

    /// There is no current position on the wire, so `SEEK_CUR` means nothing.
    public func lseek(_ node: NodeID, _ arguments: fuse_lseek_in, _ request: Request) throws(Errno) -> UInt64 {
        let whence = Int32(bitPattern: arguments.whence)
        guard whence != SEEK_CUR else { throw .invalidArgument }
        return try withHandle(arguments.fh, of: node, .file) { file throws(Errno) in
            UInt64(try file.payload.descriptor.seek(to: Int(Int64(bitPattern: arguments.offset)), whence: whence))
        }
    }

    public func copyFileRange(
        _ node: NodeID, _ arguments: fuse_copy_file_range_in, _ request: Request
    ) throws(Errno) -> UInt64 {
        try refuseChange()
        guard let flags = UInt32(exactly: arguments.flags) else { throw .invalidArgument }
        let (from, to) = (try position(arguments.off_in), try position(arguments.off_out))
        let count = Int(clamping: arguments.len)
        let target = NodeID(rawValue: arguments.nodeid_out)
        return try withHandle(arguments.fh_in, of: node, .file) { file throws(Errno) in
            try withHandle(arguments.fh_out, of: target, .file) { targetFile throws(Errno) in
                try request.mayBlock()
                return try withoutFSETID(!request.isRoot, group: try hostGroup(request.gid)) { () throws(Errno) in
                    UInt64(
                        try file.payload.descriptor.copyRange(
                            at: from, to: targetFile.payload.descriptor, at: to, count: count, flags: flags))
                }
            }
        }
    }

    public func syncfs(_ node: NodeID, _ request: Request) throws(Errno) {
        try withNode(node) { descriptor, inode throws(Errno) in
            guard inode.isFolder else { throw .notDirectory }
            let folder = try descriptors.reopen(descriptor, flags: O_RDONLY | O_DIRECTORY)
            try request.mayBlock()
            try folder.descriptor.synchronizeFileSystem()
        }
    }
}

extension Request {
    /// Whether root asks. With HANDLE_KILLPRIV_V2 the client leaves clearing set-user-ID and set-group-ID to the device, and
    /// has a flag that says when for WRITE, OPEN and SETATTR, but none for FALLOCATE and COPY_FILE_RANGE: there the device
    /// takes whoever isn't root for somebody without CAP_FSETID, whose changes clear them.
    fileprivate var isRoot: Bool { uid == 0 }
}
