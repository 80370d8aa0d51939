// What Swift can't import: variadic calls, function-like macros, and calls that glibc has no name for. Each does one
// thing and adds nothing.
#pragma once

static inline int ck_openat(int dirfd, const char *path, int flags, mode_t mode) {
    return openat(dirfd, path, flags, mode);
}
static inline int ck_fcntl_int(int fd, int command, int argument) { return fcntl(fd, command, argument); }
static inline int ck_fcntl_flock(int fd, int command, struct flock *lock) { return fcntl(fd, command, lock); }
static inline int ck_ioctl(int fd, unsigned long request, void *argument) { return ioctl(fd, request, argument); }

// ioctl(2) requests, which are macros of macros. The numbers hold the size of a long; those with "32" of an int.
static const unsigned int ck_fs_ioc_getflags = FS_IOC_GETFLAGS;
static const unsigned int ck_fs_ioc_setflags = FS_IOC_SETFLAGS;
static const unsigned int ck_fs_ioc32_getflags = FS_IOC32_GETFLAGS;
static const unsigned int ck_fs_ioc32_setflags = FS_IOC32_SETFLAGS;
static const unsigned int ck_fs_ioc_getversion = FS_IOC_GETVERSION;
static const unsigned int ck_fs_ioc_setversion = FS_IOC_SETVERSION;
static const unsigned int ck_fs_ioc32_getversion = FS_IOC32_GETVERSION;
static const unsigned int ck_fs_ioc32_setversion = FS_IOC32_SETVERSION;
static const unsigned int ck_fs_ioc_fsgetxattr = FS_IOC_FSGETXATTR;
static const unsigned int ck_fs_ioc_fssetxattr = FS_IOC_FSSETXATTR;

// setxattrat(2) and its relatives of Linux 6.13; the numbers are the same on every architecture.
struct ck_xattr_args {
    uint64_t value __attribute__((aligned(8)));
    uint32_t size;
    uint32_t flags;
};
static inline int ck_setxattrat(int dirfd, const char *path, const char *name, const void *value, size_t size, int flags) {
    struct ck_xattr_args args = {(uint64_t)(uintptr_t)value, (uint32_t)size, (uint32_t)flags};
    return (int)syscall(463, dirfd, path, 0, name, &args, sizeof args);
}
static inline ssize_t ck_getxattrat(int dirfd, const char *path, const char *name, void *value, size_t size) {
    struct ck_xattr_args args = {(uint64_t)(uintptr_t)value, (uint32_t)size, 0};
    return syscall(464, dirfd, path, 0, name, &args, sizeof args);
}
static inline ssize_t ck_listxattrat(int dirfd, const char *path, char *list, size_t size) {
    return syscall(465, dirfd, path, 0, list, size);
}
static inline int ck_removexattrat(int dirfd, const char *path, const char *name) {
    return (int)syscall(466, dirfd, path, 0, name);
}

static const int ck_o_tmpfile = O_TMPFILE;

static inline ssize_t ck_getdents64(int fd, void *buffer, size_t size) {
    return syscall(SYS_getdents64, fd, buffer, size);
}

// The calling thread's ids (setfsuid(2), setresuid(2), setgroups(2)); glibc's own set*id change all threads, these never do.
static inline int ck_setfsuid(uid_t uid) { return (int)syscall(SYS_setfsuid, uid); }
static inline int ck_setfsgid(gid_t gid) { return (int)syscall(SYS_setfsgid, gid); }
static inline int ck_setresuid(uid_t real, uid_t effective, uid_t saved) {
    return (int)syscall(SYS_setresuid, real, effective, saved);
}
static inline int ck_setresgid(gid_t real, gid_t effective, gid_t saved) {
    return (int)syscall(SYS_setresgid, real, effective, saved);
}
static inline int ck_setgroups(size_t count, const gid_t *groups) { return (int)syscall(SYS_setgroups, count, groups); }

// The calling thread's capabilities (capget(2), capset(2)), version 3: two words of 32.
static inline int ck_capget(struct __user_cap_data_struct data[2]) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    return (int)syscall(SYS_capget, &header, data);
}
static inline int ck_capset(const struct __user_cap_data_struct data[2]) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    return (int)syscall(SYS_capset, &header, data);
}

// futex(2) on a private word: wait while *word == expected, at most timeout; wake at most count waiters.
static inline int ck_futex_wait(const void *word, uint32_t expected, const struct timespec *timeout) {
    return (int)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout, (void *)0, 0);
}
static inline int ck_futex_wake(const void *word, int count) {
    return (int)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, (void *)0, (void *)0, 0);
}

// The environment, which Swift takes for two variables of two modules.
static inline char **ck_environ(void) { return environ; }
static inline void ck_ignore_signal(int number) { signal(number, SIG_IGN); }

static inline int ck_flock(int fd, int operation) { return flock(fd, operation); }

// Sends the calling thread a signal again and again, until timer_delete(2).
static inline int ck_start_ticking(int number, long nanoseconds, timer_t *timer) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = number};
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0) return -1;
    struct itimerspec times = {.it_interval = {0, nanoseconds}, .it_value = {0, nanoseconds}};
    return timer_settime(*timer, 0, &times, (void *)0);
}

// How often another thread got the calling one's processor though it did not wait (ru_nivcsw of getrusage(2)); -1 where
// that can't be asked.
long ck_involuntary_switches(void);
static inline pid_t ck_gettid(void) { return (pid_t)syscall(SYS_gettid); }
static inline void ck_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// fstat(2) itself, which takes no path: glibc 2.36 calls newfstatat(2) with an empty one.
_Static_assert(sizeof(long) == 8, "where a long has 32 bits, the kernel's struct stat is another than glibc's");
static inline int ck_fstat(int fd, struct stat *status) { return (int)syscall(SYS_fstat, fd, status); }
static inline unsigned int ck_major(dev_t device) { return gnu_dev_major(device); }
static inline unsigned int ck_minor(dev_t device) { return gnu_dev_minor(device); }
static inline dev_t ck_makedev(unsigned int major, unsigned int minor) { return gnu_dev_makedev(major, minor); }

// A directory entry as getdents64(2) writes it; glibc declares the same layout as struct dirent64.
typedef struct dirent64 ck_dirent64;

// The path of a thread's proc_pid_stat(5), or of its proc_pid_status(5).
static inline void ck_thread_stat_path(char *path, size_t size, uint32_t thread) {
    snprintf(path, size, "/proc/%u/stat", thread);
}
static inline void ck_thread_status_path(char *path, size_t size, uint32_t thread) {
    snprintf(path, size, "/proc/%u/status", thread);
}
