// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The odpd that ends: writes down what there is, and puts the descriptors into a carrier. What it
// cannot leave it closes like any odpd that ends.

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/core/handover.h"
#include "odp/net/carrier.h"
#include "odp/net/systemd.h"
#include "odp/proxy/handover.h"
#include "odp/proxy/visit.h"

struct leaving {
    struct odp_carrier carrier;
    struct odp_buf text;
    struct odp_buf bytes; // behind it: what boxes hold
    unsigned n_visits;
    unsigned n_lost;
};

// ---- services ----------------------------------------------------------------------------------

static void set_text(char *ret, size_t size, const char *text)
{
    snprintf(ret, size, "%s", text ? text : "");
}

static void describe_story(const struct odp_story *story, struct odp_handover_service *ret)
{
    ret->woken_usec = story->woken_usec;
    set_text(ret->woken_by, sizeof(ret->woken_by), story->woken_by);
    set_text(ret->woken_from, sizeof(ret->woken_from), story->woken_from);
    ret->stopped_usec = story->stopped_usec;
    set_text(ret->stopped_reason, sizeof(ret->stopped_reason), story->stopped_reason);
    ret->direct_usec = story->direct_usec;
    ret->failed_usec = story->failed_usec;
    set_text(ret->failed_reason, sizeof(ret->failed_reason), story->failed_reason);
}

static void describe(const struct odp_managed *m, struct odp_handover_service *ret)
{
    const struct odp_config_service *started_by = m->previous ? m->previous : m->config;

    set_text(ret->name, sizeof(ret->name), m->config->name);
    ret->enabled = m->config->enabled;
    ret->active = m->active;
    odp_address_format(&started_by->target, ret->target, sizeof(ret->target));
    if (m->found.n_addresses > 0)
        odp_address_format(&m->found.addresses[m->found.at], ret->address, sizeof(ret->address));
    set_text(ret->backend, sizeof(ret->backend), odp_backend_type_to_string(started_by->backend));
    ret->backend_digest = started_by->backend_digest;
    ret->stop_timeout_usec = started_by->stop_timeout_usec;
    ret->machine = m->machine;
    ret->wake_since_usec = m->ledger.wake_since_usec;
    describe_story(&m->story, ret);
}

static void add_service(struct leaving *l, const struct odp_managed *m)
{
    struct odp_handover_record r;

    odp_handover_record_init(&r, ODP_HANDOVER_SERVICE);
    describe(m, &r.service);
    odp_handover_add(&l->text, &r);
    for (size_t i = 0; i < m->config->n_listen; i++) {
        odp_handover_record_init(&r, ODP_HANDOVER_LISTEN);
        odp_address_format(&m->config->listen[i].address, r.listen.address,
                           sizeof(r.listen.address));
        odp_handover_add(&l->text, &r);
    }
}

// ---- clients -----------------------------------------------------------------------------------

// A connect under way has given nothing of the client's to anybody: the client is held again.
static enum odp_conn_state state_to_leave(const struct odp_visit *v)
{
    return v->state == ODP_CONN_TRYING || v->state == ODP_CONN_CONNECTING ? ODP_CONN_HELD
                                                                          : v->state;
}

static int put_flow(struct leaving *l, const struct odp_relay_flow *f,
                    struct odp_handover_flow *ret)
{
    int fds[2];
    const char *bytes = odp_relay_in_flight(f, fds);

    ret->n_bytes = f->n_bytes;
    ret->eof = f->eof;
    ret->done = f->done;
    ret->reset = f->reset;
    ret->n_held = f->n_in_pipe;
    if (bytes) {
        ret->at = (uint32_t)l->bytes.n_bytes;
        odp_buf_add(&l->bytes, bytes, f->n_in_pipe);
    }
    if (fds[0] < 0)
        return 0;
    int r = odp_carrier_put(&l->carrier, fds[0], &ret->read_fd);
    return r < 0 ? r : odp_carrier_put(&l->carrier, fds[1], &ret->write_fd);
}

static int put_visit(struct leaving *l, const struct odp_visit *v, struct odp_handover_visit *ret)
{
    int r;

    ret->state = state_to_leave(v);
    ret->since_usec = v->since_usec;
    r = odp_carrier_put(&l->carrier, v->relay.ends[ODP_RELAY_CLIENT].fd, &ret->client);
    if (r == 0 && (ret->state == ODP_CONN_EARLY || ret->state == ODP_CONN_RELAYED))
        r = odp_carrier_put(&l->carrier, v->relay.ends[ODP_RELAY_UPSTREAM].fd, &ret->upstream);
    if (ret->state == ODP_CONN_EARLY || ret->state == ODP_CONN_ENDED) {
        ret->until_usec = v->leaving ? v->leaves_usec : v->early_usec;
        ret->n_copied = v->n_copied;
        ret->answered = v->answered;
    }
    if (r == 0 && ret->state == ODP_CONN_RELAYED)
        r = put_flow(l, &v->relay.flows[ODP_RELAY_CLIENT], &ret->in);
    if (r == 0 && ret->state == ODP_CONN_RELAYED)
        r = put_flow(l, &v->relay.flows[ODP_RELAY_UPSTREAM], &ret->out);
    return r;
}

static void add_visits(struct leaving *l, const struct odp_list *visits)
{
    odp_list_foreach (it, visits) {
        const struct odp_visit *v = ODP_CONTAINER_OF(it, struct odp_visit, node);
        struct odp_handover_record r;
        odp_handover_record_init(&r, ODP_HANDOVER_VISIT);
        l->n_visits++;
        if (put_visit(l, v, &r.visit) == 0)
            odp_handover_add(&l->text, &r);
        else
            l->n_lost++;
    }
}

static void add_all(struct leaving *l, struct odp_managed *const *services, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        add_service(l, services[i]);
        add_visits(l, &services[i]->waiting); // in the order of their arrival
        add_visits(l, &services[i]->relayed);
        add_visits(l, &services[i]->leaving);
    }
}

// ---- all of it ---------------------------------------------------------------------------------

// The text's file is the first descriptor, although it is written last: so it speaks of those alone
// that went in.
static int compose(struct leaving *l, const struct odp_manager *mgr, int text_fd)
{
    uint32_t number;
    int r = odp_carrier_put(&l->carrier, text_fd, &number);

    odp_handover_begin(&l->text);
    add_all(l, mgr->services, mgr->n_services);
    add_all(l, mgr->departed, mgr->n_departed);
    odp_handover_end(&l->text);
    int full = odp_carrier_flush(&l->carrier);
    if (full < 0)
        odp_log(ODP_LOG_WARNING, NULL, "not all connections can be left to the next odpd: %s",
                strerror(-full));
    if (r == 0 && (l->text.failed || l->bytes.failed))
        r = -ENOMEM;
    if (r == 0)
        r = odp_write_all(text_fd, l->text.s, l->text.n_bytes);
    return r < 0 ? r : odp_write_all(text_fd, l->bytes.s, l->bytes.n_bytes);
}

static int leave(struct leaving *l, const struct odp_manager *mgr)
{
    ODP_CLEANUP_CLOSE int store = -1;
    ODP_CLEANUP_CLOSE int text_fd = memfd_create("odp-handover", MFD_CLOEXEC);
    int r = text_fd < 0 ? -errno : odp_carrier_open(&l->carrier, &store);

    if (r == 0)
        r = compose(l, mgr, text_fd);
    if (r == 0)
        r = odp_systemd_store(store, ODP_CARRIER_NAME);
    store = odp_close(store); // or it would always be kept, by this process
    if (r == 0 && !odp_carrier_is_kept(&l->carrier))
        r = -ENOSPC;
    return r;
}

static void say(const struct leaving *l, size_t n_services, int r)
{
    if (r == -ENOSPC)
        odp_log(ODP_LOG_NOTICE, NULL,
                "the service manager keeps no descriptors (FileDescriptorStoreMax=): %u "
                "connections end",
                l->n_visits);
    else if (r < 0)
        odp_log(ODP_LOG_WARNING, NULL,
                "nothing can be left to the next odpd: %s: %u connections end", strerror(-r),
                l->n_visits);
    else
        odp_log(l->n_lost > 0 ? ODP_LOG_WARNING : ODP_LOG_NOTICE, NULL,
                "left to the next odpd: %zu services, %u connections; %u end", n_services,
                l->n_visits - l->n_lost, l->n_lost);
}

void odp_handover_leave(struct odp_manager *mgr)
{
    struct leaving l = {.carrier.fd = -1};

    if (!odp_systemd_may_store())
        return;
    odp_relays_trim(mgr->relays); // the service manager's library needs some descriptors
    int r = leave(&l, mgr);
    say(&l, mgr->n_services, r);
    odp_carrier_close(&l.carrier);
    odp_buf_deinit(&l.text);
    odp_buf_deinit(&l.bytes);
}
