// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp-launcher's keeper. The launcher stands beside odpd's own executable. When it dies it is
// started again, at once the first time, then after a pause that doubles.

#include "odp/proxy/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/proxy/limits.h"
#include "outbox.h"
#include "renames.h"

#define CHILD_FD     3
#define ASIDE_ID     (ODP_PROTO_PROBE_ID - 1) // of what no machine asks; none counts so far
#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 30000
#define HEALTHY_USEC (10 * ODP_USEC_PER_SEC) // it ran this long: the next respawn is at once
#define LAUNCHER     "odp-launcher"

struct odp_link {
    struct odp_manager *manager;
    struct odp_io io; // our end; -1 while there is no launcher
    uv_process_t process;
    bool process_active; // the handle is open
    bool ending;
    uv_timer_t respawn_timer;
    uint64_t spawned_usec;
    unsigned pause_ms;
    struct outbox outbox;
    struct renames renames;
    uint32_t rename_id; // of the latest batch
};

static void spawn(struct odp_link *link);

static void on_respawn_timer(uv_timer_t *timer)
{
    struct odp_link *link = timer->data;

    spawn(link);
    if (link->io.fd >= 0)
        odp_manager_relook(link->manager);
}

static void respawn(struct odp_link *link)
{
    if (odp_now_usec() - link->spawned_usec >= HEALTHY_USEC)
        link->pause_ms = 0;
    uv_timer_start(&link->respawn_timer, on_respawn_timer, link->pause_ms, 0);
    link->pause_ms = link->pause_ms == 0 ? PAUSE_MIN_MS : link->pause_ms * 2;
    if (link->pause_ms > PAUSE_MAX_MS)
        link->pause_ms = PAUSE_MAX_MS;
}

// ---- sending -----------------------------------------------------------------------------------

static void send_message(struct odp_link *link, const struct odp_proto_message *message)
{
    uint8_t record[ODP_PROTO_MAX_BYTES];

    if (!link || link->io.fd < 0)
        return;
    int n = odp_proto_encode(message, record, sizeof(record)), r = n;
    if (n >= 0)
        r = outbox_send(&link->outbox, link->io.fd, record, (size_t)n);
    if (r < 0)
        odp_log(ODP_LOG_WARNING, message->name, "the request to %s could not be sent: %s",
                odp_proto_op_to_string(message->op), strerror(-r));
}

// ---- the launcher's life -----------------------------------------------------------------------

// Nothing of what it was told or has told counts any more.
static void forget_talk(struct odp_link *link)
{
    outbox_deinit(&link->outbox);
    renames_deinit(&link->renames);
}

// The socketpair's other end is gone. A launcher that closed it but lives on is ended, so that
// there is never a second one beside it.
static void lose(struct odp_link *link)
{
    odp_io_close(&link->io);
    forget_talk(link);
    if (link->process_active)
        (void)uv_process_kill(&link->process, SIGKILL); // on_launcher_exit() follows
    else
        respawn(link);
}

static void on_process_closed(uv_handle_t *handle)
{
    struct odp_link *link = handle->data;

    odp_io_kick(link->manager->loop);
    link->process_active = false;
    if (!link->ending)
        respawn(link);
}

static void on_launcher_exit(uv_process_t *process, int64_t status, int signal)
{
    struct odp_link *link = process->data;

    odp_io_kick(link->manager->loop);
    odp_log(ODP_LOG_WARNING, NULL, LAUNCHER " ended (status %d, signal %d): starting it again",
            (int)status, signal);
    if (link->io.fd >= 0)
        odp_io_close(&link->io);
    forget_talk(link);
    uv_close((uv_handle_t *)process, on_process_closed);
}

static void receive(struct odp_link *link, const uint8_t *record, size_t n)
{
    struct odp_proto_message message;

    if (odp_proto_decode(record, n, &message) < 0 || message.op != ODP_PROTO_REPORT) {
        odp_log(ODP_LOG_WARNING, NULL, "a malformed message of " LAUNCHER " was dropped");
        return;
    }
    if (message.state == ODP_PROTO_DONE) {
        renames_done(&link->renames, message.id);
        return;
    }
    const char *name = renames_translate(&link->renames, message.name);
    struct odp_managed *m = name ? odp_manager_find(link->manager, name) : NULL;
    if (m && m->active)
        odp_managed_report(m, &message);
}

static void on_link_event(struct odp_io *io, uint32_t events)
{
    struct odp_link *link = ODP_CONTAINER_OF(io, struct odp_link, io);
    uint8_t record[ODP_PROTO_MAX_BYTES + 1]; // one more: an over-long record shows

    if (events & EPOLLOUT)
        outbox_flush(&link->outbox, io->fd);
    while (io->fd >= 0) {
        ssize_t n = recv(io->fd, record, sizeof(record), MSG_DONTWAIT);
        if (n > 0) {
            receive(link, record, (size_t)n);
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 || errno != EAGAIN)
            lose(link);
        return;
    }
}

// Beside our own executable: in the build tree and once installed alike.
static int find_launcher(char *buf, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", buf, size - 1);

    if (n < 0)
        return -errno;
    buf[n] = '\0';
    char *slash = strrchr(buf, '/');
    if (!slash || (size_t)(slash + 1 - buf) + sizeof(LAUNCHER) > size)
        return -ENAMETOOLONG;
    memcpy(slash + 1, LAUNCHER, sizeof(LAUNCHER));
    return 0;
}

static int run_launcher(struct odp_link *link, int child_fd)
{
    char file[ODP_PATH_MAX], fd_text[16];
    int r = find_launcher(file, sizeof(file));

    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot find " LAUNCHER " beside odpd: %s", strerror(-r));
        respawn(link);
        return r;
    }
    snprintf(fd_text, sizeof(fd_text), "%d", CHILD_FD);
    char *args[] = {file,
                    (char[]){"--config"},
                    link->manager->paths.config,
                    (char[]){"--runtime"},
                    link->manager->paths.runtime,
                    (char[]){"--link"},
                    fd_text,
                    NULL};
    uv_stdio_container_t stdio[CHILD_FD + 1] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = STDOUT_FILENO},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
        {.flags = UV_INHERIT_FD, .data.fd = child_fd},
    };
    uv_process_options_t options = {
        .exit_cb = on_launcher_exit,
        .file = file,
        .args = args,
        .stdio_count = CHILD_FD + 1,
        .stdio = stdio,
    };
    odp_limits_restore(); // services are to have the limit that odpd was given
    r = uv_spawn(odp_io_loop_uv(link->manager->loop), &link->process, &options);
    odp_limits_raise();
    link->process.data = link;
    odp_io_kick(link->manager->loop);
    link->process_active = true;
    if (r < 0) { // libuv wants even a failed handle closed; what follows is on_process_closed()
        odp_log(ODP_LOG_ERR, NULL, "cannot run %s: %s", file, strerror(-r));
        uv_close((uv_handle_t *)&link->process, on_process_closed);
    }
    return r;
}

static void spawn(struct odp_link *link)
{
    int pair[2];

    link->spawned_usec = odp_now_usec();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot make a socketpair: %s", strerror(errno));
        respawn(link);
        return;
    }
    link->io.fd = pair[0];
    if (run_launcher(link, pair[1]) < 0)
        odp_io_close(&link->io);
    else if (odp_io_add(link->manager->loop, &link->io) < 0)
        lose(link);
    odp_close(pair[1]);
}

int odp_link_new(struct odp_manager *mgr, struct odp_link **ret)
{
    struct odp_link *link = calloc(1, sizeof(*link));

    if (!link)
        return -ENOMEM;
    link->manager = mgr;
    link->io = (struct odp_io){.fd = -1, .on_event = on_link_event};
    outbox_init(&link->outbox);
    renames_init(&link->renames);
    link->rename_id = (uint32_t)odp_realtime_usec() % ASIDE_ID;
    uv_timer_init(odp_io_loop_uv(mgr->loop), &link->respawn_timer);
    link->respawn_timer.data = link;
    *ret = link;
    spawn(link);
    return 0;
}

void odp_link_free(struct odp_link *link)
{
    if (!link)
        return;
    link->ending = true;
    if (link->io.fd >= 0)
        odp_io_close(&link->io); // end of file is the launcher's word to leave
    forget_talk(link);
    if (link->process_active && !uv_is_closing((uv_handle_t *)&link->process))
        uv_close((uv_handle_t *)&link->process, on_process_closed);
    uv_close((uv_handle_t *)&link->respawn_timer, NULL);
    // libuv holds the handles, which are within the link, until it has run their closing.
    uv_run(odp_io_loop_uv(link->manager->loop), UV_RUN_NOWAIT);
    free(link);
}

// ---- what it is told ---------------------------------------------------------------------------

static struct odp_proto_message message_to(enum odp_proto_op op, const char *name)
{
    struct odp_proto_message message = {.op = op, .id = ASIDE_ID};

    snprintf(message.name, sizeof(message.name), "%s", name);
    return message;
}

void odp_link_request(struct odp_link *link, const struct odp_managed *m, enum odp_proto_op op,
                      uint32_t id)
{
    struct odp_proto_message message = message_to(op, m->config->name);

    message.id = id;
    message.digest = m->config->digest;
    send_message(link, &message);
}

void odp_link_rename(struct odp_link *link, const struct odp_link_rename *renames, size_t n)
{
    if (!link || link->io.fd < 0 || n == 0)
        return;
    if (++link->rename_id >= ASIDE_ID)
        link->rename_id = 1;
    if (renames_add(&link->renames, link->rename_id, renames, n) < 0)
        odp_log(ODP_LOG_ERR, NULL, "out of memory: what the launcher says may be misunderstood");
    for (size_t i = 0; i < n; i++) {
        struct odp_proto_message message = message_to(ODP_PROTO_RENAME, renames[i].from);
        message.id = link->rename_id;
        message.digest = n - 1 - i;
        snprintf(message.reason, sizeof(message.reason), "%s", renames[i].to);
        send_message(link, &message);
    }
}

void odp_link_load(struct odp_link *link, const struct odp_managed *m)
{
    odp_link_request(link, m, ODP_PROTO_LOAD, ASIDE_ID);
}

void odp_link_forget(struct odp_link *link, const char *name)
{
    const struct odp_proto_message message = message_to(ODP_PROTO_FORGET, name);

    send_message(link, &message);
}
