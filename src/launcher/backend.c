// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What all backends share: how one is made for a service and how it reports.

#include "odp/launcher/backend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "odp/launcher/reason.h"
#include "odp/launcher/seek.h"

typedef int new_fn(struct odp_backend_host *host, const struct odp_config_service *settings,
                   struct odp_backend **ret);

static new_fn *maker_of(const struct odp_backend_host *host, enum odp_backend_type type)
{
    switch (type) {
    case ODP_BACKEND_SYSTEMD: return odp_backend_systemd_new;
    case ODP_BACKEND_NONE: return odp_backend_none_new;
    case ODP_BACKEND_PROCESS:
        return host->uses_units ? odp_backend_made_new : odp_backend_process_new;
    case ODP_BACKEND_EXEC: return odp_backend_exec_new;
    case ODP_BACKEND_CONTAINER:
    case ODP_BACKEND_COMPOSE: return odp_backend_container_new;
    }
    return odp_backend_none_new;
}

int odp_backend_new(struct odp_backend_host *host, const struct odp_config_service *settings,
                    struct odp_backend **ret)
{
    // The kinds that may have left a process behind.
    static const enum odp_backend_type busy_types[] = {ODP_BACKEND_PROCESS, ODP_BACKEND_EXEC};

    // Units are found by their names, and the settings that made them are kept with them. Of
    // children, what runs of before may run on although the file now asks for something else: a
    // changed backend applies when the service is next stopped.
    for (size_t i = 0; i < sizeof(busy_types) / sizeof(busy_types[0]) && !host->uses_units; i++) {
        int r = maker_of(host, busy_types[i])(host, settings, ret);

        if (r < 0 || !(*ret)->vtable->is_idle(*ret))
            return r;
        odp_backend_free(*ret);
    }
    return maker_of(host, settings->backend)(host, settings, ret);
}

void odp_backend_free(struct odp_backend *b)
{
    if (b == NULL)
        return;
    odp_seek_free(b->seek);
    b->vtable->free(b);
}

void odp_backend_report(struct odp_backend *b, uint32_t id, enum odp_proto_state state,
                        const char *format, ...)
{
    struct odp_proto_message m = {.op = ODP_PROTO_REPORT, .state = state, .id = id};
    va_list args;

    memcpy(m.name, b->settings->name, sizeof m.name);
    va_start(args, format);
    odp_reason_vformat(m.reason, sizeof m.reason, format, args);
    va_end(args);
    b->host->on_report(b->host, &m);
    if (state == ODP_PROTO_RUNNING)
        odp_seek_on_running(b->seek);
}
