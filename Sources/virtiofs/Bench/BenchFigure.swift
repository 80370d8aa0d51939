/// What was measured of one row at one depth.
struct BenchFigure {
    let row: String
    let depth: Int
    let unit: String
    /// Items a second.
    let rate: Double
    /// MiB a second; zero where no data is carried.
    let mebibytes: Double
    /// Nanoseconds of whole operations, sorted.
    private let latencies: [UInt32]

    init(_ operation: BenchOperation, depth: Int, items: Int, nanoseconds: UInt64, latencies: [UInt32]) {
        row = operation.name
        unit = operation.unit
        self.depth = depth
        rate = Double(items) / Double(nanoseconds) * 1e9
        mebibytes = rate * Double(operation.bytes) / Double(1 << 20)
        self.latencies = latencies.sorted()
    }

    static let percentiles = [50.0, 90, 99, 99.9]

    /// The latency that so many percent of the operations did not exceed, in microseconds.
    func microseconds(percentile: Double) -> Double {
        guard !latencies.isEmpty else { return 0 }
        let rank = Int((percentile / 100 * Double(latencies.count)).rounded(.up)) - 1
        return Double(latencies[min(max(rank, 0), latencies.count - 1)]) / 1000
    }

    // MARK: output

    static let header =
        pad("row", -18) + pad("depth", 6) + pad("a second", 12) + pad("MiB/s", 9)
        + percentiles.map { pad("p\(short($0))", 9) }.joined() + "  (microseconds)"

    var line: String {
        Self.pad(row, -18) + Self.pad("\(depth)", 6) + Self.pad("\(Int(rate))", 12)
            + Self.pad(mebibytes > 0 ? "\(Int(mebibytes))" : "", 9)
            + Self.percentiles.map { Self.pad(Self.oneDigit(microseconds(percentile: $0)), 9) }.joined()
    }

    var json: String {
        let latency = Self.percentiles.map { "\"p\(Self.short($0))\": \(Self.oneDigit(microseconds(percentile: $0)))" }
        return "{\"row\": \"\(row)\", \"depth\": \(depth), \"unit\": \"\(unit)/s\", \"rate\": \(Int(rate)), "
            + "\"microseconds\": {\(latency.joined(separator: ", "))}}"
    }

    private static func short(_ number: Double) -> String {
        number == number.rounded() ? "\(Int(number))" : "\(number)"
    }

    private static func oneDigit(_ number: Double) -> String {
        let tenths = Int((number * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// A cell of that many characters; to the left if it is negative.
    private static func pad(_ text: String, _ width: Int) -> String {
        let blanks = String(repeating: " ", count: max(0, abs(width) - text.count))
        return width < 0 ? text + blanks : blanks + text
    }
}
