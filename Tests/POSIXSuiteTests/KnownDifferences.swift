import Foundation
import POSIXSuite
import Testing

/// What a mount can't do and a plain folder can, each with its reason in KernelMount's documentation ("What a mount can't
/// do").
enum KnownDifferences {
    /// The kernel's limits.
    static let onAnyMount: Set = ["allocate.collapse-range", "allocate.insert-range"]

    /// Those of a kernel that collects writes, besides.
    static let withWriteback: Set = [
        "truncate.frees-blocks", "allocate.punch-hole", "sparse.written-but-not-synced-data-is-found",
        "sparse.hole-at-the-end-of-a-full-file", "sparse.seek-moves-the-position", "sparse.largest-offset",
        "read.sync-calls", "fd.immutable-file-flag",
    ]

    /// Those that such a kernel shows now and then.
    static let nowAndThenWithWriteback: Set = ["view.made-here-is-there"]

    /// Those of a device without privileges, besides.
    static let onConfinedDevice: Set = [
        "xattr.trusted-namespace-is-root's", "fd.append-only-file-flag", "fd.immutable-file-flag",
    ]

    /// Those of QEMU's C virtiofsd, besides.
    static let onQEMUsDevice: Set = [
        "xattr.trusted-namespace-is-root's", "setgid.folder-strips-the-bit-from-strangers'-files",
        "setgid.temporary-file-in-such-a-folder", "setid.open-truncating-by-another-clears-both",
        "umask.of-temporary-files", "tmpfile.has-no-name", "tmpfile.given-a-name",
        "tmpfile.exclusive-can't-be-given-a-name", "tmpfile.two-are-two", "fd.file-flags",
        "fd.append-only-file-flag", "fd.immutable-file-flag", "lock.test-tells-what-stands-in-the-way",
        "lock.waits-until-it-is-free", "lock.waiting-ends-when-the-holder-closes",
        "lock.three-wait-and-all-get-it",
        "lock.counts-exactly-under-contention", "ofd-lock.duplicate-shares-it", "ofd-lock.waits",
        "flock.exclusive-keeps-others-out", "flock.shared", "flock.read-only-file-can-be-exclusive",
        "flock.duplicate-shares-it", "flock.goes-with-the-last-descriptor", "flock.waits",
        "flock.and-fcntl-locks-are-strangers", "view.whole-file-locks",
        "view.waiting-for-a-lock-held-there",
    ]

    /// Those that it may not live through.
    static let endingQEMUsDevice: Set = [
        "read.no-signal-ends-a-write-or-its-sync", "lock.waiting-is-interrupted-by-a-signal",
        "flock.waiting-is-interrupted-by-a-signal",
    ]
}

@Suite struct KnownDifferencesTests {
    @Test(
        "The documentation lists each difference under its heading, and no case that is none",
        arguments: [
            ("### On any mount", KnownDifferences.onAnyMount),
            (
                "### A kernel that collects writes",
                KnownDifferences.withWriteback.union(KnownDifferences.nowAndThenWithWriteback)
            ),
            ("### A confined device", KnownDifferences.onConfinedDevice),
            ("### QEMU's virtiofsd", KnownDifferences.onQEMUsDevice.union(KnownDifferences.endingQEMUsDevice)),
        ])
    func documented(heading: String, differences: Set<String>) throws {
        let article = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Sources/KernelMount/KernelMount.docc/WhatAMountCantDo.md")
        let text = try String(contentsOf: article, encoding: .utf8)
        let start = try #require(text.range(of: heading + "\n"))
        let end = text.range(of: "\n### ", range: start.upperBound..<text.endIndex)?.lowerBound ?? text.endIndex
        let section = text[start.upperBound..<end]
        #expect(Set(Suite.cases.map(\.name).filter { section.contains("`\($0)`") }) == differences)
    }
}
