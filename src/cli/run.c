// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A command is run and what it prints kept: bounded in time and bytes, without a shell, and in
// English whoever asks.

#include "odp/cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp/base/buf.h"
#include "odp/base/fd.h"
#include "odp/base/time.h"

#define OUTPUT_BYTES_MAX (4u << 20)

struct reader {
    int fd; // -1 when it has ended
    struct odp_buf text;
};

void odp_words_add(struct odp_words *w, const char *format, ...)
{
    char **items = reallocarray(w->items, w->n + 2, sizeof(*items));
    va_list args;

    if (!items) {
        w->failed = true;
        return;
    }
    w->items = items;
    va_start(args, format);
    if (vasprintf(&items[w->n], format, args) < 0)
        w->failed = true;
    else
        w->n++;
    va_end(args);
    items[w->n] = NULL;
}

void odp_words_deinit(struct odp_words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->items[i]);
    free(w->items);
    *w = (struct odp_words){0};
}

// What the environment has, but for the language and the colours. NULL when out of memory.
static char **environment_new(void)
{
    static char own[][32] = {"LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=", "LANGUAGE="};
    size_t n = 0, n_own = sizeof(own) / sizeof(own[0]), n_all = 0;
    char **all;

    while (environ[n])
        n++;
    all = calloc(n + n_own + 1, sizeof(*all));
    if (!all)
        return NULL;
    for (size_t i = 0; i < n_own; i++)
        all[n_all++] = own[i];
    for (size_t i = 0; i < n; i++) {
        bool is_own = false;
        for (size_t k = 0; k < n_own; k++)
            is_own |= strncmp(environ[i], own[k], strcspn(own[k], "=") + 1) == 0;
        if (!is_own)
            all[n_all++] = environ[i];
    }
    return all;
}

static int spawn(char *const argv[], int out, int err, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    char **environment = environment_new();
    int r = environment ? -posix_spawn_file_actions_init(&actions) : -ENOMEM;

    if (r == 0) {
        r = -posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
            r = -posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        if (r == 0)
            r = -posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
        if (r == 0)
            r = -posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environment);
        posix_spawn_file_actions_destroy(&actions);
    }
    free(environment);
    return r;
}

static void read_some(struct reader *r)
{
    char chunk[8192];
    ssize_t n = read(r->fd, chunk, sizeof(chunk));

    if (n > 0 && r->text.n_bytes + (size_t)n <= OUTPUT_BYTES_MAX)
        odp_buf_add(&r->text, chunk, (size_t)n);
    else if (n == 0 || (n < 0 && errno != EINTR))
        r->fd = odp_close(r->fd);
}

// Reads until both have ended. Returns 0 or -ETIMEDOUT.
static int read_all(struct reader readers[2], uint64_t deadline_usec)
{
    while (readers[0].fd >= 0 || readers[1].fd >= 0) {
        struct pollfd fds[] = {{.fd = readers[0].fd, .events = POLLIN},
                               {.fd = readers[1].fd, .events = POLLIN}};
        uint64_t now_usec = odp_now_usec();

        if (now_usec >= deadline_usec)
            return -ETIMEDOUT;
        (void)poll(fds, 2, (int)((deadline_usec - now_usec) / ODP_USEC_PER_MS) + 1);
        for (int i = 0; i < 2; i++)
            if (fds[i].revents)
                read_some(&readers[i]);
    }
    return 0;
}

static int reap(pid_t pid, bool kills)
{
    int status;

    if (kills)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run(char *const argv[], unsigned timeout_sec, struct reader readers[2])
{
    uint64_t deadline_usec = odp_usec_add(odp_now_usec(), timeout_sec * ODP_USEC_PER_SEC);
    int out[2], err[2];
    pid_t pid = -1;

    if (pipe2(out, O_CLOEXEC) < 0)
        return -errno;
    readers[0].fd = out[0];
    if (pipe2(err, O_CLOEXEC) < 0) {
        int r = -errno;
        odp_close(out[1]);
        return r;
    }
    readers[1].fd = err[0];
    int r = spawn(argv, out[1], err[1], &pid);
    odp_close(out[1]);
    odp_close(err[1]);
    if (r < 0 || pid < 0)
        return r;
    r = read_all(readers, deadline_usec);
    int status = reap(pid, r < 0);
    return r < 0 ? r : status;
}

int odp_run(char *const argv[], unsigned timeout_sec, char **ret_out, char **ret_err)
{
    struct reader readers[2] = {{.fd = -1}, {.fd = -1}};
    int r = run(argv, timeout_sec, readers);

    for (int i = 0; i < 2; i++) {
        odp_close(readers[i].fd);
        if (readers[i].text.failed)
            r = -ENOMEM;
    }
    *ret_out = readers[0].text.s;
    *ret_err = readers[1].text.s;
    return r;
}
