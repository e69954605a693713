// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From a request to a service to its backend. Owns the settings and the backends; knows nothing of
// how any backend works.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch_internal.h"
#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/core/paths.h"
#include "odp/launcher/reason.h"
#include "odp/launcher/requires.h"
#include "odp/launcher/seek.h"
#include "odp/launcher/store.h"

__attribute__((format(printf, 4, 5))) static void answer(struct odp_dispatch *d,
                                                         const struct odp_proto_message *request,
                                                         enum odp_proto_state state,
                                                         const char *format, ...)
{
    struct odp_proto_message m = {.op = ODP_PROTO_REPORT, .state = state, .id = request->id};
    va_list args;

    memcpy(m.name, request->name, sizeof(m.name));
    va_start(args, format);
    odp_reason_vformat(m.reason, sizeof(m.reason), format, args);
    va_end(args);
    d->host->on_report(d->host, &m);
}

struct odp_dispatch_service *odp_dispatch_find_among(struct odp_dispatch *d, size_t n,
                                                     const char *name)
{
    for (size_t k = 0; k < n; k++) {
        size_t i = (d->last_found + k) % n;
        if (strcmp(d->services[i].settings->name, name) != 0)
            continue;
        d->last_found = i;
        return &d->services[i];
    }
    return NULL;
}

struct odp_dispatch_service *odp_dispatch_find(struct odp_dispatch *d, const char *name)
{
    return odp_dispatch_find_among(d, d->n_services, name);
}

int odp_dispatch_add(struct odp_dispatch *d, struct odp_config_service *settings, char *text,
                     size_t n_text, struct odp_dispatch_service **ret)
{
    struct odp_dispatch_service *services =
        reallocarray(d->services, d->n_services + 1, sizeof(*services));

    if (!services) {
        odp_config_service_free(settings);
        free(text);
        return -ENOMEM;
    }
    d->services = services;
    *ret = &services[d->n_services];
    int r = odp_dispatch_service_init(*ret, d->host, settings, text, n_text);
    d->n_services += r == 0;
    return r;
}

void odp_dispatch_drop(struct odp_dispatch *d, struct odp_dispatch_service *s)
{
    odp_store_remove(d->host->directory, s->settings->name, ODP_TEXT_LOADED);
    odp_store_remove(d->host->directory, s->settings->name, ODP_TEXT_OLD);
    odp_dispatch_service_deinit(s);
    *s = d->services[--d->n_services];
}

static void drop_forgotten(struct odp_dispatch *d)
{
    bool is_any_left = false;

    for (size_t i = d->has_forgotten ? d->n_services : 0; i > 0; i--) {
        struct odp_dispatch_service *s = &d->services[i - 1];
        if (s->is_forgotten && odp_dispatch_service_is_idle(s))
            odp_dispatch_drop(d, s);
        else
            is_any_left |= s->is_forgotten;
    }
    d->has_forgotten = is_any_left;
}

// ---- settings ----------------------------------------------------------------------------------

struct source {
    struct odp_config_service *settings; // NULL: it gives none
    char *text;
    size_t n_text;
    int error; // of the file
};

// The file as it is now.
static void read_file(const struct odp_dispatch *d, const char *name, struct source *ret)
{
    struct odp_config_faults faults = {0};
    char path[ODP_PATH_MAX];

    *ret = (struct source){0};
    snprintf(path, sizeof(path), "%s/" ODP_CONFIG_SERVICES_DIR "/%s" ODP_CONFIG_SUFFIX, d->config,
             name);
    ret->error = odp_file_read(path, ODP_CONFIG_FILE_MAX, &ret->text, &ret->n_text);
    if (ret->error == 0 && odp_config_service_parse(name, path, ret->text, ret->n_text,
                                                    &ret->settings, &faults) == -ENOMEM)
        ret->error = -ENOMEM;
    odp_config_faults_deinit(&faults);
}

static bool gives(const struct source *source, uint64_t digest)
{
    return source->settings && source->settings->digest == digest;
}

// What a source gives becomes the service's, which is made where there is none. The source is
// spent.
static int load(struct odp_dispatch *d, struct source *source, struct odp_dispatch_service **s)
{
    int r = 0;

    if (*s)
        odp_dispatch_service_load(*s, source->settings, source->text, source->n_text);
    else
        r = odp_dispatch_add(d, source->settings, source->text, source->n_text, s);
    *source = (struct source){0};
    return r;
}

static void refuse_unmatched(struct odp_dispatch *d, const struct odp_proto_message *request,
                             int error, bool is_known)
{
    if (error == -ENOMEM)
        answer(d, request, ODP_PROTO_STALE, "the launcher is out of memory");
    else if (error < 0 && !is_known)
        answer(d, request, ODP_PROTO_FAILED, "there is no such service: cannot read %s.ini: %s",
               request->name, strerror(-error));
    else
        answer(d, request, ODP_PROTO_STALE, "%s.ini is not what odpd has loaded: run odp reload",
               request->name);
}

// The service under the settings that odpd means, or NULL and the request is answered. The file
// comes first where odpd has just read it: its other settings may have changed as well.
static struct odp_dispatch_service *match(struct odp_dispatch *d,
                                          const struct odp_proto_message *request)
{
    bool is_load = request->op == ODP_PROTO_LOAD;
    struct odp_dispatch_service *s = odp_dispatch_find(d, request->name);
    bool is_at_hand = s && odp_dispatch_latest(s)->digest == request->digest;
    struct source source = {0};
    int r = 0, error = 0;

    if (!is_at_hand || is_load) {
        read_file(d, request->name, &source);
        error = source.error;
    }
    if (!gives(&source, request->digest) && !is_at_hand) {
        odp_config_service_free(source.settings);
        free(source.text);
        source = (struct source){.settings = odp_dispatch_stored(d, request->name, false)};
    }
    if (gives(&source, request->digest))
        r = load(d, &source, &s);
    else if (!is_at_hand)
        s = NULL;
    odp_config_service_free(source.settings);
    free(source.text);
    if (!s || r < 0) {
        refuse_unmatched(d, request, r < 0 ? r : error, odp_dispatch_find(d, request->name));
        return NULL;
    }
    s->is_forgotten = false;
    odp_dispatch_service_confirm(s);
    return s;
}

// ---- requests ----------------------------------------------------------------------------------

static void call(struct odp_dispatch *d, struct odp_backend *b,
                 const struct odp_proto_message *request,
                 void (*verb)(struct odp_backend *b, uint32_t id))
{
    if (verb)
        verb(b, request->id);
    else
        answer(d, request, ODP_PROTO_FAILED, "%s is not possible with backend type = %s",
               odp_proto_op_to_string(request->op), odp_backend_type_to_string(b->vtable->type));
}

static void carry_out(struct odp_dispatch *d, struct odp_dispatch_service *s,
                      const struct odp_proto_message *request)
{
    struct odp_backend *b = s->backend;
    const struct odp_backend_vtable *vtable = b->vtable;

    if (request->op >= ODP_PROTO_START && request->op <= ODP_PROTO_THAW)
        odp_probes_end(&d->probes, request->name);
    switch (request->op) {
    case ODP_PROTO_LOOK:
        odp_seek_look(b);
        call(d, b, request, vtable->look);
        break;
    case ODP_PROTO_START:
        odp_seek_follow(b);
        odp_requirements_start(&s->requires, b, request->id);
        break;
    case ODP_PROTO_STOP:
        odp_requirements_cancel(s->requires);
        call(d, b, request, vtable->stop);
        break;
    // How it is asked may change while it runs.
    case ODP_PROTO_PROBE:
        odp_probes_request(&d->probes, odp_dispatch_latest(s), b, request->id);
        break;
    case ODP_PROTO_FREEZE: call(d, b, request, vtable->freeze); break;
    case ODP_PROTO_THAW: call(d, b, request, vtable->thaw); break;
    case ODP_PROTO_LOCATE:
        if (vtable->locate)
            vtable->locate(b, request->id);
        else
            answer(d, request, ODP_PROTO_NOWHERE, "what runs has no control group of its own");
        break;
    case ODP_PROTO_LOAD: answer(d, request, ODP_PROTO_DONE, "%s", ""); break;
    case ODP_PROTO_REPORT: // these never come here
    case ODP_PROTO_LEAVE:
    case ODP_PROTO_RENAME:
    case ODP_PROTO_FORGET: break;
    }
}

static void forget(struct odp_dispatch *d, const struct odp_proto_message *request)
{
    struct odp_dispatch_service *s = odp_dispatch_find(d, request->name);

    if (s)
        d->has_forgotten = s->is_forgotten = true;
    else
        odp_store_remove(d->host->directory, request->name, ODP_TEXT_LOADED);
    drop_forgotten(d);
    answer(d, request, ODP_PROTO_DONE, "%s", "");
}

void odp_dispatch_request(struct odp_dispatch *d, const struct odp_proto_message *request)
{
    struct odp_dispatch_service *service;

    drop_forgotten(d);
    if (request->op == ODP_PROTO_REPORT || request->op == ODP_PROTO_LEAVE) {
        odp_log(ODP_LOG_WARNING, NULL, "odpd sends what only a launcher says: dropped");
    } else if (request->op == ODP_PROTO_RENAME) {
        odp_dispatch_take_rename(d, request);
    } else if (request->op == ODP_PROTO_FORGET) {
        forget(d, request);
    } else {
        odp_dispatch_follow(d, request);
        service = match(d, request);
        if (service && odp_dispatch_service_settle(service) < 0)
            answer(d, request, ODP_PROTO_STALE, "the launcher is out of memory");
        else if (service)
            carry_out(d, service, request);
    }
}

bool odp_dispatch_is_needed(const struct odp_dispatch *d)
{
    if (!odp_list_empty(&d->probes.running))
        return true;
    for (size_t i = 0; i < d->n_services; i++) {
        const struct odp_dispatch_service *s = &d->services[i];
        if ((s->backend->vtable->is_watched && s->settings->enabled) ||
            !odp_dispatch_service_is_idle(s))
            return true;
    }
    return d->n_renames > 0;
}

int odp_dispatch_init(struct odp_dispatch *d, struct odp_backend_host *host, const char *config)
{
    *d = (struct odp_dispatch){.host = host, .config = config};
    odp_probes_init(&d->probes, host);
    return odp_dispatch_begin(d);
}

void odp_dispatch_deinit(struct odp_dispatch *d)
{
    odp_probes_deinit(&d->probes);
    for (size_t i = 0; i < d->n_services; i++)
        odp_dispatch_service_deinit(&d->services[i]);
    free(d->services);
    free(d->renames);
    free(d->moves);
    *d = (struct odp_dispatch){0};
}
