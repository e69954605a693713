// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Renamed services: as odpd tells, or as the files tell of a rename that happened while no launcher
// was there.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch_internal.h"
#include "odp/base/log.h"
#include "odp/launcher/store.h"

#define BATCH_MAX 4096 // renames that come in a row; odpd has no more services

static const struct odp_rename *find_from(const struct odp_rename *renames, size_t n,
                                          const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(renames[i].from, name) == 0)
            return &renames[i];
    return NULL;
}

static bool is_taken(struct odp_dispatch *d, const struct odp_rename *renames, size_t n,
                     const char *name)
{
    bool taken = odp_dispatch_find(d, name);

    for (size_t i = 0; i < n; i++)
        taken |= strcmp(renames[i].to, name) == 0;
    return taken;
}

// What runs of a removed service keeps its record, but not its name.
static struct odp_rename park(struct odp_dispatch *d, const struct odp_rename *renames, size_t n,
                              const char *name)
{
    struct odp_rename r;
    unsigned k = 1;

    snprintf(r.from, sizeof(r.from), "%s", name);
    do
        snprintf(r.to, sizeof(r.to), "%.50s.was%u", name, k++);
    while (is_taken(d, renames, n, r.to));
    return r;
}

static void rename_objects(struct odp_dispatch *d, const struct odp_rename *renames, size_t n)
{
    for (size_t i = 0; i < d->n_services; i++) {
        struct odp_dispatch_service *s = &d->services[i];
        const struct odp_rename *r = find_from(renames, n, s->settings->name);
        if (r)
            odp_dispatch_service_rename(s, r->to);
    }
}

// Those of `renames` whose new name is another's: it goes, or gets another name, which is appended.
// Returns how many there are then.
static size_t make_room(struct odp_dispatch *d, struct odp_rename *renames, size_t n)
{
    size_t n_all = n;

    for (size_t i = 0; i < n; i++) {
        struct odp_dispatch_service *s = odp_dispatch_find(d, renames[i].to);
        if (find_from(renames, n, renames[i].to))
            continue;
        odp_store_remove(d->host->directory, renames[i].to, ODP_TEXT_OLD);
        if (!s)
            continue;
        if (odp_dispatch_service_is_idle(s)) {
            odp_dispatch_drop(d, s);
            continue;
        }
        d->has_forgotten = s->is_forgotten = true;
        renames[n_all] = park(d, renames, n_all, renames[i].to);
        n_all++;
    }
    return n_all;
}

void odp_dispatch_rename_all(struct odp_dispatch *d, const struct odp_rename *renames, size_t n)
{
    struct odp_rename *all = calloc(2 * n + 1, sizeof(*all));

    if (!all) {
        odp_log(ODP_LOG_ERR, NULL, "out of memory: services keep their old names");
        return;
    }
    memcpy(all, renames, n * sizeof(*all));
    n = make_room(d, all, n);
    for (size_t i = 0; i < n; i++) // asked under the old name, and answered under it
        odp_probes_end(&d->probes, all[i].from);
    for (size_t i = 0; i < d->n_services; i++) {
        struct odp_backend *b = d->services[i].backend;
        if (b->vtable->before_rename && find_from(all, n, d->services[i].settings->name))
            b->vtable->before_rename(b);
    }
    odp_rename_files(d->host->directory, all, n);
    rename_objects(d, all, n);
    free(all);
}

// ---- what odpd tells ---------------------------------------------------------------------------

static bool append(struct odp_dispatch *d, const struct odp_proto_message *request)
{
    struct odp_rename *renames =
        d->n_renames < BATCH_MAX ? reallocarray(d->renames, d->n_renames + 1, sizeof(*d->renames))
                                 : NULL;

    if (!renames)
        return false;
    d->renames = renames;
    snprintf(renames[d->n_renames].from, sizeof(renames->from), "%s", request->name);
    snprintf(renames[d->n_renames].to, sizeof(renames->to), "%.63s", request->reason);
    d->n_renames++;
    return true;
}

void odp_dispatch_take_rename(struct odp_dispatch *d, const struct odp_proto_message *request)
{
    struct odp_proto_message done = {
        .op = ODP_PROTO_REPORT, .state = ODP_PROTO_DONE, .id = request->id};

    if (!append(d, request))
        odp_log(ODP_LOG_ERR, request->name, "cannot be renamed: too many at once");
    if (request->digest > 0)
        return;
    odp_dispatch_rename_all(d, d->renames, d->n_renames);
    for (size_t i = 0; i < d->n_renames; i++) {
        memcpy(done.name, d->renames[i].to, sizeof(done.name));
        d->host->on_report(d->host, &done);
    }
    free(d->renames);
    d->renames = NULL;
    d->n_renames = 0;
}

// ---- what the files tell -----------------------------------------------------------------------

static struct odp_dispatch_move *find_move(struct odp_dispatch *d, const char *name, bool to)
{
    for (size_t i = 0; i < d->n_moves; i++) {
        struct odp_dispatch_move *m = &d->moves[i];
        if (!m->is_done && strcmp(to ? m->rename.to : m->rename.from, name) == 0)
            return m;
    }
    return NULL;
}

void odp_dispatch_follow(struct odp_dispatch *d, const struct odp_proto_message *request)
{
    const struct odp_dispatch_service *s = odp_dispatch_find(d, request->name);
    struct odp_dispatch_move *m = find_move(d, request->name, true);
    struct odp_rename *renames;
    size_t n = 0;

    if (!m || m->digest != request->digest ||
        (s && s->is_known && odp_dispatch_latest(s)->digest == request->digest))
        return;
    renames = calloc(d->n_moves, sizeof(*renames));
    if (!renames)
        return;
    // With it goes whoever has its new name, and so on; at the end of the chain, or round it.
    for (; m; m = find_move(d, m->rename.to, false)) {
        m->is_done = true;
        renames[n++] = m->rename;
    }
    odp_dispatch_rename_all(d, renames, n);
    free(renames);
}
