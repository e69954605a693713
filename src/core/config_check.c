// SPDX-License-Identifier: LGPL-2.1-or-later
//
// All files together: which services there are, and which of them want the same address. The file
// that comes later by name is the faulty one, so that adding a file never takes another down.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

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

// The later file is left out, and the earlier one says so.
static const char *outcome(const struct odp_config_service *s,
                           const struct odp_config_service *other)
{
    return strcmp(s->name, other->name) < 0 ? ", which is left out" : "";
}

static void add_clash(struct odp_config_faults *faults, const struct odp_config_service *s,
                      const struct odp_config_listen *l, const struct odp_config_service *other,
                      const struct odp_config_listen *o)
{
    if (odp_address_equal(&l->address, &o->address))
        odp_config_fault_add(faults, s->file, l->line, "listen %s is also that of %s (%s:%u)%s",
                             l->text, other->name, other->file, o->line, outcome(s, other));
    else
        odp_config_fault_add(faults, s->file, l->line, "listen %s %s %s of %s (%s:%u)%s", l->text,
                             relation(&l->address, &o->address), o->text, other->name, other->file,
                             o->line, outcome(s, other));
}

static void check_listen(const struct odp_config_service *s, const struct odp_config_listen *l,
                         const struct odp_config_service *before, struct odp_config_faults *faults)
{
    for (size_t i = 0; i < before->n_listen; i++) {
        const struct odp_config_listen *b = &before->listen[i];
        if (!clash(&l->address, &b->address))
            continue;
        add_clash(faults, s, l, before, b);
        add_clash(faults, before, b, s, l);
        return;
    }
}

static void check_target(const struct odp_config_service *s,
                         const struct odp_config_service *before, struct odp_config_faults *faults)
{
    if (!odp_address_equal(&s->target, &before->target))
        return;
    odp_config_fault_add(faults, s->file, s->target_line, "target %s is also that of %s (%s:%u)",
                         s->target_text, before->name, before->file, before->target_line);
    odp_config_fault_add(faults, before->file, before->target_line,
                         "target %s is also that of %s (%s:%u), which is left out",
                         before->target_text, s->name, s->file, s->target_line);
}

static void check_unit(const struct odp_config_service *s, const struct odp_config_name *unit,
                       const struct odp_config_service *before, struct odp_config_faults *faults)
{
    for (size_t i = 0; i < before->n_units; i++) {
        const struct odp_config_name *b = &before->units[i];
        if (strcmp(unit->text, b->text) != 0)
            continue;
        odp_config_fault_add(faults, s->file, unit->line, "unit %s is also that of %s (%s:%u)",
                             unit->text, before->name, before->file, b->line);
        odp_config_fault_add(faults, before->file, b->line,
                             "unit %s is also that of %s (%s:%u), which is left out", unit->text,
                             s->name, s->file, unit->line);
    }
}

// Two managers, two units of the same name.
static bool same_scope(const struct odp_config_service *a, const struct odp_config_service *b)
{
    return a->scope == b->scope || a->scope == ODP_SCOPE_DEFAULT || b->scope == ODP_SCOPE_DEFAULT;
}

static void check_pair(const struct odp_config_service *s, const struct odp_config_service *before,
                       struct odp_config_faults *faults)
{
    if (strcmp(s->name, before->name) == 0)
        odp_config_fault_add(faults, s->file, 1, "a service named %s is in %s already", s->name,
                             before->file);
    if (!s->enabled || !before->enabled)
        return;
    for (size_t i = 0; i < s->n_listen; i++)
        check_listen(s, &s->listen[i], before, faults);
    check_target(s, before, faults);
    for (size_t i = 0; i < s->n_units && same_scope(s, before); i++)
        check_unit(s, &s->units[i], before, faults);
}

static bool listens_on(const struct odp_config_service *s, const struct odp_address *target)
{
    for (size_t i = 0; i < s->n_listen; i++)
        if (is_own_target(&s->listen[i].address, target))
            return true;
    return false;
}

static const struct odp_config_service *find_listener(const struct odp_config *c, size_t n_kept,
                                                      const struct odp_address *target)
{
    for (size_t i = 0; i < n_kept; i++)
        if (c->services[i]->enabled && listens_on(c->services[i], target))
            return c->services[i];
    return NULL;
}

// A target may be another service's listen address, but not lead back to its own: the first
// connection would go round until the descriptors are spent. Only the new service can close a ring.
static void check_ring(struct odp_config *c, size_t n_kept, const struct odp_config_service *s)
{
    const struct odp_config_service *next =
        s->enabled ? find_listener(c, n_kept, &s->target) : NULL;

    for (size_t n = 0; next && n < n_kept; n++) {
        if (listens_on(s, &next->target)) {
            odp_config_fault_add(&c->faults, s->file, s->target_line,
                                 "target %s leads back to this service by way of %s (%s:%u)",
                                 s->target_text, next->name, next->file, next->target_line);
            return;
        }
        next = find_listener(c, n_kept, &next->target);
    }
}

// Against those that stay: a clash with a service that is itself refused would take down one that
// could well be served.
static void check_against_kept(struct odp_config *c)
{
    size_t n_kept = 0;

    for (size_t i = 0; i < c->n_services; i++) {
        struct odp_config_service *s = c->services[i];
        size_t n_faults = c->faults.n;
        for (size_t j = 0; j < n_kept; j++)
            check_pair(s, c->services[j], &c->faults);
        check_ring(c, n_kept, s);
        odp_config_check_requires(c, n_kept, s);
        if (c->faults.n == n_faults) {
            c->services[n_kept++] = s;
            continue;
        }
        if (odp_config_strv_add(&c->invalid, strdup(s->name)) < 0)
            c->faults.failed = true;
        else
            c->n_invalid++;
        odp_config_service_free(s);
    }
    c->n_services = n_kept;
}

static int compare_services(const void *a, const void *b)
{
    const struct odp_config_service *const *sa = a, *const *sb = b;
    int r = strcmp((*sa)->name, (*sb)->name);

    return r ? r : strcmp((*sa)->file, (*sb)->file);
}

static int compare_faults(const void *a, const void *b)
{
    const struct odp_config_fault *fa = a, *fb = b;
    int r = strcmp(fa->file, fb->file);

    if (r)
        return r;
    if (fa->line != fb->line)
        return fa->line < fb->line ? -1 : 1;
    return strcmp(fa->message, fb->message);
}

static int compare_strings(const void *a, const void *b)
{
    const char *const *sa = a, *const *sb = b;

    return strcmp(*sa, *sb);
}

static void refuse_file(const struct odp_file *f, struct odp_config_faults *faults)
{
    switch (-f->error) {
    case EISDIR: odp_config_fault_add(faults, f->path, 1, "this is a directory, not a file"); break;
    case EINVAL: odp_config_fault_add(faults, f->path, 1, "this is not a regular file"); break;
    case EFBIG:
        odp_config_fault_add(faults, f->path, 1, "the file is longer than %d bytes",
                             ODP_CONFIG_FILE_MAX);
        break;
    default:
        odp_config_fault_add(faults, f->path, 1, "the file cannot be read: %s",
                             strerror(-f->error));
    }
}

static int load_file(const struct odp_file *f, struct odp_config *c)
{
    struct odp_config_service *s = NULL;
    int r = ODP_CONFIG_E_FAULTY;

    if (f->error)
        refuse_file(f, &c->faults);
    else
        r = odp_config_service_parse(f->stem, f->path, f->text, f->n_bytes, &s, &c->faults);
    if (r == 0) {
        c->services[c->n_services++] = s;
    } else if (r == ODP_CONFIG_E_FAULTY) {
        r = odp_config_strv_add(&c->invalid, strdup(f->stem));
        c->n_invalid += r == 0;
    }
    return r;
}

static int add_file_name(struct odp_config *c, const char *stem)
{
    int r = odp_config_strv_add(&c->names, strdup(stem));

    c->n_names += r == 0;
    return r;
}

int odp_config_load(const struct odp_files *files, struct odp_config *ret)
{
    *ret = (struct odp_config){.services = calloc(files->n + 1, sizeof(*ret->services))};
    if (!ret->services)
        return -ENOMEM;
    for (size_t i = 0; i < files->n; i++) {
        int r = load_file(&files->items[i], ret);
        if (r >= 0)
            r = add_file_name(ret, files->items[i].stem);
        if (r < 0)
            return r;
    }
    if (ret->n_names > 0)
        qsort(ret->names, ret->n_names, sizeof(*ret->names), compare_strings);
    qsort(ret->services, ret->n_services, sizeof(*ret->services), compare_services);
    check_against_kept(ret);
    if (ret->n_invalid > 0)
        qsort(ret->invalid, ret->n_invalid, sizeof(*ret->invalid), compare_strings);
    if (ret->faults.n > 0)
        qsort(ret->faults.items, ret->faults.n, sizeof(*ret->faults.items), compare_faults);
    return ret->faults.failed ? -ENOMEM : 0;
}

void odp_config_deinit(struct odp_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_services; i++)
        odp_config_service_free(c->services[i]);
    free(c->services);
    odp_config_strv_free(c->invalid);
    odp_config_strv_free(c->names);
    odp_config_faults_deinit(&c->faults);
    *c = (struct odp_config){0};
}
