import ProcessSupport
import Testing

@testable import virtiofs

/// The options of `-o`: those of every file system, FUSE's, and what can't be.
@Suite(.serialized)
struct MountOptionTests {
    @Test("A list is split at commas that are neither escaped nor in quotes, and put together again")
    func list() {
        let options = MountOption.list(#"ro,,fsname=a\,b\\,context="x:y,z",share="/p,q""#)
        #expect(options.map(\.name) == ["ro", "fsname", "context", "share"])
        #expect(options.map(\.value) == [nil, #"a,b\"#, #""x:y,z""#, #""/p,q""#])
        #expect(options[3].bareValue == "/p,q" && options[1].bareValue == #"a,b\"#)
        #expect(options[1].escaped == #"fsname=a\,b\\"#)
        #expect(MountOption.list(options[1].escaped) == [options[1]])
    }

    @Test("nosuid, nodev and noexec hold, by themselves or after a remount, and suid, dev and exec do")
    func programsAndDevices() throws {
        let output = try succeedInNamespace(
            """
            cp /usr/bin/id share/id
            chmod 4755 share/id
            mknod -m 666 share/null c 1 3
            say() {
              as_user m/id -u 2>/dev/null || echo noexec
              as_user sh -c 'echo > m/null' 2>/dev/null && echo dev || echo nodev
            }
            virtiofs mount -o suid,dev,exec share m > /dev/null
            say
            mount -o remount,nosuid m
            say
            mount -o remount,suid,nodev m
            say
            umount m
            virtiofs mount -o noexec share m > /dev/null
            say
            umount m
            virtiofs mount share m > /dev/null
            say
            """)
        let shown = ["0", "dev", "65534", "dev", "0", "nodev", "noexec", "nodev", "65534", "nodev"]
        #expect(output.split(separator: "\n").map(String.init) == shown)
    }

    @Test("A mount with ro is read-only, with sync and dirsync it says so")
    func flags() throws {
        let output = try succeedInNamespace(
            """
            virtiofs mount -o ro,dirsync -o sync share m > /dev/null
            touch m/x 2>&1 || true
            options m
            """)
        let lines = output.split(separator: "\n")
        #expect(lines[0] == "touch: cannot touch 'm/x': Read-only file system")
        #expect(lines[1].hasPrefix("ro,nosuid,nodev,relatime ro,sync,dirsync,"))
    }

    @Test("Access times are what the share's file system makes of them, whatever the mount was told")
    func accessTimes() throws {
        let output = try succeedInNamespace(
            """
            mkdir host
            for kind in strictatime noatime; do
              mount -t tmpfs -o $kind tmpfs host
              echo x > host/file
              mkdir host/folder
              for options in noatime,nodiratime atime,strictatime,diratime,lazytime relatime,norelatime; do
                touch -a -d 2000-01-01 host/file host/folder
                virtiofs mount -o $options host m > /dev/null
                cat m/file > /dev/null
                ls m/folder > /dev/null
                for file in m/file host/file m/folder host/folder; do
                  [ "$(stat -c %x $file | cut -c 1-4)" = 2000 ] && echo "$kind old" || echo "$kind new"
                done
                umount m
                while pgrep -x virtiofs > /dev/null; do :; done
              done
              umount host
            done
            """)
        let expected = Array(repeating: "strictatime new", count: 12) + Array(repeating: "noatime old", count: 12)
        #expect(output.split(separator: "\n").map(String.init) == expected)
    }

    @Test("FUSE's options do what they say, and options of the command can stand in the list")
    func fuseOptions() throws {
        let output = try succeedInNamespace(
            """
            show() {
              virtiofs mount -o "$1" share m > /dev/null
              findmnt -n -r -o SOURCE,FSTYPE,FS-OPTIONS m
              umount m
            }
            show max_read=8192,nonempty,defaults
            show 'fsname=a\\,b,subtype=c,default_permissions'
            show max_write=4096,max_readahead=0,max_background=2,congestion_threshold=1,no_remote_lock
            show tag=other,cache=never,writeback,queues=2,queue-size=16,ring=packed,threads=3,poll_us=0,kick=worker
            show allow_root,attr_timeout=0.5,entry_timeout=1e3,negative_timeout=2
            """)
        let usual = "rw,user_id=0,group_id=0,default_permissions,allow_other"
        #expect(
            output == """
                myfs fuse.virtiofs \(usual),max_read=8192
                a,b fuse.c \(usual)
                myfs fuse.virtiofs \(usual)
                other fuse.virtiofs \(usual)
                myfs fuse.virtiofs \(usual)

                """)
    }

    @Test("Options that can't be had are refused in one line, with status 1, and nothing is mounted")
    func refusals() throws {
        let outcome = try inNamespace(
            """
            attempt() { virtiofs mount -o "$1" share m && exit 9 || echo $?; }
            attempt nonsense
            attempt nonsense=x,ro
            attempt ro=1
            attempt blksize=512
            attempt fd=5
            attempt user_id=0
            attempt allow_other,allow_root
            attempt max_read=much
            attempt share=/mnt/share
            attempt context=a:b:c
            findmnt -n -t fuse.virtiofs | wc -l
            """)
        #expect(outcome.output == String(repeating: "1\n", count: 10) + "0\n")
        let lines = outcome.errors.split(separator: "\n").map(String.init)
        let told = "('virtiofs mount --help' tells of them)"
        #expect(
            lines.prefix(9) == [
                "virtiofs: there is no mount option 'nonsense' \(told)",
                "virtiofs: there is no mount option 'nonsense=x' \(told)",
                "virtiofs: there is no mount option 'ro=1' \(told)",
                "virtiofs: mount option 'blksize' is for file systems on a block device",
                "virtiofs: mount option 'fd' is set by who mounts",
                "virtiofs: mount option 'user_id' is set by who mounts",
                "virtiofs: allow_root and allow_other exclude each other: choose one",
                "virtiofs: invalid parameter in option `max_read=much'",
                "virtiofs: 'share=/mnt/share': the share is named before the mount point here",
            ])
        // The kernel's own refusal, where it has no SELinux or no such context.
        #expect(lines.count == 10)
        #expect(lines.last?.hasPrefix("virtiofs: the kernel refuses to mount on /mnt/m with 'context=a:b:c,") == true)
        #expect(lines.last?.hasSuffix("mount failed: Invalid argument") == true)
    }

    @Test(
        "With auto_unmount the command returns, and whoever waits for the end of its output doesn't wait for the mount")
    func autoUnmountInBackground() throws {
        let output = try succeedInNamespace(
            """
            said=$(virtiofs mount -o auto_unmount share m 2>&1)
            kind m
            pkill -KILL -x virtiofs
            while findmnt m > /dev/null; do :; done
            echo gone
            """)
        #expect(output == "myfs fuse.virtiofs\ngone\n")
    }
}
