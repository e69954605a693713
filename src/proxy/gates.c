// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The gates one by one: made, handed over, closed. Which of them go where is gates_settle.c's.

#include "gates_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/proxy/stray.h"
#include "odp/proxy/visit.h"

// ---- one gate ----------------------------------------------------------------------------------

int gate_new(struct odp_manager *mgr, int fd, struct odp_gate **ret)
{
    struct odp_gate *gate = calloc(1, sizeof(*gate));

    if (!gate) {
        odp_close(fd);
        return -ENOMEM;
    }
    int r = odp_listener_init(&gate->listener, mgr->loop, fd, odp_stray_accept, mgr);
    if (r < 0) {
        free(gate);
        return r;
    }
    *ret = gate;
    return 0;
}

static void on_retired(struct odp_io_retired *r)
{
    struct odp_gate *gate = ODP_CONTAINER_OF(r, struct odp_gate, retired);

    free(gate->passed_name);
    free(gate->socket_owner);
    free(gate);
}

void gate_close(struct odp_gate *gate)
{
    struct odp_io_loop *loop = gate->listener.loop;

    odp_listener_deinit(&gate->listener);
    gate->retired.on_free = on_retired;
    odp_io_retire(loop, &gate->retired); // events of this round may still point at it
}

// ---- arrays of them ----------------------------------------------------------------------------

static int append(struct odp_gate ***gates, size_t *n, struct odp_gate *gate)
{
    struct odp_gate **more = reallocarray(*gates, *n + 1, sizeof(struct odp_gate *));

    if (!more)
        return -ENOMEM;
    *gates = more;
    gate->place = *n;
    more[(*n)++] = gate;
    return 0;
}

// Their order says nothing: the last one takes its place.
static void take_out(struct odp_gate **gates, size_t *n, const struct odp_gate *gate)
{
    struct odp_gate *last = gates[--*n];

    gates[gate->place] = last;
    last->place = gate->place;
}

int gate_give(struct odp_gate *gate, struct odp_managed *m, const struct odp_address *address)
{
    int r = append(&m->gates, &m->n_gates, gate);

    if (r < 0)
        return r;
    gate->address = *address;
    gate->is_wished = false;
    gate->listener.on_accept = odp_visit_accept;
    gate->listener.data = m;
    odp_listener_tune(&gate->listener, m->config->keepalive_usec);
    return 0;
}

void gate_take(struct odp_gate *gate, struct odp_manager *mgr, struct odp_managed *from)
{
    if (from)
        take_out(from->gates, &from->n_gates, gate);
    else
        take_out(mgr->strays, &mgr->n_strays, gate);
}

// A client of a socket that belongs to no service is told so, not left to wait.
static void add_stray(struct odp_manager *mgr, struct odp_gate *gate)
{
    gate->listener.on_accept = odp_stray_accept;
    gate->listener.data = mgr;
    odp_listener_pause(&gate->listener, false);
    if (append(&mgr->strays, &mgr->n_strays, gate) < 0)
        gate_close(gate);
}

int odp_gates_adopt(struct odp_manager *mgr, struct odp_passed *passed, int n_passed)
{
    for (int i = 0; i < n_passed; i++) {
        struct odp_gate *gate;
        if (passed[i].fd < 0)
            continue;
        int r = gate_new(mgr, odp_fd_take(&passed[i].fd), &gate);
        if (r == -ENOMEM)
            return r;
        if (r < 0) {
            odp_log(ODP_LOG_WARNING, NULL, "passed socket %s cannot be watched: %s",
                    passed[i].name ? passed[i].name : "unknown", strerror(-r));
            continue;
        }
        gate->is_passed = true;
        gate->address = passed[i].address;
        gate->passed_name = passed[i].name;
        passed[i].name = NULL;
        add_stray(mgr, gate);
    }
    return 0;
}

void odp_gates_let_go(struct odp_managed *m)
{
    for (size_t i = m->n_gates; i > 0; i--) {
        struct odp_gate *gate = m->gates[i - 1];
        if (!gate->is_passed)
            continue;
        odp_log(ODP_LOG_NOTICE, m->config->name,
                "the service manager still listens for it: who connects is turned away until odp "
                "disable %s",
                m->config->name);
        gate_take(gate, m->manager, m);
        add_stray(m->manager, gate);
    }
}

void odp_gates_pause(struct odp_managed *m, bool paused)
{
    for (size_t i = 0; i < m->n_gates; i++)
        odp_listener_pause(&m->gates[i]->listener, paused);
}

void odp_gates_retry(struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->n_services; i++)
        for (size_t k = 0; k < mgr->services[i]->n_gates; k++)
            odp_listener_retry(&mgr->services[i]->gates[k]->listener);
    for (size_t i = 0; i < mgr->n_strays; i++)
        odp_listener_retry(&mgr->strays[i]->listener);
}

void odp_gates_close(struct odp_managed *m)
{
    for (size_t i = 0; i < m->n_gates; i++)
        gate_close(m->gates[i]);
    free(m->gates);
    m->gates = NULL;
    m->n_gates = 0;
}

void odp_gates_close_strays(struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->n_strays; i++)
        gate_close(mgr->strays[i]);
    free(mgr->strays);
    mgr->strays = NULL;
    mgr->n_strays = 0;
}
