import CKernel

/// How a request slot lies in guest memory. A slot is the home of one request at a time and of its reply:
///
///     0            indirect descriptor table
///     replyOffset  reply header, and the payload of a short reply
///     headOffset   the request's first 80 bytes, up to the page boundary
///     4096         the rest of the request, or the payload of a long reply
///
/// The request is in one piece, and the data of a WRITE, behind 40 + 40 bytes of headers, starts on a page.
struct SlotLayout: Sendable {
    static let tableEntries = 8
    static let replyOffset = 256
    static let headSize = MemoryLayout<fuse_in_header>.size + MemoryLayout<fuse_write_in>.size
    static let headOffset = payloadOffset - headSize
    static let payloadOffset = 4096
    /// The longest reply payload that goes behind its header; a longer one goes to the payload pages.
    static let largestShortReply = headOffset - replyOffset - MemoryLayout<fuse_out_header>.size

    /// Bytes from `payloadOffset` on; a multiple of a page.
    let payloadSize: Int

    var stride: Int { Self.payloadOffset + payloadSize }
    /// Bytes of the longest request.
    var largestRequest: Int { Self.headSize + payloadSize }
}
