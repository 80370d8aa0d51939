import CKernel
import FUSEWire
import Foundation
import Glibc
import HostDirectory
import SystemPackage
import Testing

/// Without the privilege for handles. In a process of its own, which has few descriptors.
@Suite struct DescriptorLimitTests {
    @Test("Without handles, as many nodes as there can be leave descriptors for opening them")
    func withoutHandlesFilesOpen() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 256, rlim_max: 256)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            let share = try Share(HostDirectoryOptions(fileHandles: false))
            for index in 0..<300 { Share.write("content \(index)", to: share.path("file \(index)")) }
            var nodes: [NodeID] = []
            let refusal = errorOf { for index in 0..<300 { nodes.append(try share.usedNode("file \(index)")) } }
            #expect(refusal == .tooManyOpenFilesInSystem && nodes.count > 100)
            for node in nodes.prefix(12) { #expect(try share.read(node, share.open(node, O_RDONLY)) != "") }
            // A forgotten one makes room for another.
            for node in nodes.suffix(50) { share.fs.forget(node, count: 1) }
            let last = try share.node("file 299")
            #expect(try share.read(last, share.open(last, O_RDONLY)) == "content 299")
        }
    }

    @Test("Without handles, nodes that nobody uses need no descriptors; when those in use have all, one more is ENFILE")
    func withoutHandlesNamed() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 256, rlim_max: 256)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            let share = try Share(HostDirectoryOptions(fileHandles: false))
            for index in 0..<1000 { Share.write("content \(index)", to: share.path("file \(index)")) }
            Share.letFilesAge()
            let nodes = try (0..<1000).map { try share.node("file \($0)") }
            #expect(share.fs.namedInodeCount == 1000 && share.descriptorCount == 1)
            var used = 0
            let refusal = errorOf {
                for node in nodes {
                    _ = try share.fs.getattr(node, nil, share.request())
                    used += 1
                }
            }
            #expect(refusal == .tooManyOpenFilesInSystem && used > 100)
            #expect(try share.read(nodes[0], share.open(nodes[0], O_RDONLY)) == "content 0")
            share.fs.forget(nodes[1], count: 1)
            #expect(try share.read(nodes[999], share.open(nodes[999], O_RDONLY)) == "content 999")
        }
    }

    /// So that no thread waits for the kernel to let the table grow (FDSize, proc_pid_status(5)).
    @Test("Whoever serves a folder has room for all its descriptors, and opens no file for that")
    func room() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 4096, rlim_max: 4096)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            _ = try Share()
            let open = Share.names(in: "/proc/self/fd").count
            let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
            let size = try #require(status.firstMatch(of: /FDSize:\s*(\d+)/)?.output.1)
            #expect(try #require(Int(size)) >= 4096)
            #expect(open < 64)
        }
    }
}
