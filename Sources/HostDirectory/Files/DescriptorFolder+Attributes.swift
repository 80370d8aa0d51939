import CKernel
import Syscalls
import SystemPackage

/// Extended attributes of what is held with `O_PATH`, which fsetxattr(2) and the like don't take: of any kind of file,
/// symbolic links among them. Before Linux 6.13 it needs a /proc at its usual place, or the folder as working folder.
extension DescriptorFolder {
    func setAttribute(
        of descriptor: FileDescriptor, _ name: UnsafePointer<CChar>, _ value: UnsafeRawBufferPointer, flags: Int32
    ) throws(Errno) {
        if hasAttributeCalls {
            return try withName(of: descriptor) { folder, path throws(Errno) in
                try folder.setAttributeAt(path, name, value, flags: flags)
            }
        }
        try withPath(of: descriptor) { path throws(Errno) in
            try PathAttributes.set(path, name, value, flags: flags)
        }
    }

    func attribute(
        of descriptor: FileDescriptor, _ name: UnsafePointer<CChar>, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        if hasAttributeCalls {
            return try withName(of: descriptor) { folder, path throws(Errno) in
                try folder.attributeAt(path, name, into: buffer)
            }
        }
        return try withPath(of: descriptor) { path throws(Errno) in
            try PathAttributes.get(path, name, into: buffer)
        }
    }

    func attributeNames(
        of descriptor: FileDescriptor, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        if hasAttributeCalls {
            return try withName(of: descriptor) { folder, path throws(Errno) in
                try folder.attributeNamesAt(path, into: buffer)
            }
        }
        return try withPath(of: descriptor) { path throws(Errno) in try PathAttributes.names(path, into: buffer) }
    }

    func removeAttribute(of descriptor: FileDescriptor, _ name: UnsafePointer<CChar>) throws(Errno) {
        if hasAttributeCalls {
            return try withName(of: descriptor) { folder, path throws(Errno) in
                try folder.removeAttributeAt(path, name)
            }
        }
        try withPath(of: descriptor) { path throws(Errno) in try PathAttributes.remove(path, name) }
    }

    private func withPath<Result>(
        of descriptor: FileDescriptor, _ body: (UnsafePointer<CChar>) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        // A GETXATTR can come with every write: on the stack, without a String.
        var path = InlineArray<32, CChar>(repeating: 0)
        var span = path.mutableSpan
        return try span.withUnsafeMutableBufferPointer { buffer throws(Errno) in
            memcpy(buffer.baseAddress!, self.path.utf8Start, self.path.utf8CodeUnitCount)
            return try DecimalName(descriptor).withPointer { digits throws(Errno) in
                // At most ten digits and a terminator: it fits.
                strcpy(buffer.baseAddress! + self.path.utf8CodeUnitCount, digits)
                return try body(buffer.baseAddress!)
            }
        }
    }

    /// Whether the kernel has the calls that take a descriptor and a path.
    static func probeAttributeCalls(_ folder: FileDescriptor) -> Bool {
        do throws(Errno) {
            _ = try folder.attributeAt(".", "user.none", into: UnsafeMutableRawBufferPointer(start: nil, count: 0))
            return true
        } catch {
            return error != .noFunction
        }
    }
}
