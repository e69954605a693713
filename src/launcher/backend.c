// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What all backends share: how one is made for a service and how it reports.

#include "odp/launcher/backend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "odp/launcher/reason.h"

int odp_backend_new(struct odp_backend_host *host, const struct odp_config_service *settings,
                    struct odp_backend **ret)
{
    struct odp_backend *process;
    int r;

    // A process of before may run on although the file now asks for something else: a changed
    // backend applies when the service is next stopped.
    r = odp_backend_process_new(host, settings, &process);
    if (r < 0)
        return r;
    if (settings->backend == ODP_BACKEND_PROCESS || !process->vtable->is_idle(process)) {
        *ret = process;
        return 0;
    }
    odp_backend_free(process);
    return odp_backend_none_new(host, settings, ret);
}

void odp_backend_free(struct odp_backend *b)
{
    if (b != NULL)
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
}
