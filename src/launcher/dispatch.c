// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From a request to a service to its backend. Owns the settings and the backends; knows nothing of
// how any backend works.

#include "odp/launcher/dispatch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"
#include "odp/core/paths.h"
#include "odp/launcher/reason.h"
#include "odp/launcher/requires.h"

struct odp_dispatch_service {
    struct odp_config_service *settings; // owned
    struct odp_backend *backend;         // owned
    struct odp_requirements *requires;   // owned; NULL where no start has needed it
};

__attribute__((format(printf, 4, 5))) static void refuse(struct odp_dispatch *d,
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

static struct odp_dispatch_service *find(struct odp_dispatch *d, const char *name)
{
    for (size_t i = 0; i < d->n_services; i++)
        if (strcmp(d->services[i].settings->name, name) == 0)
            return &d->services[i];
    return NULL;
}

// Takes the settings over where it succeeds.
static int add(struct odp_dispatch *d, struct odp_config_service *settings,
               struct odp_dispatch_service **ret)
{
    struct odp_dispatch_service *services =
        reallocarray(d->services, d->n_services + 1, sizeof(*services));
    struct odp_backend *backend;
    int r;

    if (!services)
        return -ENOMEM;
    d->services = services;
    r = odp_backend_new(d->host, settings, &backend);
    if (r < 0)
        return r;
    services[d->n_services] =
        (struct odp_dispatch_service){.settings = settings, .backend = backend};
    if (ret)
        *ret = &services[d->n_services];
    d->n_services++;
    return 0;
}

// Takes the settings over. What runs keeps those it was started with, as far as it needs them.
static void replace(struct odp_dispatch_service *service, struct odp_config_service *settings)
{
    service->backend->settings = settings;
    odp_config_service_free(service->settings);
    service->settings = settings;
}

// Reads the file of one service as it is now. Returns 0, ODP_CONFIG_E_FAULTY or a negative errno.
static int read_one(const struct odp_dispatch *d, const char *name, struct odp_config_service **ret)
{
    struct odp_config_faults faults = {0};
    ODP_CLEANUP_FREE char *text = NULL;
    char path[ODP_PATH_MAX];
    size_t n_bytes;
    int r;

    snprintf(path, sizeof(path), "%s/" ODP_CONFIG_SERVICES_DIR "/%s" ODP_CONFIG_SUFFIX, d->config,
             name);
    r = odp_file_read(path, ODP_CONFIG_FILE_MAX, &text, &n_bytes);
    if (r < 0)
        return r;
    r = odp_config_service_parse(name, path, text, n_bytes, ret, &faults);
    odp_config_faults_deinit(&faults);
    return r;
}

// The service under the settings that odpd means, or NULL and the request is answered.
static struct odp_dispatch_service *match(struct odp_dispatch *d,
                                          const struct odp_proto_message *request)
{
    struct odp_dispatch_service *service = find(d, request->name);
    struct odp_config_service *settings = NULL;
    int r;

    if (service && service->settings->digest == request->digest)
        return service;
    r = read_one(d, request->name, &settings);
    if (r == 0 && settings->digest == request->digest) {
        if (service)
            replace(service, settings);
        else
            r = add(d, settings, &service);
        if (r == 0)
            return service;
    }
    odp_config_service_free(settings);
    if (r == -ENOMEM)
        refuse(d, request, ODP_PROTO_STALE, "the launcher is out of memory");
    else if (r < 0 && !service)
        refuse(d, request, ODP_PROTO_FAILED, "there is no such service: cannot read %s.ini: %s",
               request->name, strerror(-r));
    else
        refuse(d, request, ODP_PROTO_STALE, "%s.ini is not what odpd has loaded: restart odpd",
               request->name);
    return NULL;
}

// A backend that ran what earlier settings asked for gives way, once idle, to the kind that the
// present ones ask for.
static int settle(struct odp_dispatch *d, struct odp_dispatch_service *service)
{
    struct odp_backend *backend;
    int r;

    if (service->backend->vtable->type == service->settings->backend ||
        odp_requirements_is_busy(service->requires) ||
        !service->backend->vtable->is_idle(service->backend))
        return 0;
    r = odp_backend_new(d->host, service->settings, &backend);
    if (r < 0)
        return r;
    odp_backend_free(service->backend);
    service->backend = backend;
    return 0;
}

static void call(struct odp_dispatch *d, struct odp_backend *b,
                 const struct odp_proto_message *request,
                 void (*verb)(struct odp_backend *b, uint32_t id))
{
    if (verb)
        verb(b, request->id);
    else
        refuse(d, request, ODP_PROTO_FAILED, "%s is not possible with backend type = %s",
               odp_proto_op_to_string(request->op), odp_backend_type_to_string(b->vtable->type));
}

void odp_dispatch_request(struct odp_dispatch *d, const struct odp_proto_message *request)
{
    struct odp_dispatch_service *service;
    const struct odp_backend_vtable *vtable;

    if (request->op == ODP_PROTO_REPORT) {
        odp_log(ODP_LOG_WARNING, request->name, "odpd sends a report: dropped");
        return;
    }
    service = match(d, request);
    if (!service)
        return;
    if (request->op == ODP_PROTO_PROBE) {
        odp_probes_request(&d->probes, service->settings, request->id);
        return;
    }
    if (request->op != ODP_PROTO_LOOK)
        odp_probes_end(&d->probes, request->name);
    if (settle(d, service) < 0) {
        refuse(d, request, ODP_PROTO_STALE, "the launcher is out of memory");
        return;
    }
    vtable = service->backend->vtable;
    switch (request->op) {
    case ODP_PROTO_LOOK: call(d, service->backend, request, vtable->look); break;
    case ODP_PROTO_START:
        odp_requirements_start(&service->requires, service->backend, request->id);
        break;
    case ODP_PROTO_STOP:
        odp_requirements_cancel(service->requires);
        call(d, service->backend, request, vtable->stop);
        break;
    case ODP_PROTO_FREEZE: call(d, service->backend, request, vtable->freeze); break;
    case ODP_PROTO_THAW: call(d, service->backend, request, vtable->thaw); break;
    case ODP_PROTO_PROBE:
    case ODP_PROTO_REPORT: break;
    }
}

// Faults are odpd's and `odp check`'s to tell; a service with a fault is not asked for.
static int take_over(struct odp_dispatch *d, const struct odp_files *files)
{
    struct odp_config config;
    int r = odp_config_load(files, &config);

    for (size_t i = 0; i < config.n_services && r == 0; i++) {
        r = add(d, config.services[i], NULL);
        if (r == 0)
            config.services[i] = NULL; // d's
    }
    odp_config_deinit(&config);
    return r;
}

int odp_dispatch_init(struct odp_dispatch *d, struct odp_backend_host *host, const char *config)
{
    struct odp_files files;
    char path[ODP_PATH_MAX];
    int r;

    *d = (struct odp_dispatch){.host = host, .config = config};
    odp_probes_init(&d->probes, host);
    snprintf(path, sizeof(path), "%s/" ODP_CONFIG_SERVICES_DIR, config);
    r = odp_files_read(path, ODP_CONFIG_SUFFIX, ODP_CONFIG_FILE_MAX, &files);
    if (r < 0) {
        odp_log(ODP_LOG_WARNING, NULL, "cannot read %s: %s", path, strerror(-r));
        return r == -ENOMEM ? r : 0;
    }
    r = take_over(d, &files);
    odp_files_deinit(&files);
    return r;
}

void odp_dispatch_deinit(struct odp_dispatch *d)
{
    odp_probes_deinit(&d->probes);
    for (size_t i = 0; i < d->n_services; i++) {
        odp_requirements_free(d->services[i].requires);
        odp_backend_free(d->services[i].backend);
        odp_config_service_free(d->services[i].settings);
    }
    free(d->services);
    *d = (struct odp_dispatch){0};
}
