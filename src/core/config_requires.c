// SPDX-License-Identifier: LGPL-2.1-or-later
//
// [requires] service across all files: names that no file has, and services that require each
// other. A required service whose own file has faults is no fault here: it is told when it is
// needed.

#include <stdlib.h>
#include <string.h>

#include "config_near.h"

// A way through the services that are kept, each looked at once: many may require the same.
struct search {
    const struct odp_config *config;
    const struct odp_config_near *near;
    bool *seen; // owned, one for each kept service
};

// The entry of the `from`-th service that leads to `name`, by way of kept services or at once.
// NULL: none does.
static const struct odp_config_name *leads_to(struct search *x, size_t from, const char *name)
{
    const struct odp_config_service *s = x->config->services[from];

    x->seen[from] = true;
    for (size_t i = 0; i < s->n_required_services; i++) {
        const struct odp_config_name *entry = &s->required_services[i];
        size_t next = odp_config_near_named(x->near, entry->text);
        if (strcmp(entry->text, name) == 0)
            return entry;
        if (next != ODP_INDEX_END && !x->seen[next] && leads_to(x, next, name))
            return entry;
    }
    return NULL;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *sa = a, *const *sb = b;

    return strcmp(*sa, *sb);
}

static bool is_a_file(const struct odp_config *c, const char *name)
{
    return bsearch(&name, c->names, c->n_names, sizeof(*c->names), compare_names);
}

static void refuse_unknown(struct odp_config *c, const struct odp_config_service *s,
                           const struct odp_config_name *entry)
{
    const char *nearest = odp_nearest(entry->text, (const char *const *)c->names);

    if (nearest && strcmp(nearest, s->name) != 0)
        odp_config_fault_add(&c->faults, s->file, entry->line,
                             "[requires] service = %s: there is no such service: did you mean "
                             "`%s`?",
                             entry->text, nearest);
    else
        odp_config_fault_add(&c->faults, s->file, entry->line,
                             "[requires] service = %s: there is no such service, no file %s.ini",
                             entry->text, entry->text);
}

// `entry` closes a ring by way of `other`, whose entry `back` leads to s again.
static void refuse_ring(struct odp_config *c, const struct odp_config_service *s,
                        const struct odp_config_name *entry, const struct odp_config_service *other,
                        const struct odp_config_name *back)
{
    odp_config_fault_add(
        &c->faults, s->file, entry->line,
        "[requires] service = %s: %s requires %s (%s:%u): neither could ever start", entry->text,
        other->name, back->text, other->file, back->line);
    odp_config_fault_add(
        &c->faults, other->file, back->line,
        "[requires] service = %s: %s requires %s (%s:%u): neither could ever start", back->text,
        s->name, entry->text, s->file, entry->line);
}

void odp_config_check_requires(struct odp_config *c, const struct odp_config_near *near,
                               const struct odp_config_service *s)
{
    struct search x = {.config = c, .near = near};

    if (s->n_required_services == 0)
        return;
    x.seen = calloc(c->n_services + 1, sizeof(*x.seen));
    if (!x.seen) {
        c->faults.failed = true;
        return;
    }
    for (size_t i = 0; i < s->n_required_services; i++) {
        const struct odp_config_name *entry = &s->required_services[i], *back;
        size_t other = odp_config_near_named(near, entry->text);

        memset(x.seen, 0, c->n_services * sizeof(*x.seen));
        if (strcmp(entry->text, s->name) == 0)
            odp_config_fault_add(&c->faults, s->file, entry->line,
                                 "[requires] service = %s: a service cannot require itself",
                                 entry->text);
        else if (!is_a_file(c, entry->text))
            refuse_unknown(c, s, entry);
        else if (other != ODP_INDEX_END && (back = leads_to(&x, other, s->name)))
            refuse_ring(c, s, entry, c->services[other], back);
    }
    free(x.seen);
}
