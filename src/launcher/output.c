// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The reading end of a service's output. Reads a bounded piece per turn of the loop, so that a
// service that prints without end cannot keep the launcher from its other work.

#include "odp/launcher/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/core/paths.h"
#include "odp/launcher/reason.h"

#define LINE_BYTES  940               // with program and service it fits odp_log()'s 1 KiB
#define TURN_BYTES  4096              // read per turn of the loop
#define AFTER_ERROR 3                 // lines that say less than the error before them
#define DRAIN_BYTES (1024 * 1024 + 1) // more than a FIFO can hold, pipe(7)

struct odp_output {
    uv_poll_t poll;
    int fd;
    const char *name; // borrowed
    bool is_hushed;
    bool has_error; // last_words is a line that begins with "error"
    int n_after_error;
    size_t n_line;
    char line[LINE_BYTES + 1];
    char last_words[ODP_OUTPUT_LAST_WORDS_MAX + 1];
};

void odp_output_path(const char *directory, const char *name, char *ret_path)
{
    snprintf(ret_path, ODP_PATH_MAX, "%s/%s.out", directory, name);
}

// Programs tell what went wrong, and then that something did.
static void keep_words(struct odp_output *o)
{
    bool is_error = strncasecmp(o->line, "error", strlen("error")) == 0;

    if (!is_error && o->has_error && ++o->n_after_error <= AFTER_ERROR)
        return;
    o->has_error = is_error;
    o->n_after_error = 0;
    snprintf(o->last_words, sizeof(o->last_words), "%.*s", ODP_OUTPUT_LAST_WORDS_MAX,
             is_error ? odp_reason_cause(o->line, ODP_OUTPUT_LAST_WORDS_MAX) : o->line);
}

static void end_line(struct odp_output *o)
{
    size_t n = o->n_line;

    o->n_line = 0;
    if (n > 0 && o->line[n - 1] == '\r')
        n--;
    if (n == 0)
        return;
    o->line[n] = '\0';
    keep_words(o);
    if (!o->is_hushed)
        odp_log_output(o->name, o->line);
}

static void take(struct odp_output *o, const char *data, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if (data[i] == '\n') {
            end_line(o);
            continue;
        }
        if (o->n_line == LINE_BYTES)
            end_line(o);
        o->line[o->n_line++] = (char)(data[i] == '\0' ? ' ' : data[i]);
    }
}

// Returns the bytes read, 0 where nothing is there.
static size_t read_some(struct odp_output *o)
{
    char data[TURN_BYTES];
    ssize_t n = read(o->fd, data, sizeof(data));

    if (n <= 0)
        return 0;
    odp_log_gather();
    take(o, data, (size_t)n);
    odp_log_gathered(o->name);
    return (size_t)n;
}

void odp_output_drain(struct odp_output *o)
{
    size_t total = 0, n;

    do {
        n = read_some(o);
        total += n;
    } while (n > 0 && total < DRAIN_BYTES);
    end_line(o);
}

static void on_output_readable(uv_poll_t *poll, int status, int events)
{
    struct odp_output *o = poll->data;

    (void)events;
    if (status == 0)
        read_some(o);
}

// Opened for writing too: so it never reads as ended, and never has to be reopened.
static int open_fifo(const char *path, bool adopt)
{
    ODP_CLEANUP_CLOSE int fd = -1;
    struct stat st;

    if (!adopt && unlink(path) < 0 && errno != ENOENT)
        return -errno;
    if (!adopt && mkfifo(path, 0600) < 0)
        return -errno;
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISFIFO(st.st_mode))
        return -EINVAL;
    return odp_fd_take(&fd);
}

int odp_output_new(uv_loop_t *loop, const char *directory, const char *name, bool adopt,
                   struct odp_output **ret)
{
    char path[ODP_PATH_MAX];
    struct odp_output *o = calloc(1, sizeof(*o));
    int r;

    if (!o)
        return -ENOMEM;
    odp_output_path(directory, name, path);
    o->name = name;
    o->fd = open_fifo(path, adopt);
    r = o->fd < 0 ? o->fd : uv_poll_init(loop, &o->poll, o->fd);
    if (r < 0) {
        odp_close(o->fd);
        free(o);
        return r;
    }
    o->poll.data = o;
    uv_poll_start(&o->poll, UV_READABLE, on_output_readable);
    *ret = o;
    return 0;
}

void odp_output_hush(struct odp_output *o)
{
    o->is_hushed = true;
}

const char *odp_output_last_words(const struct odp_output *o)
{
    return o->last_words;
}

void odp_output_forget(struct odp_output *o)
{
    odp_output_drain(o);
    memset(o->last_words, 0, sizeof(o->last_words));
    o->has_error = false;
}

static void on_output_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void odp_output_free(struct odp_output *o)
{
    if (!o)
        return;
    uv_close((uv_handle_t *)&o->poll, on_output_closed);
    o->fd = odp_close(o->fd);
    o->name = NULL;
}

void odp_output_remove(const char *directory, const char *name)
{
    char path[ODP_PATH_MAX];

    odp_output_path(directory, name, path);
    unlink(path);
}
