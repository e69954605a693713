// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The keys by which services that clash find each other. Each clash that odp_config_check_pair()
// knows needs one here.

#include "config_near.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// What a key is made of. A listen address has two: a wildcard looks for all of its port, another
// one for its equals and for the wildcards of its port.
enum kind {
    KIND_NAME,
    KIND_TARGET,
    KIND_UNIT,
    KIND_CONTAINER,
    KIND_PROJECT,
    KIND_LISTEN,        // the very address
    KIND_LISTEN_ALL,    // a wildcard's port
    KIND_LISTEN_AT_ALL, // any listen address's port
};

static bool is_wildcard(const struct odp_address *a)
{
    const struct odp_address any = {.kind = ODP_ADDRESS_PORT, .port = a->port};

    return odp_address_covers(a, &any);
}

static uint64_t key_of_port(enum kind kind, const struct odp_address *a)
{
    return odp_index_key((unsigned char)kind, &a->port, sizeof(a->port));
}

static uint64_t key_of_address(enum kind kind, const struct odp_address *a)
{
    return odp_address_key((unsigned char)kind, a);
}

// ---- life --------------------------------------------------------------------------------------

size_t odp_config_near_need(const struct odp_config_service *s)
{
    return 2 + 2 * s->n_listen + s->n_units + s->n_containers + (s->project.text ? 1 : 0);
}

int odp_config_near_init(struct odp_config_near *ret, const struct odp_config *config,
                         size_t n_items, size_t n_entries)
{
    *ret = (struct odp_config_near){.config = config, .n_items = n_items};
    ret->positions = calloc(n_items + 1, sizeof(size_t));
    ret->rounds = calloc(n_items + 1, sizeof(size_t));
    ret->found = calloc(n_items + 1, sizeof(size_t));
    if (!ret->positions || !ret->rounds || !ret->found)
        return -ENOMEM;
    for (size_t i = 0; i < n_items; i++)
        ret->positions[i] = ODP_INDEX_END;
    return odp_index_init(&ret->index, n_entries);
}

void odp_config_near_deinit(struct odp_config_near *x)
{
    odp_index_deinit(&x->index);
    free(x->positions);
    free(x->rounds);
    free(x->found);
    *x = (struct odp_config_near){0};
}

void odp_config_near_move(struct odp_config_near *x, size_t item, size_t position)
{
    x->positions[item] = position;
}

void odp_config_near_let_in(struct odp_config_near *x, size_t item, size_t position,
                            const struct odp_config_service *s)
{
    struct odp_index *index = &x->index;

    x->positions[item] = position;
    odp_index_add(index, odp_index_key_of_text(KIND_NAME, s->name), item);
    if (!s->enabled)
        return;
    if (s->target.kind != ODP_ADDRESS_AUTO) // one port of many containers
        odp_index_add(index, key_of_address(KIND_TARGET, &s->target), item);
    for (size_t i = 0; i < s->n_listen; i++) {
        const struct odp_address *a = &s->listen[i].address;
        odp_index_add(index, key_of_port(KIND_LISTEN_AT_ALL, a), item);
        odp_index_add(index,
                      is_wildcard(a) ? key_of_port(KIND_LISTEN_ALL, a)
                                     : key_of_address(KIND_LISTEN, a),
                      item);
    }
    for (size_t i = 0; i < s->n_units; i++)
        odp_index_add(index, odp_index_key_of_text(KIND_UNIT, s->units[i].text), item);
    for (size_t i = 0; i < s->n_containers; i++)
        odp_index_add(index, odp_index_key_of_text(KIND_CONTAINER, s->containers[i].text), item);
    if (s->project.text)
        odp_index_add(index, odp_index_key_of_text(KIND_PROJECT, s->project.text), item);
}

// ---- searches ----------------------------------------------------------------------------------

static void collect(struct odp_config_near *x, uint64_t key)
{
    for (size_t e = odp_index_first(&x->index, key); e != ODP_INDEX_END;
         e = odp_index_next(&x->index, e)) {
        size_t item = x->index.entries[e].value;
        if (x->rounds[item] == x->round || x->positions[item] == ODP_INDEX_END)
            continue;
        x->rounds[item] = x->round;
        x->found[x->n_found++] = x->positions[item];
    }
}

static void collect_listening(struct odp_config_near *x, const struct odp_address *a)
{
    if (is_wildcard(a)) {
        collect(x, key_of_port(KIND_LISTEN_AT_ALL, a));
        return;
    }
    collect(x, key_of_address(KIND_LISTEN, a));
    if (a->kind != ODP_ADDRESS_UNIX)
        collect(x, key_of_port(KIND_LISTEN_ALL, a));
}

static int compare_positions(const void *a, const void *b)
{
    const size_t *pa = a, *pb = b;

    return (*pa > *pb) - (*pa < *pb);
}

void odp_config_near_find(struct odp_config_near *x, const struct odp_config_service *s)
{
    x->n_found = 0;
    x->round++;
    collect(x, odp_index_key_of_text(KIND_NAME, s->name));
    if (s->enabled) {
        collect(x, key_of_address(KIND_TARGET, &s->target));
        for (size_t i = 0; i < s->n_listen; i++)
            collect_listening(x, &s->listen[i].address);
        for (size_t i = 0; i < s->n_units; i++)
            collect(x, odp_index_key_of_text(KIND_UNIT, s->units[i].text));
        for (size_t i = 0; i < s->n_containers; i++)
            collect(x, odp_index_key_of_text(KIND_CONTAINER, s->containers[i].text));
        if (s->project.text)
            collect(x, odp_index_key_of_text(KIND_PROJECT, s->project.text));
    }
    if (x->n_found > 1)
        qsort(x->found, x->n_found, sizeof(*x->found), compare_positions);
}

size_t odp_config_near_named(const struct odp_config_near *x, const char *name)
{
    size_t first = ODP_INDEX_END;

    for (size_t e = odp_index_first(&x->index, odp_index_key_of_text(KIND_NAME, name));
         e != ODP_INDEX_END; e = odp_index_next(&x->index, e)) {
        size_t position = x->positions[x->index.entries[e].value];
        if (position < first && strcmp(x->config->services[position]->name, name) == 0)
            first = position;
    }
    return first;
}

static size_t first_listening(const struct odp_config_near *x, uint64_t key,
                              const struct odp_address *target,
                              bool (*listens)(const struct odp_config_service *s,
                                              const struct odp_address *target))
{
    size_t first = ODP_INDEX_END;

    for (size_t e = odp_index_first(&x->index, key); e != ODP_INDEX_END;
         e = odp_index_next(&x->index, e)) {
        size_t position = x->positions[x->index.entries[e].value];
        if (position < first && x->config->services[position]->enabled &&
            listens(x->config->services[position], target))
            first = position;
    }
    return first;
}

size_t odp_config_near_listening(const struct odp_config_near *x, const struct odp_address *target,
                                 bool (*listens)(const struct odp_config_service *s,
                                                 const struct odp_address *target))
{
    size_t a = first_listening(x, key_of_address(KIND_LISTEN, target), target, listens);
    size_t b = first_listening(x, key_of_port(KIND_LISTEN_ALL, target), target, listens);

    return a < b ? a : b;
}
