// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp logs: what a service has printed, and odp's own words on it. Where odpd runs without the
// journal these lines stand in bounded files (base/keep.h), which are read without asking anybody;
// else journalctl shows them. What containers print stands with their engine.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/keep.h"
#include "odp/cli/cli.h"
#include "odp/cli/container_logs.h"
#include "odp/cli/journal.h"
#include "odp/cli/text.h"
#include "odp/core/config.h"

#define JOURNAL       "/run/systemd/journal/socket"
#define CHANGES       (IN_MODIFY | IN_CREATE | IN_MOVED_TO)
#define READ_BYTES    65536
#define NUMBER_DIGITS 9

struct logs {
    const struct odp_cli *cli;
    const char *name;
    char directory[ODP_PATH_MAX + sizeof(ODP_LOGS_DIR) + 1];
    bool follow;
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
    char path[sizeof(l->directory) + ODP_NAME_MAX + 16];

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

static int show_kept(struct logs *l)
{
    // Before the files are read: what is written in between is an event.
    ODP_CLEANUP_CLOSE int watch = l->follow ? inotify_init1(IN_CLOEXEC) : -1;

    if (watch >= 0 && inotify_add_watch(watch, l->directory, CHANGES) < 0)
        return complain_unreadable(l, errno);
    int code = print_kept(l);
    if (code == ODP_EXIT_DONE && l->follow)
        code = follow(l, watch);
    odp_close(l->fd);
    odp_close(l->done_fd);
    odp_buf_deinit(&l->part);
    return code;
}

// Becomes journalctl.
static int show_journal(const struct logs *l)
{
    const struct odp_journal_query query = {
        .name = l->name,
        .config_dir = l->cli->paths.config,
        .user = geteuid() != 0 && strncmp(l->cli->socket, "/run/user/", 10) == 0,
        .follow = l->follow,
        .n_lines = l->n_lines,
    };
    int r = odp_journal_show(&query);

    odp_complain("journalctl cannot be run: %s", strerror(-r));
    return ODP_EXIT_FAILED;
}

// ---- whose -------------------------------------------------------------------------------------

static bool has_lines(const struct logs *l)
{
    char path[sizeof(l->directory) + ODP_NAME_MAX + 16];

    return access(odp_keep_path(l->directory, l->name, 0, path, sizeof(path)), F_OK) == 0;
}

// odpd knows its containers. Without lines it may be a name that nobody has, too; else odpd need
// not be there. Returns an exit code.
static int ask(const struct logs *l, bool is_known, struct odp_reply *ret)
{
    struct odp_client client = {.fd = -1};
    cJSON *parameters = cJSON_CreateObject();
    int code = ODP_EXIT_DONE;

    cJSON_AddStringToObject(parameters, "name", l->name);
    int r = odp_client_connect(l->cli->socket, &client);
    if (r == 0)
        r = odp_client_call(&client, ODP_VARLINK_WHY, parameters, ret);
    if (r < 0 && !is_known)
        code = odp_complain_lost(l->cli, r);
    else if (r == 0 && ret->error && !is_known)
        code = odp_complain_refused(&client, "logs", ret);
    cJSON_Delete(parameters);
    odp_client_deinit(&client);
    return code;
}

// What a unit's containers print stands in the journal, as what the unit prints.
static const cJSON *containers_of(const struct odp_reply *why)
{
    const cJSON *o = why->error ? NULL : why->parameters;
    const char *backend = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "backend"));

    return backend && strcmp(backend, "systemd") != 0
               ? cJSON_GetObjectItemCaseSensitive(o, "containers")
               : NULL;
}

static int show_own(struct logs *l)
{
    bool kept = access(l->directory, F_OK) == 0;

    return !kept && access(JOURNAL, F_OK) == 0 ? show_journal(l) : show_kept(l);
}

// odp's own words first, in a process of their own, since they become another program's.
static int show_both(struct logs *l, const cJSON *containers)
{
    if (l->follow) {
        int code = odp_container_logs_show(containers, true, l->n_lines);
        return code == ODP_EXIT_DONE ? show_own(l) : code;
    }
    pid_t pid = fork();
    int status = 1;
    if (pid == 0) {
        int code = show_own(l);
        _exit(fflush(stdout) == 0 ? code : ODP_EXIT_FAILED);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    int code = odp_container_logs_show(containers, false, l->n_lines);
    return status == 0 ? code : ODP_EXIT_FAILED;
}

static int read_count(const char *s, size_t *ret)
{
    if (!*s || strspn(s, "0123456789") != strlen(s) || strlen(s) > NUMBER_DIGITS) {
        odp_complain("-n wants a number of lines: %s", s);
        return ODP_EXIT_USAGE;
    }
    *ret = (size_t)strtoul(s, NULL, 10);
    return ODP_EXIT_DONE;
}

static int read_arguments(struct logs *l, int argc, char **argv)
{
    int code = ODP_EXIT_DONE;

    for (int i = 1; i < argc && code == ODP_EXIT_DONE; i++) {
        if (strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--follow") == 0) {
            l->follow = true;
        } else if (strcmp(argv[i], "-n") == 0 && i + 1 < argc) {
            code = read_count(argv[++i], &l->n_lines);
        } else if (argv[i][0] == '-') {
            odp_complain("logs has no option %s (odp help logs)", argv[i]);
            code = ODP_EXIT_USAGE;
        } else if (l->name) {
            odp_complain("logs of one service at a time: odp logs %s", l->name);
            code = ODP_EXIT_USAGE;
        } else {
            l->name = argv[i];
        }
    }
    if (code == ODP_EXIT_DONE && !l->name) {
        odp_complain("which service? odp logs NAME (odp status lists them)");
        code = ODP_EXIT_USAGE;
    }
    return code;
}

int odp_cmd_logs(const struct odp_cli *cli, int argc, char **argv)
{
    struct logs l = {.cli = cli, .n_lines = ODP_JOURNAL_ALL_LINES, .fd = -1, .done_fd = -1};
    int code = read_arguments(&l, argc, argv);

    if (code != ODP_EXIT_DONE)
        return code;
    // The socket's directory is the runtime directory of the odpd that would be asked.
    snprintf(l.directory, sizeof(l.directory), "%.*s/" ODP_LOGS_DIR,
             (int)(strlen(cli->socket) - strlen("/" ODP_CONTROL_SOCKET)), cli->socket);
    struct odp_reply why = {0};
    code = ask(&l, odp_name_is_valid(l.name) && has_lines(&l), &why);
    const cJSON *containers = containers_of(&why);
    if (code == ODP_EXIT_DONE)
        code = cJSON_GetArraySize(containers) > 0 ? show_both(&l, containers) : show_own(&l);
    odp_reply_deinit(&why);
    return code;
}
