// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What concerns all visits of a service at once: releasing, denying, cutting, trying, expiring.

#include "odp/proxy/visit.h"

#define CONNECTS_MAX 128 // upstream connects under way to ready services, of all together

static struct odp_visit *visit_of(struct odp_list *node)
{
    return ODP_CONTAINER_OF(node, struct odp_visit, node);
}

void odp_visits_pace(struct odp_managed *m)
{
    odp_gates_pause(m, m->active && m->n_waiting >= m->config->max_waiting);
}

void odp_visit_release(struct odp_visit *v)
{
    struct odp_managed *m = v->service;

    if (m->manager->n_connecting < CONNECTS_MAX && !m->manager->exhausted)
        odp_visit_event(v, ODP_CONN_EV_RELEASE);
    else
        odp_visits_queue(m);
}

void odp_visits_queue(struct odp_managed *m)
{
    if (odp_list_empty(&m->release_node))
        odp_list_append(&m->manager->release_queue, &m->release_node);
}

void odp_visits_release_next(struct odp_manager *mgr)
{
    if (!odp_list_empty(&mgr->release_queue))
        odp_visits_release(
            ODP_CONTAINER_OF(mgr->release_queue.next, struct odp_managed, release_node));
}

void odp_visits_release(struct odp_managed *m)
{
    odp_list_remove(&m->release_node);
    odp_list_foreach_safe (it, &m->waiting) {
        if (m->machine.state != ODP_SERVICE_READY)
            return; // the target refused meanwhile
        if (!odp_list_empty(&m->release_node))
            return; // no room for more: queued
        struct odp_visit *v = visit_of(it);
        if (v->state == ODP_CONN_HELD || v->state == ODP_CONN_TRYING)
            odp_visit_release(v);
    }
}

void odp_visits_deny(struct odp_managed *m)
{
    odp_list_foreach_safe (it, &m->waiting) {
        odp_visit_event(visit_of(it), ODP_CONN_EV_DENY);
    }
    if (m->probe)
        odp_visit_event(m->probe, ODP_CONN_EV_CUT);
}

void odp_visits_dismiss(struct odp_managed *m)
{
    odp_list_foreach_safe (it, &m->waiting) {
        if (visit_of(it)->state != ODP_CONN_CONNECTING)
            odp_visit_event(visit_of(it), ODP_CONN_EV_DENY);
    }
    if (m->probe)
        odp_visit_event(m->probe, ODP_CONN_EV_CUT);
}

void odp_visits_cut(struct odp_managed *m)
{
    odp_list_foreach_safe (it, &m->relayed) {
        odp_visit_event(visit_of(it), ODP_CONN_EV_CUT);
    }
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

static uint64_t stands_until(const struct odp_visit *v)
{
    return v->state == ODP_CONN_EARLY ? odp_usec_add(v->early_usec, ODP_CONN_STOOD_USEC)
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
    uint64_t deadline = m->probe ? stands_until(m->probe) : ODP_NEVER;

    // They stand in the order of their arrival: without early tries the first one is the next.
    odp_list_foreach (it, &m->waiting) {
        const struct odp_visit *v = visit_of(it);
        deadline = odp_usec_min(deadline, odp_usec_min(stands_until(v), waits_until(v)));
        if (m->n_tries == 0)
            break;
    }
    odp_list_foreach (it, &m->leaving) {
        deadline = odp_usec_min(deadline, visit_of(it)->leaves_usec);
    }
    return deadline;
}

void odp_visits_expire(struct odp_managed *m, uint64_t now_usec)
{
    if (m->probe && stands_until(m->probe) <= now_usec)
        odp_visit_event(m->probe, ODP_CONN_EV_STOOD);
    odp_list_foreach_safe (it, &m->waiting) {
        struct odp_visit *v = visit_of(it);
        if (stands_until(v) <= now_usec)
            odp_visit_event(v, ODP_CONN_EV_STOOD);
        else if (waits_until(v) <= now_usec)
            odp_visit_event(v, ODP_CONN_EV_TIMEOUT);
    }
    odp_list_foreach_safe (it, &m->leaving) {
        if (visit_of(it)->leaves_usec <= now_usec)
            odp_visit_end(visit_of(it));
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

// Without a client the machine's states ask for a bare probe, except before the launcher has said
// what the service is.
static bool wants_probe(const struct odp_managed *m)
{
    return m->n_waiting == 0 && m->n_tries == 0 && m->machine.state != ODP_SERVICE_UNKNOWN;
}

bool odp_visits_want_try(const struct odp_managed *m)
{
    return odp_service_is_trying(&m->machine) && m->n_tries < odp_tries_limit(&m->tries) &&
           (wants_probe(m) || next_to_try(m));
}

void odp_visits_try(struct odp_managed *m)
{
    while (odp_service_is_trying(&m->machine) && m->n_tries < odp_tries_limit(&m->tries)) {
        struct odp_visit *v = next_to_try(m);
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
