import GuestVFS
import Syscalls

/// A shell's life, on the thread that calls it: it reads lines, from a terminal with editing, and has them run, one by
/// one, in Swift tasks.
public struct ShellSession {
    private let shell: Shell
    private let name: String
    private let interrupts: Interrupts

    /// Before the process has other threads: from here on SIGINT ends the running command, and not the process.
    ///
    /// - Parameter name: what is in front of the folder in the prompt.
    public init(_ shell: Shell, name: String, interrupts: Interrupts) {
        self.shell = shell
        self.name = name
        self.interrupts = interrupts
    }

    /// Runs the commands of `line`; the status of the last.
    public func run(_ line: String) -> Int32 {
        perform(Array(line.utf8))
        return shell.status
    }

    /// Reads commands from standard input to its end, or until `exit`; the status of the last command.
    public func run() -> Int32 {
        if let terminal = Terminal() { converse(terminal) } else { readPlainly() }
        return shell.status
    }

    private func converse(_ terminal: Terminal) {
        let process = shell.process
        let editor = LineEditor(terminal, given: interrupts.forget) { text in
            wait { await Completion.of(text, process) }
        }
        while !shell.isOver {
            switch editor.read(prompt: "\(name):\(ShownName.shown(shell.process.workingFolder.bytes))> ") {
            case .line(let text): perform(Array(text.utf8))
            case .given: continue
            case .endOfInput: return
            }
        }
    }

    private func readPlainly() {
        var input = LineInput()
        while !shell.isOver, let line = input.next() {
            perform(line)
            if shell.wasInterrupted { return }
        }
    }

    private func perform(_ line: [UInt8]) {
        let shell = shell
        wait { await shell.run(line) }
    }

    /// Runs `body` as a task, which SIGINT cancels, and waits for its end. This is no thread of Swift's.
    private func wait<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) -> Value {
        let result = Left<Value>()
        let task = Task {
            result.value = await body()
            result.done.signal()
        }
        interrupts.onInterrupt { task.cancel() }
        result.done.wait()
        interrupts.onInterrupt(nil)
        return result.value!
    }
}

/// What a task leaves for the thread that waits for it.
private final class Left<Value: Sendable>: @unchecked Sendable {
    let done = OneTimeEvent()
    /// Written before `done`, read after it.
    var value: Value?
}
