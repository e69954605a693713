// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From two sets of services to a plan, in two steps: which file belongs to which service
// (plan_match.c), and which of the files can be followed without taking something from a service
// that keeps it. The second is here.
//
// Services are let in one by one, those first whose files have not changed. One that cannot be let
// in falls back to what it was; what it then still has, others cannot get, so that they may fall
// back in turn. Each falls back once at most.

#include "odp/core/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_near.h"
#include "plan_internal.h"

struct planner {
    struct odp_plan *plan;
    // Its services are those in force so far: an item's `after`, or the `before` that stays.
    struct odp_config *config;
    size_t *owners; // owned; the item of each of them
    struct odp_config_near near;
    bool has_refused;
};

// ---- who clashes with whom ---------------------------------------------------------------------

static size_t count_clashes(const struct odp_config_service *a, const struct odp_config_service *b)
{
    struct odp_config_faults faults = {0};

    odp_config_check_pair(a, b, true, &faults);
    size_t n = faults.n + faults.failed;
    odp_config_faults_deinit(&faults);
    return n;
}

// What they want apart from the name.
static bool contend(const struct odp_config_service *a, const struct odp_config_service *b)
{
    return a && b && count_clashes(a, b) > (strcmp(a->name, b->name) == 0);
}

// `a` had before what `b` wants now, and not the other way round.
static bool is_senior(const struct odp_plan_item *a, const struct odp_plan_item *b)
{
    return contend(a->before, b->after) && !contend(b->before, a->after);
}

// ---- letting in --------------------------------------------------------------------------------

static void let_in(struct planner *p, size_t item, struct odp_config_service *s)
{
    odp_config_near_let_in(&p->near, item, p->config->n_services, s);
    p->owners[p->config->n_services] = item;
    p->config->services[p->config->n_services++] = s;
}

static void put_out(struct planner *p, size_t item)
{
    struct odp_config *c = p->config;
    size_t i = p->near.positions[item];

    if (i == ODP_INDEX_END)
        return;
    c->n_services--;
    c->services[i] = c->services[c->n_services];
    p->owners[i] = p->owners[c->n_services];
    odp_config_near_move(&p->near, p->owners[i], i);
    odp_config_near_move(&p->near, item, ODP_INDEX_END);
}

// True where the i-th of those in force is there by what its file says now.
static bool is_new(const struct planner *p, size_t i)
{
    return p->config->services[i] == p->plan->items[p->owners[i]].after;
}

// The item's file is not followed; why has been said. What it was before comes first now.
static void refuse(struct planner *p, size_t item)
{
    struct odp_plan_item *it = &p->plan->items[item];
    struct odp_config *c = p->config;

    it->action = ODP_PLAN_FAULTY;
    it->renamed = false;
    p->has_refused = true;
    if (odp_config_strv_add(&c->invalid, strdup(it->after->name)) < 0)
        c->faults.failed = true;
    else
        c->n_invalid++;
    put_out(p, item);
    if (!it->before)
        return;
    odp_config_near_find(&p->near, it->before);
    for (size_t k = 0; k < p->near.n_found;) {
        size_t i = p->near.found[k++];
        if (!is_new(p, i) || count_clashes(c->services[i], it->before) == 0)
            continue;
        odp_config_check_pair(c->services[i], it->before, true, &c->faults);
        refuse(p, p->owners[i]);
        odp_config_near_find(&p->near, it->before); // some that stood before it may have gone
        k = 0;
    }
    let_in(p, item, it->before);
}

// Those who have to give way to the item do so. Returns whether it has to give way itself.
static bool contest(struct planner *p, size_t item)
{
    struct odp_plan_item *it = &p->plan->items[item];
    struct odp_config *c = p->config;
    bool yields = false;

    odp_config_near_find(&p->near, it->after);
    for (size_t k = 0; k < p->near.n_found;) {
        size_t i = p->near.found[k++];
        const struct odp_plan_item *other = &p->plan->items[p->owners[i]];
        if (count_clashes(it->after, c->services[i]) == 0)
            continue;
        yields = true;
        if (!is_new(p, i) || !is_senior(it, other))
            continue;
        odp_config_check_pair(c->services[i], it->after, false, &c->faults);
        refuse(p, p->owners[i]);
        odp_config_near_find(&p->near, it->after);
        yields = false;
        k = 0;
    }
    return yields;
}

static void admit(struct planner *p, size_t item)
{
    struct odp_config_service *s = p->plan->items[item].after;
    struct odp_config *c = p->config;
    bool yields = contest(p, item);
    size_t n_faults = c->faults.n;

    for (size_t k = 0; k < p->near.n_found && yields; k++) {
        size_t i = p->near.found[k];
        odp_config_check_pair(s, c->services[i], !is_new(p, i), &c->faults);
    }
    odp_config_check_set(c, &p->near, s);
    if (yields || c->faults.n > n_faults)
        refuse(p, item);
    else
        let_in(p, item, s);
}

// Rings are looked for as each is let in; a later fallback may close one nevertheless.
static bool refuse_ring(struct planner *p)
{
    struct odp_config *c = p->config;

    for (size_t i = 0; i < c->n_services; i++) {
        size_t n_faults = c->faults.n;
        if (!is_new(p, i) || p->plan->items[p->owners[i]].action == ODP_PLAN_KEEP)
            continue;
        odp_config_check_set(c, &p->near, c->services[i]);
        if (c->faults.n > n_faults) {
            refuse(p, p->owners[i]);
            return true;
        }
    }
    return false;
}

// What has not changed at all clashes with nothing that is there already.
static int turn_of(const struct odp_plan_item *it)
{
    switch (it->action) {
    case ODP_PLAN_KEEP: return it->renamed ? 1 : 0;
    case ODP_PLAN_CHANGE: return 1;
    case ODP_PLAN_ADD: return 2;
    case ODP_PLAN_REMOVE:
    case ODP_PLAN_FAULTY: break;
    }
    return -1;
}

static void admit_all(struct planner *p)
{
    struct odp_plan *plan = p->plan;

    for (size_t i = 0; i < plan->n_items; i++)
        if (plan->items[i].action == ODP_PLAN_FAULTY)
            let_in(p, i, plan->items[i].before);
    for (int turn = 0; turn <= 2; turn++)
        for (size_t i = 0; i < plan->n_items; i++)
            if (turn_of(&plan->items[i]) == turn)
                admit(p, i);
    while (p->has_refused && refuse_ring(p))
        continue;
}

// ---- the plan ----------------------------------------------------------------------------------

// Each is in force once at most by its file, and once by what it was before.
static size_t count_entries(struct odp_config_service *const *before, size_t n_before,
                            const struct odp_config *config)
{
    size_t n = 0;

    for (size_t i = 0; i < n_before; i++)
        n += odp_config_near_need(before[i]);
    for (size_t i = 0; i < config->n_services; i++)
        n += odp_config_near_need(config->services[i]);
    return n;
}

int odp_plan_make(struct odp_config_service *const *before, size_t n_before,
                  struct odp_config *config, struct odp_plan *ret)
{
    struct planner p = {.plan = ret, .config = config};
    size_t n_most = n_before + config->n_services + 1;
    struct odp_config_service **services;
    int r;

    *ret = (struct odp_plan){.items = calloc(n_most, sizeof(*ret->items))};
    p.owners = calloc(n_most, sizeof(*p.owners));
    services = reallocarray(config->services, n_most, sizeof(*services));
    if (services)
        config->services = services;
    r = ret->items && p.owners && services ? 0 : -ENOMEM;
    if (r == 0)
        r = odp_config_near_init(&p.near, config, n_most, count_entries(before, n_before, config));
    if (r == 0)
        r = odp_plan_match(before, n_before, config, ret);
    if (r == 0) {
        admit_all(&p);
        config->n_services = 0; // they are the plan's, or the caller's
        odp_config_sort(config);
        r = config->faults.failed ? -ENOMEM : 0;
    }
    odp_config_near_deinit(&p.near);
    free(p.owners);
    return r;
}

struct odp_config_service *odp_plan_take(struct odp_plan_item *item)
{
    struct odp_config_service *taken = item->after;

    item->after = NULL;
    return taken;
}

void odp_plan_deinit(struct odp_plan *plan)
{
    for (size_t i = 0; i < plan->n_items; i++)
        odp_config_service_free(plan->items[i].after);
    free(plan->items);
    *plan = (struct odp_plan){0};
}

const char *odp_plan_action_to_string(enum odp_plan_action a)
{
    switch (a) {
    case ODP_PLAN_KEEP: return "keep";
    case ODP_PLAN_CHANGE: return "change";
    case ODP_PLAN_ADD: return "add";
    case ODP_PLAN_REMOVE: return "remove";
    case ODP_PLAN_FAULTY: return "faulty";
    }
    return "unknown";
}
