import CKernel
import SystemPackage

/// Locks between processes (fcntl(2)).
extension Suite {
    @CaseList static var processLocks: [Case] {
        Case("lock.writer-keeps-others-out", needs: .kernel) { t in
            let file = try t.create("f")
            try file.lock(.process, F_WRLCK)
            try t.asOtherProcess {
                let other = try t.open("f")
                try expectError(.resourceTemporarilyUnavailable, .permissionDenied) {
                    try other.lock(.process, F_WRLCK)
                }
                try expectError(.resourceTemporarilyUnavailable, .permissionDenied) {
                    try other.lock(.process, F_RDLCK)
                }
            }
            try file.lock(.process, F_UNLCK)
            try t.asOtherProcess { try t.open("f").lock(.process, F_WRLCK) }
        }
        Case("lock.readers-share", needs: .kernel) { t in
            let file = try t.create("f")
            try file.lock(.process, F_RDLCK)
            try t.asOtherProcess {
                let other = try t.open("f")
                try other.lock(.process, F_RDLCK)
                try expectError(.resourceTemporarilyUnavailable) { try other.lock(.process, F_WRLCK) }
            }
        }
        Case("lock.ranges-are-apart", needs: .kernel) { t in
            let file = try t.create("f")
            try file.lock(.process, F_WRLCK, 10, 10)
            try t.asOtherProcess {
                let other = try t.open("f")
                try other.lock(.process, F_WRLCK, 0, 10)
                try other.lock(.process, F_WRLCK, 20, 0)
                try expectError(.resourceTemporarilyUnavailable) { try other.lock(.process, F_WRLCK, 19, 1) }
                try expectError(.resourceTemporarilyUnavailable) { try other.lock(.process, F_WRLCK, 9, 2) }
            }
        }
        Case("lock.own-locks-never-stand-in-the-way", needs: .kernel) { t in
            let file = try t.create("f")
            let second = try t.open("f")
            try file.lock(.process, F_WRLCK)
            try second.lock(.process, F_WRLCK)
            try second.lock(.process, F_RDLCK, 0, 5)
            try expectEqual(Int32(try second.lockInTheWay(.process, F_WRLCK).l_type), F_UNLCK)
        }
        Case("lock.middle-unlocked-leaves-both-ends", needs: .kernel) { t in
            let file = try t.create("f")
            try file.lock(.process, F_WRLCK, 0, 30)
            try file.lock(.process, F_UNLCK, 10, 10)
            try t.asOtherProcess {
                let other = try t.open("f")
                try other.lock(.process, F_WRLCK, 10, 10)
                try expectError(.resourceTemporarilyUnavailable) { try other.lock(.process, F_WRLCK, 0, 1) }
                try expectError(.resourceTemporarilyUnavailable) { try other.lock(.process, F_WRLCK, 29, 1) }
            }
        }
        Case("lock.downgraded-and-upgraded", needs: .kernel) { t in
            let file = try t.create("f")
            try file.lock(.process, F_WRLCK, 0, 100)
            try file.lock(.process, F_RDLCK, 0, 50)
            try t.asOtherProcess {
                let other = try t.open("f")
                try other.lock(.process, F_RDLCK, 0, 50)
                try expectError(.resourceTemporarilyUnavailable) { try other.lock(.process, F_RDLCK, 50, 1) }
            }
            try file.lock(.process, F_WRLCK, 0, 50)
            try t.asOtherProcess {
                try expectError(.resourceTemporarilyUnavailable) { try t.open("f").lock(.process, F_RDLCK, 0, 1) }
            }
        }
        Case("lock.test-tells-what-stands-in-the-way", needs: .kernel) { t in
            let file = try t.create("f")
            try file.lock(.process, F_WRLCK, 100, 50)
            try t.asOtherProcess {
                let other = try t.open("f")
                let found = try other.lockInTheWay(.process, F_RDLCK, 0, 0)
                try expectEqual(Int32(found.l_type), F_WRLCK)
                try expectEqual(found.l_start, 100)
                try expectEqual(found.l_len, 50)
                try expectEqual(Int32(found.l_whence), SEEK_SET)
                try expectEqual(found.l_pid, getpid())
                try expectEqual(Int32(try other.lockInTheWay(.process, F_WRLCK, 0, 100).l_type), F_UNLCK)
            }
        }
        Case("lock.test-of-a-lock-to-the-end", needs: .kernel) { t in
            let file = try t.create("f")
            try file.lock(.process, F_RDLCK, 7, 0)
            try t.asOtherProcess {
                let found = try t.open("f").lockInTheWay(.process, F_WRLCK, 0, 0)
                try expectEqual(found.l_start, 7)
                try expectEqual(found.l_len, 0)
                try expectEqual(Int32(found.l_type), F_RDLCK)
            }
        }
        Case("lock.closing-any-descriptor-gives-all-up", needs: .kernel) { t in
            let file = try t.create("f")
            try file.lock(.process, F_WRLCK)
            try t.open("f", O_RDONLY).close()
            try t.asOtherProcess { try t.open("f").lock(.process, F_WRLCK) }
            withExtendedLifetime(file) {}
        }
        Case("lock.goes-with-its-process", needs: .kernel) { t in
            try t.make("f")
            try t.asOtherProcess { try t.open("f").lock(.process, F_WRLCK) }
            try t.open("f").lock(.process, F_WRLCK)
        }
        Case("lock.waits-until-it-is-free", needs: .kernel) { t in
            let file = try t.create("f")
            try file.lock(.process, F_WRLCK)
            let isFree = Flag()
            let other = try t.startOtherProcess {
                try t.open("f").lock(.process, F_WRLCK, waiting: true)
                try expect(isFree.isSet, "the lock was given while another had it")
            }
            other.waitUntilAsleep()
            isFree.set()
            try file.lock(.process, F_UNLCK)
            try other.join()
        }
        Case("lock.waiting-ends-when-the-holder-closes", needs: .kernel) { t in
            let file = try t.create("f")
            try file.lock(.process, F_WRLCK)
            // Opened before the copy, the descriptor would be open there too: closing ours is enough for fcntl(2).
            let isFree = Flag()
            let other = try t.startOtherProcess {
                try t.open("f").lock(.process, F_WRLCK, waiting: true)
                try expect(isFree.isSet, "the lock was given while another had it")
            }
            other.waitUntilAsleep()
            isFree.set()
            file.close()
            try other.join()
        }
        Case("lock.waiting-is-interrupted-by-a-signal", needs: .kernel) { t in
            let file = try t.create("f")
            try file.lock(.process, F_WRLCK)
            try t.interrupting(orRelease: { try file.lock(.process, F_UNLCK) }) {
                try expectError(.interrupted) { try t.open("f").lock(.process, F_WRLCK, waiting: true) }
            }
            try file.lock(.process, F_UNLCK)
            try t.asOtherProcess { try t.open("f").lock(.process, F_WRLCK) }
        }
        Case("lock.three-wait-and-all-get-it", needs: .kernel) { t in
            let file = try t.create("f", "0")
            try file.lock(.process, F_WRLCK)
            let others = try (0..<3).map { _ in
                try t.startOtherProcess {
                    let other = try t.open("f")
                    try other.lock(.process, F_WRLCK, waiting: true)
                    let count = Int(try other.text())! + 1
                    try other.write("\(count)")
                    try other.lock(.process, F_UNLCK)
                }
            }
            try file.lock(.process, F_UNLCK)
            for other in others { try other.join() }
            try expectEqual(try file.text(), "3")
        }
        Case("lock.counts-exactly-under-contention", needs: .kernel) { t in
            try t.make("f", "0")
            let workers = try (0..<4).map { _ in
                try t.startOtherProcess {
                    let file = try t.open("f")
                    for _ in 0..<25 {
                        try file.lock(.process, F_WRLCK, waiting: true)
                        let count = Int(try file.text())! + 1
                        try file.write("\(count)")
                        try file.lock(.process, F_UNLCK)
                    }
                }
            }
            for worker in workers { try worker.join() }
            try expectEqual(try t.text("f"), "100")
        }
        Case("lock.write-lock-needs-a-writable-file", needs: .kernel) { t in
            try t.make("f")
            try expectError(.badFileDescriptor) { try t.open("f", O_RDONLY).lock(.process, F_WRLCK) }
            try expectError(.badFileDescriptor) { try t.open("f", O_WRONLY).lock(.process, F_RDLCK) }
        }
        Case("lock.many-ranges", needs: .kernel) { t in
            let file = try t.create("f")
            for index in 0..<100 { try file.lock(.process, F_WRLCK, index * 10, 5) }
            try t.asOtherProcess {
                let other = try t.open("f")
                for index in stride(from: 0, to: 100, by: 7) {
                    try expectError(.resourceTemporarilyUnavailable) {
                        try other.lock(.process, F_RDLCK, index * 10, 1)
                    }
                    try other.lock(.process, F_WRLCK, index * 10 + 5, 5)
                }
            }
        }
        Case("lock.behind-the-end-and-at-the-largest-offset", needs: .kernel) { t in
            let file = try t.create("f")
            try file.lock(.process, F_WRLCK, Int.max - 1, 1)
            try t.asOtherProcess {
                let other = try t.open("f")
                try expectError(.resourceTemporarilyUnavailable) { try other.lock(.process, F_WRLCK, 1 << 40, 0) }
                try other.lock(.process, F_WRLCK, 0, 1 << 40)
            }
            try expectError(.overflow, .invalidArgument) { try file.lock(.process, F_WRLCK, Int.max, 10) }
        }
        Case("lock.does-not-hinder-reading-and-writing", needs: .kernel) { t in
            let file = try t.create("f", "text")
            try file.lock(.process, F_WRLCK)
            try t.asOtherProcess {
                try t.open("f").write("TEXT")
                try expectEqual(try t.text("f"), "TEXT")
            }
        }
        Case("lock.of-unlinked-file", needs: .kernel) { t in
            let file = try t.create("f")
            let second = try t.open("f")
            try t.unlink("f")
            try file.lock(.process, F_WRLCK)
            let number = second.number
            try t.asOtherProcess {
                var range = flock(l_type: Int16(F_WRLCK), l_whence: 0, l_start: 0, l_len: 0, l_pid: 0)
                try expectError(.resourceTemporarilyUnavailable) { try call(ck_fcntl_flock(number, F_SETLK, &range)) }
            }
        }
    }
}
