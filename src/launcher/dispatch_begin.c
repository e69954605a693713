// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a launcher finds when it starts: texts that an earlier one has kept, files as they are now,
// and what runs. The kept texts are what odpd has loaded, and come first. The files may have been
// edited since, and odpd may or may not have followed them: its first requests tell.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch_internal.h"
#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/core/paths.h"
#include "odp/core/plan.h"
#include "odp/launcher/store.h"

static struct odp_config_service *parse(const struct odp_dispatch *d, const char *name,
                                        const char *text, size_t n_bytes)
{
    struct odp_config_service *settings = NULL;
    struct odp_config_faults faults = {0};
    char path[ODP_PATH_MAX];

    snprintf(path, sizeof(path), "%s/" ODP_CONFIG_SERVICES_DIR "/%s" ODP_CONFIG_SUFFIX, d->config,
             name);
    (void)odp_config_service_parse(name, path, text, n_bytes, &settings, &faults);
    odp_config_faults_deinit(&faults);
    return settings;
}

struct odp_config_service *odp_dispatch_stored(const struct odp_dispatch *d, const char *name,
                                               bool old)
{
    ODP_CLEANUP_FREE char *text = NULL;
    size_t n_bytes;
    int r = odp_store_read(d->host->directory, name, old ? ODP_TEXT_OLD : ODP_TEXT_LOADED, &text,
                           &n_bytes);

    return r == 0 ? parse(d, name, text, n_bytes) : NULL;
}

// ---- kept texts --------------------------------------------------------------------------------

// Of a service with a file all is kept, of one without what runs: else only the texts stay, for the
// case that odpd still serves it.
static int take_stored(struct odp_dispatch *d, const struct odp_files *files, const char *name)
{
    struct odp_config_service *loaded = odp_dispatch_stored(d, name, false);
    struct odp_config_service *old = odp_dispatch_stored(d, name, true);
    struct odp_dispatch_service *s;
    bool has_file = false;

    if (!loaded)
        odp_store_remove(d->host->directory, name, ODP_TEXT_LOADED); // an older odp's, or damaged
    if (!loaded && !old)
        return 0;
    int r = odp_dispatch_add(d, old ? old : loaded, NULL, 0, &s);
    if (r < 0) {
        odp_config_service_free(old ? loaded : NULL);
        return r;
    }
    s->is_known = loaded;
    s->next = old ? loaded : NULL;
    r = odp_dispatch_service_settle(s);
    for (size_t i = 0; i < files->n; i++)
        has_file |= strcmp(files->items[i].stem, name) == 0;
    if (has_file || !s->backend->vtable->is_idle(s->backend))
        return r;
    odp_dispatch_service_deinit(s);
    d->n_services--; // the last one
    return r;
}

static int take_all_stored(struct odp_dispatch *d, const struct odp_files *files)
{
    struct odp_files stored; // their names alone: what they say is asked for one by one
    int r = odp_files_read(d->host->directory, ".ini", 0, &stored);

    if (r < 0)
        return r == -ENOMEM ? r : 0;
    for (size_t i = 0; i < stored.n && r == 0; i++)
        if (odp_name_is_valid(stored.items[i].stem))
            r = take_stored(d, files, stored.items[i].stem);
    odp_files_deinit(&stored);
    return r;
}

// ---- files -------------------------------------------------------------------------------------

// odpd names the digest of what concerns the launcher. In the rest the kept text may be behind, and
// a later rename is told by the rest.
static void refresh(struct odp_dispatch_service *s, const struct odp_config_service *settings,
                    const struct odp_file *f)
{
    if (odp_dispatch_latest(s)->digest != settings->digest ||
        odp_dispatch_latest(s)->text_digest == settings->text_digest)
        return;
    free(s->text);
    s->text = strndup(f->text, f->n_bytes);
    s->n_text = s->text ? f->n_bytes : 0;
}

// No two files have one name: it is looked for among what was there before them.
static int take_file(struct odp_dispatch *d, size_t n_before, struct odp_file *f)
{
    struct odp_dispatch_service *s = odp_dispatch_find_among(d, n_before, f->stem);
    struct odp_config_service *settings = f->error ? NULL : parse(d, f->stem, f->text, f->n_bytes);

    if (s && settings)
        refresh(s, settings, f);
    if (s || !settings) {
        odp_config_service_free(settings);
        return 0;
    }
    char *text = f->text;
    f->text = NULL;
    return odp_dispatch_add(d, settings, text, f->n_bytes, &s);
}

// Which of the services that odpd had were renamed in the files meanwhile?
static int find_moves(struct odp_dispatch *d, const struct odp_files *files)
{
    struct odp_config_service **before = calloc(d->n_services + 1, sizeof(*before));
    struct odp_config config = {0};
    struct odp_plan plan = {0};
    size_t n = 0;
    int r = before ? odp_config_read(files, &config) : -ENOMEM;

    for (size_t i = 0; i < d->n_services && before; i++)
        if (d->services[i].is_known)
            before[n++] = d->services[i].next ? d->services[i].next : d->services[i].settings;
    if (r == 0)
        r = odp_plan_make(before, n, &config, &plan);
    d->moves = r == 0 ? calloc(plan.n_items + 1, sizeof(*d->moves)) : NULL;
    for (size_t i = 0; i < plan.n_items && d->moves; i++) {
        const struct odp_plan_item *it = &plan.items[i];
        if (!it->renamed)
            continue;
        struct odp_dispatch_move *m = &d->moves[d->n_moves++];
        memcpy(m->rename.from, it->before->name, sizeof(m->rename.from));
        memcpy(m->rename.to, it->after->name, sizeof(m->rename.to));
        m->digest = it->after->digest;
    }
    odp_plan_deinit(&plan);
    odp_config_deinit(&config);
    free(before);
    return r == 0 && !d->moves ? -ENOMEM : r;
}

int odp_dispatch_begin(struct odp_dispatch *d)
{
    struct odp_files files = {0};
    char path[ODP_PATH_MAX];

    odp_rename_finish(d->host->directory);
    snprintf(path, sizeof(path), "%s/" ODP_CONFIG_SERVICES_DIR, d->config);
    int r = odp_files_read(path, ODP_CONFIG_SUFFIX, ODP_CONFIG_FILE_MAX, &files);
    if (r < 0)
        odp_log(ODP_LOG_WARNING, NULL, "cannot read %s: %s", path, strerror(-r));
    if (r == -ENOMEM)
        return r;
    r = take_all_stored(d, &files);
    if (r == 0 && d->n_services > 0)
        r = find_moves(d, &files);
    size_t n_before = d->n_services;
    for (size_t i = 0; i < files.n && r == 0; i++)
        r = take_file(d, n_before, &files.items[i]);
    odp_files_deinit(&files);
    return r;
}
