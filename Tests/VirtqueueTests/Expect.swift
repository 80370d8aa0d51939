import Testing
import Virtqueue

/// `#expect` takes its expression apart and cannot do so with noncopyable values; these take only the outcome.
func expect(_ isTrue: Bool, _ comment: Comment? = nil, at location: SourceLocation = #_sourceLocation) {
    #expect(isTrue, comment, sourceLocation: location)
}

func expect<Value: Equatable>(
    _ value: Value, is expected: Value, _ comment: Comment? = nil, at location: SourceLocation = #_sourceLocation
) {
    #expect(value == expected, comment, sourceLocation: location)
}

/// That `body` breaks the ring with just this error.
func expectBroken(_ error: RingError, at location: SourceLocation = #_sourceLocation, _ body: () throws -> Void) {
    do {
        try body()
        Issue.record("nothing was thrown", sourceLocation: location)
    } catch let thrown as RingError {
        #expect(thrown == error, sourceLocation: location)
    } catch {
        Issue.record("\(error)", sourceLocation: location)
    }
}
