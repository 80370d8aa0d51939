import Foundation
import ProcessSupport
import Testing

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
