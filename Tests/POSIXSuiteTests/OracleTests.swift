import POSIXSuite
import SystemPackage
import Testing
import VirtioTestSupport

/// The suite itself: what it expects of a mount, a plain folder does.
@Suite struct OracleTests {
    @Test("No two cases have the same name, and there are more than 300")
    func names() {
        #expect(Set(Suite.cases.map(\.name)).count == Suite.cases.count)
        #expect(Suite.cases.count >= 300)
    }

    @Test("A plain folder passes every case")
    func plainFolder() throws {
        let folder = TemporaryFolder()
        let files = try SystemCalls(Path(folder.path.string))
        let result = Tally.run(on: files)
        #expect(result.failures == [])
        #expect(result.passed == Suite.cases.count)
        #expect(try files.list(".").map(\.name) == [], "a case has left something behind")
    }

    @Test("A case that expects what is not so fails, and says what it saw")
    func failure() throws {
        let folder = TemporaryFolder()
        try folder.add("case-0")
        let result = try Tally.run(Array(Suite.cases.prefix(1)), on: SystemCalls(Path(folder.path.string)))
        #expect(result.failures.count == 1)
        #expect(result.failures.first?.contains("rename.file: errno 17") == true)
    }
}
