import ArgumentParser
import VirtioFSDevice

/// What FUSE's users know as mount options, and a device tells its client at INIT.
struct LimitOptions: ParsableArguments {
    @Option(help: "Bytes of data in a WRITE.")
    var maxWrite: UInt32?
    @Option(help: "Bytes that the kernel reads ahead.")
    var maxReadahead: UInt32?
    @Option(help: "Requests that the kernel may have in the background.")
    var maxBackground: UInt16?
    @Option(help: "The number of those above which it holds back.")
    var congestionThreshold: UInt16?
    @Flag(help: "Keep locks to the mount, out of the host's sight.")
    var noRemoteLock = false

    var limits: FUSELimits {
        var limits = FUSELimits()
        // More than the buffers hold is not to be had, and less than a page the kernel doesn't do.
        if let maxWrite { limits.maxWrite = min(limits.maxWrite, max(4096, maxWrite)) }
        if let maxReadahead { limits.maxReadahead = maxReadahead }
        if let maxBackground { limits.maxBackground = maxBackground }
        limits.congestionThreshold = congestionThreshold ?? min(limits.congestionThreshold, limits.maxBackground)
        return limits
    }
}

/// A time in seconds, with a decimal fraction.
struct Seconds: ExpressibleByArgument {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        guard let number = Double(argument), number >= 0, number <= 1e9 else { return nil }
        duration = .nanoseconds(Int64(number * 1e9))
    }

    var defaultValueDescription: String { "\(Double(duration.components.seconds))" }
}
