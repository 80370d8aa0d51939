import FUSEWire
import Synchronization

/// What callers do with the files of the folders that they list: whether READDIRPLUS should give nodes for them.
///
/// Linux asks for the first part of each listing with READDIRPLUS, and looks names up by itself afterwards if it has to. To
/// look a file up for a listing costs a sixth of a LOOKUP, but is for nothing where names are all that is wanted (`ls`, find,
/// git status). Which it is can't be seen: a program that uses what it got asks for nothing. So of each listing one file
/// is left without a node, as a question. If it is looked up, the caller uses the files of what it lists; if the caller goes
/// on to the next folder without that, it gets no nodes of files until it looks one up. A new caller gets them.
///
/// Folders always have nodes: a program that lists goes into them.
///
/// Callers and folders are remembered for as long as no other takes their place in a small table. A wrong guess costs time,
/// and nothing else.
final class ListingHabits: Sendable {
    /// What is left without a node in one listing.
    enum Nodes: Sendable {
        case forAll
        /// All but the first file.
        case forAllButOne
        case forFolders
    }

    private static let places = 64
    /// How sure it can be that a caller uses what it lists, and how much one use adds to that.
    private static let most: Int8 = 4
    private static let least: Int8 = -4
    private static let use: Int8 = 3

    /// A caller in the upper half, and in the lowest byte how sure it is that it uses files.
    private let callers = AtomicTable(count: places)
    /// A folder in the upper half, of the node's number what fits, and who has listed it.
    private let listings = AtomicTable(count: places)

    /// A caller begins to list a folder.
    func nodes(for folder: NodeID, listedBy caller: UInt32) -> Nodes {
        guard caller != 0 else { return .forAll }
        let sureness = sureness(of: caller)
        if sureness < 0 { return .forFolders }
        return sureness == Self.most && folder.rawValue % 4 != 0 ? .forAll : .forAllButOne
    }

    /// A file of the listing was left without a node: if none is looked up before the caller's next listing, it uses none.
    func leftOut(in folder: NodeID, listedBy caller: UInt32) {
        note(caller, max(sureness(of: caller) - 1, Self.least))
        listings[Self.place(folder.rawValue)] = folder.rawValue << 32 | UInt64(caller)
    }

    /// Somebody looked up a file: perhaps one that a listing has left out.
    func lookedUp(in folder: NodeID) {
        let place = Self.place(folder.rawValue)
        let listing = listings[place]
        guard listing != 0, listing >> 32 == folder.rawValue & 0xffff_ffff else { return }
        listings[place] = 0
        let caller = UInt32(truncatingIfNeeded: listing)
        note(caller, min(sureness(of: caller) + Self.use, Self.most))
    }

    private func sureness(of caller: UInt32) -> Int8 {
        let word = callers[Self.place(UInt64(caller))]
        return word >> 32 == caller ? Int8(truncatingIfNeeded: word) : 0
    }

    private func note(_ caller: UInt32, _ sureness: Int8) {
        callers[Self.place(UInt64(caller))] = UInt64(caller) << 32 | UInt64(UInt8(bitPattern: sureness))
    }

    private static func place(_ number: UInt64) -> Int { Int(number % UInt64(places)) }
}

/// Words that any thread may read and write; each by itself.
private final class AtomicTable: @unchecked Sendable {
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let count: Int

    init(count: Int) {
        self.count = count
        words = .allocate(capacity: count)
        for index in 0..<count { (words + index).initialize(to: Atomic(0)) }
    }

    deinit {
        words.deinitialize(count: count)
        words.deallocate()
    }

    subscript(index: Int) -> UInt64 {
        get { words[index].load(ordering: .relaxed) }
        set { words[index].store(newValue, ordering: .relaxed) }
    }
}
