import ArgumentParser
import HostDirectory
import SystemPackage
import VirtioFSDevice

/// Options of `serve` that say what its device offers, each named as virtiofsd names it.
struct DeviceOptions: ParsableArguments {
    @Flag(inversion: .prefixedNo, help: "Serve extended attributes.")
    var xattr = true
    @Flag(inversion: .prefixedNo, help: "Serve POSIX ACLs, where the host has them; they need extended attributes.")
    var posixAcl = true
    @Flag(inversion: .prefixedNo, help: "Serve listings with attributes.")
    var readdirplus = true
    @Flag(
        inversion: .prefixedNo,
        help: "Take set-user-ID and capabilities from a file that is changed, in place of the guest.")
    var killprivV2 = true
    @Flag(inversion: .prefixedNo, help: "Serve locks, for all guests and the host together.")
    var locks = true
    @Flag(inversion: .prefixedNo, help: "Tell the guest which folders are mount points of the host.")
    var announceSubmounts = true
    @Option(help: "Threads that a queue may have, for calls that block; 0 is one and no more.")
    var threadPoolSize: Int?
    @Flag(help: "Log to syslog(3) in place of standard error.")
    var syslog = false
    @Flag(help: .hidden)
    var securityLabel = false

    func validate() throws {
        guard !securityLabel else {
            throw ValidationError("--security-label is not supported: guests can set labels as extended attributes")
        }
        guard (0...1024).contains(threadPoolSize ?? 0) else {
            throw ValidationError("--thread-pool-size takes 0 to 1024")
        }
    }

    /// What the log needs, once the process reaches nothing by a path.
    var logSockets: [FileDescriptor] { syslog ? [SyslogHandler.socket].compactMap { $0 } : [] }

    func apply(to options: inout HostDirectoryOptions) {
        options.extendedAttributes = xattr
        options.posixACLs = posixAcl && xattr
        options.attributesInListings = readdirplus
        options.killsPrivileges = killprivV2
        options.locks = locks
        options.announcesSubmounts = announceSubmounts
    }

    func apply(to service: inout ServiceOptions) {
        if let threadPoolSize { service.largestThreadCount = max(1, threadPoolSize) }
    }
}
