// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Numbers by 64-bit keys, for searches among many that would else compare each with each. Many
// numbers may share one key, and two different things may, by chance: what is found is to be looked
// at. Made for a known number of entries, so that adding never fails; nothing is ever taken out.

#pragma once

#include <stddef.h>
#include <stdint.h>

#define ODP_INDEX_END SIZE_MAX

struct odp_index_entry {
    uint64_t key;
    size_t value;
    size_t next; // entry in the same chain, or ODP_INDEX_END
};

// All zero is one without entries, in which nothing is found.
struct odp_index {
    struct odp_index_entry *entries; // owned, n_most
    size_t *heads;                   // owned, n_heads: the first entry of each chain
    size_t n_entries, n_most, n_heads;
};

// Returns 0 or -ENOMEM; *ret is to be deinitialised in both cases.
int odp_index_init(struct odp_index *ret, size_t n_most);

void odp_index_deinit(struct odp_index *x);

// At most n_most times.
void odp_index_add(struct odp_index *x, uint64_t key, size_t value);

// The entries of a key, the latest first; ODP_INDEX_END behind the last.
size_t odp_index_first(const struct odp_index *x, uint64_t key);
size_t odp_index_next(const struct odp_index *x, size_t entry);

// A key of bytes: FNV-1a 64 over `kind` and them. What is of another kind has another key.
uint64_t odp_index_key(unsigned char kind, const void *data, size_t n_bytes);
uint64_t odp_index_key_of_text(unsigned char kind, const char *text);
