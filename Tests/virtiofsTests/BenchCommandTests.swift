import Foundation
import ProcessSupport
import ServeSupport
import SystemPackage
import Testing
import VirtioTestSupport

/// The measurement itself: that every row is there, and nothing else when it is over.
@Suite struct BenchCommandTests {
    private struct Figure: Decodable {
        let row: String
        let depth: Int
        let unit: String
        let rate: Int
        let microseconds: [String: Double]
    }

    private let folder: TemporaryFolder
    private let share: String

    init() throws {
        folder = try TemporaryFolder()
        share = try folder.folder("share")
    }

    @Test("Every row at every depth has a rate and latencies in order, and the share is left as it was")
    func allRows() throws {
        let json = folder.path + "/figures.json"
        let outcome = try virtiofs("bench", share, "--seconds", "0.001", "--entries", "300", "--json", json)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let figures = try JSONDecoder().decode([Figure].self, from: Data(contentsOf: URL(fileURLWithPath: json)))
        let rows = [
            "GETATTR", "LOOKUP", "OPEN + RELEASE", "READ 4k", "WRITE 4k", "READ 1024k", "WRITE 1024k",
            "READDIRPLUS 300", "CREATE + UNLINK",
        ]
        #expect(figures.map(\.row) == rows.flatMap { $0.hasPrefix("READDIR") ? [$0] : [$0, $0, $0] })
        for figure in figures {
            #expect(figure.rate > 0)
            let latencies = ["p50", "p90", "p99", "p99.9"].compactMap { figure.microseconds[$0] }
            #expect(latencies.count == 4 && latencies == latencies.sorted() && latencies[0] > 0)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: share).isEmpty)
    }

    @Test("The rows and depths that are asked for, with packed rings and a device thread")
    func chosen() throws {
        let outcome = try virtiofs(
            "bench", share, "--rows", "getattr,read 4k", "--depths", "3", "--seconds", "0.001", "--entries", "1",
            "--ring", "packed",
            "--kick", "worker")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let lines = outcome.output.split(separator: "\n").dropFirst()
        #expect(lines.count == 2)
        #expect(lines.first?.split(separator: " ").prefix(2) == ["GETATTR", "3"])
    }

    @Test(
        "What can't be measured is said in one line",
        arguments: zip(
            [["--socket-path", "/nowhere/socket"], ["/nowhere"], [], ["/tmp", "--depths", "0"]] as [[String]],
            [1, 1, 64, 64] as [Int32]))
    func mistakes(_ arguments: [String], _ status: Int32) throws {
        let outcome = try Child(commandPath, ["bench"] + arguments).outcome()
        #expect(outcome.status == status)
        #expect(outcome.errors.hasPrefix("virtiofs: "))
        #expect(outcome.errors.split(separator: "\n").count == 1)
    }
}

/// Devices of other processes that stop answering.
extension BenchCommandTests {
    /// Measures for an hour, so many requests at once; returns when it has made its files.
    private func endlessBench(_ serve: ServeProcess, depth: Int, _ options: String...) throws -> Child {
        let bench = try Child(
            commandPath,
            [
                "bench", "--socket-path", serve.socketPath, "--rows", "getattr", "--depths", "\(depth)", "--seconds",
                "3600", "--entries", "1",
            ] + options)
        let last = "\(serve.folder.path)/bench-\(bench.pid)/entries/entry-0"
        let isReady = ServeProcess.wait(seconds: 60) { FileManager.default.fileExists(atPath: last) }
        try #require(isReady, "\(bench.outcome(seconds: 0))")
        return bench
    }

    @Test(
        "A signal ends it also where the device has become silent",
        arguments: [SIGTERM, SIGINT], [1, 4])
    func silent(_ signal: Int32, depth: Int) throws {
        let serve = try ServeProcess()
        let bench = try endlessBench(serve, depth: depth)
        #expect(serve.freeze())
        bench.signal(signal)
        let outcome = bench.outcome()
        #expect(outcome.status == 1)
        #expect(outcome.errors == "virtiofs: stopped; the device doesn't answer\n")
    }

    @Test("A signal ends it while the device works, and what it has made is gone", arguments: [1, 4])
    func stopped(depth: Int) throws {
        let serve = try ServeProcess()
        let bench = try endlessBench(serve, depth: depth)
        bench.signal(SIGTERM)
        let outcome = bench.outcome()
        #expect(outcome.status == 1)
        #expect(outcome.errors == "virtiofs: stopped\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: serve.folder.path.string) == [])
    }

    @Test("Each of those under way has a file of its own, which is gone in the end")
    func ownFiles() throws {
        let serve = try ServeProcess()
        let bench = try endlessBench(serve, depth: 3, "--files", "each")
        let folder = "\(serve.folder.path)/bench-\(bench.pid)"
        let files = ServeProcess.wait(seconds: 60) { FileManager.default.fileExists(atPath: "\(folder)/data-3-2") }
        bench.signal(SIGTERM)
        let outcome = bench.outcome()
        #expect(files, "\(outcome)")
        #expect(outcome.errors == "virtiofs: stopped\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: serve.folder.path.string) == [])
    }

    @Test("It ends by itself where the device goes away", arguments: [1, 4])
    func gone(depth: Int) throws {
        let serve = try ServeProcess()
        let bench = try endlessBench(serve, depth: depth)
        serve.kill()
        let outcome = bench.outcome()
        #expect(outcome.status == 1)
        // Perhaps it had not begun to measure.
        let lines = outcome.errors.split(separator: "\n")
        #expect(lines.count == 1 && lines[0].hasSuffix(" failed: Input/output error"), "\(outcome)")
    }

    @Test("It gives up a device that is silent from the beginning")
    func silentAtFirst() throws {
        let serve = try ServeProcess()
        #expect(serve.freeze())
        let outcome = try virtiofs("bench", "--socket-path", serve.socketPath)
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("no answer") && outcome.errors.split(separator: "\n").count == 1, "\(outcome)")
    }
}
