// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings all gates in line with the files. First it is found out who can have what (gates_wish.c),
// and only then is anything taken from anybody.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gates_wish.h"
#include "odp/base/fd.h"
#include "odp/base/log.h"

// ---- what is done about it ---------------------------------------------------------------------

static void fail(struct settling *s, struct wish *w, int error)
{
    s->out_of_memory |= error == -ENOMEM;
    snprintf(w->m->fault, sizeof(w->m->fault), "cannot listen on %s: %s", w->listen->text,
             strerror(-error));
    w->m->is_stuck = true;
}

static void remember_access(struct odp_gate *gate, const struct odp_config_service *config)
{
    gate->socket_mode = config->socket_mode;
    free(gate->socket_owner);
    gate->socket_owner = config->socket_owner ? strdup(config->socket_owner) : NULL;
}

static void make_gate(struct settling *s, struct wish *w)
{
    struct odp_gate *gate;
    int r = gate_new(s->mgr, odp_fd_take(&w->fd), &gate);

    if (r == 0) {
        if (w->listen->address.kind == ODP_ADDRESS_UNIX)
            gate->listener.unlink_path = strdup(w->listen->address.path);
        remember_access(gate, w->m->config);
        r = gate_give(gate, w->m, &w->listen->address);
        if (r < 0)
            gate_close(gate);
    }
    if (r < 0)
        fail(s, w, r);
}

static void hand_over(struct settling *s, struct wish *w)
{
    // Its unit was made from the file as it was when odpd started.
    if (w->gate->is_passed && !w->from)
        remember_access(w->gate, w->m->config);
    gate_take(w->gate, s->mgr, w->from);
    int r = gate_give(w->gate, w->m, &w->listen->address);
    if (r < 0) {
        gate_close(w->gate);
        fail(s, w, r);
    }
}

// Whoever waits in its queue is still a client of its service.
static void close_spares(struct odp_managed *m)
{
    for (size_t i = m->n_gates; i > 0; i--) {
        struct odp_gate *gate = m->gates[i - 1];
        if (!gate_is_spare(m, gate))
            continue;
        odp_listener_drain(&gate->listener);
        gate_take(gate, m->manager, m);
        gate_close(gate);
    }
}

static void open_late(struct settling *s, struct wish *w)
{
    if (wish_open(w) == 0)
        make_gate(s, w);
    else
        w->m->is_stuck = true;
}

static void carry_out(struct settling *s)
{
    struct odp_managed *m;

    for (size_t i = 0; i < s->n_wishes; i++) {
        struct wish *w = &s->wishes[i];
        if (w->gate)
            hand_over(s, w);
        else if (w->fd >= 0)
            make_gate(s, w);
    }
    for (size_t i = 0; (m = gates_nth_service(s->mgr, i)); i++)
        close_spares(m);
    for (size_t i = 0; i < s->n_wishes; i++)
        if (s->wishes[i].is_late)
            open_late(s, &s->wishes[i]);
}

// ---- all of it ---------------------------------------------------------------------------------

static void set_access(struct odp_managed *m, struct odp_gate *gate)
{
    const struct odp_config_service *config = m->config;
    const char *before = gate->socket_owner, *after = config->socket_owner;
    bool is_same = before && after ? strcmp(before, after) == 0 : before == after;

    if (gate->address.kind != ODP_ADDRESS_UNIX ||
        (gate->socket_mode == config->socket_mode && is_same))
        return;
    if (gate->is_passed) {
        m->is_stuck = true;
        return;
    }
    remember_access(gate, config);
    if (odp_listen_set_access(gate->address.path, config->socket_mode, config->socket_owner,
                              m->fault, sizeof(m->fault)) < 0)
        m->is_stuck = true;
}

static void tell(struct odp_managed *m, bool in_other_hands)
{
    char text[sizeof(m->fault) + 64];

    if (in_other_hands)
        snprintf(text, sizeof(text), "listen changed: run odp enable %s", m->config->name);
    else
        snprintf(text, sizeof(text), "%s: it listens where it did", m->fault);
    if (m->n_gates > 0 || m->active)
        odp_managed_set_note(&m->listen_note, m->n_gates > 0 ? text : m->fault);
    odp_log(in_other_hands ? ODP_LOG_WARNING : ODP_LOG_ERR, m->config->name, "%s",
            m->n_gates > 0 ? text : m->fault);
}

static void conclude(struct odp_managed *m)
{
    for (size_t i = 0; i < m->n_gates; i++)
        if (m->gates[i]->listener.keepalive_usec != m->config->keepalive_usec)
            odp_listener_tune(&m->gates[i]->listener, m->config->keepalive_usec);
    for (size_t i = 0; i < m->n_gates && !m->is_stuck; i++)
        set_access(m, m->gates[i]);
    if (m->is_stuck)
        tell(m, m->fault[0] == '\0');
}

int odp_gates_settle(struct odp_manager *mgr)
{
    struct settling s = {.mgr = mgr};
    int r = 0;

    for (size_t i = 0; i < mgr->n_services + mgr->n_departed; i++) {
        struct odp_managed *m =
            i < mgr->n_services ? mgr->services[i] : mgr->departed[i - mgr->n_services];
        odp_managed_set_note(&m->listen_note, NULL);
        m->was_stuck = m->is_stuck;
        m->is_stuck = gate_is_served(m) && gates_are_in_other_hands(m);
        if (!gate_is_served(m))
            continue;
        m->fault[0] = '\0';
        if (!m->is_stuck && r == 0)
            r = wishes_add(&s, m);
    }
    if (r == 0)
        r = wishes_find_out(&s);
    if (r == 0)
        carry_out(&s);
    else
        odp_log(ODP_LOG_ERR, NULL, "out of memory: listeners stay as they are");
    free(s.wishes);
    free(s.there);
    odp_index_deinit(&s.index);
    for (size_t i = 0; i < mgr->n_services; i++)
        conclude(mgr->services[i]);
    return r < 0 || s.out_of_memory ? -ENOMEM : 0;
}
