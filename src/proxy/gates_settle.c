// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings all gates in line with the files. First it is found out who can have what, and only then
// is anything taken from anybody: a service that cannot have one of its addresses keeps all it has,
// so that another one may not get what it hoped for, and so on until nothing changes.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gates_internal.h"
#include "odp/base/fd.h"
#include "odp/base/log.h"

// One address that a service wants and does not have.
struct wish {
    struct odp_managed *m;
    const struct odp_config_listen *listen;
    struct odp_gate *gate;    // to be taken over
    struct odp_managed *from; // whose it is; NULL: a stray
    int fd;                   // opened for it
    bool is_late;             // to be opened when a gate that is in its way is closed
};

struct settling {
    struct odp_manager *mgr;
    struct wish *wishes;
    size_t n_wishes;
    bool out_of_memory;
};

// ---- who wants what ----------------------------------------------------------------------------

static bool is_served(const struct odp_managed *m)
{
    return m->config->enabled && !m->is_departed;
}

static bool wants(const struct odp_managed *m, const struct odp_address *a)
{
    for (size_t i = 0; i < m->config->n_listen && is_served(m); i++)
        if (odp_address_equal(&m->config->listen[i].address, a))
            return true;
    return false;
}

static bool has(const struct odp_managed *m, const struct odp_address *a)
{
    for (size_t i = 0; i < m->n_gates; i++)
        if (odp_address_equal(&m->gates[i]->address, a))
            return true;
    return false;
}

// The service manager would have to change its sockets first.
static bool is_in_other_hands(const struct odp_managed *m)
{
    bool is_passed = false, has_changed = false;

    for (size_t i = 0; i < m->n_gates; i++) {
        is_passed |= m->gates[i]->is_passed;
        has_changed |= !wants(m, &m->gates[i]->address);
    }
    for (size_t i = 0; i < m->config->n_listen; i++)
        has_changed |= !has(m, &m->config->listen[i].address);
    return is_passed && has_changed;
}

// A gate that its service gives up.
static bool is_spare(const struct odp_managed *m, const struct odp_gate *gate)
{
    return !m->is_stuck && !wants(m, &gate->address);
}

// The service i of all, the departed ones included; NULL behind the last.
static struct odp_managed *nth(const struct odp_manager *mgr, size_t i)
{
    if (i < mgr->n_services)
        return mgr->services[i];
    return i - mgr->n_services < mgr->n_departed ? mgr->departed[i - mgr->n_services] : NULL;
}

typedef bool relation_fn(const struct odp_address *a, const struct odp_address *b);

static bool overlap(const struct odp_address *a, const struct odp_address *b)
{
    return odp_address_covers(a, b) || odp_address_covers(b, a);
}

static struct odp_gate *find_spare(const struct odp_manager *mgr, const struct odp_address *a,
                                   relation_fn *is_meant, struct odp_managed **ret_from)
{
    struct odp_managed *m;

    for (size_t i = 0; (m = nth(mgr, i)); i++) {
        for (size_t k = 0; k < m->n_gates; k++) {
            if (!is_meant(&m->gates[k]->address, a) || !is_spare(m, m->gates[k]))
                continue;
            *ret_from = m;
            return m->gates[k];
        }
    }
    return NULL;
}

static bool name_matches(const char *passed, const char *service)
{
    // FileDescriptorName= defaults to the socket unit's name, systemd.socket(5).
    char unit[ODP_NAME_MAX + 16];

    snprintf(unit, sizeof(unit), "odp-%s.socket", service);
    return passed && (strcmp(passed, service) == 0 || strcmp(passed, unit) == 0);
}

static bool is_wished(const struct settling *s, const struct odp_gate *gate)
{
    for (size_t i = 0; i < s->n_wishes; i++)
        if (s->wishes[i].gate == gate)
            return true;
    return false;
}

// An address may be passed as the very one, or as a wildcard of the same port.
static struct odp_gate *find_stray(const struct settling *s, const struct wish *w)
{
    const struct odp_address *a = &w->listen->address;
    struct odp_gate *best = NULL;

    for (size_t i = 0; i < s->mgr->n_strays; i++) {
        struct odp_gate *gate = s->mgr->strays[i];
        if (!overlap(&gate->address, a) || is_wished(s, gate))
            continue;
        if (name_matches(gate->passed_name, w->m->config->name))
            return gate;
        if (!best || odp_address_equal(&gate->address, a))
            best = gate;
    }
    return best;
}

static int add_wishes(struct settling *s, struct odp_managed *m)
{
    const struct odp_config_service *config = m->config;

    for (size_t i = 0; i < config->n_listen; i++) {
        if (has(m, &config->listen[i].address))
            continue;
        struct wish *wishes = reallocarray(s->wishes, s->n_wishes + 1, sizeof(*wishes));
        if (!wishes)
            return -ENOMEM;
        s->wishes = wishes;
        wishes[s->n_wishes++] = (struct wish){.m = m, .listen = &config->listen[i], .fd = -1};
    }
    return 0;
}

// ---- who can have what -------------------------------------------------------------------------

// The service keeps what it has; `fault` says why.
static void give_up(struct settling *s, struct odp_managed *m)
{
    m->is_stuck = true;
    for (size_t i = 0; i < s->n_wishes; i++) {
        struct wish *w = &s->wishes[i];
        if (w->m != m)
            continue;
        w->fd = odp_close(w->fd);
        w->gate = NULL;
        w->is_late = false;
    }
}

// Beside a socket unit, clients would be parted between the two.
static int leave_to_units(struct odp_managed *m)
{
    if (m->n_gates == 0)
        snprintf(m->fault, sizeof(m->fault), "no socket unit listens for it yet: run odp enable %s",
                 m->config->name);
    return -EPERM;
}

static int open_now(struct wish *w)
{
    const struct odp_config_service *config = w->m->config;

    if (w->m->manager->has_socket_units && w->m->manager->is_reloading)
        return leave_to_units(w->m);
    w->fd = odp_listen_open(&w->listen->address, config->socket_mode, config->socket_owner,
                            w->m->fault, sizeof(w->m->fault));
    return w->fd < 0 ? w->fd : 0;
}

static bool can_be_had(struct settling *s, struct wish *w)
{
    struct odp_managed *from = NULL;

    if (w->gate && (!w->from || !w->from->is_stuck))
        return true;
    if (w->fd >= 0)
        return true;
    w->gate = find_spare(s->mgr, &w->listen->address, odp_address_equal, &w->from);
    if (w->gate)
        return true;
    w->from = NULL;
    w->gate = find_stray(s, w);
    if (w->gate)
        return true;
    w->is_late = false;
    int r = open_now(w);
    if (r == -EADDRINUSE && find_spare(s->mgr, &w->listen->address, overlap, &from))
        w->is_late = true;
    return r == 0 || w->is_late;
}

static void find_out(struct settling *s)
{
    bool again;

    do {
        again = false;
        for (size_t i = 0; i < s->n_wishes; i++) {
            struct wish *w = &s->wishes[i];
            if (w->m->is_stuck || can_be_had(s, w))
                continue;
            give_up(s, w->m);
            again = true;
        }
    } while (again);
}

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
        if (!is_spare(m, gate))
            continue;
        odp_listener_drain(&gate->listener);
        gate_take(gate, m->manager, m);
        gate_close(gate);
    }
}

static void open_late(struct settling *s, struct wish *w)
{
    if (open_now(w) == 0)
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
    for (size_t i = 0; (m = nth(s->mgr, i)); i++)
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

    if (gate->is_passed || gate->address.kind != ODP_ADDRESS_UNIX ||
        (gate->socket_mode == config->socket_mode && is_same))
        return;
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
    bool in_other_hands = m->is_stuck && m->fault[0] == '\0';

    for (size_t i = 0; i < m->n_gates; i++)
        if (m->gates[i]->listener.keepalive_usec != m->config->keepalive_usec)
            odp_listener_tune(&m->gates[i]->listener, m->config->keepalive_usec);
    for (size_t i = 0; i < m->n_gates && !m->is_stuck; i++)
        set_access(m, m->gates[i]);
    if (m->is_stuck)
        tell(m, in_other_hands);
}

int odp_gates_settle(struct odp_manager *mgr)
{
    struct settling s = {.mgr = mgr};
    int r = 0;

    for (size_t i = 0; i < mgr->n_services + mgr->n_departed; i++) {
        struct odp_managed *m =
            i < mgr->n_services ? mgr->services[i] : mgr->departed[i - mgr->n_services];
        odp_managed_set_note(&m->listen_note, NULL);
        m->is_stuck = is_served(m) && is_in_other_hands(m);
        if (!is_served(m))
            continue;
        m->fault[0] = '\0';
        if (!m->is_stuck && r == 0)
            r = add_wishes(&s, m);
    }
    if (r < 0)
        odp_log(ODP_LOG_ERR, NULL, "out of memory: listeners stay as they are");
    if (r == 0) {
        find_out(&s);
        carry_out(&s);
    }
    free(s.wishes);
    for (size_t i = 0; i < mgr->n_services; i++)
        conclude(mgr->services[i]);
    return r < 0 || s.out_of_memory ? -ENOMEM : 0;
}
