import Glibc

/// Runs a shell script in namespaces of its own: what it mounts nobody else sees, and what it starts ends with it.
///
/// There, `virtiofs` is in /usr/local/bin, where mount(8) finds the programs of file systems; /mnt is empty but for the
/// folders `share` and `m` of the user `nobody`, and /etc/fstab is empty. `as_user` runs a program as that user. The
/// script ends at the first command that fails.
public func inNamespace(_ script: String) throws -> Outcome {
    let beginning = """
        set -eu
        umask 022
        # Copies of other tests' mounts came along, and would keep those alive.
        findmnt -n -r -t fuse.virtiofs -o TARGET | while read -r place; do umount -l "$place"; done
        mount -t tmpfs -o mode=755 tmpfs /usr/local/bin
        cp '\(commandPath)' /usr/local/bin/virtiofs
        mount -t tmpfs -o mode=755 tmpfs /mnt
        mkdir /mnt/share /mnt/m
        chown nobody:nogroup /mnt/share /mnt/m
        touch /mnt/.fstab
        mount --bind /mnt/.fstab /etc/fstab
        as_user() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
        kind() { findmnt -n -r -o SOURCE,FSTYPE "$1"; }
        options() { findmnt -n -o VFS-OPTIONS,FS-OPTIONS "$1"; }
        cd /mnt

        """
    let words = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", beginning + script]
    return try Child(find("unshare"), words).outcome()
}

/// The output of such a script, which has to succeed and complain of nothing.
public func succeedInNamespace(_ script: String) throws -> String {
    let outcome = try inNamespace(script)
    guard outcome.status == 0, outcome.errors == "" else {
        throw CommandError(description: "status \(outcome.status): \(outcome.output)\(outcome.errors)")
    }
    return outcome.output
}
