import FUSEWire

/// Requests that found no free slot, in order: copies, because what they were read into is needed for the next.
struct ParkedRequests: ~Copyable {
    struct Parked {
        var bytes: [UInt8]
        var call: PendingCall?
    }

    private var requests: [Parked] = []
    private var first = 0

    var count: Int { requests.count - first }
    var isEmpty: Bool { first == requests.count }
    var heads: [RequestHead] { requests[first...].compactMap { RequestHead($0.bytes) } }

    mutating func append(_ request: Parked) { requests.append(request) }

    mutating func removeFirst() -> Parked? {
        guard !isEmpty else { return nil }
        let request = requests[first]
        requests[first].bytes = []
        first += 1
        if first == requests.count {
            requests.removeAll(keepingCapacity: true)
            first = 0
        }
        return request
    }

    func head(_ id: RequestID) -> RequestHead? {
        for index in first..<requests.count {
            if let head = RequestHead(requests[index].bytes), head.id == id { return head }
        }
        return nil
    }

    /// Takes out the request of that id, if it is there.
    mutating func remove(_ id: RequestID) -> Parked? {
        for index in first..<requests.count where RequestHead(requests[index].bytes)?.id == id {
            return requests.remove(at: index)
        }
        return nil
    }
}
