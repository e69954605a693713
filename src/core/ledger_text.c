// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Writes and reads the ledger's text; see the header for its form. What comes in is not trusted:
// the checksum finds what a crash or a bad card did, the bounds what is left.

#include "odp/core/ledger_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/index.h"

#define FORMAT_LINE     "odp-ledger 1\n"
#define BOOT_WORD       "boot "
#define CHECKSUM_WORD   "checksum "
#define CHECKSUM_DIGITS 16
#define FNV_OFFSET      UINT64_C(14695981039346656037)
#define FNV_PRIME       UINT64_C(1099511628211)
#define MSEC_PER_SEC    1000

static uint64_t checksum_of(const char *s, size_t n_bytes)
{
    uint64_t hash = FNV_OFFSET;

    for (size_t i = 0; i < n_bytes; i++)
        hash = (hash ^ (unsigned char)s[i]) * FNV_PRIME;
    return hash;
}

// ---- writing -----------------------------------------------------------------------------------

void odp_ledger_text_begin(struct odp_buf *b, const char *boot_id)
{
    odp_buf_printf(b, FORMAT_LINE BOOT_WORD "%s\n", boot_id[0] ? boot_id : "-");
}

static uint64_t bounded(uint64_t sum)
{
    return sum < ODP_LEDGER_SUM_MAX ? sum : ODP_LEDGER_SUM_MAX;
}

static void add_sum(struct odp_buf *b, uint64_t sum)
{
    odp_buf_printf(b, " %" PRIu64, bounded(sum));
}

static void add_starts(struct odp_buf *b, const struct odp_ledger *l)
{
    uint32_t usec[ODP_LEDGER_N_STARTS];
    size_t n = odp_ledger_starts(l, usec);

    if (n == 0)
        odp_buf_add(b, " -", 2);
    for (size_t i = 0; i < n; i++)
        odp_buf_printf(b, "%c%" PRIu32, i == 0 ? ' ' : ',', usec[i]);
}

void odp_ledger_text_add(struct odp_buf *b, const char *name, const struct odp_ledger *l)
{
    odp_buf_add(b, name, strlen(name));
    add_sum(b, l->n_wakes);
    add_sum(b, l->n_failed_wakes);
    add_sum(b, l->n_bytes_in);
    add_sum(b, l->n_bytes_out);
    add_sum(b, l->awake_usec);
    add_sum(b, l->asleep_usec);
    if (l->last_wake_usec == ODP_NEVER)
        odp_buf_add(b, " -", 2);
    else
        add_sum(b, l->last_wake_usec);
    add_starts(b, l);
    add_sum(b, l->peak_bytes);
    add_sum(b, l->used_bytes);
    add_sum(b, l->saved_kib_msec / MSEC_PER_SEC);
    odp_buf_add(b, "\n", 1);
}

void odp_ledger_text_end(struct odp_buf *b)
{
    odp_buf_printf(b, CHECKSUM_WORD "%016" PRIx64 "\n",
                   checksum_of(b->s ? b->s : "", b->s ? b->n_bytes : 0));
}

// ---- reading -----------------------------------------------------------------------------------

// What is left of the text, or of one line of it.
struct cursor {
    const char *at;
    const char *end;
};

static bool take_literal(struct cursor *c, const char *literal)
{
    size_t n = strlen(literal);

    if ((size_t)(c->end - c->at) < n || memcmp(c->at, literal, n) != 0)
        return false;
    c->at += n;
    return true;
}

// False at the end. A last line without its newline is none: the checksum has been taken off.
static bool take_line(struct cursor *c, struct cursor *ret)
{
    const char *newline = memchr(c->at, '\n', (size_t)(c->end - c->at));

    if (!newline)
        return false;
    *ret = (struct cursor){.at = c->at, .end = newline};
    c->at = newline + 1;
    return true;
}

static size_t count_lines(const struct cursor *c)
{
    size_t n = 0;

    for (const char *s = c->at; s < c->end && (s = memchr(s, '\n', (size_t)(c->end - s))); s++)
        n++;
    return n;
}

// Up to the next space, which is taken too. Fields are never empty.
static bool take_field(struct cursor *c, struct cursor *ret)
{
    const char *space = memchr(c->at, ' ', (size_t)(c->end - c->at));

    *ret = (struct cursor){.at = c->at, .end = space ? space : c->end};
    c->at = space ? space + 1 : c->end;
    return ret->at < ret->end;
}

static bool is_dash(const struct cursor *field)
{
    return field->end - field->at == 1 && *field->at == '-';
}

static bool take_number(struct cursor *c, uint64_t max, uint64_t *ret)
{
    const char *first = c->at;
    uint64_t n = 0;

    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        n = n * 10 + (uint64_t)(*c->at - '0'); // max is far below what would overflow here
        if (n > max)
            return false;
    }
    *ret = n;
    return c->at > first;
}

static bool take_sum(struct cursor *c, uint64_t *ret)
{
    struct cursor field;

    return take_field(c, &field) && take_number(&field, ODP_LEDGER_SUM_MAX, ret) &&
           field.at == field.end;
}

static bool take_last_wake(struct cursor *c, uint64_t *ret)
{
    struct cursor before = *c, field;

    if (!take_field(c, &field))
        return false;
    if (is_dash(&field)) {
        *ret = ODP_NEVER;
        return true;
    }
    *c = before;
    return take_sum(c, ret);
}

static bool take_starts(struct cursor *c, struct odp_ledger *l)
{
    struct cursor field;
    uint64_t usec;

    if (!take_field(c, &field))
        return false;
    if (is_dash(&field))
        return true;
    for (unsigned i = 0; i < ODP_LEDGER_N_STARTS; i++) {
        if (!take_number(&field, UINT32_MAX, &usec))
            return false;
        odp_ledger_add_start(l, usec);
        if (field.at == field.end)
            return true;
        if (!take_literal(&field, ","))
            return false;
    }
    return false;
}

// An odp before this one did not write them.
static bool take_memory(struct cursor *c, struct odp_ledger *l)
{
    uint64_t saved_kib_sec;

    if (c->at == c->end)
        return true;
    if (!take_sum(c, &l->peak_bytes) || !take_sum(c, &l->used_bytes) ||
        !take_sum(c, &saved_kib_sec))
        return false;
    l->saved_kib_msec = saved_kib_sec * MSEC_PER_SEC;
    return true;
}

static bool take_name(struct cursor *c, char ret[ODP_NAME_MAX + 1])
{
    struct cursor field;

    if (!take_field(c, &field) || field.end - field.at > ODP_NAME_MAX)
        return false;
    size_t n = (size_t)(field.end - field.at);
    if (memchr(field.at, '\0', n))
        return false;
    memcpy(ret, field.at, n);
    ret[n] = '\0';
    return odp_name_is_valid(ret);
}

static bool parse_entry(struct cursor *c, struct odp_ledger_entry *ret)
{
    struct odp_ledger *l = &ret->ledger;

    odp_ledger_init(l, 0);
    if (take_name(c, ret->name) && take_sum(c, &l->n_wakes) && take_sum(c, &l->n_failed_wakes) &&
        take_sum(c, &l->n_bytes_in) && take_sum(c, &l->n_bytes_out) &&
        take_sum(c, &l->awake_usec) && take_sum(c, &l->asleep_usec) &&
        take_last_wake(c, &l->last_wake_usec) && take_starts(c, l) && take_memory(c, l))
        return true;
    odp_ledger_deinit(l);
    return false;
}

static bool is_known(const struct odp_ledger_text *t, const struct odp_index *names, uint64_t key,
                     const char *name)
{
    size_t e = t->entries ? odp_index_first(names, key) : ODP_INDEX_END;

    for (; e != ODP_INDEX_END; e = odp_index_next(names, e))
        if (strcmp(t->entries[names->entries[e].value].name, name) == 0)
            return true;
    return false;
}

// `names` has room for all.
static int parse_entries(struct cursor *c, struct odp_ledger_text *t, struct odp_index *names)
{
    struct odp_ledger_entry entry;
    struct cursor line;

    while (take_line(c, &line)) {
        if (t->n_entries == ODP_LEDGER_SERVICES_MAX || !parse_entry(&line, &entry)) {
            t->n_skipped++;
            continue;
        }
        uint64_t key = odp_index_key_of_text(0, entry.name);
        if (is_known(t, names, key, entry.name)) {
            odp_ledger_deinit(&entry.ledger);
            t->n_skipped++;
            continue;
        }
        struct odp_ledger_entry *entries =
            reallocarray(t->entries, t->n_entries + 1, sizeof(*entries));
        if (!entries) {
            odp_ledger_deinit(&entry.ledger);
            return -ENOMEM;
        }
        t->entries = entries;
        odp_index_add(names, key, t->n_entries);
        t->entries[t->n_entries++] = entry;
    }
    return 0;
}

// Takes the checksum's line off the end; false where it is not that of the rest.
static bool check_sum(struct cursor *c)
{
    char line[sizeof(CHECKSUM_WORD) + CHECKSUM_DIGITS + 1];
    size_t n_line = sizeof(line) - 1, n_bytes = (size_t)(c->end - c->at);

    if (n_bytes < n_line)
        return false;
    snprintf(line, sizeof(line), CHECKSUM_WORD "%016" PRIx64 "\n",
             checksum_of(c->at, n_bytes - n_line));
    c->end -= n_line;
    return memcmp(c->end, line, n_line) == 0;
}

static bool take_boot_id(struct cursor *c, char ret[ODP_LEDGER_BOOT_ID_MAX + 1])
{
    struct cursor line;

    if (!take_literal(c, BOOT_WORD) || !take_line(c, &line))
        return false;
    size_t n = (size_t)(line.end - line.at);
    if (is_dash(&line))
        return true;
    if (n != ODP_LEDGER_BOOT_ID_MAX)
        return false;
    memcpy(ret, line.at, n);
    return strspn(ret, "0123456789abcdef-") == n;
}

int odp_ledger_text_parse(const char *text, size_t n_bytes, struct odp_ledger_text *ret)
{
    struct odp_ledger_text t = {0};
    struct cursor c = {.at = text, .end = text + n_bytes};
    struct odp_index names;

    *ret = t;
    if (n_bytes > ODP_LEDGER_TEXT_MAX || !check_sum(&c) || !take_literal(&c, FORMAT_LINE) ||
        !take_boot_id(&c, t.boot_id))
        return -EBADMSG;
    size_t n_lines = count_lines(&c);
    size_t n_most = n_lines < ODP_LEDGER_SERVICES_MAX ? n_lines : ODP_LEDGER_SERVICES_MAX;
    int r = odp_index_init(&names, n_most);
    if (r == 0)
        r = parse_entries(&c, &t, &names);
    odp_index_deinit(&names);
    if (r < 0) {
        odp_ledger_text_deinit(&t);
        return r;
    }
    *ret = t;
    return 0;
}

struct odp_ledger_entry *odp_ledger_text_find(const struct odp_ledger_text *t, const char *name)
{
    for (size_t i = 0; i < t->n_entries; i++)
        if (strcmp(t->entries[i].name, name) == 0)
            return &t->entries[i];
    return NULL;
}

void odp_ledger_text_deinit(struct odp_ledger_text *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_entries; i++)
        odp_ledger_deinit(&t->entries[i].ledger);
    free(t->entries);
    *t = (struct odp_ledger_text){0};
}
