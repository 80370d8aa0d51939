import Syscalls
import Testing

@testable import KernelMount

/// Where threads go that work side by side.
struct ThreadPlacesTests {
    /// Where a reader is after it has looked, which was on `processor` before, and on how many it may run then.
    private func place(of reader: Int, on processor: Int, in places: ThreadPlaces) throws -> (
        processor: Int, allowed: Int
    ) {
        let found = Guarded((processor: -1, allowed: 0))
        let thread = try OSThread(name: "reader-\(reader)") {
            _ = Affinity.stay(on: processor)
            places.keepApart(reader)
            found.withLock { $0 = (places.processor(of: reader) ?? -1, CallerFollowerTests.processorCount) }
        }
        thread.join()
        return found.withLock { $0 }
    }

    private let processors = Affinity.processors

    @Test(
        "The second reader on a processor goes to one that has none, and may roam from there",
        .enabled(if: Affinity.processors.count > 1))
    func apart() throws {
        let places = ThreadPlaces(count: 3)
        #expect(try place(of: 0, on: processors[0], in: places).processor == processors[0])
        let second = try place(of: 1, on: processors[0], in: places)
        #expect(second.processor == processors[1] && second.allowed == processors.count)
        // The first one has its place, whoever else is there.
        places.leave(1)
        #expect(try place(of: 2, on: processors[1], in: places).processor == processors[1])
        #expect(try place(of: 0, on: processors[1], in: places) == (processors[1], 1))
    }

    @Test("With a reader on each processor, nobody is sent away")
    func full() throws {
        let places = ThreadPlaces(count: processors.count + 1)
        for (reader, processor) in processors.enumerated() {
            #expect(try place(of: reader, on: processor, in: places).processor == processor)
        }
        #expect(try place(of: processors.count, on: processors[0], in: places) == (processors[0], 1))
    }

    @Test("A reader that has left its processor makes room")
    func leaving() throws {
        let places = ThreadPlaces(count: 2)
        _ = try place(of: 0, on: processors[0], in: places)
        places.leave(0)
        #expect(try place(of: 1, on: processors[0], in: places) == (processors[0], 1))
    }
}
