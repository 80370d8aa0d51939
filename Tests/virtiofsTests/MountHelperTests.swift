import ProcessSupport
import Testing

/// What mount(8), umount(8) and /etc/fstab make of the type fuse.virtiofs.
@Suite(.serialized)
struct MountHelperTests {
    @Test("mount(8) mounts a tag, without a word, and umount(8) ends it")
    func mountByTag() throws {
        let output = try succeedInNamespace(
            """
            echo host > share/file
            mount -t fuse.virtiofs -o share=/mnt/share myfs m
            kind m
            cat m/file
            mount -t fuse.virtiofs | sed 's/ (.*//'
            umount m
            findmnt m || echo gone
            """)
        #expect(output == "myfs fuse.virtiofs\nhost\nmyfs on /mnt/m type fuse.virtiofs\ngone\n")
    }

    @Test("A remount changes the mount that is there, and mounts no second one")
    func remount() throws {
        let output = try succeedInNamespace(
            """
            mount -t fuse.virtiofs -o share=/mnt/share,nosuid myfs m
            echo 1 > m/file
            mount -o remount,ro m
            touch m/file 2>/dev/null || echo read-only
            mount -o remount,ro m
            mount -o remount,rw,noexec m
            echo 2 > m/file
            cat share/file
            options m
            findmnt -n -t fuse.virtiofs | wc -l
            pgrep -c virtiofs
            """)
        let lines = output.split(separator: "\n")
        #expect(lines.prefix(2) == ["read-only", "2"])
        #expect(lines[2].hasPrefix("rw,nosuid,noexec,relatime rw,"))
        #expect(lines.suffix(2) == ["1", "1"])
    }

    @Test("A remount of the mount in /etc/fstab takes its options from there, as those of the command line come on top")
    func remountFromTable() throws {
        let output = try succeedInNamespace(
            """
            echo 'myfs /mnt/m fuse.virtiofs share=/mnt/share,cache=never,nodev 0 0' > /etc/fstab
            mount m
            mount -o remount,ro m
            options m
            mount -o remount m
            options m
            mount -o remount,ro myfs m
            options m
            """)
        let starts = ["ro,nodev,relatime ro,", "rw,nodev,relatime rw,", "ro,relatime ro,"]
        #expect(zip(output.split(separator: "\n"), starts).allSatisfy { $0.hasPrefix($1) }, "\(output)")
    }

    @Test("A remount of what isn't ours, or isn't there, is refused")
    func remountOfNothing() throws {
        let outcome = try inNamespace(
            """
            ! mount -t fuse.virtiofs -o remount,ro myfs m
            mount -t fuse.virtiofs -o share=/mnt/share myfs m
            ! mount -t fuse.virtiofs -o remount,ro other m
            ! virtiofs mount -o remount,ro share share
            virtiofs mount -o remount,ro share m
            options m | cut -c 1-3
            """)
        #expect(outcome.output == "ro,\n")
        #expect(
            outcome.errors == """
                virtiofs: no virtiofs is mounted on /mnt/m: there is nothing to remount
                virtiofs: 'myfs' is mounted on /mnt/m, not 'other'
                virtiofs: no virtiofs is mounted on /mnt/share: there is nothing to remount

                """)
    }

    @Test("mount -a mounts what /etc/fstab names, once, and leaves noauto alone")
    func table() throws {
        let output = try succeedInNamespace(
            """
            mkdir n o 'with space'
            cat > /etc/fstab << 'END'
            000000000000000000000000000000000001 /mnt/m fuse.virtiofs share=/mnt/share,ring=packed,nofail,_netdev,x-test
            myfs /mnt/n fuse.virtiofs share=/mnt/share,noauto 0 0
            myfs /mnt/with\\040space fuse.virtiofs ro,defaults,share=/mnt/share 0 0
            END
            mount -a
            mount -a
            findmnt -n -r -t fuse.virtiofs -o SOURCE,TARGET
            mount n
            umount -a -t fuse.virtiofs
            findmnt -n -t fuse.virtiofs | wc -l
            """)
        let lines = output.split(separator: "\n")
        #expect(lines == ["\(String(repeating: "0", count: 35))1 /mnt/m", #"myfs /mnt/with\x20space"#, "0"])
    }

    @Test("An ordinary user mounts and unmounts what /etc/fstab gives to users, without set-user-ID and devices")
    func userMounts() throws {
        let output = try succeedInNamespace(
            """
            mkdir n
            chown nobody n
            echo "myfs /mnt/m fuse.virtiofs share=/mnt/share,noauto,user 0 0
            myfs /mnt/n fuse.virtiofs share=/mnt/share,noauto,users,ro 0 0" > /etc/fstab
            as_user mount m
            as_user mount n
            options m
            options n
            as_user touch m/file
            as_user stat -c %U m/file
            stat -c %U share/file
            ls m 2>/dev/null || echo 'not even root'
            as_user umount m
            as_user umount n
            findmnt -n -t fuse.virtiofs | wc -l
            """)
        let lines = output.split(separator: "\n")
        #expect(lines[0].hasPrefix("rw,nosuid,nodev,noexec,relatime rw,user_id=65534,group_id=65534,"))
        #expect(lines[1].hasPrefix("ro,nosuid,nodev,noexec,relatime ro,user_id=65534,group_id=65534,"))
        #expect(lines.dropFirst(2) == ["nobody", "nobody", "not even root", "0"])
    }

    @Test("mount(8)'s mistakes are one line and status 1, and nothing is mounted")
    func mistakes() throws {
        let long = String(repeating: "t", count: 37)
        let outcome = try inNamespace(
            """
            attempt() { mount -t fuse.virtiofs "$@" && exit 9 || echo $?; }
            attempt myfs m
            attempt -o share=/mnt/none myfs m
            attempt -o share=/mnt/share,tag=other myfs m
            attempt -o share=/mnt/share \(long) m
            attempt -o share=/mnt/share,nonsense=1 myfs m
            attempt -o share=/mnt/share,cache=some myfs m
            attempt -o share=/mnt/share,cache myfs m
            attempt -o share=/mnt myfs m
            virtiofs myfs m -q && exit 9 || echo $?
            findmnt -n -t fuse.virtiofs | wc -l
            """)
        #expect(outcome.output == String(repeating: "1\n", count: 9) + "0\n")
        let complaints = [
            "which folder does 'myfs' stand for? Mount it with '-o share=DIR'",
            "share /mnt/none: No such file or directory",
            "the device's tag is 'other', not 'myfs': mount it by its own",
            "the tag '\(long)' is not 1 to 36 bytes long (see 'virtiofs --help')",
            "there is no mount option 'nonsense=1' ('virtiofs mount --help' tells of them)",
            "The value 'some' is invalid for '--cache <cache>'. Please provide one of 'never', 'metadata', 'auto' or "
                + "'always'. (see 'virtiofs --help')",
            "mount option 'cache' takes a value: 'cache=…'",
            "share /mnt and mount point /mnt/m overlap: use a mount point outside the share",
            "there is no option '-q' (see 'virtiofs --help')",
        ]
        #expect(outcome.errors == complaints.map { "virtiofs: \($0)\n" }.joined())
    }

    @Test("As /sbin/mount.fuse.virtiofs it takes mount(8)'s flags, has root's defaults, and can pretend")
    func direct() throws {
        let output = try succeedInNamespace(
            """
            ln -s virtiofs /usr/local/bin/mount.fuse.virtiofs
            mount.fuse.virtiofs myfs m -s -f -n -t fuse.virtiofs -o rw,share=/mnt/share
            findmnt m || echo 'not mounted'
            mount.fuse.virtiofs myfs m -s -n -v -r -o rw,share=/mnt/share,user,nofail
            options m
            """)
        let lines = output.split(separator: "\n")
        #expect(
            lines.prefix(2) == [
                "not mounted", "myfs: /mnt/share is mounted on /mnt/m; to unmount: fusermount3 -u /mnt/m",
            ])
        #expect(lines[2].hasPrefix("rw,relatime rw,"))
    }
}
