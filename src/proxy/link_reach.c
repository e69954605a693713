// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How a launcher is had, and had again when it dies. Without --launcher it is forked: the program
// beside odpd's own executable. With it a socket of the service manager is connected to, which
// starts the launcher when there is none. Anew at once the first time, then after a pause that
// doubles, and that is cut short where something waits.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "link_internal.h"
#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/proxy/limits.h"

#define CHILD_FD     3
#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 30000
#define URGENT_MS    1000                    // between two tries while something waits
#define HEALTHY_USEC (10 * ODP_USEC_PER_SEC) // it ran this long: the next one is had at once

static void on_respawn_timer(uv_timer_t *timer)
{
    struct odp_link *link = timer->data;

    if (link_reach(link))
        odp_manager_relook(link->manager);
}

static void respawn(struct odp_link *link)
{
    link->is_resting = false;
    if (odp_now_usec() - link->reached_usec >= HEALTHY_USEC)
        link->pause_ms = 0;
    uv_update_time(link->respawn_timer.loop); // it may have slept for hours
    uv_timer_start(&link->respawn_timer, on_respawn_timer, link->pause_ms, 0);
    if (odp_manager_awaits_launcher(link->manager))
        odp_link_urge(link);
    link->pause_ms = link->pause_ms == 0 ? PAUSE_MIN_MS : link->pause_ms * 2;
    if (link->pause_ms > PAUSE_MAX_MS)
        link->pause_ms = PAUSE_MAX_MS;
}

// Only what is left of a pause is cut short: where no timer runs, one of our own has to end first.
void odp_link_urge(struct odp_link *link)
{
    if (!link || link->io.fd >= 0 || !uv_is_active((uv_handle_t *)&link->respawn_timer))
        return;
    uint64_t since_ms = (odp_now_usec() - link->reached_usec) / ODP_USEC_PER_MS;
    uint64_t left_ms = since_ms < URGENT_MS ? URGENT_MS - since_ms : 0;

    uv_update_time(link->respawn_timer.loop);
    if (uv_timer_get_due_in(&link->respawn_timer) > left_ms)
        uv_timer_start(&link->respawn_timer, on_respawn_timer, left_ms, 0);
}

void link_forget_talk(struct odp_link *link)
{
    outbox_deinit(&link->outbox);
    renames_deinit(&link->renames);
    link->is_unheard = false;
}

// The other end is gone. A launcher of our own that closed it but lives on is ended, so that there
// is never a second one beside it.
void link_lose(struct odp_link *link)
{
    odp_io_close(&link->io);
    link_forget_talk(link);
    if (link->process_active)
        (void)uv_process_kill(&link->process, SIGKILL); // on_launcher_exit() follows
    else
        respawn(link);
}

// ---- a launcher of our own ---------------------------------------------------------------------

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
    link_forget_talk(link);
    uv_close((uv_handle_t *)process, on_process_closed);
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

// Services are to have the limit that odpd was given.
static int spawn_file(struct odp_link *link, char *file, int child_fd)
{
    char fd_text[16];
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

    snprintf(fd_text, sizeof(fd_text), "%d", CHILD_FD);
    odp_limits_restore();
    int r = uv_spawn(odp_io_loop_uv(link->manager->loop), &link->process, &options);
    odp_limits_raise();
    return r;
}

static int run_launcher(struct odp_link *link, int child_fd)
{
    char file[ODP_PATH_MAX];
    int r = find_launcher(file, sizeof(file));

    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot find " LAUNCHER " beside odpd: %s", strerror(-r));
        respawn(link);
        return r;
    }
    r = spawn_file(link, file, child_fd);
    link->process.data = link;
    odp_io_kick(link->manager->loop);
    link->process_active = true;
    if (r < 0) { // libuv wants even a failed handle closed; what follows is on_process_closed()
        odp_log(ODP_LOG_ERR, NULL, "cannot run %s: %s", file, strerror(-r));
        uv_close((uv_handle_t *)&link->process, on_process_closed);
    }
    return r;
}

static int spawn(struct odp_link *link)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot make a socketpair: %s", strerror(errno));
        respawn(link);
        return -1;
    }
    int r = run_launcher(link, pair[1]);
    odp_close(pair[1]);
    return r < 0 ? odp_close(pair[0]) : pair[0];
}

// ---- the service manager's ---------------------------------------------------------------------

static int open_connection(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    size_t n_path = strlen(path);
    int fd;

    if (n_path >= sizeof(sa.sun_path))
        return -ENAMETOOLONG;
    memcpy(sa.sun_path, path, n_path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    // With a full queue, EAGAIN: more odpds than one.
    if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
        int r = -errno;
        odp_close(fd);
        return r;
    }
    return fd;
}

static int join(struct odp_link *link)
{
    const char *path = link->manager->paths.launcher;
    int fd = open_connection(path);

    if (fd < 0 && fd != link->reach_error)
        odp_log(ODP_LOG_ERR, NULL,
                "cannot reach " LAUNCHER " at %s: %s (is odp-launcher.socket active?)", path,
                strerror(-fd));
    if (fd >= 0 && link->reach_error < 0)
        odp_log(ODP_LOG_NOTICE, NULL, LAUNCHER " can be reached again");
    link->reach_error = fd < 0 ? fd : 0;
    if (fd < 0)
        respawn(link);
    return fd;
}

bool link_reach(struct odp_link *link)
{
    bool is_ours = !link->manager->paths.launcher[0];

    link->reached_usec = odp_now_usec();
    link->is_resting = false;
    uv_timer_stop(&link->respawn_timer);
    link->io.fd = is_ours ? spawn(link) : join(link);
    if (link->io.fd < 0)
        return false;
    if (odp_io_add(link->manager->loop, &link->io) < 0) {
        link_lose(link);
        return false;
    }
    return true;
}

void link_reach_deinit(struct odp_link *link)
{
    if (link->process_active && !uv_is_closing((uv_handle_t *)&link->process))
        uv_close((uv_handle_t *)&link->process, on_process_closed);
    uv_close((uv_handle_t *)&link->respawn_timer, NULL);
}
