import CKernel
import Glibc
import SystemPackage

/// Starts a program with the given standard streams, no other descriptor and no signal blocked.
///
/// Foundation's Process does the same, but reads past the end of a directory entry, which the address sanitizer doesn't
/// forgive.
///
/// - Parameters:
///   - arguments: the program's path first.
///   - environment: what is added to this process's own.
///   - input: standard input; nothing gives it /dev/null.
func spawn(
    _ arguments: [String], environment: [String: String], input: FileDescriptor?, output: FileDescriptor,
    errors: FileDescriptor
) throws(Errno) -> pid_t {
    // Tests of the device change this process's umask, and a child would inherit that.
    let shell = ["/bin/sh", "-c", "umask 022; exec \"$@\"", "sh"]
    var words = (shell + arguments).map { strdup($0) } + [nil]
    var settings = environment.map { strdup("\($0)=\($1)") } + inherited(without: Set(environment.keys)) + [nil]
    defer { (words + settings).forEach { free($0) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let input {
        posix_spawn_file_actions_adddup2(&actions, input.rawValue, 0)
    } else {
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_adddup2(&actions, output.rawValue, 1)
    posix_spawn_file_actions_adddup2(&actions, errors.rawValue, 2)
    posix_spawn_file_actions_addclosefrom_np(&actions, 3)
    // The threads that run tests block signals, and a child would inherit that.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var child: pid_t = 0
    let error = posix_spawn(&child, words[0]!, &actions, &attributes, &words, &settings)
    guard error == 0 else { throw Errno(rawValue: error) }
    return child
}

private func inherited(without names: Set<String>) -> [UnsafeMutablePointer<CChar>?] {
    var settings: [UnsafeMutablePointer<CChar>?] = []
    var next = ck_environ()
    while let setting = next?.pointee {
        let name = String(cString: setting).prefix { $0 != "=" }
        if !names.contains(String(name)) { settings.append(strdup(setting)) }
        next = next?.successor()
    }
    return settings
}
