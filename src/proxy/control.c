// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The control socket, and who is connected to it: their number is bounded. What they say is
// control_client.c's.

#include "control_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/core/varlink.h"

#define ACCEPT_RETRY_MS 1000

// ---- clients -----------------------------------------------------------------------------------

static void on_connection(uv_stream_t *server, int status);

static void on_accept_timer(uv_timer_t *timer)
{
    struct odp_control *c = timer->data;

    on_connection((uv_stream_t *)&c->server, 0);
}

static void on_connection(uv_stream_t *server, int status)
{
    struct odp_control *c = server->data;

    odp_io_kick(c->manager->loop);
    if (status == 0 && !control_client_accept(c)) // libuv calls no more before this one is accepted
        uv_timer_start(&c->accept_timer, on_accept_timer, ACCEPT_RETRY_MS, 0);
}

static void on_resume(struct odp_io_turn *turn)
{
    struct odp_control *c = ODP_CONTAINER_OF(turn, struct odp_control, resume);

    odp_list_foreach_safe (it, &c->clients) {
        control_client_serve(ODP_CONTAINER_OF(it, struct control_client, node));
    }
}

void odp_control_resume(struct odp_control *c)
{
    if (c)
        odp_io_turn_add(c->manager->loop, &c->resume);
}

// ---- server ------------------------------------------------------------------------------------

// A socket file that nobody answers on is left over from an odpd that was killed.
static int clear_stale(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    ODP_CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (strlen(path) >= sizeof(sa.sun_path))
        return -ENAMETOOLONG;
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 || errno == EAGAIN)
        return -EADDRINUSE;
    return errno == ECONNREFUSED && unlink(path) < 0 ? -errno : 0;
}

static int open_server(struct odp_control *c)
{
    int r = clear_stale(c->path);

    if (r == 0)
        r = uv_pipe_bind(&c->server, c->path);
    // Asking is for everyone; who may change is told by the peer's credentials.
    if (r == 0 && chmod(c->path, 0666) < 0)
        r = -errno;
    if (r == 0)
        r = uv_listen((uv_stream_t *)&c->server, CONTROL_CLIENTS_MAX, on_connection);
    return r;
}

int odp_control_new(struct odp_manager *mgr, struct odp_control **ret, char *why, size_t why_size)
{
    struct odp_control *c = calloc(1, sizeof(*c));
    size_t size = strlen(mgr->paths.runtime) + sizeof("/" ODP_CONTROL_SOCKET);

    *ret = c;
    if (!c || !(c->path = malloc(size))) {
        snprintf(why, why_size, "out of memory");
        free(c);
        *ret = NULL;
        return -ENOMEM;
    }
    c->manager = mgr;
    odp_list_init(&c->clients);
    control_replies_init();
    odp_list_init(&c->resume.node);
    c->resume.on_turn = on_resume;
    snprintf(c->path, size, "%s/" ODP_CONTROL_SOCKET, mgr->paths.runtime);
    uv_pipe_init(odp_io_loop_uv(mgr->loop), &c->server, 0);
    c->server.data = c;
    uv_timer_init(odp_io_loop_uv(mgr->loop), &c->accept_timer);
    c->accept_timer.data = c;
    int r = open_server(c);
    if (r < 0) {
        snprintf(why, why_size, "cannot open %s: %s", c->path,
                 r == -EADDRINUSE ? "another odpd serves it" : strerror(-r));
        free(c->path); // it is not ours to remove
        c->path = NULL;
    }
    return r;
}

void odp_control_free(struct odp_control *c)
{
    if (!c)
        return;
    odp_list_foreach_safe (it, &c->clients) {
        control_client_close(ODP_CONTAINER_OF(it, struct control_client, node));
    }
    odp_list_remove(&c->resume.node);
    uv_close((uv_handle_t *)&c->server, NULL);
    uv_close((uv_handle_t *)&c->accept_timer, NULL);
    if (c->path)
        (void)unlink(c->path);
    // libuv holds the handles until it has run their closing.
    uv_run(odp_io_loop_uv(c->manager->loop), UV_RUN_NOWAIT);
    free(c->path);
    free(c);
}

static void tell_waiting(struct odp_control *c, struct odp_managed *m,
                         void (*tell)(struct control_client *client))
{
    if (!c)
        return;
    odp_list_foreach_safe (it, &c->clients) {
        struct control_client *client = ODP_CONTAINER_OF(it, struct control_client, node);
        if (client->waits_for != m || client->wait == CONTROL_WAIT_NONE)
            continue;
        control_replies_begin();
        tell(client);
        odp_control_resume(c); // calls that came meanwhile; not within a service's event
    }
}

void odp_control_on_state(struct odp_control *c, struct odp_managed *m)
{
    tell_waiting(c, m, control_check_wait);
}

void odp_control_on_end(struct odp_control *c, struct odp_managed *m)
{
    tell_waiting(c, m, control_end_wait);
}
