// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Answers to questions for control groups; see the header.

#include "odp/launcher/locate.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/cgroup.h"
#include "odp/base/log.h"
#include "odp/launcher/reason.h"

void odp_locate_begin(struct odp_locate *l, struct odp_backend *b, uint32_t id)
{
    *l = (struct odp_locate){.backend = b, .id = id};
}

void odp_locate_miss(struct odp_locate *l, const char *format, ...)
{
    va_list args;

    if (l->why[0])
        return;
    va_start(args, format);
    odp_reason_vformat(l->why, sizeof(l->why), format, args);
    va_end(args);
}

void odp_locate_fail(struct odp_locate *l, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    odp_reason_vformat(l->why, sizeof(l->why), format, args);
    va_end(args);
    l->is_unknown = true;
    odp_log(ODP_LOG_NOTICE, l->backend->settings->name, "its memory is not known: %s", l->why);
}

void odp_locate_add(struct odp_locate *l, const char *path)
{
    char **paths;

    if (!odp_cgroup_path_is_sound(path) || strlen(path) > ODP_REASON_MAX) {
        odp_locate_miss(l, "its control group has a path that odp does not take");
        return;
    }
    paths = reallocarray(l->paths, l->n_paths + 1, sizeof(*paths));
    if (paths)
        l->paths = paths;
    if (paths && (paths[l->n_paths] = strdup(path)))
        l->n_paths++;
    else
        odp_locate_fail(l, "the launcher is out of memory");
}

static void tell(const struct odp_locate *l, enum odp_proto_state state, uint64_t n_more,
                 const char *text)
{
    struct odp_proto_message m = {
        .op = ODP_PROTO_REPORT, .state = state, .id = l->id, .digest = n_more};

    memcpy(m.name, l->backend->settings->name, sizeof(m.name));
    memcpy(m.reason, text, strlen(text) + 1);
    l->backend->host->on_report(l->backend->host, &m);
}

void odp_locate_answer(struct odp_locate *l)
{
    if (l->is_unknown || l->n_paths == 0) {
        tell(l, ODP_PROTO_NOWHERE, 0,
             l->why[0] ? l->why : "what runs has no control group of its own");
        return;
    }
    for (size_t i = 0; i < l->n_paths; i++)
        tell(l, ODP_PROTO_LOCATED, l->n_paths - 1 - i, l->paths[i]);
}

void odp_locate_deinit(struct odp_locate *l)
{
    for (size_t i = 0; i < l->n_paths; i++)
        free(l->paths[i]);
    free(l->paths);
    *l = (struct odp_locate){.id = 0};
}
