import CKernel
import Glibc
import GuestVFS
import SystemPackage
import VirtioFSDriver

/// Patterns of names: "*", "?" and "[…]", as glob(7) has them. A pattern that nothing matches means itself.
enum Glob {
    static func expand(_ word: Word, _ process: GuestProcess) async -> [GuestPath] {
        guard word.isPattern else { return [GuestPath(word.bytes)] }
        var found: [GuestPath] = [word.bytes.first == UInt8(ascii: "/") ? "/" : ""]
        for part in parts(word) {
            var next: [GuestPath] = []
            for folder in found { next += await matches(part, in: folder, process) }
            found = next
        }
        return found.isEmpty ? [GuestPath(word.bytes)] : found
    }

    /// The pieces between the slashes.
    private static func parts(_ word: Word) -> [Word] {
        var parts = [Word()]
        for (byte, quoted) in zip(word.bytes, word.quoted) {
            if byte == UInt8(ascii: "/") {
                parts.append(Word())
            } else {
                parts[parts.count - 1].append(byte, quoted: quoted)
            }
        }
        return parts.filter { !$0.bytes.isEmpty }
    }

    private static func matches(_ part: Word, in folder: GuestPath, _ process: GuestProcess) async -> [GuestPath] {
        guard part.isPattern else {
            let path = folder.appending(EntryName(part.bytes))
            return (try? await process.stat(path, follows: false)) == nil ? [] : [path]
        }
        let pattern = pattern(part)
        let names = await names(in: folder.bytes.isEmpty ? "." : folder, process)
        let shown = part.bytes.first == UInt8(ascii: ".") ? names : names.filter { $0.first != UInt8(ascii: ".") }
        return shown.filter { matches(pattern, $0) }.map { folder.appending(EntryName($0)) }
    }

    /// Names, sorted; none where the folder can't be read.
    static func names(in folder: GuestPath, _ process: GuestProcess) async -> [[UInt8]] {
        do throws(Errno) {
            let open = try await process.open(folder, O_RDONLY | O_DIRECTORY)
            let entries = try? await open.entries()
            try await open.close()
            return (entries ?? []).map(\.name.bytes).filter { $0 != Array(".".utf8) && $0 != Array("..".utf8) }
                .sorted { $0.lexicographicallyPrecedes($1) }
        } catch {
            return []
        }
    }

    /// What was quoted has to be quoted for fnmatch(3), too.
    private static func pattern(_ part: Word) -> [UInt8] {
        zip(part.bytes, part.quoted).flatMap { $1 ? [UInt8(ascii: "\\"), $0] : [$0] } + [0]
    }

    /// - Parameter pattern: with its terminating zero.
    static func matches(_ pattern: [UInt8], _ name: [UInt8]) -> Bool {
        pattern.withUnsafeBytes { pattern in
            (name + [0]).withUnsafeBytes { name in
                fnmatch(
                    pattern.assumingMemoryBound(to: CChar.self).baseAddress!,
                    name.assumingMemoryBound(to: CChar.self).baseAddress!, 0) == 0
            }
        }
    }
}
