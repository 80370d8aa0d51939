import Foundation
import ServeSupport
import Testing
import VirtioTestSupport

/// A change on the host is seen in the guest as the cache mode promises, and in any mode after a new mount.
func checkHostChange(cache: String) throws {
    let serve = try ServeProcess("--cache", cache)
    try serve.folder.add("file", Array("before".utf8))
    try serve.folder.addFolder("go")
    // A name that was not there may be remembered, too: the guest asks for another one each time.
    let guest = try Guest(
        serve,
        script: """
            echo; echo "read $(cat file)"
            i=0; until [ -e go/$i ]; do i=$((i + 1)); sleep 0.1; done
            [ \(cache) = never ] || sleep 2
            echo "then $(cat file)"
            cd / && umount /mnt && mount -t virtiofs myfs /mnt || exit 1
            echo "at last $(cat /mnt/file)"
            """)
    try #require(guest.says("read before"), "\(guest.console)")
    try serve.folder.add("file", Array("after, and longer".utf8))
    for index in 0..<1000 { try serve.folder.add("go/\(index)") }
    let outcome = guest.finish()
    #expect(outcome.status == 0)
    // With metadata, the content is read again at each open, as far as the file is long to the guest's knowledge.
    let promised = ["always": "before", "metadata": "after,"][cache] ?? "after, and longer"
    #expect(outcome.console.contains("\nthen \(promised)\n"), "\(outcome.console)")
    #expect(outcome.console.contains("\nat last after, and longer\n"), "\(outcome.console)")
}

/// A guest is killed while it writes. What it had synced is on the host, the device holds nothing of it, and the next guest
/// finds all in order.
func checkKilledGuest(_ machine: GuestMachine = GuestMachine(), options: [String] = []) throws {
    let serve = try ServeProcess(options: options)
    let before = serve.holdings
    let guest = try Guest(
        serve, machine,
        script: """
            i=0; while :; do
              dd if=/dev/zero of=junk bs=256k count=8 2> /dev/null &
              dd if=/dev/urandom of=synced$i bs=40k count=3 conv=fsync 2> /dev/null
              echo; echo "synced $i $(sha256sum < synced$i | cut -c 1-64) ."
              i=$((i + 1))
            done
            """)
    try #require(guest.says("synced 20 "), "\(guest.console)")
    guest.kill()
    let synced = syncedFiles(guest.console)
    #expect(synced.count > 20)
    for (name, sum) in synced { #expect(try HostSide(serve).shell("sha256sum < \(name)").hasPrefix(sum), "\(name)") }
    #expect(serve.holdings(settlingAt: before) == before)

    let next = try Guest(serve, machine, script: "rm junk && cat synced* > all && sha256sum < all > sum").finish()
    #expect(next.status == 0, "\(next.console) \(serve.log)")
    #expect(try HostSide(serve).text("sum") == HostSide(serve).shell("cat synced* | sha256sum"))
    #expect(serve.holdings(settlingAt: before) == before)
    #expect(serve.terminate() == 0)
}

/// What a guest has said to be synced, by name, with its checksum. The last line may be half of one.
private func syncedFiles(_ console: String) -> [(name: String, sum: String)] {
    var files: [(name: String, sum: String)] = []
    for line in console.split(separator: "\n") {
        let words = line.split(separator: " ").map(String.init)
        if words.count == 4, words[0] == "synced", words[3] == "." { files.append(("synced" + words[1], words[2])) }
    }
    return files
}

/// The share is mounted and unmounted many times by one guest, and serves each time.
func checkCycles(_ count: Int, _ machine: GuestMachine = GuestMachine()) throws {
    let serve = try ServeProcess()
    let before = serve.holdings
    let outcome = try Guest(
        serve, machine,
        script: """
            cd /; i=0; while [ $i -lt \(count) ]; do
              umount /mnt && mount -t virtiofs myfs /mnt && echo $i > /mnt/$i || exit 1
              [ $i = 0 ] || grep -qx $((i - 1)) /mnt/$((i - 1)) || exit 2
              i=$((i + 1))
            done
            """
    ).finish()
    #expect(outcome.status == 0, "\(outcome.console) \(serve.log)")
    #expect(try HostSide(serve).shell("ls | wc -l") == "\(count)\n")
    #expect(serve.holdings(settlingAt: before) == before)
    #expect(serve.terminate() == 0)
}
