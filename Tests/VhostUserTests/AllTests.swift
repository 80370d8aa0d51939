import Testing

/// All tests of this target, one after the other: several of them count what a process has open, and each has a process
/// of its own to talk to.
@Suite(.serialized)
struct VhostUserTests {}
