extension UnsafeMutablePointer where Pointee: ~Copyable {
    /// Memory for one value, on cache lines that hold nothing else: what one processor writes and another reads or writes
    /// beside it would else go back and forth between them for nothing. Processors fetch lines of 64 bytes in pairs.
    ///
    /// To be given back with `deallocate()`.
    public static func allocateOnOwnCacheLines() -> UnsafeMutablePointer<Pointee> {
        let lines = 128
        let count = (MemoryLayout<Pointee>.size + lines - 1) / lines * lines
        return UnsafeMutableRawPointer.allocate(byteCount: count, alignment: lines)
            .bindMemory(to: Pointee.self, capacity: 1)
    }
}
