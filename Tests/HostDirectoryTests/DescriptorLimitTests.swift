import CKernel
import FUSEWire
import Foundation
import Glibc
import HostDirectory
import SystemPackage
import Testing

/// Without the privilege for handles. In a process of its own, which has few descriptors.
@Suite struct DescriptorLimitTests {
    @Test("Without handles, as many folders as there can be leave descriptors for opening them")
    func withoutHandlesFoldersOpen() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 256, rlim_max: 256)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            let share = try Share(HostDirectoryOptions(fileHandles: false))
            for index in 0..<300 { mkdir(share.path("folder \(index)"), 0o755) }
            var nodes: [NodeID] = []
            let refusal = errorOf { for index in 0..<300 { nodes.append(try share.node("folder \(index)")) } }
            #expect(refusal == .tooManyOpenFilesInSystem && nodes.count > 100)
            for node in nodes.prefix(12) { #expect(try share.list(node, share.opendir(node), plus: true).count == 2) }
            // A forgotten one makes room for another.
            share.fs.forget(nodes[20], count: 1)
            let last = try share.node("folder 299")
            #expect(try share.list(last, share.opendir(last), plus: true).count == 2)
            #expect(errorOf { try share.node("folder 298") } == .tooManyOpenFilesInSystem)
        }
    }

    @Test("Without handles, nodes that nobody uses need no descriptors; when those in use have all, others go without")
    func withoutHandlesNamed() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 256, rlim_max: 256)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            let share = try Share(HostDirectoryOptions(fileHandles: false))
            for index in 0..<1000 { Share.write("content \(index)", to: share.path("file \(index)")) }
            Share.letFilesAge()
            let nodes = try (0..<1000).map { try share.node("file \($0)") }
            #expect(share.fs.namedInodeCount == 1000 && share.descriptorCount == 1)
            for node in nodes { _ = try share.fs.getattr(node, nil, share.request()) }
            let used = 1000 - share.fs.namedInodeCount
            #expect(used > 100 && share.descriptorCount == used + 1)
            for (index, node) in nodes.enumerated() {
                let handle = try share.open(node, O_RDONLY)
                #expect(try share.read(node, handle) == "content \(index)")
                try share.release(node, handle)
            }
            #expect(share.fs.namedInodeCount == 1000 - used && share.descriptorCount == used + 1)
            // What is forgotten makes room for another.
            share.fs.forget(nodes[0], count: 1)
            _ = try share.fs.getattr(nodes[999], nil, share.request())
            #expect(share.fs.namedInodeCount == 1000 - used - 1)
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
