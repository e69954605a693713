// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Turning away who connects to nobody's socket; see the header. Owns the clients' sockets.

#include "odp/proxy/stray.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/proxy/answer.h"

#define CLIENTS_MAX 64 // above it they are closed at once

struct client {
    struct odp_io io;
    union {
        struct odp_list node;
        struct odp_io_retired retired;
    };
    struct odp_manager *manager;
    uint64_t leaves_usec;
    uint32_t n_drained;
    bool answered;
    char name[ODP_NAME_MAX + 1];         // of the service whose socket it is; "" for no such name
    char reason[ODP_REASON_MAX + 1 + 1]; // as a sentence
};

// ---- why ---------------------------------------------------------------------------------------

// Anybody may read it: what a file says stays with those who may see the file.
static void find_reason(struct client *c)
{
    const struct odp_managed *m = odp_manager_find(c->manager, c->name);
    const struct odp_config_fault *fault = odp_manager_first_fault(c->manager, c->name);

    if (!c->name[0])
        snprintf(c->reason, sizeof(c->reason), "no service has this address");
    else if (m && !m->config->enabled)
        snprintf(c->reason, sizeof(c->reason), "it is disabled (enabled = no in its file)");
    else if (m)
        snprintf(c->reason, sizeof(c->reason), "its file has another address");
    else if (fault)
        snprintf(c->reason, sizeof(c->reason),
                 "its file has a fault in line %u, which odp check tells", fault->line);
    else
        snprintf(c->reason, sizeof(c->reason), "there is no file %s" ODP_CONFIG_SUFFIX, c->name);
}

static void send_page(const struct client *c, bool is_head)
{
    char title[ODP_NAME_MAX + 64], reason[sizeof(c->reason) + sizeof("The reason: .")];
    const struct odp_page page = {
        .title = title, .reason = reason, .retry_sec = ODP_ANSWER_RETRY_SEC, .head = is_head};

    snprintf(title, sizeof(title), "%s is not served", c->name[0] ? c->name : "this address");
    snprintf(reason, sizeof(reason), "The reason: %s.", c->reason);
    odp_answer_send(c->io.fd, &page);
}

// ---- a client ----------------------------------------------------------------------------------

static void on_retired(struct odp_io_retired *r)
{
    free(ODP_CONTAINER_OF(r, struct client, retired));
}

static void end(struct client *c)
{
    struct odp_manager *mgr = c->manager;

    odp_io_close(&c->io);
    odp_list_remove(&c->node);
    mgr->stray_clients.n_clients--;
    c->retired.on_free = on_retired;
    odp_io_retire(mgr->loop, &c->retired); // events of this batch may still point at it
    odp_manager_descriptor_freed(mgr);
}

static void on_event(struct odp_io *io, uint32_t events)
{
    struct client *c = ODP_CONTAINER_OF(io, struct client, io);
    struct odp_relays *relays = c->manager->relays;
    bool is_head;

    (void)events;
    if (!c->answered) {
        enum odp_http is = odp_answer_look(relays, io->fd, &is_head);
        if (is == ODP_HTTP_MAYBE && !(io->ready & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)))
            return;
        if (is != ODP_HTTP_YES) {
            end(c);
            return;
        }
        send_page(c, is_head);
        c->answered = true;
        c->leaves_usec = odp_usec_add(odp_now_usec(), ODP_ANSWER_LINGER_USEC);
    }
    if (odp_answer_drain(relays, io, &c->n_drained))
        end(c);
}

static void arm(struct odp_manager *mgr);

static void on_timer(uv_timer_t *timer)
{
    struct odp_manager *mgr = timer->data;
    struct odp_list *it = mgr->stray_clients.clients.next;
    uint64_t now_usec = odp_now_usec();

    while (it != &mgr->stray_clients.clients) {
        struct client *c = ODP_CONTAINER_OF(it, struct client, node);
        it = it->next;
        if (c->leaves_usec <= now_usec)
            end(c);
    }
    arm(mgr);
}

// No client has less time than this from any moment on at which it is set.
static void arm(struct odp_manager *mgr)
{
    if (mgr->stray_clients.n_clients > 0)
        uv_timer_start(&mgr->stray_clients.timer, on_timer, ODP_ANSWER_GRACE_USEC / ODP_USEC_PER_MS,
                       0);
}

// By its socket unit where that has no FileDescriptorName=.
static void find_name(struct client *c, const char *passed_name)
{
    static const char before[] = "odp-", after[] = ".socket";
    size_t n = passed_name ? strlen(passed_name) : 0;
    const char *s = passed_name ? passed_name : "";

    if (n > strlen(before) + strlen(after) && strncmp(s, before, strlen(before)) == 0 &&
        strcmp(s + n - strlen(after), after) == 0) {
        s += strlen(before);
        n -= strlen(before) + strlen(after);
    }
    if (n < sizeof(c->name))
        snprintf(c->name, sizeof(c->name), "%.*s", (int)n, s);
    if (!odp_name_is_valid(c->name) || strcmp(c->name, "unknown") == 0)
        c->name[0] = '\0';
}

static struct client *client_new(struct odp_manager *mgr, const char *name, int fd)
{
    struct client *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->io = (struct odp_io){.fd = fd, .on_event = on_event};
    c->manager = mgr;
    c->leaves_usec = odp_usec_add(odp_now_usec(), ODP_ANSWER_GRACE_USEC);
    find_name(c, name);
    find_reason(c);
    odp_list_init(&c->node);
    return c;
}

// ---- all of them -------------------------------------------------------------------------------

void odp_strays_init(struct odp_manager *mgr)
{
    struct odp_strays *s = &mgr->stray_clients;

    odp_list_init(&s->clients);
    uv_timer_init(odp_io_loop_uv(mgr->loop), &s->timer);
    s->timer.data = mgr;
}

void odp_strays_deinit(struct odp_manager *mgr)
{
    struct odp_strays *s = &mgr->stray_clients;

    while (!odp_list_empty(&s->clients))
        end(ODP_CONTAINER_OF(s->clients.next, struct client, node));
    uv_close((uv_handle_t *)&s->timer, NULL);
}

void odp_stray_accept(struct odp_listener *l, int fd)
{
    const struct odp_gate *gate = ODP_CONTAINER_OF(l, struct odp_gate, listener);
    struct odp_manager *mgr = l->data;
    struct odp_strays *s = &mgr->stray_clients;
    struct client *c;

    if (fd < 0) {
        odp_manager_exhausted(mgr, fd);
        return;
    }
    c = s->n_clients < CLIENTS_MAX ? client_new(mgr, gate->passed_name, fd) : NULL;
    if (!c || odp_io_add(mgr->loop, &c->io) < 0) {
        free(c);
        odp_close(fd);
        return;
    }
    odp_log(ODP_LOG_WARNING, NULL, "a connection on a passed socket of no sound service, %s: %s",
            gate->passed_name ? gate->passed_name : "unknown", c->reason);
    odp_list_append(&s->clients, &c->node);
    if (s->n_clients++ == 0)
        arm(mgr);
}
