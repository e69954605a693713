// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Faults as a list, and the two judgements on words that faults are made of: what a name is, and
// which known word somebody meant.

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

// Messages quote the file: whatever was cut or is no text must not reach a terminal or JSON.
static void make_text(char *s)
{
    size_t left = strlen(s);

    while (left > 0) {
        size_t n = odp_config_character(s, left);
        if (n == 0) {
            *s = '?';
            n = 1;
        }
        s += n;
        left -= n;
    }
}

void odp_config_fault_addv(struct odp_config_faults *faults, const char *file, unsigned line,
                           const char *format, va_list args)
{
    struct odp_config_fault f = {.file = strdup(file), .line = line};
    struct odp_config_fault *items = NULL;

    if (vasprintf(&f.message, format, args) < 0)
        f.message = NULL;
    if (f.file && f.message)
        items = reallocarray(faults->items, faults->n + 1, sizeof(*items));
    if (!items) {
        free(f.file);
        free(f.message);
        faults->failed = true;
        return;
    }
    make_text(f.message);
    faults->items = items;
    faults->items[faults->n++] = f;
}

void odp_config_fault_add(struct odp_config_faults *faults, const char *file, unsigned line,
                          const char *format, ...)
{
    va_list args;

    va_start(args, format);
    odp_config_fault_addv(faults, file, line, format, args);
    va_end(args);
}

void odp_config_faults_deinit(struct odp_config_faults *faults)
{
    if (!faults)
        return;
    for (size_t i = 0; i < faults->n; i++) {
        free(faults->items[i].file);
        free(faults->items[i].message);
    }
    free(faults->items);
    *faults = (struct odp_config_faults){0};
}

void odp_config_parse_fault(struct odp_config_parse *p, unsigned line, const char *format, ...)
{
    size_t n = p->faults->n - p->n_faults_before;
    va_list args;

    if (n > ODP_CONFIG_FAULTS_MAX)
        return;
    if (n == ODP_CONFIG_FAULTS_MAX) {
        odp_config_fault_add(p->faults, p->file, line,
                             "more than %d faults: the rest of the file is not shown",
                             ODP_CONFIG_FAULTS_MAX);
        return;
    }
    va_start(args, format);
    odp_config_fault_addv(p->faults, p->file, line, format, args);
    va_end(args);
}

bool odp_config_is_full(const struct odp_config_parse *p)
{
    return p->faults->n - p->n_faults_before > ODP_CONFIG_FAULTS_MAX;
}

bool odp_config_is_faulty(const struct odp_config_parse *p)
{
    return p->faults->n > p->n_faults_before || p->faults->failed;
}

bool odp_name_is_valid(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";

    if (!name[0] || !strchr(first, name[0]))
        return false;
    size_t n = strspn(name, rest);
    return !name[n] && n <= ODP_NAME_MAX;
}

// Edit distance with neighbours swapped as one edit: that is how fingers err. Case counts not.
static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t row[3][ODP_NAME_MAX + 1];
    size_t *before = row[0], *above = row[1], *now = row[2];

    for (size_t j = 0; j <= n_b; j++)
        above[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        now[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
            size_t best = above[j - 1] + (ca != cb);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                cb == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        size_t *oldest = before;
        before = above;
        above = now;
        now = oldest;
    }
    return above[n_b];
}

const char *odp_nearest(const char *word, const char *const *candidates)
{
    size_t n_word = strlen(word), limit = n_word < 6 ? 1 : n_word / 3;
    const char *nearest = NULL;

    if (n_word > ODP_NAME_MAX)
        return NULL;
    for (; *candidates; candidates++) {
        size_t n = strlen(*candidates);
        if (n > ODP_NAME_MAX)
            continue;
        size_t d = distance(word, n_word, *candidates, n);
        // A word of one edit's length is near to everything.
        if (d < n_word && (nearest ? d < limit : d <= limit)) {
            nearest = *candidates;
            limit = d;
        }
    }
    return nearest;
}
