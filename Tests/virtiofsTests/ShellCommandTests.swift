import Foundation
import ProcessSupport
import Testing

/// `virtiofs shell`, as its users call it.
struct ShellCommandTests {
    private let folder: TemporaryFolder
    private let share: String

    init() throws {
        folder = try TemporaryFolder()
        share = try folder.folder("share")
        try write("a.txt", "hello\n")
        try FileManager.default.createDirectory(atPath: share + "/d/e", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: share + "/d/link", withDestinationPath: "../a.txt")
        try write("d/b c", "spaced\n")
    }

    private func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: share + "/" + name))
        // Whatever this process's umask is.
        chmod(share + "/" + name, 0o644)
    }

    private func read(_ name: String) -> String? { try? String(contentsOfFile: share + "/" + name, encoding: .utf8) }

    private func shell(_ commands: String) throws -> Outcome { try virtiofs("shell", share, "-c", commands) }

    /// Runs commands that have to succeed; what they print.
    private func output(_ commands: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        let outcome = try shell(commands)
        #expect(outcome.status == 0 && outcome.errors == "", "\(outcome)", sourceLocation: sourceLocation)
        return outcome.output
    }

    @Test("It lists, walks, finds and shows")
    func looking() throws {
        #expect(try output("ls") == "a.txt\nd\n")
        #expect(try output("cd d; pwd; ls; cd e/..; cd ..; pwd") == "/d\nb c\ne\nlink\n/\n")
        #expect(try output("cat a.txt 'd/b c' d/link") == "hello\nspaced\nhello\n")
        #expect(try output("ls d/*; ls -d d/[be]*") == "d/b c\nd/link\n\nd/e:\nd/b c\nd/e\n")
        #expect(try output("find d -type l; find -name '*.txt'") == "d/link\n./a.txt\n")
        #expect(try output("tree d") == "d\n├── b c\n├── e\n└── link -> ../a.txt\n")
        let long = try output("ls -l a.txt")
        #expect(long.hasPrefix("-rw-r--r-- 1 ") && long.contains(" 6 ") && long.hasSuffix(" a.txt\n"))
        #expect(try output("stat d/link").contains("File: d/link -> ../a.txt\n  Type: symbolic link, size 8"))
        #expect(try output("df").split(separator: "\n").count == 2)
        #expect(try output("ls -R").contains("./d/e:"))
        #expect(try output("help").contains("chmod"))
    }

    @Test("It makes, renames, links, changes and removes, and the host sees it")
    func changing() throws {
        #expect(
            try output("mkdir -p n/m/o; mv a.txt n; mv n/a.txt n/x; ln -s x n/s; ln n/x n/h; chmod u=rw,go= n/x") == "")
        var status = Glibc.stat()
        #expect(lstat(share + "/n/x", &status) == 0 && status.st_nlink == 2 && status.st_mode & 0o7777 == 0o600)
        #expect(read("n/s") == "hello\n")
        #expect(try output("chmod -R a+rX n; rm n/h; rm -r d; rm -f nothing; rmdir n/m/o; ls") == "n\n")
        #expect(stat(share + "/n/m", &status) == 0 && status.st_mode & 0o777 == 0o755)
        #expect(!FileManager.default.fileExists(atPath: share + "/d"))
    }

    @Test("A tree put on the share and got back is the same")
    func transfers() throws {
        let source = try folder.folder("source")
        try succeed("dd", "if=/dev/urandom", "of=\(source)/large", "bs=3M", "count=1", "status=none")
        try FileManager.default.createDirectory(atPath: source + "/x/y", withIntermediateDirectories: true)
        try Data("y".utf8).write(to: URL(fileURLWithPath: source + "/x/y/file"))
        try FileManager.default.createSymbolicLink(atPath: source + "/x/l", withDestinationPath: "nowhere")
        let back = try folder.folder("back")
        #expect(try output("put -r \(source) copy; get -r copy \(back); get copy/large \(back)/one") == "")
        try succeed("diff", "-r", "--no-dereference", source, share + "/copy")
        try succeed("diff", "-r", "--no-dereference", source, back + "/copy")
        try succeed("cmp", source + "/large", back + "/one")
    }

    @Test("Commands come through a pipe too; each failure is one line, the last command's status is the shell's")
    func pipes() throws {
        func piped(_ text: String) throws -> Outcome {
            try Child(commandPath, ["shell", share], input: Array(text.utf8)).outcome()
        }
        let outcome = try piped("pwd\ncat nothing\n# a comment\n\ncd d\npwd\nls e nothing2 'b c'")
        #expect(outcome.output == "/\n/d\nb c\n\ne:\n")
        #expect(outcome.errors == "cat: nothing: No such file or directory\nls: nothing2: No such file or directory\n")
        #expect(outcome.status == 1)
        #expect(try piped("exit 7\npwd").status == 7)
        #expect(try piped("").status == 0)
    }

    @Test("A user's mistakes: one line, and a status that says whether the call was wrong")
    func mistakes() throws {
        for (commands, status, words) in [
            ("nothing", 127, "there is no command 'nothing'"), ("cat", 2, "usage: cat FILE…"), ("ls -z", 2, "'-z'"),
            ("cat 'a", 2, "without another"), ("rm d", 1, "d: Is a directory"), ("cat d", 1, "d: Is a directory"),
            ("get d \(folder.path)", 1, "use -r"), ("cd a.txt", 1, "a.txt: Not a directory"),
            ("chmod 9 a.txt", 2, "'9' is no mode"), ("put /no/such .", 1, "/no/such on this machine: No such file"),
            ("exit x", 2, "from 0 to 255"), ("mv a.txt d nothing", 1, "nothing: Not a directory"),
        ] as [(String, Int32, String)] {
            let outcome = try shell(commands)
            #expect(outcome.status == status && outcome.output == "", "\(commands): \(outcome)")
            #expect(outcome.errors.contains(words) && outcome.errors.split(separator: "\n").count == 1, "\(outcome)")
        }
        for (arguments, status) in [
            (["shell"], 64), (["shell", share, "--socket-path", "x"], 64),
            (["shell", "/no/such"], 1), (["shell", "--socket-path", "/no/such"], 1),
        ] as [([String], Int32)] {
            let outcome = try Child(commandPath, arguments).outcome()
            #expect(outcome.status == status && outcome.errors.split(separator: "\n").count == 1, "\(outcome)")
        }
    }

    @Test("Names that are not UTF-8 or would play tricks are shown so that they can be written back")
    func oddNames() throws {
        let odd: [UInt8] = [0xFF, 0x0A, 0x1B, 0x5B, 0x41]
        let file = open(
            Array((share + "/d/e/").utf8CString.dropLast()) + odd.map { CChar(bitPattern: $0) } + [0], O_CREAT, 0o600)
        #expect(file >= 0)
        close(file)
        let shown = try output("ls d/e")
        #expect(shown == "$'\\xff\\n\\x1b[A'\n")
        let name = shown.trimmingCharacters(in: .newlines)
        #expect(try output("mv d/e/\(name) d/plain; ls d/plain") == "d/plain\n")
    }

    @Test("It needs no /dev/fuse")
    func noDevice() throws {
        let outcome = try run(
            "unshare", "-m", "sh", "-c",
            "mount -t tmpfs none /dev && exec \(commandPath) shell \(share) -c 'cat a.txt'")
        #expect(outcome.output == "hello\n" && outcome.status == 0)
    }

    @Test("On a terminal: editing, history, completion of commands and names, Control-C and Control-D")
    func terminal() throws {
        let user = try TerminalChild(commandPath, ["shell", share])
        #expect(user.wait(for: "share:/> "))
        user.type("ca\ta\t\r")
        #expect(user.wait(for: "cat a.txt") && user.wait(for: "hello\r\n") && user.wait(for: "share:/> "))
        user.type("\u{1B}[A\u{1B}[A\r")
        #expect(user.wait(for: "hello\r\n") && user.wait(for: "share:/> "))
        user.type("xx d\u{1}\u{1B}[3~\u{1B}[3~cd\r")
        #expect(user.wait(for: "share:/d> "))
        user.type("cat b\t\r")
        #expect(user.wait(for: "spaced\r\n") && user.wait(for: "share:/d> "))
        user.type("ls \t\t")
        #expect(user.wait(for: "b c") && user.wait(for: "e/") && user.wait(for: "link"))
        user.type("\u{3}")
        #expect(user.wait(for: "^C") && user.wait(for: "share:/d> "))
        user.type("cd nowhere\r")
        #expect(user.wait(for: "cd: nowhere: No such file or directory") && user.wait(for: "share:/d> "))
        user.type("\u{4}")
        #expect(user.status() == 1)
    }

    @Test("SIGINT ends the running command and not the shell; with -c it is status 130")
    func interrupt() throws {
        try write("big", "")
        try #require(truncate(share + "/big", 1 << 40) == 0)
        let user = try TerminalChild(commandPath, ["shell", share])
        #expect(user.wait(for: "share:/> "))
        user.type("get big /dev/null\r")
        // The line is drawn at every key, and at the last one, too; the end of the line is the shell's.
        #expect(user.wait(for: "/dev/null\u{1B}[K\r\n"))
        kill(user.pid, SIGINT)
        #expect(user.wait(for: "share:/> "))
        // While a line is written it is nobody's, also where the thread that takes it wakes after the line's end.
        for _ in 0..<200 {
            kill(user.pid, SIGINT)
            user.type("pwd\r")
            try #require(user.wait(for: "pwd\u{1B}[K\r\n/\r\n") && user.wait(for: "share:/> "))
        }
        user.type("exit 4\r")
        #expect(user.status() == 4)
        let child = try Child(commandPath, ["shell", share, "-c", "pwd; ls -d d; get big /dev/null; pwd"])
        #expect(child.firstLine() == "/" && child.firstLine() == "d")
        child.signal(SIGINT)
        let outcome = child.outcome()
        #expect(outcome.status == 130 && outcome.output == "" && outcome.errors == "", "\(outcome)")
    }
}
