// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which file belongs to which service; plan.h says by what. The surest signs are looked for first,
// over all files, so that a weak sign never takes a service from a file with a sure one.

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/index.h"
#include "plan_internal.h"

static bool shares_listen(const struct odp_config_service *a, const struct odp_config_service *b)
{
    for (size_t i = 0; i < a->n_listen; i++)
        for (size_t k = 0; k < b->n_listen; k++)
            if (odp_address_equal(&a->listen[i].address, &b->listen[k].address))
                return true;
    return false;
}

// Plain proxies have the same [backend] all of them.
static bool shares_backend(const struct odp_config_service *a, const struct odp_config_service *b)
{
    return a->backend_digest == b->backend_digest && a->backend != ODP_BACKEND_NONE;
}

static bool has_same_name(const struct odp_config_service *before,
                          const struct odp_config_service *after)
{
    return strcmp(before->name, after->name) == 0;
}

static bool is_same(const struct odp_config_service *before, const struct odp_config_service *after)
{
    return has_same_name(before, after) &&
           (shares_listen(before, after) || odp_address_equal(&before->target, &after->target) ||
            shares_backend(before, after));
}

static bool was_moved_whole(const struct odp_config_service *before,
                            const struct odp_config_service *after)
{
    return before->enabled && shares_listen(before, after) &&
           odp_address_equal(&before->target, &after->target);
}

static bool was_moved(const struct odp_config_service *before,
                      const struct odp_config_service *after)
{
    return before->enabled && shares_listen(before, after);
}

static bool was_moved_asleep(const struct odp_config_service *before,
                             const struct odp_config_service *after)
{
    return !before->enabled && shares_listen(before, after);
}

// A sign is looked for among those alone that have the same name, or share a listen address.
static const struct {
    bool (*is_shown)(const struct odp_config_service *before,
                     const struct odp_config_service *after);
    bool by_name;
} signs[] = {{is_same, true},
             {was_moved_whole, false},
             {was_moved, false},
             {was_moved_asleep, false},
             {has_same_name, true}};
#define N_SIGNS (sizeof(signs) / sizeof(signs[0]))

enum kind { KIND_NAME, KIND_LISTEN };

struct matching {
    struct odp_config_service *const *before, *const *files;
    size_t n_before, n_files;
    size_t *pairs;          // of each of `before`: its file, NO_FILE, or what has no need of one
    struct odp_index index; // of `before`
    bool *has_service;      // of each file
};

#define NO_FILE    SIZE_MAX
#define NEEDS_NONE (SIZE_MAX - 1)

// From the last to the first: those of a key are found in their order.
static int make_index(struct matching *m)
{
    size_t n = m->n_before;

    for (size_t k = 0; k < m->n_before; k++)
        n += m->before[k]->n_listen;
    m->has_service = calloc(m->n_files + 1, sizeof(*m->has_service));
    if (!m->has_service || odp_index_init(&m->index, n) < 0)
        return -ENOMEM;
    for (size_t k = m->n_before; k > 0; k--) {
        const struct odp_config_service *s = m->before[k - 1];
        odp_index_add(&m->index, odp_index_key_of_text(KIND_NAME, s->name), k - 1);
        for (size_t i = 0; i < s->n_listen; i++)
            odp_index_add(&m->index, odp_address_key(KIND_LISTEN, &s->listen[i].address), k - 1);
    }
    return 0;
}

// The first service of that key that has no file yet, and shows the sign.
static size_t find_by_key(const struct matching *m, size_t sign, uint64_t key,
                          const struct odp_config_service *file)
{
    for (size_t e = odp_index_first(&m->index, key); e != ODP_INDEX_END;
         e = odp_index_next(&m->index, e)) {
        size_t k = m->index.entries[e].value;
        if (m->pairs[k] == NO_FILE && signs[sign].is_shown(m->before[k], file))
            return k;
    }
    return SIZE_MAX;
}

static size_t find_by(const struct matching *m, size_t sign, const struct odp_config_service *file)
{
    size_t first = SIZE_MAX;

    if (signs[sign].by_name)
        return find_by_key(m, sign, odp_index_key_of_text(KIND_NAME, file->name), file);
    for (size_t i = 0; i < file->n_listen; i++) {
        uint64_t key = odp_address_key(KIND_LISTEN, &file->listen[i].address);
        size_t k = find_by_key(m, sign, key, file);
        first = k < first ? k : first;
    }
    return first;
}

static int match(struct matching *m)
{
    int r = make_index(m);

    for (size_t i = 0; i < N_SIGNS && r == 0; i++) {
        for (size_t f = 0; f < m->n_files; f++) {
            size_t k = m->has_service[f] ? SIZE_MAX : find_by(m, i, m->files[f]);
            if (k == SIZE_MAX)
                continue;
            m->pairs[k] = f;
            m->has_service[f] = true;
        }
    }
    odp_index_deinit(&m->index);
    free(m->has_service);
    return r;
}

int odp_plan_pair(struct odp_config_service *const *before, size_t n_before,
                  struct odp_config_service *const *files, size_t n_files, size_t *ret)
{
    struct matching m = {
        .before = before, .files = files, .n_before = n_before, .n_files = n_files, .pairs = ret};

    for (size_t k = 0; k < n_before; k++)
        ret[k] = NO_FILE;
    return match(&m);
}

// The files that have found their service go to its item; in `files` NULL is left of them.
static int match_items(struct odp_config_service *const *before, size_t n_before,
                       struct odp_config *config, struct odp_plan *plan)
{
    struct matching m = {.before = before,
                         .files = config->services,
                         .n_before = n_before,
                         .n_files = config->n_services,
                         .pairs = calloc(n_before + 1, sizeof(size_t))};
    int r = m.pairs ? 0 : -ENOMEM;

    for (size_t k = 0; k < n_before && r == 0; k++)
        m.pairs[k] = plan->items[k].action == ODP_PLAN_FAULTY ? NEEDS_NONE : NO_FILE;
    if (r == 0)
        r = match(&m);
    for (size_t k = 0; k < n_before && r == 0; k++) {
        if (m.pairs[k] >= NEEDS_NONE)
            continue;
        plan->items[k].after = config->services[m.pairs[k]];
        config->services[m.pairs[k]] = NULL;
    }
    free(m.pairs);
    return r;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *sa = a, *const *sb = b;

    return strcmp(*sa, *sb);
}

static bool is_faulty(const struct odp_config *c, const char *name)
{
    return c->n_invalid > 0 &&
           bsearch(&name, c->invalid, c->n_invalid, sizeof(*c->invalid), compare_names);
}

static bool is_any_named(struct odp_config_service *const *before, size_t n_before,
                         const char *name)
{
    for (size_t i = 0; i < n_before; i++)
        if (strcmp(before[i]->name, name) == 0)
            return true;
    return false;
}

static bool listens_on(const struct odp_config_service *s, const struct odp_address *a)
{
    for (size_t i = 0; i < s->n_listen; i++)
        if (odp_address_equal(&s->listen[i].address, a))
            return true;
    return false;
}

// A service without a file: was it renamed to one that is faulty?
static void match_claims(struct odp_config_service *const *before, size_t n_before,
                         const struct odp_config *c, struct odp_plan_item *it)
{
    if (it->after || it->action == ODP_PLAN_FAULTY)
        return;
    for (size_t i = 0; i < c->n_claims; i++) {
        const struct odp_config_claim *claim = &c->claims[i];
        if (!listens_on(it->before, &claim->address) || is_any_named(before, n_before, claim->name))
            continue;
        it->action = ODP_PLAN_FAULTY;
        it->faulty_file = claim->file;
        return;
    }
}

static void judge(struct odp_plan_item *it)
{
    if (!it->after)
        return;
    it->renamed = !has_same_name(it->before, it->after);
    it->action =
        it->before->text_digest == it->after->text_digest ? ODP_PLAN_KEEP : ODP_PLAN_CHANGE;
}

int odp_plan_match(struct odp_config_service *const *before, size_t n_before,
                   struct odp_config *config, struct odp_plan *ret)
{
    size_t n_files = config->n_services;

    for (size_t i = 0; i < n_before; i++)
        ret->items[i] = (struct odp_plan_item){
            .action = is_faulty(config, before[i]->name) ? ODP_PLAN_FAULTY : ODP_PLAN_REMOVE,
            .before = before[i]};
    int r = match_items(before, n_before, config, ret);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n_before; i++) {
        match_claims(before, n_before, config, &ret->items[i]);
        judge(&ret->items[i]);
    }
    ret->n_items = n_before;
    for (size_t i = 0; i < n_files; i++)
        if (config->services[i])
            ret->items[ret->n_items++] =
                (struct odp_plan_item){.action = ODP_PLAN_ADD, .after = config->services[i]};
    config->n_services = 0;
    return 0;
}
