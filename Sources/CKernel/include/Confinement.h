// What confines a process: calls that Swift can't import or that glibc has no name for.
#pragma once

// fork(2), which Swift withholds because of what threads may hold: only where there are none.
static inline pid_t ck_fork(void) { return fork(); }

// prctl(2) and pivot_root(2).
static inline int ck_prctl(int option, unsigned long first, unsigned long second) {
    return prctl(option, first, second, 0UL, 0UL);
}
static inline int ck_pivot_root(const char *new_root, const char *put_old) {
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

// mount_setattr(2) with attributes to be set, on a whole tree.
static inline int ck_set_mount_attributes(int tree, uint64_t attributes) {
    struct mount_attr change = {.attr_set = attributes};
    return mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &change, sizeof change);
}

// The system call that a filter stopped (seccomp(2), SIGSYS): a macro of <signal.h>.
static inline int ck_stopped_call(const siginfo_t *info) { return info->si_syscall; }

// The kernel's version of landlock(7), for whose calls glibc has no names.
static inline int ck_landlock_version(void) {
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0UL, LANDLOCK_CREATE_RULESET_VERSION);
}
// Denies this thread some actions (LANDLOCK_ACCESS_FS_*), but for those that are allowed below `folder`.
static inline int ck_landlock(int folder, uint64_t denied, uint64_t allowed) {
    struct landlock_ruleset_attr all = {.handled_access_fs = denied};
    struct landlock_path_beneath_attr below = {.allowed_access = allowed, .parent_fd = folder};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0U);
    if (rules < 0) return -1;
    long result = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0U);
    if (result == 0) result = syscall(SYS_landlock_restrict_self, rules, 0U);
    int error = errno;
    close(rules);
    errno = error;
    return (int)result;
}
