import KernelMount

/// A kernel mount's life in this process, whatever device is behind it.
struct MountService {
    let mountPoint: String
    /// For libfuse, one each.
    let options: [String]
    /// Threads that take requests from the kernel.
    let threads: Int
    /// Where the one in the background reports; nothing in the foreground.
    let readyFd: Int32?

    /// Mounts, says so, and serves until a signal or an unmount.
    func run<Path: RequestPath>(_ path: Path, announcing text: String, _ stop: consuming StopSignals) throws {
        let mount: KernelMount<Path>
        do {
            mount = try KernelMount(path: path, mountPoint: mountPoint, options: options, readerCount: threads)
        } catch {
            throw Failure("\(error)")
        }
        guard mount.waitUntilUp(seconds: 10) else {
            mount.end()
            throw Failure("the kernel did not open the session on \(mountPoint)")
        }
        Background.announce(text, mountPoint: mountPoint, readyFd)
        stop.wait(orEndOf: mount.endDescriptor)
        mount.end()
    }
}
