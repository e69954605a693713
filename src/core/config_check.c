// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Services against each other: which of them want the same thing, and whose targets go round. Says
// what is wrong; which of two is refused is core/plan's to decide.

#include <stdio.h>
#include <string.h>

#include "config_near.h"

#define WHAT_MAX 640 // bytes of half a message; names in it are far shorter

static bool clash(const struct odp_address *a, const struct odp_address *b)
{
    return odp_address_covers(a, b) || odp_address_covers(b, a);
}

static const char *relation(const struct odp_address *a, const struct odp_address *before)
{
    return odp_address_covers(before, a) ? "is already covered by" : "covers";
}

static void fault_in_file(struct odp_config_parse *p, const struct odp_config_listen *l,
                          const struct odp_config_listen *before)
{
    if (odp_address_equal(&l->address, &before->address))
        odp_config_parse_fault(p, l->line, "listen %s stands in line %u already", l->text,
                               before->line);
    else
        odp_config_parse_fault(p, l->line, "listen %s %s %s in line %u", l->text,
                               relation(&l->address, &before->address), before->text, before->line);
}

// A wildcard takes its own target only where that is surely this machine: another host may well
// serve the same port.
static bool is_own_target(const struct odp_address *listen, const struct odp_address *target)
{
    return odp_address_equal(listen, target) ||
           (odp_address_is_loopback(target) && odp_address_covers(listen, target));
}

void odp_config_check_addresses(struct odp_config_parse *p)
{
    const struct odp_config_service *s = p->service;

    for (size_t i = 0; i < s->n_listen; i++) {
        const struct odp_config_listen *l = &s->listen[i];
        for (size_t j = 0; j < i; j++) {
            if (clash(&l->address, &s->listen[j].address)) {
                fault_in_file(p, l, &s->listen[j]);
                break;
            }
        }
        if (s->target_text && is_own_target(&l->address, &s->target))
            odp_config_parse_fault(p, l->line,
                                   "listen %s covers its own target %s: the service needs a port "
                                   "of its own",
                                   l->text, s->target_text);
    }
}

// Two enabled services that want the same thing: `s` does not get it.
struct pair {
    const struct odp_config_service *s, *other;
    bool other_stays;
    struct odp_config_faults *faults;
};

// `what` and `other_what` are said of the one and of the other; a name follows.
static void add_clash(const struct pair *p, unsigned line, const char *what, unsigned other_line,
                      const char *other_what)
{
    const struct odp_config_service *s = p->s, *other = p->other;

    if (p->other_stays) {
        odp_config_fault_add(p->faults, s->file, line,
                             "%s %s, which is served as before: its file %s has a fault", what,
                             other->name, other->file);
        return;
    }
    odp_config_fault_add(p->faults, s->file, line, "%s %s (%s:%u)", what, other->name, other->file,
                         other_line);
    odp_config_fault_add(p->faults, other->file, other_line, "%s %s (%s:%u), which is left out",
                         other_what, s->name, s->file, line);
}

static void say_listen(char *ret, const struct odp_config_listen *l,
                       const struct odp_config_listen *other)
{
    if (odp_address_equal(&l->address, &other->address))
        snprintf(ret, WHAT_MAX, "listen %s is also that of", l->text);
    else
        snprintf(ret, WHAT_MAX, "listen %s %s %s of", l->text,
                 relation(&l->address, &other->address), other->text);
}

static void check_listen(const struct pair *p, const struct odp_config_listen *l)
{
    char what[WHAT_MAX], other_what[WHAT_MAX];

    for (size_t i = 0; i < p->other->n_listen; i++) {
        const struct odp_config_listen *o = &p->other->listen[i];
        if (!clash(&l->address, &o->address))
            continue;
        say_listen(what, l, o);
        say_listen(other_what, o, l);
        add_clash(p, l->line, what, o->line, other_what);
        return;
    }
}

static void check_target(const struct pair *p)
{
    const struct odp_config_service *s = p->s, *other = p->other;
    char what[WHAT_MAX], other_what[WHAT_MAX];

    if (s->target.kind == ODP_ADDRESS_AUTO || !odp_address_equal(&s->target, &other->target))
        return;
    snprintf(what, sizeof(what), "target %s is also that of", s->target_text);
    snprintf(other_what, sizeof(other_what), "target %s is also that of", other->target_text);
    add_clash(p, s->target_line, what, other->target_line, other_what);
}

static void check_unit(const struct pair *p, const struct odp_config_name *unit)
{
    char what[WHAT_MAX];

    for (size_t i = 0; i < p->other->n_units; i++) {
        const struct odp_config_name *o = &p->other->units[i];
        if (strcmp(unit->text, o->text) != 0)
            continue;
        snprintf(what, sizeof(what), "unit %s is also that of", unit->text);
        add_clash(p, unit->line, what, o->line, what);
    }
}

// Docker's and Podman's may have the same name.
static bool same_engine(const struct odp_config_service *a, const struct odp_config_service *b)
{
    if (a->engine_socket && b->engine_socket)
        return strcmp(a->engine_socket, b->engine_socket) == 0;
    return a->engine == b->engine || a->engine == ODP_ENGINE_DEFAULT ||
           b->engine == ODP_ENGINE_DEFAULT;
}

static void check_container(const struct pair *p, const struct odp_config_name *container)
{
    char what[WHAT_MAX];

    for (size_t i = 0; i < p->other->n_containers; i++) {
        const struct odp_config_name *o = &p->other->containers[i];
        if (strcmp(container->text, o->text) != 0)
            continue;
        snprintf(what, sizeof(what), "container %s is also that of", container->text);
        add_clash(p, container->line, what, o->line, what);
    }
}

static void check_project(const struct pair *p)
{
    const struct odp_config_name *own = &p->s->project, *other = &p->other->project;
    char what[WHAT_MAX];

    if (!own->text || !other->text || strcmp(own->text, other->text) != 0)
        return;
    snprintf(what, sizeof(what), "project %s is also that of", own->text);
    add_clash(p, own->line, what, other->line, what);
}

// Two managers, two units of the same name.
static bool same_scope(const struct odp_config_service *a, const struct odp_config_service *b)
{
    return a->scope == b->scope || a->scope == ODP_SCOPE_DEFAULT || b->scope == ODP_SCOPE_DEFAULT;
}

void odp_config_check_pair(const struct odp_config_service *s,
                           const struct odp_config_service *other, bool other_stays,
                           struct odp_config_faults *faults)
{
    const struct pair p = {.s = s, .other = other, .other_stays = other_stays, .faults = faults};

    if (strcmp(s->name, other->name) == 0)
        odp_config_fault_add(faults, s->file, 1, "a service named %s is in %s already", s->name,
                             other->file);
    if (!s->enabled || !other->enabled)
        return;
    for (size_t i = 0; i < s->n_listen; i++)
        check_listen(&p, &s->listen[i]);
    check_target(&p);
    for (size_t i = 0; i < s->n_units && same_scope(s, other); i++)
        check_unit(&p, &s->units[i]);
    for (size_t i = 0; i < s->n_containers && same_engine(s, other); i++)
        check_container(&p, &s->containers[i]);
    if (same_engine(s, other))
        check_project(&p);
}

bool odp_config_leads_back(const struct odp_config_service *s, const struct odp_address *target)
{
    for (size_t i = 0; i < s->n_listen; i++)
        if (is_own_target(&s->listen[i].address, target))
            return true;
    return false;
}

static const struct odp_config_service *find_listener(const struct odp_config_near *x,
                                                      const struct odp_address *target)
{
    size_t i = odp_config_near_listening(x, target, odp_config_leads_back);

    return i == ODP_INDEX_END ? NULL : x->config->services[i];
}

// A target may be another service's listen address, but not lead back to its own: the first
// connection would go round until the descriptors are spent. Only the new service can close a ring.
static void check_ring(struct odp_config *c, const struct odp_config_near *x,
                       const struct odp_config_service *s)
{
    const struct odp_config_service *next = s->enabled ? find_listener(x, &s->target) : NULL;

    for (size_t n = 0; next && n < c->n_services; n++) {
        if (odp_config_leads_back(s, &next->target)) {
            odp_config_fault_add(&c->faults, s->file, s->target_line,
                                 "target %s leads back to this service by way of %s (%s:%u)",
                                 s->target_text, next->name, next->file, next->target_line);
            return;
        }
        next = find_listener(x, &next->target);
    }
}

void odp_config_check_set(struct odp_config *c, const struct odp_config_near *near,
                          const struct odp_config_service *s)
{
    check_ring(c, near, s);
    odp_config_check_requires(c, near, s);
}
