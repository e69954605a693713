// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From the names of reports to those of services. Records arrive in the order they were sent: so
// the answer to a batch of renames parts the reports with old names from those with new ones.

#include "renames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct batch {
    struct odp_list node;
    uint32_t id;
    size_t n;
    struct odp_link_rename items[];
};

static struct batch *batch_of(struct odp_list *node)
{
    return ODP_CONTAINER_OF(node, struct batch, node);
}

void renames_init(struct renames *r)
{
    odp_list_init(&r->batches);
}

static void drop_first(struct renames *r)
{
    struct batch *batch = batch_of(r->batches.next);

    odp_list_remove(&batch->node);
    free(batch);
}

void renames_deinit(struct renames *r)
{
    while (!odp_list_empty(&r->batches))
        drop_first(r);
}

int renames_add(struct renames *r, uint32_t id, const struct odp_link_rename *items, size_t n)
{
    struct batch *batch = malloc(sizeof(*batch) + n * sizeof(*items));

    if (!batch)
        return -ENOMEM;
    batch->id = id;
    batch->n = n;
    memcpy(batch->items, items, n * sizeof(*items));
    odp_list_append(&r->batches, &batch->node);
    return 0;
}

void renames_done(struct renames *r, uint32_t id)
{
    bool is_there = false;

    odp_list_foreach (it, &r->batches) {
        is_there |= batch_of(it)->id == id;
    }
    while (is_there) {
        is_there = batch_of(r->batches.next)->id != id;
        drop_first(r);
    }
}

static const char *translate_one(const struct batch *batch, const char *name)
{
    bool is_taken = false;

    for (size_t i = 0; i < batch->n; i++) {
        if (strcmp(batch->items[i].from, name) == 0)
            return batch->items[i].to;
        is_taken |= strcmp(batch->items[i].to, name) == 0;
    }
    return is_taken ? NULL : name;
}

const char *renames_translate(const struct renames *r, const char *name)
{
    odp_list_foreach (it, &r->batches) {
        if (name)
            name = translate_one(batch_of(it), name);
    }
    return name;
}
