public import CKernel
public import FUSEWire
import Syscalls
public import SystemPackage
public import VirtioFSDevice

/// IOCTL and POLL.
extension HostDirectory {
    /// Only what chattr(1) and lsattr(1) need (``FileControl``). Any other ioctl(2) could be anything, and is ENOTTY.
    public func ioctl(
        _ node: NodeID, _ arguments: fuse_ioctl_in, _ input: UnsafeRawBufferPointer,
        _ output: UnsafeMutableRawBufferPointer, _ request: Request
    ) throws(Errno) -> (result: Int32, count: Int) {
        guard arguments.flags & UInt32(FUSE_IOCTL_UNRESTRICTED) == 0,
            let control = FileControl(arguments.cmd)
        else { throw .inappropriateIOCTLForDevice }
        if control.changes { try refuseChange() }
        guard control.changes ? input.count >= control.size : output.count >= control.size else {
            throw .invalidArgument
        }
        let kind: OpenFile.Kind = arguments.flags & UInt32(FUSE_IOCTL_DIR) != 0 ? .folder : .file
        return try withHandle(arguments.fh, of: node, kind) { file throws(Errno) in
            var words = FileControl.Argument(repeating: 0)
            let descriptor = file.payload.descriptor
            let result = try withUnsafeMutableBytes(of: &words) { bytes throws(Errno) -> Int32 in
                if control.changes {
                    bytes.copyMemory(from: .init(rebasing: input[..<control.size]))
                    try control.check(bytes, descriptor, uid: request.uid)
                }
                let result = try descriptor.control(control.command, bytes.baseAddress!)
                if !control.changes { output.copyMemory(from: .init(rebasing: bytes[..<control.size])) }
                return result
            }
            return (result, control.changes ? 0 : control.size)
        }
    }

    /// What is ready now. A regular file always is; nothing else is ever open here.
    public func poll(_ node: NodeID, _ arguments: fuse_poll_in, _ request: Request) throws(Errno) -> UInt32 {
        try withHandle(arguments.fh, of: node, .file) { file throws(Errno) in
            let wanted = Int16(truncatingIfNeeded: arguments.events)
            return UInt32(UInt16(bitPattern: try file.payload.descriptor.readiness(for: wanted)))
        }
    }
}
