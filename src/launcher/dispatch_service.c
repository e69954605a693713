// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One service as the launcher keeps it. What runs goes on by the settings that it was started by:
// the command that stops it, the time it has for that. Other ones wait until nothing runs.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch_internal.h"
#include "odp/base/log.h"
#include "odp/launcher/seek.h"
#include "odp/launcher/store.h"

static const char *directory_of(const struct odp_dispatch_service *s)
{
    return s->backend->host->directory;
}

static void set_text(struct odp_dispatch_service *s, char *text, size_t n_text)
{
    free(s->text);
    s->text = text;
    s->n_text = n_text;
}

int odp_dispatch_service_init(struct odp_dispatch_service *s, struct odp_backend_host *host,
                              struct odp_config_service *settings, char *text, size_t n_text)
{
    *s = (struct odp_dispatch_service){.settings = settings, .text = text, .n_text = n_text};
    int r = odp_backend_new(host, settings, &s->backend);

    if (r < 0)
        odp_dispatch_service_deinit(s);
    return r;
}

void odp_dispatch_service_deinit(struct odp_dispatch_service *s)
{
    odp_requirements_free(s->requires);
    odp_backend_free(s->backend);
    odp_config_service_free(s->settings);
    odp_config_service_free(s->next);
    free(s->text);
    *s = (struct odp_dispatch_service){0};
}

bool odp_dispatch_service_is_idle(const struct odp_dispatch_service *s)
{
    return !odp_requirements_is_busy(s->requires) && s->backend->vtable->is_idle(s->backend);
}

const struct odp_config_service *odp_dispatch_latest(const struct odp_dispatch_service *s)
{
    return s->next ? s->next : s->settings;
}

// The same [backend]: whatever runs can go by them at once.
static void exchange(struct odp_dispatch_service *s, struct odp_config_service *settings)
{
    odp_config_service_free(s->next);
    s->next = NULL;
    s->backend->settings = settings;
    odp_config_service_free(s->settings);
    s->settings = settings;
    odp_store_remove(directory_of(s), settings->name, ODP_TEXT_OLD);
    if (s->backend->seek || settings->target.kind == ODP_ADDRESS_AUTO)
        odp_seek_look(s->backend);
}

// The text of what runs must not be lost to that of the next.
static void set_aside(struct odp_dispatch_service *s)
{
    if (s->next)
        return;
    if (s->text)
        odp_store_write(directory_of(s), s->settings->name, ODP_TEXT_OLD, s->text, s->n_text);
    else
        odp_store_set_aside(directory_of(s), s->settings->name);
}

void odp_dispatch_service_load(struct odp_dispatch_service *s, struct odp_config_service *settings,
                               char *text, size_t n_text)
{
    if (settings->backend_digest == s->settings->backend_digest) {
        exchange(s, settings);
    } else {
        set_aside(s);
        odp_config_service_free(s->next);
        s->next = settings;
    }
    set_text(s, text, n_text);
    odp_dispatch_service_confirm(s);
    (void)odp_dispatch_service_settle(s); // without memory the next request finds it to be done
}

void odp_dispatch_service_confirm(struct odp_dispatch_service *s)
{
    s->is_known = true;
    if (!s->text)
        return;
    odp_store_write(directory_of(s), s->settings->name, ODP_TEXT_LOADED, s->text, s->n_text);
    set_text(s, NULL, 0);
}

int odp_dispatch_service_settle(struct odp_dispatch_service *s)
{
    struct odp_backend *backend;

    if (!s->next || !odp_dispatch_service_is_idle(s))
        return 0;
    int r = odp_backend_new(s->backend->host, s->next, &backend);
    if (r < 0)
        return r;
    odp_log(ODP_LOG_DEBUG, s->next->name, "its new [backend] applies");
    odp_requirements_move(s->requires, backend);
    odp_backend_free(s->backend);
    s->backend = backend;
    odp_config_service_free(s->settings);
    s->settings = s->next;
    s->next = NULL;
    odp_store_remove(directory_of(s), s->settings->name, ODP_TEXT_OLD);
    return 0;
}

static void set_name(struct odp_config_service *settings, const char *name)
{
    if (settings)
        memcpy(settings->name, name, strlen(name) + 1);
}

void odp_dispatch_service_rename(struct odp_dispatch_service *s, const char *name)
{
    odp_log(ODP_LOG_INFO, s->settings->name, "is called %s from now on", name);
    set_name(s->settings, name);
    set_name(s->next, name);
    if (s->backend->vtable->rename)
        s->backend->vtable->rename(s->backend, name);
}
