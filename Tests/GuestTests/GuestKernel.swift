import Foundation
import ProcessSupport

/// A Linux kernel for guests, with its modules: one of Debian's cloud kernels.
struct GuestKernel {
    /// What boot/ and lib/modules/ are in.
    let root: String
    /// As `uname -r` says it.
    let version: String

    var image: String { "\(root)/boot/vmlinuz-\(version)" }

    /// The processor to emulate. Kernels that use several request queues also trip over QEMU 7.2's compare and exchange of
    /// 16 bytes, and panic; Swift's programs can't do without it.
    var processor: String { version.compare("6.11", options: .numeric) == .orderedAscending ? "max" : "max,-cx16" }

    /// The one that the machine has installed; the newest where there are several.
    static let installed: GuestKernel? = newest(in: "")

    /// One from 6.11 on, which uses several request queues; from the folder that `VIRTIOFS_NEWER_KERNEL` names
    /// (`.ci/newer-kernel` makes it).
    static let newer: GuestKernel? = getenv("VIRTIOFS_NEWER_KERNEL").flatMap { newest(in: String(cString: $0)) }

    private static func newest(in root: String) -> GuestKernel? {
        let mark = "\(root)/boot/vmlinuz-"
        let found = (try? run("/bin/sh", "-c", "ls -v \(mark)*-cloud-amd64"))?.output.split(separator: "\n").last
        return found.map { GuestKernel(root: root, version: String($0.dropFirst(mark.count))) }
    }
}
