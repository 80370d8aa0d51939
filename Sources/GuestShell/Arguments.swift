import GuestVFS

/// The words behind a verb: options of one letter, which can be put together, and operands. "--" ends the options.
struct Arguments {
    private(set) var flags: Set<Character> = []
    private(set) var values: [Character: String] = [:]
    private(set) var operands: [GuestPath] = []

    /// - Parameter letters: the options that there are; those with a ":" behind them take a value (getopt(3)). Nothing
    ///   takes all words for operands.
    init(_ words: [GuestPath], letters: String?) throws(ShellError) {
        guard let letters else {
            operands = words
            return
        }
        let known = Array(letters)
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "--" {
                operands += rest
                return
            }
            guard word.bytes.first == UInt8(ascii: "-"), word.bytes.count > 1 else {
                operands.append(word)
                continue
            }
            var options = Array(word.description.dropFirst())[...]
            while let letter = options.popFirst() {
                guard letter != ":", let index = known.firstIndex(of: letter) else {
                    throw ShellError("there is no option '-\(letter)'", status: 2)
                }
                guard known.indices.contains(index + 1), known[index + 1] == ":" else {
                    flags.insert(letter)
                    continue
                }
                let value = options.isEmpty ? rest.popFirst()?.description : String(options)
                guard let value else { throw ShellError("'-\(letter)' takes a value", status: 2) }
                values[letter] = value
                options = []
            }
        }
    }

    func has(_ flag: Character) -> Bool { flags.contains(flag) }

    /// The operands, of which there have to be so many.
    func operands(_ count: ClosedRange<Int>) throws(ShellError) -> [GuestPath] {
        guard count.contains(operands.count) else {
            throw ShellError(operands.count < count.lowerBound ? "something is missing" : "that is too much", status: 2)
        }
        return operands
    }
}
