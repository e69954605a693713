// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between handover.c (the tables, writing) and handover_read.c. Nobody else includes it.

#pragma once

#include "odp/core/handover.h"

#define FORMAT_WORD "odp-handover "
#define END_WORD    "end"

enum field_type {
    FIELD_FLAG,
    FIELD_NUMBER, // of 4 or 8 bytes; the greatest is written as `-`
    FIELD_TEXT,   // an array with its NUL
    FIELD_SERVICE_STATE,
    FIELD_CONN_STATE,
};

struct field {
    const char *key;
    enum field_type type;
    size_t offset; // in struct odp_handover_record
    size_t size;
};

struct kind {
    const char *word;
    const struct field *fields;
    size_t n_fields;
};

extern const struct kind odp_handover_kinds[ODP_HANDOVER_N_KINDS];

const char *odp_handover_conn_state_to_word(enum odp_conn_state s);

// A byte that stands for itself in a value.
static inline bool is_plain(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '%';
}

// What is written as `-`.
static inline uint64_t greatest(const struct field *f)
{
    return f->size == sizeof(uint64_t) ? UINT64_MAX : UINT32_MAX;
}
