// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The deadlines of a service's visits: how long each may wait, connect, stand as a try, and linger
// once it was answered.

#include "odp/net/peer.h"
#include "visit_internal.h"

// A container that has just come may not be found by the kernel (its neighbour's address is still
// asked for): a new connection is made much sooner than a lost packet is sent again.
#define TRY_USEC (50 * ODP_USEC_PER_MS)
// One that has answered, and is not found any more, has gone elsewhere.
#define CONNECT_USEC ODP_USEC_PER_SEC

static uint64_t stands_until(const struct odp_visit *v)
{
    return v->state == ODP_CONN_EARLY ? odp_usec_add(v->early_usec, ODP_CONN_STOOD_USEC)
                                      : ODP_NEVER;
}

// On this machine whoever is there answers at once.
static uint64_t connects_until(const struct odp_visit *v)
{
    if (v->service->found.n_addresses == 0)
        return ODP_NEVER;
    return v->state == ODP_CONN_TRYING       ? odp_usec_add(v->early_usec, TRY_USEC)
           : v->state == ODP_CONN_CONNECTING ? odp_usec_add(v->early_usec, CONNECT_USEC)
                                             : ODP_NEVER;
}

// An early try is about to be relayed or held again: its wait ends only then.
static uint64_t waits_until(const struct odp_visit *v)
{
    return v->state == ODP_CONN_EARLY
               ? ODP_NEVER
               : odp_usec_add(v->since_usec, v->service->config->wait_timeout_usec);
}

uint64_t odp_visits_deadline(const struct odp_managed *m)
{
    uint64_t deadline = ODP_NEVER;
    unsigned n_tries = visits_n_client_tries(m);
    bool has_waiter = false;

    if (m->probe)
        deadline = odp_usec_min(stands_until(m->probe), connects_until(m->probe));
    // They stand in the order of their arrival: of those that are no early tries the first one is
    // the next, and behind the last try nothing is looked for.
    odp_list_foreach (it, &m->waiting) {
        const struct odp_visit *v = visit_of(it);
        deadline = odp_usec_min(deadline, odp_usec_min(stands_until(v), waits_until(v)));
        deadline = odp_usec_min(deadline, connects_until(v));
        has_waiter |= v->state != ODP_CONN_EARLY;
        n_tries -= v->state == ODP_CONN_EARLY || v->state == ODP_CONN_TRYING;
        // Those that connect to a container come before all others, and not for ever.
        if (has_waiter && n_tries == 0 &&
            (v->state != ODP_CONN_CONNECTING || m->found.n_addresses == 0))
            break;
    }
    odp_list_foreach (it, &m->leaving) {
        deadline = odp_usec_min(deadline, visit_of(it)->leaves_usec);
    }
    return deadline;
}

static bool is_due(const struct odp_visit *v, uint64_t now_usec)
{
    return stands_until(v) <= now_usec || waits_until(v) <= now_usec;
}

static bool is_stuck(const struct odp_visit *v, uint64_t now_usec)
{
    return connects_until(v) <= now_usec;
}

static bool has_lingered(const struct odp_visit *v, uint64_t now_usec)
{
    return v->leaves_usec <= now_usec;
}

// A forwarder that has read nothing has no service behind it as yet. The try is not broken off for
// that, since what it carries may still be read; but the client waits no longer than it has to.
static void stand(struct odp_visit *v, uint64_t now_usec)
{
    int fd = v->relay.ends[ODP_RELAY_UPSTREAM].fd;
    bool is_read = v->n_copied == 0 || odp_peer_has_read(fd, v->n_copied);

    if (is_read)
        odp_visit_event(v, ODP_CONN_EV_STOOD);
    else if (odp_usec_add(v->since_usec, v->service->config->wait_timeout_usec) <= now_usec)
        odp_visit_event(v, ODP_CONN_EV_BROKEN);
    else
        v->early_usec = now_usec;
}

void odp_visits_expire(struct odp_managed *m, uint64_t now_usec)
{
    struct odp_visit *v;

    if (m->probe && stands_until(m->probe) <= now_usec)
        odp_visit_event(m->probe, ODP_CONN_EV_STOOD);
    if (m->probe && is_stuck(m->probe, now_usec))
        odp_visit_event(m->probe, ODP_CONN_EV_REFUSED);
    while ((v = visits_first_of(&m->waiting, now_usec, is_stuck)))
        odp_visit_event(v, ODP_CONN_EV_REFUSED);
    while ((v = visits_first_of(&m->waiting, now_usec, is_due))) {
        if (v->state == ODP_CONN_EARLY)
            stand(v, now_usec);
        else
            odp_visit_event(v, ODP_CONN_EV_TIMEOUT);
    }
    while ((v = visits_first_of(&m->leaving, now_usec, has_lingered)))
        odp_visit_end(v);
}
