// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The lines that odpd keeps in files; see the header. Two files of a service, the older one is
// dropped when the newer one is full: who follows goes from one to the next.

#include "odp/cli/kept_logs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/base/buf.h"
#include "odp/base/fd.h"
#include "odp/base/keep.h"
#include "odp/cli/cli.h"
#include "odp/cli/journal.h"
#include "odp/cli/text.h"
#include "odp/core/config.h"

#define CHANGES    (IN_MODIFY | IN_CREATE | IN_MOVED_TO)
#define READ_BYTES 65536

struct logs {
    const char *directory, *name;
    size_t n_lines;
    int fd;              // of the file that is being read, the newest one; -1: there is none yet
    int done_fd;         // of the one before it; held, so that no other file gets its inode
    struct odp_buf part; // of a line that is not whole yet
};

// ---- what stands there -------------------------------------------------------------------------

// Whole lines go out, fit for a terminal; what is behind the last newline is kept.
static int print_lines(struct logs *l, const char *s, size_t n_bytes)
{
    struct odp_buf out = {0};

    for (const char *end; n_bytes > 0 && (end = memchr(s, '\n', n_bytes));) {
        odp_buf_add(&l->part, s, (size_t)(end - s));
        odp_text_add(&out, l->part.s ? l->part.s : "");
        odp_buf_add(&out, "\n", 1);
        odp_buf_deinit(&l->part);
        n_bytes -= (size_t)(end - s) + 1;
        s = end + 1;
    }
    odp_buf_add(&l->part, s, n_bytes);
    int code = odp_print(&out);
    return code != ODP_EXIT_DONE || fflush(stdout) != 0 ? ODP_EXIT_FAILED : ODP_EXIT_DONE;
}

static int print_rest(struct logs *l)
{
    char *buffer = malloc(READ_BYTES);
    int code = buffer ? ODP_EXIT_DONE : ODP_EXIT_FAILED;
    ssize_t n;

    while (code == ODP_EXIT_DONE && l->fd >= 0 && (n = read(l->fd, buffer, READ_BYTES)) > 0)
        code = print_lines(l, buffer, (size_t)n);
    free(buffer);
    return code;
}

// What can be read there now, appended. False when it cannot be.
static bool read_open(int fd, struct odp_buf *all)
{
    char buffer[4096];
    ssize_t n;

    while (fd >= 0 && (n = read(fd, buffer, sizeof(buffer))) != 0) {
        if (n < 0 && errno != EINTR)
            return false;
        odp_buf_add(all, buffer, n > 0 ? (size_t)n : 0);
    }
    return true;
}

// Opens one of the two files. A file that is not there is an empty one.
static bool open_file(const struct logs *l, int before, int *ret_fd)
{
    char path[ODP_PATH_MAX + ODP_NAME_MAX + 32];

    odp_keep_path(l->directory, l->name, before, path, sizeof(path));
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return *ret_fd >= 0 || errno == ENOENT;
}

static const char *last_lines(const char *s, size_t n_bytes, size_t n_lines)
{
    const char *at = s + n_bytes;

    if (n_lines == ODP_JOURNAL_ALL_LINES || n_bytes == 0)
        return s;
    if (n_lines == 0)
        return at;
    for (at--; at > s; at--)
        if (at[-1] == '\n' && --n_lines == 0)
            break;
    return at;
}

static int complain_unreadable(const struct logs *l, int error)
{
    odp_complain("the lines of %s in %s cannot be read: %s%s", l->name, l->directory,
                 strerror(error),
                 error == EACCES ? ": try as root or as a member of group odp" : "");
    return ODP_EXIT_FAILED;
}

// Both files, older one first; the newer one stays open behind what was read. Returns the exit
// code.
static int print_kept(struct logs *l)
{
    struct odp_buf all = {0};
    int code = ODP_EXIT_DONE;

    if (!open_file(l, 1, &l->done_fd) || !read_open(l->done_fd, &all) || !open_file(l, 0, &l->fd) ||
        !read_open(l->fd, &all))
        code = complain_unreadable(l, errno);
    else if (all.n_bytes > 0) {
        const char *from = last_lines(all.s, all.n_bytes, l->n_lines);
        code = print_lines(l, from, (size_t)(all.s + all.n_bytes - from));
    }
    odp_buf_deinit(&all);
    return code;
}

// ---- what comes --------------------------------------------------------------------------------

// True where the file of that fd is the one that `st` tells of.
static bool is_same(int fd, const struct stat *st)
{
    struct stat own;

    return fd >= 0 && fstat(fd, &own) == 0 && own.st_dev == st->st_dev && own.st_ino == st->st_ino;
}

// Turns to the file that follows the one being read: the newest, or the one before it where the
// lines have been turned over twice meanwhile. False where there is none.
static bool open_next(struct logs *l)
{
    int before = -1, newest = -1;
    struct stat st;

    (void)open_file(l, 1, &before);
    (void)open_file(l, 0, &newest);
    // In this order: a file that is turned over in between is found twice rather than not at all.
    bool is_next =
        before >= 0 && fstat(before, &st) == 0 && !is_same(l->fd, &st) && !is_same(l->done_fd, &st);
    int next = is_next ? before : newest;
    odp_close(is_next ? newest : before);
    if (next < 0 || (fstat(next, &st) == 0 && is_same(l->fd, &st))) {
        odp_close(next);
        return false;
    }
    odp_close(l->done_fd);
    l->done_fd = l->fd;
    l->fd = next;
    return true;
}

static int catch_up(struct logs *l)
{
    int code;

    do
        code = print_rest(l);
    while (code == ODP_EXIT_DONE && open_next(l));
    return code;
}

static bool reader_has_left(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};

    return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLNVAL));
}

// Ends with a signal, or when the reader goes.
static int follow(struct logs *l, int watch)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    struct pollfd fds[] = {{.fd = watch, .events = POLLIN}, {.fd = STDOUT_FILENO}};
    int code = catch_up(l);

    while (code == ODP_EXIT_DONE) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return ODP_EXIT_FAILED;
        if (reader_has_left())
            return ODP_EXIT_DONE;
        if ((fds[0].revents & POLLIN) && read(watch, events, sizeof(events)) < 0 && errno != EINTR)
            return ODP_EXIT_FAILED;
        code = catch_up(l);
    }
    return code;
}

int odp_kept_logs_show(const char *directory, const char *name, bool follows, size_t n_lines)
{
    struct logs l = {
        .directory = directory, .name = name, .n_lines = n_lines, .fd = -1, .done_fd = -1};
    // Before the files are read: what is written in between is an event.
    ODP_CLEANUP_CLOSE int watch = follows ? inotify_init1(IN_CLOEXEC) : -1;

    if (watch >= 0 && inotify_add_watch(watch, directory, CHANGES) < 0)
        return complain_unreadable(&l, errno);
    int code = print_kept(&l);
    if (code == ODP_EXIT_DONE && follows)
        code = follow(&l, watch);
    odp_close(l.fd);
    odp_close(l.done_fd);
    odp_buf_deinit(&l.part);
    return code;
}
