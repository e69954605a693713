// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who wants to listen where, and who can: a service that cannot have one of its addresses keeps all
// it has, so that another one may not get what it hoped for, and so on until nothing changes.

#include "gates_wish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/fd.h"

// ---- who wants what ----------------------------------------------------------------------------

bool gate_is_served(const struct odp_managed *m)
{
    return m->config->enabled && !m->is_departed;
}

static bool wants(const struct odp_managed *m, const struct odp_address *a)
{
    for (size_t i = 0; i < m->config->n_listen && gate_is_served(m); i++)
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

bool gates_are_in_other_hands(const struct odp_managed *m)
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

bool gate_is_spare(const struct odp_managed *m, const struct odp_gate *gate)
{
    return !m->is_stuck && !wants(m, &gate->address);
}

struct odp_managed *gates_nth_service(const struct odp_manager *mgr, size_t i)
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

// ---- whose it is now ---------------------------------------------------------------------------

// A gate is found by its very address, and by its port: by that all who overlap with it are.
enum kind { KIND_ADDRESS, KIND_PORT };

static uint64_t key_of(enum kind kind, const struct odp_address *a)
{
    if (kind == KIND_PORT && a->kind != ODP_ADDRESS_UNIX)
        return odp_index_key(KIND_PORT, &a->port, sizeof(a->port));
    return odp_address_key((unsigned char)kind, a);
}

static void add_gate(struct settling *s, struct odp_managed *m, struct odp_gate *gate)
{
    odp_index_add(&s->index, key_of(KIND_ADDRESS, &gate->address), s->n_there);
    odp_index_add(&s->index, key_of(KIND_PORT, &gate->address), s->n_there);
    s->there[s->n_there++] = (struct there){.m = m, .gate = gate};
}

static size_t count_gates(const struct odp_manager *mgr)
{
    size_t n = mgr->n_strays;
    const struct odp_managed *m;

    for (size_t i = 0; (m = gates_nth_service(mgr, i)); i++)
        n += m->n_gates;
    return n;
}

// From the last to the first: those of a key are found in their order.
static int find_all_gates(struct settling *s)
{
    const struct odp_manager *mgr = s->mgr;
    size_t n = count_gates(mgr);
    struct odp_managed *m;

    s->there = calloc(n + 1, sizeof(*s->there));
    if (!s->there || odp_index_init(&s->index, 2 * n) < 0)
        return -ENOMEM;
    for (size_t i = mgr->n_services + mgr->n_departed; i > 0; i--) {
        m = gates_nth_service(mgr, i - 1);
        for (size_t k = m ? m->n_gates : 0; k > 0; k--)
            add_gate(s, m, m->gates[k - 1]);
    }
    for (size_t i = mgr->n_strays; i > 0; i--) {
        mgr->strays[i - 1]->is_wished = false;
        add_gate(s, NULL, mgr->strays[i - 1]);
    }
    return 0;
}

static struct odp_gate *find_spare(const struct settling *s, const struct odp_address *a,
                                   relation_fn *is_meant, enum kind kind,
                                   struct odp_managed **ret_from)
{
    for (size_t e = odp_index_first(&s->index, key_of(kind, a)); e != ODP_INDEX_END;
         e = odp_index_next(&s->index, e)) {
        const struct there *it = &s->there[s->index.entries[e].value];
        if (!it->m || !is_meant(&it->gate->address, a) || !gate_is_spare(it->m, it->gate))
            continue;
        *ret_from = it->m;
        return it->gate;
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

// An address may be passed as the very one, or as a wildcard of the same port.
static struct odp_gate *find_stray(const struct settling *s, const struct wish *w)
{
    const struct odp_address *a = &w->listen->address;
    struct odp_gate *best = NULL;

    for (size_t e = odp_index_first(&s->index, key_of(KIND_PORT, a)); e != ODP_INDEX_END;
         e = odp_index_next(&s->index, e)) {
        const struct there *it = &s->there[s->index.entries[e].value];
        struct odp_gate *gate = it->gate;
        if (it->m || !overlap(&gate->address, a) || gate->is_wished)
            continue;
        if (name_matches(gate->passed_name, w->m->config->name))
            return gate;
        if (!best || odp_address_equal(&gate->address, a))
            best = gate;
    }
    return best;
}

int wishes_add(struct settling *s, struct odp_managed *m)
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
        if (w->gate)
            w->gate->is_wished = false;
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

int wish_open(struct wish *w)
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
    w->gate = find_spare(s, &w->listen->address, odp_address_equal, KIND_ADDRESS, &w->from);
    if (w->gate)
        return true;
    w->from = NULL;
    w->gate = find_stray(s, w);
    if (w->gate) {
        w->gate->is_wished = true;
        return true;
    }
    w->is_late = false;
    int r = wish_open(w);
    if (r == -EADDRINUSE && find_spare(s, &w->listen->address, overlap, KIND_PORT, &from))
        w->is_late = true;
    return r == 0 || w->is_late;
}

int wishes_find_out(struct settling *s)
{
    bool again;
    int r = s->n_wishes > 0 ? find_all_gates(s) : 0;

    if (r < 0)
        return r;
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
    return 0;
}
