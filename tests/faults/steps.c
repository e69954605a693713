// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The calls by which a program changes something outside of itself. Each is a step; a test names
// one of them, and the program is killed right before or right after it.

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inject.h"

static void die(struct inject_page *page, const char *what)
{
    inject_tell(page, what);
    (void)syscall(SYS_kill, getpid(), SIGKILL);
}

// Returns the step's number, 0 where nobody counts.
static uint64_t begin_step(const char *what)
{
    struct inject_page *page = inject_page_of_program();

    if (!page || page->mode == INJECT_NOTHING)
        return 0;
    uint64_t n = __atomic_add_fetch(&page->n_steps, 1, __ATOMIC_SEQ_CST);
    if (page->mode == INJECT_KILL_BEFORE && n == page->at && !page->is_done)
        die(page, what);
    return n;
}

static void end_step(uint64_t n, const char *what)
{
    struct inject_page *page = inject_page_of_program();

    if (n > 0 && page && page->mode == INJECT_KILL_AFTER && n == page->at && !page->is_done)
        die(page, what);
}

// The function of that name that would have been called without this library.
static void load(const char *name, void *ret, size_t size)
{
    void *symbol = dlsym(RTLD_NEXT, name);

    if (!symbol)
        abort();
    memcpy(ret, &symbol, size);
}

#define STEP(type, name, parameters, arguments)                                                    \
    type name parameters                                                                           \
    {                                                                                              \
        static type(*real) parameters;                                                             \
        if (!real)                                                                                 \
            load(#name, &real, sizeof(real));                                                      \
        uint64_t n = begin_step(#name);                                                            \
        type result = real arguments;                                                              \
        end_step(n, #name);                                                                        \
        return result;                                                                             \
    }

STEP(ssize_t, write, (int fd, const void *data, size_t n_bytes), (fd, data, n_bytes))
STEP(ssize_t, writev, (int fd, const struct iovec *v, int n_v), (fd, v, n_v))
STEP(ssize_t, send, (int fd, const void *data, size_t n_bytes, int flags),
     (fd, data, n_bytes, flags))
STEP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
STEP(int, pipe2, (int fds[2], int flags), (fds, flags))
STEP(int, dup2, (int old_fd, int new_fd), (old_fd, new_fd))
STEP(int, rename, (const char *from, const char *to), (from, to))
STEP(int, unlink, (const char *path), (path))
STEP(int, mkdir, (const char *path, mode_t mode), (path, mode))
STEP(int, mkfifo, (const char *path, mode_t mode), (path, mode))
STEP(int, mkostemp, (char *path, int flags), (path, flags))
STEP(int, fsync, (int fd), (fd))
STEP(pid_t, fork, (void), ())
STEP(int, setpgid, (pid_t pid, pid_t pgid), (pid, pgid))
STEP(int, kill, (pid_t pid, int number), (pid, number))
STEP(int, pidfd_open, (pid_t pid, unsigned flags), (pid, flags))
STEP(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options))
STEP(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))

// Opened for reading alone a file changes nothing, neither then nor when it is closed.
static bool is_reading(int flags)
{
    return (flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT);
}

static int open_step(const char *name, int at_fd, const char *path, int flags, mode_t mode)
{
    uint64_t n = is_reading(flags) ? 0 : begin_step(name);
    int fd = (int)syscall(SYS_openat, at_fd, path, flags, mode);

    end_step(n, name);
    return fd;
}

int close(int fd)
{
    uint64_t n = is_reading(fcntl(fd, F_GETFL)) ? 0 : begin_step("close");
    int r = (int)syscall(SYS_close, fd);

    end_step(n, "close");
    return r;
}

static mode_t mode_of(int flags, va_list args)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_step("open", AT_FDCWD, path, flags, mode);
}

int openat(int at_fd, const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_step("openat", at_fd, path, flags, mode);
}
