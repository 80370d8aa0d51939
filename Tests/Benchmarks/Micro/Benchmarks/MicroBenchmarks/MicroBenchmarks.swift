import Benchmark
import CKernel
import FUSEWire
import Virtqueue

let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .throughput], scalingFactor: .kilo, maxDuration: .seconds(1))
    ringBenchmarks()
    codecBenchmarks()
    listingBenchmarks()
    inodeBenchmarks()
}

/// A request there and back, both ends on one thread.
private func ringBenchmarks() {
    for (name, features) in [("split", [] as RingFeatures), ("packed", .packed)] {
        for indirect in [false, true] {
            Benchmark("Ring, \(name), \(indirect ? "indirect" : "chained")") { benchmark in
                var ring = try Ring(indirect ? features.union(.indirectDescriptors) : features)
                benchmark.startMeasurement()
                for _ in benchmark.scaledIterations { try ring.exchange(indirect: indirect) }
                benchmark.stopMeasurement()
            }
        }
    }
}

private func codecBenchmarks() {
    for swapped in [false, true] {
        Benchmark("Decode READ, \(swapped ? "other" : "own") byte order") { benchmark in
            let bytes = [UInt8](repeating: 1, count: 80)
            for _ in benchmark.scaledIterations {
                try bytes.withUnsafeBytes {
                    var cursor = WireCursor($0, isSwapped: swapped)
                    blackHole(try cursor.consume(fuse_in_header.self))
                    blackHole(try cursor.consume(fuse_read_in.self))
                }
            }
        }
    }
    Benchmark("Decode LOOKUP") { benchmark in
        let bytes = [UInt8](repeating: 1, count: 40) + Array("a-name-of-some-length\0".utf8)
        for _ in benchmark.scaledIterations {
            try bytes.withUnsafeBytes {
                var cursor = WireCursor($0)
                blackHole(try cursor.consume(fuse_in_header.self))
                blackHole(try cursor.consumeName())
            }
        }
    }
}

/// A page of a listing.
private func listingBenchmarks() {
    for (name, entry) in [("READDIR", nil), ("READDIRPLUS", fuse_entry_out())] {
        Benchmark("Encode a page of \(name)") { benchmark in
            let page = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
            defer { page.deallocate() }
            let name = Array("a-name-of-some-length".utf8)
            for _ in benchmark.scaledIterations {
                var writer = DirectoryEntryWriter(into: page)
                name.withUnsafeBytes { name in
                    while writer.fits(nameCount: name.count, plus: entry != nil) {
                        writer.append(inode: 1, cookie: 1, type: UInt8(DT_REG), name: name, entry: entry)
                    }
                }
                blackHole(writer.count)
            }
        }
    }
}

/// Each with the system calls that it takes on tmpfs: the inode table's part is what is above them.
private func inodeBenchmarks() {
    let files = 1000
    let names = (0..<files).map { Array(Session.name($0).utf8) + [0] }
    Benchmark("LOOKUP of a known file") { benchmark in
        let session = try Session(files: files)
        for name in names { session.lookup(name) }
        benchmark.startMeasurement()
        for index in benchmark.scaledIterations { session.lookup(names[index % files]) }
        benchmark.stopMeasurement()
        session.remove(files: files)
    }
    Benchmark("LOOKUP of a new file, and FORGET") { benchmark in
        let session = try Session(files: files)
        benchmark.startMeasurement()
        for index in benchmark.scaledIterations { session.forget(session.lookup(names[index % files])) }
        benchmark.stopMeasurement()
        session.remove(files: files)
    }
    Benchmark("GETATTR") { benchmark in
        let session = try Session(files: files)
        let node = session.lookup(names[0])
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { session.getattr(node) }
        benchmark.stopMeasurement()
        session.remove(files: files)
    }
}
