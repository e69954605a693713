// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which file belongs to which service; plan.h says by what. The surest signs are looked for first,
// over all files, so that a weak sign never takes a service from a file with a sure one.

#include <stdint.h>
#include <string.h>

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

typedef bool sign_fn(const struct odp_config_service *before,
                     const struct odp_config_service *after);

static sign_fn *const signs[] = {is_same, was_moved_whole, was_moved, was_moved_asleep,
                                 has_same_name};
#define N_SIGNS (sizeof(signs) / sizeof(signs[0]))

// The first service that nobody has, and that shows the sign.
static size_t find_by(sign_fn *sign, struct odp_config_service *const *before, size_t n_before,
                      const struct odp_config_service *file, const size_t *pairs)
{
    for (size_t k = 0; k < n_before; k++)
        if (pairs[k] == SIZE_MAX && sign(before[k], file))
            return k;
    return SIZE_MAX;
}

void odp_plan_pair(struct odp_config_service *const *before, size_t n_before,
                   struct odp_config_service *const *files, size_t n_files, size_t *ret)
{
    for (size_t k = 0; k < n_before; k++)
        ret[k] = SIZE_MAX;
    for (size_t i = 0; i < N_SIGNS; i++) {
        for (size_t f = 0; f < n_files; f++) {
            bool is_taken = false;
            for (size_t k = 0; k < n_before; k++)
                is_taken |= ret[k] == f;
            size_t found = is_taken ? SIZE_MAX : find_by(signs[i], before, n_before, files[f], ret);
            if (found != SIZE_MAX)
                ret[found] = f;
        }
    }
}

// `files` becomes NULL where one has found its service.
static void match_by(sign_fn *sign, size_t n_before, struct odp_config_service **files,
                     size_t n_files, struct odp_plan *plan)
{
    for (size_t i = 0; i < n_files; i++) {
        for (size_t k = 0; k < n_before && files[i]; k++) {
            struct odp_plan_item *it = &plan->items[k];
            if (it->after || it->action == ODP_PLAN_FAULTY || !sign(it->before, files[i]))
                continue;
            it->after = files[i];
            files[i] = NULL;
        }
    }
}

static bool is_faulty(const struct odp_config *c, const char *name)
{
    for (size_t i = 0; i < c->n_invalid; i++)
        if (strcmp(c->invalid[i], name) == 0)
            return true;
    return false;
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

void odp_plan_match(struct odp_config_service *const *before, size_t n_before,
                    struct odp_config *config, struct odp_plan *ret)
{
    size_t n_files = config->n_services;

    for (size_t i = 0; i < n_before; i++)
        ret->items[i] = (struct odp_plan_item){
            .action = is_faulty(config, before[i]->name) ? ODP_PLAN_FAULTY : ODP_PLAN_REMOVE,
            .before = before[i]};
    for (size_t i = 0; i < N_SIGNS; i++)
        match_by(signs[i], n_before, config->services, n_files, ret);
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
}
