// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A hash table of chains in one array.

#include "odp/base/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define FNV_PRIME  UINT64_C(1099511628211)

int odp_index_init(struct odp_index *ret, size_t n_most)
{
    size_t n_heads = 16;

    while (n_heads < n_most)
        n_heads *= 2;
    *ret = (struct odp_index){
        .entries = calloc(n_most + 1, sizeof(struct odp_index_entry)),
        .heads = calloc(n_heads, sizeof(size_t)),
        .n_most = n_most,
        .n_heads = n_heads,
    };
    if (!ret->entries || !ret->heads) {
        odp_index_deinit(ret);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n_heads; i++)
        ret->heads[i] = ODP_INDEX_END;
    return 0;
}

void odp_index_deinit(struct odp_index *x)
{
    free(x->entries);
    free(x->heads);
    *x = (struct odp_index){0};
}

// The best bits of FNV are the high ones.
static size_t *head_of(const struct odp_index *x, uint64_t key)
{
    return &x->heads[(key ^ key >> 32) & (x->n_heads - 1)];
}

void odp_index_add(struct odp_index *x, uint64_t key, size_t value)
{
    if (x->n_entries == x->n_most)
        return;
    size_t *head = head_of(x, key);
    x->entries[x->n_entries] = (struct odp_index_entry){.key = key, .value = value, .next = *head};
    *head = x->n_entries++;
}

static size_t skip_others(const struct odp_index *x, size_t entry, uint64_t key)
{
    while (entry != ODP_INDEX_END && x->entries[entry].key != key)
        entry = x->entries[entry].next;
    return entry;
}

size_t odp_index_first(const struct odp_index *x, uint64_t key)
{
    return x->n_heads > 0 ? skip_others(x, *head_of(x, key), key) : ODP_INDEX_END;
}

size_t odp_index_next(const struct odp_index *x, size_t entry)
{
    return skip_others(x, x->entries[entry].next, x->entries[entry].key);
}

uint64_t odp_index_key(unsigned char kind, const void *data, size_t n_bytes)
{
    const unsigned char *bytes = data;
    uint64_t key = (FNV_OFFSET ^ kind) * FNV_PRIME;

    for (size_t i = 0; i < n_bytes; i++)
        key = (key ^ bytes[i]) * FNV_PRIME;
    return key;
}

uint64_t odp_index_key_of_text(unsigned char kind, const char *text)
{
    return odp_index_key(kind, text, strlen(text));
}
