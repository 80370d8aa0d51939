// Descriptors that travel beside a message on a Unix socket (unix(7), SCM_RIGHTS): the CMSG macros don't import.
#pragma once

#define CK_MOST_DESCRIPTORS 32

// recvmsg(2) with room for CK_MOST_DESCRIPTORS descriptors, which are closed on exec. Never blocks. *truncated tells
// whether some were lost because there was no room for them, in the message or in this process.
static inline ssize_t ck_receive(
    int socket, void *data, size_t size, int descriptors[CK_MOST_DESCRIPTORS], int *count, int *truncated) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * CK_MOST_DESCRIPTORS)];
    } control;
    struct iovec part = {data, size};
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    *count = 0;
    *truncated = 0;
    ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (received < 0) return received;
    *truncated = (message.msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item; item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
        int found = (int)((item->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(descriptors + *count, CMSG_DATA(item), (size_t)found * sizeof(int));
        *count += found;
    }
    return received;
}

// sendmsg(2) with descriptors, at most CK_MOST_DESCRIPTORS. Never blocks, never raises SIGPIPE.
static inline ssize_t ck_send(int socket, const void *data, size_t size, const int *descriptors, int count) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * CK_MOST_DESCRIPTORS)];
    } control;
    struct iovec part = {(void *)data, size};
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(&control.header), descriptors, (size_t)count * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// bind(2) and connect(2) to a path, and accept4(2): their address arguments are transparent unions.
static inline int ck_unix_address(const char *path, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address->sun_path, path);
    return 0;
}
static inline int ck_bind_unix(int socket, const char *path) {
    struct sockaddr_un address;
    if (ck_unix_address(path, &address) < 0) return -1;
    return bind(socket, (const struct sockaddr *)&address, sizeof address);
}
static inline int ck_connect_unix(int socket, const char *path) {
    struct sockaddr_un address;
    if (ck_unix_address(path, &address) < 0) return -1;
    return connect(socket, (const struct sockaddr *)&address, sizeof address);
}
static inline int ck_accept(int socket) { return accept4(socket, (struct sockaddr *)0, (socklen_t *)0, SOCK_CLOEXEC); }

static inline void ck_default_signal(int number) { signal(number, SIG_DFL); }

// The address that a signal handler was told of (SIGBUS, SIGSEGV): a macro of <signal.h>.
static inline void *ck_fault_address(const siginfo_t *info) { return info->si_addr; }
