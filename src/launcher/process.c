// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One running command until the last of its processes has ended. The one place that signals process
// groups.
//
// A group's number is safe to signal while its leader is not collected, or while a member lives:
// so an own child stays a zombie until its group is gone, and the group of an adopted one is looked
// at before each signal.

#include "odp/launcher/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/launcher/procfs.h"
#include "odp/launcher/reason.h"
#include "odp/launcher/record.h"
#include "process_internal.h"

#define TICK_FIRST_USEC     (5 * ODP_USEC_PER_MS) // between looks at a group that ends
#define TICK_MAX_USEC       (250 * ODP_USEC_PER_MS)
#define TICK_STUCK_USEC     (5 * ODP_USEC_PER_SEC)
#define COMMAND_PATIENCE_MS 200 // from fork(2) to exec(2), which takes less than one
#define PATIENCE_USEC       (5 * ODP_USEC_PER_SEC) // for SIGKILL to work

static void on_handle_closed(uv_handle_t *handle)
{
    struct odp_process *p = handle->data;

    if (--p->n_handles == 0)
        free(p);
}

static void close_handle(uv_handle_t *handle)
{
    if (handle->data && !uv_is_closing(handle))
        uv_close(handle, on_handle_closed);
}

void odp_process_free(struct odp_process *p)
{
    if (!p)
        return;
    close_handle((uv_handle_t *)&p->status_poll);
    close_handle((uv_handle_t *)&p->exit_poll);
    close_handle((uv_handle_t *)&p->timer);
    p->status_fd = odp_close(p->status_fd);
    p->pidfd = odp_close(p->pidfd);
    if (p->role == ODP_ROLE_SERVICE)
        odp_output_free(p->output);
    p->output = NULL;
    odp_process_unit_free(p->unit);
    p->unit = NULL;
    if (p->n_handles == 0)
        free(p);
}

enum odp_process_state odp_process_state(const struct odp_process *p)
{
    return p->state;
}

enum odp_role odp_process_role(const struct odp_process *p)
{
    return p->role;
}

void odp_process_await_command(const struct odp_process *p)
{
    struct pollfd pfd = {.fd = p->status_fd, .events = POLLIN};

    if (p->status_fd >= 0)
        (void)poll(&pfd, 1, COMMAND_PATIENCE_MS);
}

void odp_process_rename(struct odp_process *p, const char *name)
{
    memcpy(p->name, name, strlen(name) + 1); // the output's too, if it is the service's
}

static bool leader_lives(const struct odp_process *p)
{
    struct pollfd pfd = {.fd = p->pidfd, .events = POLLIN};

    return !p->leader_ended && poll(&pfd, 1, 0) == 0;
}

static bool group_lives(const struct odp_process *p)
{
    return leader_lives(p) || odp_procfs_group_lives(p->pid, p->start_time);
}

static void signal_group(const struct odp_process *p, int signal_number)
{
    if (!group_lives(p))
        return;
    kill(-p->pid, signal_number);
    if (signal_number == SIGTERM)
        kill(-p->pid, SIGCONT); // a stopped process acts on SIGTERM only once it goes on
}

void odp_process_finish(struct odp_process *p)
{
    const struct odp_process_observer *observer = p->observer;
    void *userdata = p->userdata;
    struct odp_process_end end;
    siginfo_t info;

    // Fails with ECHILD for an adopted one, which is collected by its new parent.
    while (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) < 0 && errno == EINTR) {
    }
    if (p->output) {
        odp_output_drain(p->output);
        memcpy(p->end.last_words, odp_output_last_words(p->output), sizeof(p->end.last_words));
    }
    if (p->role == ODP_ROLE_SERVICE)
        odp_output_remove(p->directory, p->name);
    if (!p->unit)
        odp_record_remove(p->directory, p->name);
    end = p->end;
    odp_process_free(p);
    observer->on_gone(userdata, &end);
}

static void on_ending_timer(uv_timer_t *timer);

// The timer runs only while something is ending: until the leader has ended for the deadline
// alone, since pidfds tell of the leader, then also to look whether the rest has ended.
static void arm_timer(struct odp_process *p)
{
    uint64_t now = odp_now_usec(), wake = p->deadline_usec, ms;

    if (p->leader_ended) {
        wake = odp_usec_min(wake, odp_usec_add(now, p->tick_usec));
        p->tick_usec =
            p->is_stuck ? TICK_STUCK_USEC : odp_usec_min(2 * p->tick_usec, TICK_MAX_USEC);
    }
    if (wake == ODP_NEVER)
        return;
    ms = wake > now ? (wake - now + ODP_USEC_PER_MS - 1) / ODP_USEC_PER_MS : 0;
    uv_update_time(p->timer.loop);
    uv_timer_start(&p->timer, on_ending_timer, ms, 0);
}

static void on_ending_deadline(struct odp_process *p)
{
    if (!p->end.was_killed) {
        p->end.was_killed = true;
        p->deadline_usec = odp_usec_add(odp_now_usec(), PATIENCE_USEC);
        signal_group(p, SIGKILL);
        return;
    }
    p->deadline_usec = ODP_NEVER;
    p->is_stuck = true;
    p->observer->on_stuck(p->userdata);
}

static void on_ending_timer(uv_timer_t *timer)
{
    struct odp_process *p = timer->data;

    if (p->leader_ended && !group_lives(p)) {
        odp_process_finish(p);
        return;
    }
    if (odp_now_usec() >= p->deadline_usec)
        on_ending_deadline(p);
    // What a dying member forked at the last moment has missed the first SIGKILL.
    else if (p->end.was_killed)
        signal_group(p, SIGKILL);
    arm_timer(p);
}

void odp_process_terminate(struct odp_process *p)
{
    if (p->state == ODP_PROCESS_ENDING)
        return;
    p->state = ODP_PROCESS_ENDING;
    if (p->unit) {
        odp_process_unit_terminate(p);
        return;
    }
    p->deadline_usec = odp_usec_add(odp_now_usec(), p->stop_timeout_usec);
    p->tick_usec = TICK_FIRST_USEC;
    signal_group(p, SIGTERM);
    arm_timer(p);
}

void odp_process_kill(struct odp_process *p)
{
    if (p->unit) {
        odp_process_unit_kill(p);
        return;
    }
    signal_group(p, SIGKILL);
}

static void on_limit(uv_timer_t *timer)
{
    struct odp_process *p = timer->data;

    p->end.was_late = true;
    odp_process_terminate(p);
}

void odp_process_limit(struct odp_process *p, uint64_t span_usec)
{
    if (p->state == ODP_PROCESS_ENDING)
        return;
    uv_update_time(p->timer.loop);
    uv_timer_start(&p->timer, on_limit, span_usec / ODP_USEC_PER_MS, 0);
}

// Whether the command runs: end of file tells that exec(2) closed the other end, a text why not.
static void read_status(struct odp_process *p)
{
    ssize_t n;

    if (p->status_fd < 0)
        return;
    n = read(p->status_fd, p->end.error, sizeof(p->end.error) - 1);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    p->end.error[n > 0 ? n : 0] = '\0';
    odp_reason_clean(p->end.error);
    close_handle((uv_handle_t *)&p->status_poll);
    p->status_fd = odp_close(p->status_fd);
    if (p->end.error[0] != '\0' || p->state != ODP_PROCESS_STARTING)
        return;
    p->state = ODP_PROCESS_RUNNING;
    p->observer->on_running(p->userdata);
}

static void on_status_readable(uv_poll_t *poll_handle, int status, int events)
{
    (void)status;
    (void)events;
    read_status(poll_handle->data);
}

// WNOWAIT leaves it a zombie, and with it the group's number ours.
static void look_at_end(struct odp_process *p)
{
    siginfo_t info = {0};

    if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
        return;
    p->end.status_is_known = true;
    p->end.code = info.si_code;
    p->end.status = info.si_status;
}

static bool leaves_a_service(const struct odp_process *p)
{
    return p->role != ODP_ROLE_SERVICE && p->role != ODP_ROLE_PROBE;
}

static void on_leader_ended(uv_poll_t *poll_handle, int status, int events)
{
    struct odp_process *p = poll_handle->data;

    (void)status;
    (void)events;
    if (leader_lives(p))
        return;
    uv_poll_stop(&p->exit_poll);
    look_at_end(p);
    p->leader_ended = true;
    read_status(p); // before its end is told, so that it has run
    if ((leaves_a_service(p) && p->state != ODP_PROCESS_ENDING) || !group_lives(p)) {
        odp_process_finish(p);
        return;
    }
    odp_process_terminate(p);
    p->tick_usec = TICK_FIRST_USEC;
    arm_timer(p);
}

static int watch(struct odp_process *p, uv_poll_t *handle, uv_loop_t *loop, int fd, uv_poll_cb cb)
{
    int r = uv_poll_init(loop, handle, fd);

    if (r < 0)
        return r;
    handle->data = p;
    p->n_handles++;
    return uv_poll_start(handle, UV_READABLE, cb);
}

int odp_process_watch(struct odp_process *p, uv_loop_t *loop)
{
    int r = uv_timer_init(loop, &p->timer);

    if (r < 0)
        return r;
    p->timer.data = p;
    p->n_handles++;
    r = watch(p, &p->exit_poll, loop, p->pidfd, on_leader_ended);
    if (r == 0 && p->status_fd >= 0)
        r = watch(p, &p->status_poll, loop, p->status_fd, on_status_readable);
    return r;
}
