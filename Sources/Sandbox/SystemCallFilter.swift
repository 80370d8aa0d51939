import CKernel
import CSeccomp
import Glibc
import SystemPackage

/// The system calls that the device makes, and no others (seccomp(2)).
public struct SystemCallFilter: Sendable {
    /// What happens to any other, as virtiofsd names it.
    public enum Action: String, CaseIterable, Sendable {
        /// There is no filter.
        case none
        /// The process ends at once; ``Keeper`` says so.
        case kill
        /// The call is made, and the kernel logs it.
        case log
        /// The process says which call it was, and ends.
        case trap

        var code: UInt32? {
            switch self {
            case .none: nil
            case .kill: UInt32(SCMP_ACT_KILL_PROCESS)
            case .log: UInt32(SCMP_ACT_LOG)
            case .trap: UInt32(SCMP_ACT_TRAP)
            }
        }
    }

    let action: Action
    /// Whether files may be opened by their handles: with CAP_DAC_READ_SEARCH, those of the whole file system.
    let opensHandles: Bool

    /// Loads the filter for this thread and those that it will make.
    func load() throws(SandboxError) {
        guard let code = action.code else { return }
        if action == .trap { StoppedCall.report() }
        guard let context = seccomp_init(code) else { throw SandboxError("can't make a filter of system calls") }
        defer { seccomp_release(context) }
        for rule in rules { try add(rule, to: context) }
        let result = seccomp_load(context)
        guard result == 0 else {
            throw SandboxError(cannot: "load the filter of system calls", Errno(rawValue: -result))
        }
    }

    private var rules: [SystemCallRule] {
        SystemCallRule.device + (opensHandles ? [SystemCallRule("open_by_handle_at")] : [])
    }

    private func add(_ rule: SystemCallRule, to context: scmp_filter_ctx) throws(SandboxError) {
        guard let number = rule.number else { return }
        let code = rule.error.map { UInt32(0x0005_0000) | UInt32($0.rawValue) } ?? UInt32(SCMP_ACT_ALLOW)
        let result = seccomp_rule_add_array(context, code, number, UInt32(rule.conditions.count), rule.conditions)
        guard result == 0 else {
            throw SandboxError(cannot: "filter the system call \(rule.name)", Errno(rawValue: -result))
        }
    }
}

/// What a process says of a call that its filter stopped.
private enum StoppedCall {
    static func report() {
        var action = sigaction()
        action.__sigaction_handler.sa_sigaction = { _, info, _ in
            StoppedCall.say(ck_stopped_call(info!))
            _exit(EXIT_FAILURE)
        }
        action.sa_flags = SA_SIGINFO
        sigaction(SIGSYS, &action, nil)
    }

    /// In a signal handler: no memory, no locks.
    private static func say(_ call: Int32) {
        put("virtiofs: a system call that the filter refuses ended the device: number ")
        var digits: UInt64 = UInt64(UInt8(ascii: "\n"))
        var rest = UInt32(bitPattern: call)
        var count = 1
        repeat {
            digits = digits << 8 | UInt64(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
            count += 1
        } while rest > 0 && count < 8
        digits = digits.littleEndian
        _ = write(STDERR_FILENO, &digits, count)
    }

    private static func put(_ text: StaticString) { _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount) }
}
