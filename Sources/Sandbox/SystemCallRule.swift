import CSeccomp
import SystemPackage

/// A system call that the filter lets through, perhaps with certain arguments only.
struct SystemCallRule {
    let name: String
    /// Nothing where this machine's architecture has no such call.
    let number: Int32?
    /// All have to hold.
    var conditions: [scmp_arg_cmp] = []
    /// What the call returns in place of being made.
    var error: Errno?

    init(_ name: String, _ conditions: [scmp_arg_cmp] = []) {
        self.name = name
        let found = seccomp_syscall_resolve_name(name)
        number = found >= 0 ? found : nil
        self.conditions = conditions
    }

    /// A call that is younger than libseccomp: since Linux 5.0 numbers are the same on every architecture.
    init(_ name: String, number: Int32) {
        self.name = name
        self.number = number
    }

    /// A call that fails.
    static func failing(_ name: String, _ error: Errno) -> SystemCallRule {
        var rule = SystemCallRule(name)
        rule.error = error
        return rule
    }
}

extension scmp_arg_cmp {
    /// The argument at `index` is `value`.
    static func argument(_ index: UInt32, is value: UInt64) -> scmp_arg_cmp {
        scmp_arg_cmp(arg: index, op: SCMP_CMP_EQ, datum_a: value, datum_b: 0)
    }

    /// Of the bits in `mask`, the argument at `index` has those in `value`.
    static func argument(_ index: UInt32, masked mask: UInt64, is value: UInt64) -> scmp_arg_cmp {
        scmp_arg_cmp(arg: index, op: SCMP_CMP_MASKED_EQ, datum_a: mask, datum_b: value)
    }
}
