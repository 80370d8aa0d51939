import CKernel
import SystemPackage

/// Locks of open files (fcntl(2), F_OFD_SETLK) and of whole files (flock(2)).
extension Suite {
    @CaseList static var openFileLocks: [Case] {
        Case("ofd-lock.two-opens-in-one-process", needs: .kernel) { t in
            let (one, two) = (try t.create("f"), try t.open("f"))
            try one.lock(.openFile, F_WRLCK)
            try expectError(.resourceTemporarilyUnavailable) { try two.lock(.openFile, F_WRLCK) }
            try one.lock(.openFile, F_UNLCK)
            try two.lock(.openFile, F_WRLCK)
        }
        Case("ofd-lock.duplicate-shares-it", needs: .kernel) { t in
            let (one, other) = (try t.create("f"), try t.open("f"))
            try one.lock(.openFile, F_WRLCK)
            let copy = try call(dup(one.number))
            one.close()
            try expectError(.resourceTemporarilyUnavailable) { try other.lock(.openFile, F_WRLCK) }
            close(copy)
            try t.soon(after: .resourceTemporarilyUnavailable) { () throws(Errno) in
                try other.lock(.openFile, F_WRLCK)
            }
        }
        Case("ofd-lock.closing-another-open-keeps-it", needs: .kernel) { t in
            let one = try t.create("f")
            try one.lock(.openFile, F_WRLCK)
            try t.open("f").close()
            try expectError(.resourceTemporarilyUnavailable) { try t.open("f").lock(.openFile, F_WRLCK) }
            withExtendedLifetime(one) {}
        }
        Case("ofd-lock.test-says-pid-minus-one", needs: .kernel) { t in
            let (one, two) = (try t.create("f"), try t.open("f"))
            try one.lock(.openFile, F_WRLCK, 5, 5)
            let found = try two.lockInTheWay(.openFile, F_WRLCK)
            try expectEqual(Int32(found.l_type), F_WRLCK)
            try expectEqual(found.l_start, 5)
            try expectEqual(found.l_pid, -1)
        }
        Case("ofd-lock.and-process-locks-see-each-other", needs: .kernel) { t in
            let (one, two) = (try t.create("f"), try t.open("f"))
            try one.lock(.openFile, F_WRLCK)
            try expectError(.resourceTemporarilyUnavailable) { try two.lock(.process, F_WRLCK) }
            try one.lock(.openFile, F_UNLCK)
            try two.lock(.process, F_WRLCK)
            try expectError(.resourceTemporarilyUnavailable) { try one.lock(.openFile, F_WRLCK) }
        }
        Case("ofd-lock.waits", needs: .kernel) { t in
            let one = try t.create("f")
            try one.lock(.openFile, F_WRLCK)
            let isFree = Flag()
            let other = try CaseThread {
                try t.open("f").lock(.openFile, F_WRLCK, waiting: true)
                try expect(isFree.isSet, "the lock was given while another had it")
            }
            other.waitUntilAsleep()
            isFree.set()
            try one.lock(.openFile, F_UNLCK)
            try other.join()
        }
    }

    @CaseList static var wholeLocks: [Case] {
        Case("flock.exclusive-keeps-others-out", needs: .kernel) { t in
            let (one, two) = (try t.create("f"), try t.open("f"))
            try one.lockWhole(LOCK_EX)
            try expectError(.resourceTemporarilyUnavailable) { try two.lockWhole(LOCK_EX | LOCK_NB) }
            try expectError(.resourceTemporarilyUnavailable) { try two.lockWhole(LOCK_SH | LOCK_NB) }
            try one.lockWhole(LOCK_UN)
            try two.lockWhole(LOCK_EX | LOCK_NB)
        }
        Case("flock.shared", needs: .kernel) { t in
            let (one, two) = (try t.create("f"), try t.open("f", O_RDONLY))
            try one.lockWhole(LOCK_SH)
            try two.lockWhole(LOCK_SH | LOCK_NB)
            try expectError(.resourceTemporarilyUnavailable) { try one.lockWhole(LOCK_EX | LOCK_NB) }
            try two.lockWhole(LOCK_UN)
            try one.lockWhole(LOCK_EX | LOCK_NB)
        }
        Case("flock.read-only-file-can-be-exclusive", needs: .kernel) { t in
            try t.make("f")
            try t.open("f", O_RDONLY).lockWhole(LOCK_EX)
        }
        Case("flock.duplicate-shares-it", needs: .kernel) { t in
            let (one, other) = (try t.create("f"), try t.open("f"))
            try one.lockWhole(LOCK_EX)
            let copy = try call(dup(one.number))
            one.close()
            try expectError(.resourceTemporarilyUnavailable) { try other.lockWhole(LOCK_EX | LOCK_NB) }
            try call(ck_flock(copy, LOCK_UN))
            try other.lockWhole(LOCK_EX | LOCK_NB)
            close(copy)
        }
        Case("flock.goes-with-the-last-descriptor", needs: .kernel) { t in
            let (one, other) = (try t.create("f"), try t.open("f"))
            try one.lockWhole(LOCK_EX)
            one.close()
            try t.soon(after: .resourceTemporarilyUnavailable) { () throws(Errno) in
                try other.lockWhole(LOCK_EX | LOCK_NB)
            }
        }
        Case("flock.waits", needs: .kernel) { t in
            let one = try t.create("f")
            try one.lockWhole(LOCK_EX)
            let isFree = Flag()
            let other = try CaseThread {
                try t.open("f").lockWhole(LOCK_EX)
                try expect(isFree.isSet, "the lock was given while another had it")
            }
            other.waitUntilAsleep()
            isFree.set()
            try one.lockWhole(LOCK_UN)
            try other.join()
        }
        Case("flock.waiting-is-interrupted-by-a-signal", needs: .kernel) { t in
            let one = try t.create("f")
            try one.lockWhole(LOCK_EX)
            try t.interrupting(orRelease: { try one.lockWhole(LOCK_UN) }) {
                try expectError(.interrupted) { try t.open("f").lockWhole(LOCK_EX) }
            }
            try one.lockWhole(LOCK_UN)
            try t.open("f").lockWhole(LOCK_EX | LOCK_NB)
        }
        Case("flock.and-fcntl-locks-are-strangers", needs: .kernel) { t in
            let (one, two) = (try t.create("f"), try t.open("f"))
            try one.lockWhole(LOCK_EX)
            try two.lock(.openFile, F_WRLCK)
        }
        Case("flock.of-folder", needs: .kernel) { t in
            try t.mkdir("d")
            let one = try t.open("d", O_RDONLY | O_DIRECTORY)
            let two = try t.open("d", O_RDONLY | O_DIRECTORY)
            try one.lockWhole(LOCK_EX)
            try expectError(.resourceTemporarilyUnavailable) { try two.lockWhole(LOCK_EX | LOCK_NB) }
        }
        Case("flock.wrong-operation-is-refused", needs: .kernel) { t in
            try expectError(.invalidArgument) { try t.create("f").lockWhole(0) }
        }
    }
}
