// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The backend of a service that has nothing to start: odpd is a plain proxy for it, and it counts
// as running always.

#include <errno.h>
#include <stdlib.h>

#include "odp/launcher/backend.h"

static void none_look(struct odp_backend *b, uint32_t id)
{
    if (b->settings->backend == ODP_BACKEND_NONE)
        odp_backend_report(b, id, ODP_PROTO_RUNNING, "%s", "");
    else
        odp_backend_report(b, id, ODP_PROTO_FAILED, "backend type = %s is not built yet in odp %s",
                           odp_backend_type_to_string(b->settings->backend), ODP_VERSION);
}

static void none_stop(struct odp_backend *b, uint32_t id)
{
    odp_backend_report(b, id, ODP_PROTO_RUNNING, "nothing to stop: the service has no backend");
}

static bool none_is_idle(struct odp_backend *b)
{
    (void)b;
    return true;
}

static void none_free(struct odp_backend *b)
{
    free(b);
}

static const struct odp_backend_vtable none_vtable = {
    .type = ODP_BACKEND_NONE,
    .look = none_look,
    .start = none_look,
    .stop = none_stop,
    .is_idle = none_is_idle,
    .free = none_free,
};

int odp_backend_none_new(struct odp_backend_host *host, const struct odp_config_service *settings,
                         struct odp_backend **ret)
{
    struct odp_backend *b = malloc(sizeof *b);

    if (b == NULL)
        return -ENOMEM;
    *b = (struct odp_backend){.vtable = &none_vtable, .host = host, .settings = settings};
    *ret = b;
    return 0;
}
