import Foundation
import POSIXSuite
import Testing

/// What a mount can't do and a plain folder can: the kernel's limits, each with its reason in KernelMount's
/// documentation ("What a mount can't do").
enum KnownDifferences {
    static let onAnyMount: Set<String> = ["allocate.collapse-range", "allocate.insert-range"]
}

@Suite struct KnownDifferencesTests {
    @Test("The documentation lists each difference, and no case that is none")
    func documented() throws {
        let article = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Sources/KernelMount/KernelMount.docc/WhatAMountCantDo.md")
        let text = try String(contentsOf: article, encoding: .utf8)
        let named = Suite.cases.map(\.name).filter { text.contains("`\($0)`") }
        #expect(Set(named) == KnownDifferences.onAnyMount)
    }
}
