import CKernel
import SystemPackage

/// What two ways to one folder owe each other.
extension Suite {
    @CaseList static var views: [Case] {
        Case("view.process-locks", needs: [.kernel, .secondView]) { t in
            let here = try t.create("f")
            try here.lock(.process, F_WRLCK, 10, 10)
            try t.asOtherProcess {
                let there = try t.otherView.open("f")
                try expectError(.resourceTemporarilyUnavailable) { try there.lock(.process, F_WRLCK, 15, 1) }
                try there.lock(.process, F_WRLCK, 30, 1)
                try expectEqual(try there.lockInTheWay(.process, F_RDLCK).l_start, 10)
            }
            try here.lock(.process, F_UNLCK)
            try t.asOtherProcess {
                let there = try t.otherView.open("f")
                try there.lock(.process, F_WRLCK)
            }
        }
        Case("view.process-locks-the-other-way", needs: [.kernel, .secondView]) { t in
            try t.make("f")
            let there = try t.otherView.open("f")
            try there.lock(.process, F_WRLCK, 10, 10)
            try t.asOtherProcess {
                let here = try t.open("f")
                try expectError(.resourceTemporarilyUnavailable) { try here.lock(.process, F_RDLCK, 15, 1) }
                try expectEqual(try here.lockInTheWay(.process, F_RDLCK).l_start, 10)
            }
            try there.lock(.process, F_UNLCK)
            try t.asOtherProcess { try t.open("f").lock(.process, F_WRLCK) }
        }
        Case("view.open-file-locks", needs: [.kernel, .secondView]) { t in
            let here = try t.create("f")
            let there = try t.otherView.open("f")
            try here.lock(.openFile, F_WRLCK)
            try expectError(.resourceTemporarilyUnavailable) { try there.lock(.openFile, F_WRLCK) }
            try here.lock(.openFile, F_UNLCK)
            try there.lock(.openFile, F_WRLCK)
            try expectError(.resourceTemporarilyUnavailable) { try here.lock(.openFile, F_WRLCK) }
        }
        Case("view.whole-file-locks", needs: [.kernel, .secondView]) { t in
            let here = try t.create("f")
            let there = try t.otherView.open("f")
            try here.lockWhole(LOCK_EX)
            try expectError(.resourceTemporarilyUnavailable) { try there.lockWhole(LOCK_EX | LOCK_NB) }
            try here.lockWhole(LOCK_UN)
            try there.lockWhole(LOCK_SH)
            try here.lockWhole(LOCK_SH | LOCK_NB)
            try expectError(.resourceTemporarilyUnavailable) { try here.lockWhole(LOCK_EX | LOCK_NB) }
        }
        Case("view.waiting-for-a-lock-held-there", needs: [.kernel, .secondView]) { t in
            try t.make("f")
            let there = try t.otherView.open("f")
            try there.lock(.openFile, F_WRLCK)
            let isFree = Flag()
            let waiter = try CaseThread {
                try t.open("f").lock(.openFile, F_WRLCK, waiting: true)
                try expect(isFree.isSet, "the lock was given while another had it")
            }
            waiter.waitUntilAsleep()
            isFree.set()
            try there.lock(.openFile, F_UNLCK)
            try waiter.join()
        }
        Case("view.made-here-is-there", needs: .secondView) { t in
            try t.make("f", "text", 0o640)
            try t.mkdir("d", 0o750)
            try t.symlink("target", "s")
            let there = t.otherView
            try expectEqual(try there.text("f"), "text")
            try expectEqual(try there.stat("f").permissions, 0o640)
            try expectEqual(try there.stat("d").permissions, 0o750)
            try expectEqual(try there.readlink("s"), "target")
            try expectEqual(try there.stat("f").modified, try t.stat("f").modified)
            try expectEqual(try there.stat("f").changed, try t.stat("f").changed)
        }
        Case("view.new-names-there-are-seen-here", needs: [.secondView, .coherence]) { t in
            try expect(!(try t.exists("f")), "is there already")
            try t.otherView.make("f", "text")
            try expectEqual(try t.text("f"), "text")
            try expectEqual(try t.names(), ["f"])
        }
        Case("view.removed-there-is-gone-here", needs: [.secondView, .coherence]) { t in
            try t.make("f", "text")
            _ = try t.stat("f")
            try t.otherView.unlink("f")
            try expectError(.noSuchFileOrDirectory) { _ = try t.stat("f") }
            try t.make("f", "new")
            try expectEqual(try t.otherView.text("f"), "new")
        }
        Case("view.written-there-is-read-here", needs: [.secondView, .coherence]) { t in
            try t.make("f", "one")
            try expectEqual(try t.text("f"), "one")
            try t.otherView.open("f").write("three")
            try expectEqual(try t.stat("f").size, 5)
            try expectEqual(try t.text("f"), "three")
        }
        Case("view.renamed-there-is-renamed-here", needs: [.secondView, .coherence]) { t in
            try t.make("a", "one")
            try t.make("b", "two")
            _ = try (t.stat("a"), t.stat("b"))
            try t.otherView.rename("a", "b")
            try expectEqual(try t.text("b"), "one")
            try expectError(.noSuchFileOrDirectory) { _ = try t.stat("a") }
        }
        Case("view.mode-changed-there-counts-here", needs: [.root, .secondView, .coherence]) { t in
            try t.make("f", "text", 0o600)
            try t.as(.alice) { t in try expectError(.permissionDenied) { _ = try t.text("f") } }
            try t.otherView.chmod("f", 0o644)
            try t.as(.alice) { t in try expectEqual(try t.text("f"), "text") }
        }
        Case("view.truncated-there-is-short-here", needs: [.secondView, .coherence]) { t in
            try t.make("f", "0123456789")
            let here = try t.open("f", O_RDONLY)
            try expectEqual(try here.text(), "0123456789")
            try t.otherView.truncate("f", 3)
            try expectEqual(try t.stat("f").size, 3)
            try expectEqual(try t.text("f"), "012")
            withExtendedLifetime(here) {}
        }
        Case("view.appended-on-both-sides", needs: [.kernel, .secondView, .coherence]) { t in
            try t.make("f")
            for number in 0..<10 {
                let view = number % 2 == 0 ? t : t.otherView
                let file = try view.open("f", O_WRONLY | O_APPEND)
                try expectEqual(try call(write(file.number, "\(number)", 1)), 1)
            }
            try expectEqual(try t.text("f"), "0123456789")
        }
    }
}
