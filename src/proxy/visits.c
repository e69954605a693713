// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What concerns all visits of a service at once: releasing, denying, cutting, trying, and how many
// there may be.

#include "odp/proxy/answer.h"
#include "odp/proxy/probe.h"
#include "visit_internal.h"

#define CONNECTS_MAX 128 // upstream connects under way to ready services, of all together

static bool has_place(const struct odp_managed *m)
{
    return m->n_taken < m->config->max_connections;
}

static bool may_connect(const struct odp_manager *mgr)
{
    return mgr->n_connecting < CONNECTS_MAX && !mgr->exhausted;
}

// ---- accepting ---------------------------------------------------------------------------------

// Above the bounds the kernel's queue holds the rest. Whoever waits for a ready service has a claim
// to its next place: nobody is accepted to overtake them. In any other state a visitor must be
// seen, however many are connected still: who else would wake a service that somebody froze?
void odp_visits_pace(struct odp_managed *m)
{
    bool full = m->n_waiting >= m->config->max_waiting ||
                (m->machine.state == ODP_SERVICE_READY &&
                 m->n_connections + m->n_waiting >= m->config->max_connections);

    odp_gates_pause(m, m->active && full);
}

// ---- releasing ---------------------------------------------------------------------------------

void odp_visit_release(struct odp_visit *v)
{
    struct odp_managed *m = v->service;

    if (!odp_list_empty(&m->release_node))
        return; // others wait already: it comes after them
    if (v->state != ODP_CONN_TRYING && !has_place(m))
        return; // who ends makes room, and odp_visits_queue() sees to the rest
    if (may_connect(m->manager))
        odp_visit_event(v, ODP_CONN_EV_RELEASE);
    else
        odp_visits_queue(m);
}

// Only while it is ready there is anybody to release.
void odp_visits_queue(struct odp_managed *m)
{
    if (m->active && m->machine.state == ODP_SERVICE_READY && m->n_waiting > 0 &&
        odp_list_empty(&m->release_node))
        odp_list_append(&m->manager->release_queue, &m->release_node);
}

static void on_release_turn(struct odp_io_turn *turn)
{
    struct odp_manager *mgr = ODP_CONTAINER_OF(turn, struct odp_manager, release_turn);

    // Each one leaves the queue, or nobody may connect any more.
    while (!odp_list_empty(&mgr->release_queue) && may_connect(mgr))
        odp_visits_release(
            ODP_CONTAINER_OF(mgr->release_queue.next, struct odp_managed, release_node));
}

// A turn, because who asks may be in the middle of a list of visits, and releasing may end some.
void odp_visits_release_soon(struct odp_manager *mgr)
{
    if (odp_list_empty(&mgr->release_queue) || !may_connect(mgr))
        return;
    mgr->release_turn.on_turn = on_release_turn;
    odp_io_turn_add(mgr->loop, &mgr->release_turn);
}

// A try has its place already.
static bool wants_release(const struct odp_visit *v, uint64_t now_usec)
{
    (void)now_usec;
    return v->state == ODP_CONN_TRYING || (v->state == ODP_CONN_HELD && has_place(v->service));
}

static bool is_connected(const struct odp_visit *v, uint64_t now_usec)
{
    (void)now_usec;
    return v->state != ODP_CONN_HELD;
}

struct odp_visit *visits_first_of(const struct odp_list *list, uint64_t now_usec,
                                  bool (*is_wanted)(const struct odp_visit *v, uint64_t now_usec))
{
    odp_list_foreach (it, list) {
        if (is_wanted(visit_of(it), now_usec))
            return visit_of(it);
    }
    return NULL;
}

void odp_visits_release(struct odp_managed *m)
{
    struct odp_visit *v;

    odp_list_remove(&m->release_node);
    // Until the target refuses, nobody has a place, or there is no room for more connects and the
    // rest is queued.
    while (m->machine.state == ODP_SERVICE_READY && odp_list_empty(&m->release_node) &&
           (has_place(m) || m->n_tries > 0) && (v = visits_first_of(&m->waiting, 0, wants_release)))
        odp_visit_release(v);
}

void odp_visits_deny(struct odp_managed *m)
{
    while (!odp_list_empty(&m->waiting))
        odp_visit_event(visit_of(m->waiting.next), ODP_CONN_EV_DENY);
    if (m->probe)
        odp_visit_event(m->probe, ODP_CONN_EV_CUT);
}

void odp_visits_page(struct odp_managed *m)
{
    struct odp_list *it = m->waiting.next;

    while (it != &m->waiting) {
        unsigned n_waiting = m->n_waiting;
        odp_answer_page(visit_of(it));
        // One that was answered may have taken others along: from the start again.
        it = m->n_waiting == n_waiting ? it->next : m->waiting.next;
    }
}

static bool is_not_on_its_way(const struct odp_visit *v, uint64_t now_usec)
{
    (void)now_usec;
    return v->state != ODP_CONN_CONNECTING;
}

void odp_visits_dismiss(struct odp_managed *m)
{
    struct odp_visit *v;

    while ((v = visits_first_of(&m->waiting, 0, is_not_on_its_way)))
        odp_visit_event(v, ODP_CONN_EV_DENY);
    if (m->probe)
        odp_visit_event(m->probe, ODP_CONN_EV_CUT);
}

void odp_visits_cut(struct odp_managed *m)
{
    while (!odp_list_empty(&m->relayed))
        odp_visit_event(visit_of(m->relayed.next), ODP_CONN_EV_CUT);
}

void odp_visits_take_back(struct odp_managed *m)
{
    struct odp_visit *v;

    while ((v = visits_first_of(&m->waiting, 0, is_connected)))
        odp_visit_event(v, ODP_CONN_EV_BROKEN);
}

void odp_visits_drop(struct odp_managed *m)
{
    while (!odp_list_empty(&m->waiting))
        odp_visit_event(visit_of(m->waiting.next), ODP_CONN_EV_CUT);
    odp_visits_cut(m);
    while (!odp_list_empty(&m->leaving))
        odp_visit_end(visit_of(m->leaving.next));
    if (m->probe)
        odp_visit_event(m->probe, ODP_CONN_EV_CUT);
}

void odp_visits_sum_bytes(const struct odp_managed *m, uint64_t *ret_in, uint64_t *ret_out)
{
    *ret_in = m->ledger.n_bytes_in;
    *ret_out = m->ledger.n_bytes_out;
    odp_list_foreach (it, &m->relayed) {
        const struct odp_visit *v = visit_of(it);
        *ret_in += v->relay.flows[ODP_RELAY_CLIENT].n_bytes;
        *ret_out += v->relay.flows[ODP_RELAY_UPSTREAM].n_bytes;
    }
}

// A client that has said something makes the service answer; a silent one proves little.
static struct odp_visit *next_to_try(const struct odp_managed *m)
{
    struct odp_visit *silent = NULL;

    odp_list_foreach (it, &m->waiting) {
        struct odp_visit *v = visit_of(it);
        if (v->state != ODP_CONN_HELD)
            continue;
        if (v->relay.ends[ODP_RELAY_CLIENT].ready & EPOLLIN)
            return v;
        if (!silent)
            silent = v;
    }
    return silent;
}

// Without a client that may have a place the machine's states ask for a bare probe, except before
// the launcher has said what the service is.
static bool wants_probe(const struct odp_managed *m)
{
    return (m->n_waiting == 0 || !has_place(m)) && m->n_tries == 0 &&
           m->machine.state != ODP_SERVICE_UNKNOWN;
}

// Where odp has a probe of its own, clients wait for that.
static bool may_try(const struct odp_managed *m)
{
    return odp_service_is_trying(&m->machine) && !odp_probe_is_set(m) &&
           !odp_probe_is_too_early(m) && m->n_tries < odp_tries_limit(&m->tries);
}

bool odp_visits_want_try(const struct odp_managed *m)
{
    bool is_any_held = m->n_waiting > visits_n_client_tries(m);

    return may_try(m) && (wants_probe(m) || (has_place(m) && is_any_held));
}

void odp_visits_try(struct odp_managed *m)
{
    while (may_try(m)) {
        struct odp_visit *v = has_place(m) ? next_to_try(m) : NULL;
        unsigned n_tries = m->n_tries;
        if (v)
            odp_visit_event(v, ODP_CONN_EV_TRY);
        else if (wants_probe(m))
            odp_visit_probe(m);
        else
            return;
        if (m->n_tries <= n_tries) // it failed at once: not before the next round
            return;
    }
}
