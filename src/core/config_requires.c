// SPDX-License-Identifier: LGPL-2.1-or-later
//
// [requires] service across all files: names that no file has, and services that require each
// other. A required service whose own file has faults is no fault here: it is told when it is
// needed.

#include <string.h>

#include "config_internal.h"

static const struct odp_config_service *find(const struct odp_config *c, size_t n_kept,
                                             const char *name)
{
    for (size_t i = 0; i < n_kept; i++)
        if (strcmp(c->services[i]->name, name) == 0)
            return c->services[i];
    return NULL;
}

// The entry of `from` that leads to `name`, by way of kept services or at once. NULL: none does.
// Those that are kept have no ring among themselves, so `depth` only bounds the work.
static const struct odp_config_name *leads_to(const struct odp_config *c, size_t n_kept,
                                              const struct odp_config_service *from,
                                              const char *name, size_t depth)
{
    for (size_t i = 0; i < from->n_required_services; i++) {
        const struct odp_config_name *entry = &from->required_services[i];
        const struct odp_config_service *next = find(c, n_kept, entry->text);
        if (strcmp(entry->text, name) == 0)
            return entry;
        if (next && depth > 0 && leads_to(c, n_kept, next, name, depth - 1))
            return entry;
    }
    return NULL;
}

static bool is_a_file(const struct odp_config *c, const char *name)
{
    for (size_t i = 0; i < c->n_names; i++)
        if (strcmp(c->names[i], name) == 0)
            return true;
    return false;
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

void odp_config_check_requires(struct odp_config *c, size_t n_kept,
                               const struct odp_config_service *s)
{
    for (size_t i = 0; i < s->n_required_services; i++) {
        const struct odp_config_name *entry = &s->required_services[i], *back;
        const struct odp_config_service *other = find(c, n_kept, entry->text);

        if (strcmp(entry->text, s->name) == 0) {
            odp_config_fault_add(&c->faults, s->file, entry->line,
                                 "[requires] service = %s: a service cannot require itself",
                                 entry->text);
        } else if (!is_a_file(c, entry->text)) {
            refuse_unknown(c, s, entry);
        } else if (other && (back = leads_to(c, n_kept, other, s->name, n_kept))) {
            odp_config_fault_add(&c->faults, s->file, entry->line,
                                 "[requires] service = %s: %s requires %s (%s:%u): neither could "
                                 "ever start",
                                 entry->text, other->name, back->text, other->file, back->line);
            odp_config_fault_add(&c->faults, other->file, back->line,
                                 "[requires] service = %s: %s requires %s (%s:%u): neither could "
                                 "ever start",
                                 back->text, s->name, entry->text, s->file, entry->line);
        }
    }
}
