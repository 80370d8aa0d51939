import ArgumentParser
import CKernel
import Glibc

/// `mount -o remount,…`: changes how a mount of ours is mounted. The process that serves it goes on as it is.
struct RemountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remount", abstract: "Change the options of a mount, as mount(8) asks for it.",
        shouldDisplay: false)

    @Argument var mountpoint: String
    @Option var source: String?
    @Option(name: .customShort("o")) var options: [String] = []

    func run() throws {
        try Remount(mountPoint: mountpoint, source: source, options: MountOptions(options)).run()
    }
}

/// A change of the flags of mount(2) that a mount of ours has.
struct Remount {
    let mountPoint: String
    /// What has to be mounted there, if it was said.
    let source: String?
    let options: MountOptions

    func run() throws {
        // Not even root may look at what an ordinary user has mounted.
        let place = try MountPlace.absolute(mountPoint, called: "mount point")
        guard let info = MountInfo.mounted(on: place), info.type == "fuse.virtiofs" else {
            throw Failure("no virtiofs is mounted on \(place): there is nothing to remount")
        }
        guard source == nil || source == info.source else {
            throw Failure("'\(info.source)' is mounted on \(place), not '\(source!)'")
        }
        // With no flag for access times, those of the mount stay (mount(2)).
        guard mount(info.source, place, nil, options.flags | UInt(MS_REMOUNT), nil) != 0 else { return }
        switch errno {
        case EBUSY: throw Failure("can't make \(place) read-only: files on it are open for writing")
        case EPERM: throw Failure("can't remount \(place): only root may")
        default: throw Failure("can't remount \(place): \(String(cString: strerror(errno)))")
        }
    }
}
