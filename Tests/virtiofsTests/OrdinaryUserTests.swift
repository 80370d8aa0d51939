import ProcessSupport
import Testing

/// Mounts of an ordinary user, through fusermount3, and who may use whose mount.
@Suite(.serialized)
struct OrdinaryUserTests {
    @Test("An ordinary user mounts a folder, writes as himself, and unmounts; nobody else gets in, not even root")
    func own() throws {
        let output = try succeedInNamespace(
            """
            as_user virtiofs mount -o auto_unmount share m
            options m
            as_user sh -c 'echo content > m/file; ln -s file m/link; mkdir m/folder; cat m/link'
            stat -c '%U:%G' share/file share/folder
            ls m 2>/dev/null || echo closed
            as_user fusermount3 -u m
            findmnt m || echo gone
            """)
        #expect(
            output == """
                myfs: /mnt/share is mounted on /mnt/m; to unmount: fusermount3 -u /mnt/m
                rw,nosuid,nodev,relatime rw,user_id=65534,group_id=65534,default_permissions
                content
                nobody:nogroup
                nobody:nogroup
                closed
                gone

                """)
    }

    @Test("allow_root lets root in beside the owner and nobody else; allow_other lets everybody in")
    func othersOnUserMount() throws {
        let output = try succeedInNamespace(
            """
            echo user_allow_other > .fuse.conf
            mount --bind .fuse.conf /etc/fuse.conf
            as_other() { setpriv --reuid=daemon --regid=daemon --clear-groups "$@"; }
            echo content > share/file
            for option in allow_root allow_other; do
              as_user virtiofs mount -o $option share m > /dev/null
              echo $option
              as_other cat m/file 2>/dev/null || echo closed
              as_user cat m/file
              cat m/file
              as_user fusermount3 -u m
            done
            """)
        #expect(output == "allow_root\nclosed\ncontent\ncontent\nallow_other\ncontent\ncontent\ncontent\n")
    }

    @Test("On root's mount with allow_root there is nobody but root; the permissions of files hold on every mount")
    func othersOnRootsMount() throws {
        let output = try succeedInNamespace(
            """
            echo content > share/file
            echo secret > share/secret
            chmod 600 share/secret
            virtiofs mount -o allow_root share m > /dev/null
            cat m/file
            as_user ls m 2>/dev/null || echo closed
            as_user cat m/file 2>/dev/null || echo closed
            umount m
            virtiofs mount share m > /dev/null
            as_user cat m/file
            as_user cat m/secret 2>/dev/null || echo denied
            cat m/secret
            """)
        #expect(output == "content\nclosed\nclosed\ncontent\ndenied\nsecret\n")
    }

    @Test("With --writeback, an ordinary user writes to a file that he may not read")
    func writeOnly() throws {
        let output = try succeedInNamespace(
            """
            touch share/file
            chown nobody share/file
            chmod 200 share/file
            as_user virtiofs mount --writeback share m > /dev/null
            as_user sh -c 'echo content > m/file'
            cat share/file
            as_user cat m/file 2>/dev/null || echo denied
            """)
        #expect(output == "content\ndenied\n")
    }

    @Test("What an ordinary user may not do is said in one line, and nothing is mounted")
    func refusals() throws {
        let outcome = try inNamespace(
            """
            attempt() { as_user virtiofs mount "$@" && exit 9 || echo $?; }
            mkdir mine closed
            chown nobody mine
            chmod 700 closed
            attempt -o allow_other share m
            attempt share /mnt/.fstab
            attempt share closed/m
            attempt closed m
            chown root m
            attempt share m
            attempt -o remount,ro share m
            mount --bind /dev/null /usr/bin/fusermount3
            attempt share mine
            findmnt -n -t fuse.virtiofs | wc -l
            """)
        #expect(outcome.output == String(repeating: "1\n", count: 7) + "0\n")
        #expect(
            outcome.errors == """
                virtiofs: can't mount on /mnt/m: fusermount3: option allow_other only allowed if 'user_allow_other' is set \
                in /etc/fuse.conf
                virtiofs: mount point /mnt/.fstab is not a folder
                virtiofs: mount point closed/m: Permission denied
                virtiofs: share closed: Permission denied
                virtiofs: can't mount on /mnt/m: fusermount3: user has no write access to mountpoint /mnt/m
                virtiofs: no virtiofs is mounted on /mnt/m: there is nothing to remount
                virtiofs: can't mount on /mnt/mine: fuse: failed to exec fusermount3: Permission denied \
                (install the package fuse3)

                """)
    }

    @Test("Only root remounts a user's mount, which stays without set-user-ID programs and devices")
    func remount() throws {
        let outcome = try inNamespace(
            """
            as_user virtiofs mount -o suid share m > /dev/null
            as_user virtiofs mount -o remount,ro share m && exit 9 || echo $?
            virtiofs mount -o remount,ro share m
            options m
            """)
        #expect(outcome.output.hasPrefix("1\nro,nosuid,nodev,relatime ro,user_id=65534"), "\(outcome.output)")
        #expect(outcome.errors == "virtiofs: can't remount /mnt/m: only root may\n")
    }
}
