// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The talk with odp-launcher: requests out, reports in. How it is reached is link_reach.c's.

#include "odp/proxy/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "link_internal.h"
#include "odp/base/log.h"

#define ASIDE_ID (ODP_PROTO_LOCATE_ID - 1) // of what no machine asks; none counts so far

// ---- sending -----------------------------------------------------------------------------------

// A launcher that has left is started by what it is told.
static bool is_there(struct odp_link *link)
{
    if (!link)
        return false;
    if (link->io.fd < 0 && link->is_resting)
        return link_reach(link);
    if (link->io.fd < 0)
        odp_link_urge(link);
    return link->io.fd >= 0;
}

static void send_message(struct odp_link *link, const struct odp_proto_message *message)
{
    uint8_t record[ODP_PROTO_MAX_BYTES];

    if (!is_there(link))
        return;
    int n = odp_proto_encode(message, record, sizeof(record)), r = n;
    if (n >= 0)
        r = outbox_send(&link->outbox, link->io.fd, record, (size_t)n);
    if (r == -EPIPE || r == -ECONNRESET) // its last words, or its end, are on their way
        link->is_unheard = true;
    else if (r < 0)
        odp_log(ODP_LOG_WARNING, message->name, "the request to %s could not be sent: %s",
                odp_proto_op_to_string(message->op), strerror(-r));
}

// ---- receiving ---------------------------------------------------------------------------------

// It has nothing to do. Nothing was lost, unless it was sent something at the same moment.
static void rest(struct odp_link *link)
{
    bool is_unheard = link->is_unheard || !odp_list_empty(&link->outbox.records);

    if (is_unheard || link->process_active) {
        link_lose(link);
        return;
    }
    odp_log(ODP_LOG_DEBUG, NULL, LAUNCHER " has nothing to do and ends");
    odp_io_close(&link->io);
    link_forget_talk(link);
    link->is_resting = true;
}

static void receive(struct odp_link *link, const uint8_t *record, size_t n)
{
    struct odp_proto_message message;
    int r = odp_proto_decode(record, n, &message);

    if (r == 0 && message.op == ODP_PROTO_LEAVE) {
        rest(link);
        return;
    }
    if (r < 0 || message.op != ODP_PROTO_REPORT) {
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

void link_on_event(struct odp_io *io, uint32_t events)
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
            link_lose(link);
        return;
    }
}

int odp_link_new(struct odp_manager *mgr, struct odp_link **ret)
{
    struct odp_link *link = calloc(1, sizeof(*link));

    if (!link)
        return -ENOMEM;
    link->manager = mgr;
    link->io = (struct odp_io){.fd = -1, .on_event = link_on_event};
    outbox_init(&link->outbox);
    renames_init(&link->renames);
    link->rename_id = (uint32_t)odp_realtime_usec() % ASIDE_ID;
    uv_timer_init(odp_io_loop_uv(mgr->loop), &link->respawn_timer);
    link->respawn_timer.data = link;
    *ret = link;
    (void)link_reach(link);
    return 0;
}

void odp_link_free(struct odp_link *link)
{
    if (!link)
        return;
    link->ending = true;
    if (link->io.fd >= 0)
        odp_io_close(&link->io); // end of file is the launcher's word to leave
    link_forget_talk(link);
    link_reach_deinit(link);
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
    if (n == 0 || !is_there(link))
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

void odp_link_locate(struct odp_link *link, const struct odp_managed *m, uint32_t id)
{
    odp_link_request(link, m, ODP_PROTO_LOCATE, id);
}

void odp_link_forget(struct odp_link *link, const char *name)
{
    const struct odp_proto_message message = message_to(ODP_PROTO_FORGET, name);

    send_message(link, &message);
}
