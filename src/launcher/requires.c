// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The look before a start; see the header. The child tells through a pipe: one byte BEGUN for each
// mount or path that it begins to look at, then the reason if one is not there. It is collected by
// its pidfd alone: one that hangs in the kernel may outlive its SIGKILL for long.

#include "odp/launcher/requires.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/launcher/present.h"
#include "odp/launcher/reason.h"
#include "odp/launcher/waiters.h"

#define LOOK_MAX_USEC (30 * ODP_USEC_PER_SEC) // and at most half of start_timeout
#define BEGUN         '\1'
#define TOLD_MAX      4096 // bytes of what a child tells that are read

struct look {
    struct odp_requirements *owner; // NULL: nobody wants to know any more
    uint64_t digest;                // of the settings it looks for
    uint64_t limit_usec;
    pid_t pid;
    int pidfd;
    int told_fd;
    bool late; // it was killed for that
    uv_poll_t exit_poll;
    uv_timer_t limit_timer;
    unsigned n_handles;
};

struct odp_requirements {
    struct odp_backend *backend; // whose starts wait
    struct odp_waiters starts;
    struct look *look; // under way, NULL if none; a late one stays until it has ended
};

// ---- the child ---------------------------------------------------------------------------------

static void tell(int fd, const char *text, size_t n)
{
    // The pipe does not block: where it is full the launcher does with less.
    while (write(fd, text, n) < 0 && errno == EINTR) {
    }
}

static int look_at_all(char *const *paths, int (*look)(const char *, char *, size_t), int fd)
{
    char why[ODP_REASON_MAX + 1];

    for (; paths && *paths; paths++) {
        tell(fd, (char[]){BEGUN}, 1);
        if (look(*paths, why, sizeof(why)) < 0) {
            tell(fd, why, strlen(why));
            return -ENOENT;
        }
    }
    return 0;
}

noreturn static void run_child(const struct odp_config_service *s, int fd, pid_t launcher)
{
    // The launcher's end is seen by the last descriptor of its link: none may stay open here.
    if (fd > 0)
        close_range(0, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, UINT_MAX, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launcher)
        _exit(EXIT_FAILURE);
    if (look_at_all(s->required_mounts, odp_present_mount, fd) < 0 ||
        look_at_all(s->required_paths, odp_present_path, fd) < 0)
        _exit(EXIT_FAILURE);
    _exit(EXIT_SUCCESS);
}

// ---- the look ----------------------------------------------------------------------------------

static void on_handle_closed(uv_handle_t *handle)
{
    struct look *l = handle->data;

    if (--l->n_handles == 0)
        free(l);
}

// A child that has not ended is left to the launcher's end.
static void look_free(struct look *l)
{
    if (l->owner)
        l->owner->look = NULL;
    uv_close((uv_handle_t *)&l->exit_poll, on_handle_closed);
    uv_close((uv_handle_t *)&l->limit_timer, on_handle_closed);
    l->pidfd = odp_close(l->pidfd);
    l->told_fd = odp_close(l->told_fd);
}

// Nobody wants to know any more: it is collected when it ends, and holds up nobody's end.
static void look_abandon(struct look *l)
{
    l->owner->look = NULL;
    l->owner = NULL;
    uv_timer_stop(&l->limit_timer);
    uv_unref((uv_handle_t *)&l->exit_poll);
    pidfd_send_signal(l->pidfd, SIGKILL, NULL, 0);
}

// The n-th of what is looked at, counted from 1.
static const char *nth(const struct odp_config_service *s, size_t n, const char **ret_key)
{
    char *const *lists[] = {s->required_mounts, s->required_paths};

    for (size_t i = 0; i < 2; i++) {
        *ret_key = i == 0 ? "mount" : "path";
        for (char *const *p = lists[i]; p && *p; p++)
            if (--n == 0)
                return *p;
    }
    return "what it requires";
}

// What the child has told so far. Returns how many it has begun to look at.
static size_t read_told(struct look *l, char *ret_why, size_t size)
{
    char told[TOLD_MAX];
    ssize_t n = read(l->told_fd, told, sizeof(told));
    size_t n_begun = 0, n_told = n > 0 ? (size_t)n : 0;

    while (n_begun < n_told && told[n_begun] == BEGUN)
        n_begun++;
    odp_reason_format(ret_why, size, "%.*s", (int)(n_told - n_begun), told + n_begun);
    return n_begun;
}

static void on_limit(uv_timer_t *timer)
{
    struct look *l = timer->data;
    struct odp_requirements *q = l->owner;
    char why[ODP_REASON_MAX + 1], span[ODP_SPAN_MAX];
    const char *path, *key;

    l->late = true;
    pidfd_send_signal(l->pidfd, SIGKILL, NULL, 0);
    path = nth(q->backend->settings, read_told(l, why, sizeof(why)), &key);
    odp_reason_format(why, sizeof(why), "%.150s did not answer within %s ([requires] %s)", path,
                      odp_span_format(l->limit_usec, span, sizeof(span)), key);
    odp_waiters_answer(&q->starts, q->backend, ODP_PROTO_FAILED, why);
}

static void begin(struct odp_requirements *q);

static void go_on(struct odp_requirements *q, bool all_there, const char *why)
{
    struct odp_waiters starts = q->starts;

    if (!all_there) {
        odp_waiters_answer(&q->starts, q->backend, ODP_PROTO_FAILED,
                           why[0] ? why : "the look at what it requires was ended by a signal");
        return;
    }
    q->starts.n = 0;
    for (unsigned i = 0; i < starts.n; i++)
        q->backend->vtable->start(q->backend, starts.ids[i]);
}

static void on_child_exit(uv_poll_t *poll, int status, int events)
{
    struct look *l = poll->data;
    struct odp_requirements *q = l->owner;
    bool changed = q && q->backend->settings->digest != l->digest;
    char why[ODP_REASON_MAX + 1];
    siginfo_t info = {0};

    (void)status;
    (void)events;
    while (waitid(P_PIDFD, (id_t)l->pidfd, &info, WEXITED | WNOHANG) < 0 && errno == EINTR) {
    }
    if (info.si_pid == 0)
        return; // it has not ended
    (void)read_told(l, why, sizeof(why));
    look_free(l);
    if (!q || q->starts.n == 0)
        return;
    if (changed)
        begin(q); // it looked for what other settings require
    else
        go_on(q, info.si_code == CLD_EXITED && info.si_status == EXIT_SUCCESS, why);
}

// Returns 0 or a negative errno.
static int fork_child(struct look *l, const struct odp_config_service *settings)
{
    pid_t launcher = getpid();
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    l->pid = fork();
    if (l->pid == 0)
        run_child(settings, fds[1], launcher);
    int error = l->pid < 0 ? errno : 0;
    close(fds[1]);
    l->told_fd = fds[0];
    if (error == 0 && (l->pidfd = pidfd_open(l->pid, 0)) < 0) {
        error = errno;
        kill(l->pid, SIGKILL);
        while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    return -error;
}

static int look_new(struct odp_requirements *q, struct look **ret)
{
    const struct odp_config_service *settings = q->backend->settings;
    uv_loop_t *loop = q->backend->host->loop;
    struct look *l = calloc(1, sizeof(*l));

    if (!l)
        return -ENOMEM;
    l->owner = q;
    l->digest = settings->digest;
    l->limit_usec = odp_usec_min(LOOK_MAX_USEC, settings->start_timeout_usec / 2);
    l->pidfd = l->told_fd = -1;
    int r = fork_child(l, settings);
    if (r == 0)
        r = uv_poll_init(loop, &l->exit_poll, l->pidfd);
    if (r < 0) {
        odp_close(l->pidfd);
        odp_close(l->told_fd);
        free(l);
        return r;
    }
    uv_timer_init(loop, &l->limit_timer);
    l->n_handles = 2;
    l->exit_poll.data = l->limit_timer.data = l;
    uv_poll_start(&l->exit_poll, UV_READABLE, on_child_exit);
    uv_timer_start(&l->limit_timer, on_limit, l->limit_usec / ODP_USEC_PER_MS, 0);
    *ret = l;
    return 0;
}

static void begin(struct odp_requirements *q)
{
    char why[ODP_REASON_MAX + 1];
    int r = look_new(q, &q->look);

    if (r == 0)
        return;
    odp_reason_format(why, sizeof(why), "cannot look at what it requires: %s", strerror(-r));
    odp_waiters_answer(&q->starts, q->backend, ODP_PROTO_FAILED, why);
}

// ---- outside -----------------------------------------------------------------------------------

void odp_requirements_start(struct odp_requirements **q, struct odp_backend *b, uint32_t id)
{
    if (!b->settings->required_mounts && !b->settings->required_paths) {
        b->vtable->start(b, id);
        return;
    }
    if (!*q && !(*q = calloc(1, sizeof(**q)))) {
        odp_backend_report(b, id, ODP_PROTO_FAILED, "the launcher is out of memory");
        return;
    }
    (*q)->backend = b;
    // Who hangs there cannot be killed: a second one would hang beside it.
    if ((*q)->look && (*q)->look->late) {
        odp_backend_report(b, id, ODP_PROTO_FAILED,
                           "what it requires still does not answer ([requires] mount or path)");
        return;
    }
    odp_waiters_add(&(*q)->starts, b, id);
    if (!(*q)->look)
        begin(*q);
}

void odp_requirements_cancel(struct odp_requirements *q)
{
    if (!odp_requirements_is_busy(q))
        return;
    if (q->look)
        look_abandon(q->look);
    odp_waiters_answer(&q->starts, q->backend, ODP_PROTO_FAILED,
                       "was to be stopped before it had started");
}

bool odp_requirements_is_busy(const struct odp_requirements *q)
{
    return q && q->starts.n > 0;
}

void odp_requirements_move(struct odp_requirements *q, struct odp_backend *b)
{
    if (q)
        q->backend = b;
}

void odp_requirements_free(struct odp_requirements *q)
{
    if (!q)
        return;
    if (q->look)
        pidfd_send_signal(q->look->pidfd, SIGKILL, NULL, 0);
    if (q->look)
        look_free(q->look);
    free(q);
}
