// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Asks the launcher for control groups and the kernel for what they use; see the header. The paths
// come from a launcher that may do more than this process; they are looked at all the same.

#include "odp/proxy/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/cgroup.h"
#include "odp/base/log.h"
#include "odp/proxy/link.h"
#include "odp/proxy/manager.h"

#define PATHS_MAX 256 // of one service

struct odp_memory {
    uint32_t id;  // of the latest question
    bool is_told; // its answer is whole
    char **paths; // owned, as far as they have come
    size_t n_paths;
    char why[ODP_REASON_MAX + 1]; // there are none
};

// ---- what the launcher tells -------------------------------------------------------------------

static void forget_paths(struct odp_memory *memory)
{
    for (size_t i = 0; i < memory->n_paths; i++)
        free(memory->paths[i]);
    free(memory->paths);
    memory->paths = NULL;
    memory->n_paths = 0;
    memory->why[0] = '\0';
    memory->is_told = false;
}

void odp_memory_free(struct odp_memory *memory)
{
    if (!memory)
        return;
    forget_paths(memory);
    free(memory);
}

static void ask(struct odp_managed *m)
{
    if (!m->memory && m->config->backend != ODP_BACKEND_NONE)
        m->memory = calloc(1, sizeof(*m->memory));
    if (!m->memory)
        return;
    forget_paths(m->memory);
    m->memory->id = (m->manager->n_located++ % (ODP_PROTO_LOCATE_ID - 1)) | ODP_PROTO_LOCATE_ID;
    odp_link_locate(m->manager->link, m, m->memory->id);
}

void odp_memory_on_running(struct odp_managed *m)
{
    if (m->machine.state == ODP_SERVICE_READY)
        ask(m);
}

void odp_memory_on_change(struct odp_managed *m, enum odp_service_state from)
{
    enum odp_service_state s = m->machine.state;
    // Who was about to stop it has changed his mind: it runs where it ran.
    bool is_as_before = from == ODP_SERVICE_DRAINING && m->memory && m->memory->is_told;

    if (s == ODP_SERVICE_READY && !is_as_before) {
        ask(m);
    } else if (s == ODP_SERVICE_STOPPED || s == ODP_SERVICE_STARTING) {
        odp_memory_free(m->memory);
        m->memory = NULL;
    }
}

static void take_path(struct odp_memory *memory, const char *path)
{
    char **paths = reallocarray(memory->paths, memory->n_paths + 1, sizeof(*paths));

    if (paths)
        memory->paths = paths;
    if (paths && (paths[memory->n_paths] = strdup(path)))
        memory->n_paths++;
}

void odp_memory_report(struct odp_managed *m, const struct odp_proto_message *report)
{
    struct odp_memory *memory = m->memory;
    struct odp_memory_use use;

    if (!memory || report->id != memory->id || memory->is_told)
        return;
    memory->is_told = report->state != ODP_PROTO_LOCATED || report->digest == 0;
    odp_log(ODP_LOG_DEBUG, m->config->name, "runs in %s",
            report->state == ODP_PROTO_LOCATED ? report->reason : "no group that is known");
    if (report->state != ODP_PROTO_LOCATED)
        memcpy(memory->why, report->reason, sizeof(memory->why));
    else if (memory->n_paths < PATHS_MAX && odp_cgroup_path_is_sound(report->reason))
        take_path(memory, report->reason);
    else
        odp_log(ODP_LOG_WARNING, m->config->name, "`%s` is no control group", report->reason);
    if (memory->is_told && odp_memory_look(m, &use))
        odp_ledger_peak(&m->ledger, use.peak_bytes);
}

// ---- what the kernel tells ---------------------------------------------------------------------

__attribute__((format(printf, 2, 3))) static bool unknown(struct odp_memory_use *use,
                                                          const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(use->why, sizeof(use->why), format, args);
    va_end(args);
    return false;
}

// Why a group that is there does not say what it uses.
static bool unreadable(const char *root, const char *path, int r, struct odp_memory_use *ret)
{
    if (r != -ENOENT)
        return unknown(ret, "%s%s/memory.current: %s", root, path, strerror(-r));
    if (odp_cgroup_has_controller(root, "memory"))
        return unknown(ret, "%s is not accounted for: set MemoryAccounting=yes", path);
    if (strstr(root, "/unified"))
        return unknown(ret, "the kernel's memory controller is in cgroup version 1: boot with "
                            "systemd.unified_cgroup_hierarchy=1");
    return unknown(ret, "the kernel's memory controller is off: boot with cgroup_enable=memory");
}

static bool is_within_another(char *const *paths, size_t n_paths, size_t i)
{
    for (size_t k = 0; k < n_paths; k++)
        if (k != i && odp_cgroup_is_within(paths[i], paths[k]) &&
            (k < i || strcmp(paths[i], paths[k]) != 0))
            return true;
    return false;
}

bool odp_memory_read(const char *root, char *const *paths, size_t n_paths,
                     struct odp_memory_use *ret)
{
    size_t n_read = 0;

    *ret = (struct odp_memory_use){.why = ""};
    for (size_t i = 0; i < n_paths; i++) {
        uint64_t bytes, peak_bytes;

        if (is_within_another(paths, n_paths, i))
            continue;
        int r = odp_cgroup_read(root, paths[i], "memory.current", &bytes);
        if (r == -ENOENT && !odp_cgroup_exists(root, paths[i]))
            continue; // what was in there has ended by itself
        if (r < 0)
            return unreadable(root, paths[i], r, ret);
        // Linux 5.19 and later.
        if (odp_cgroup_read(root, paths[i], "memory.peak", &peak_bytes) < 0 || peak_bytes < bytes)
            peak_bytes = bytes;
        ret->bytes += bytes;
        ret->peak_bytes += peak_bytes;
        n_read++;
    }
    return n_read > 0 || unknown(ret, "the control groups that it ran in are gone");
}

static bool is_running(enum odp_service_state s)
{
    return s == ODP_SERVICE_READY || s == ODP_SERVICE_DRAINING || s == ODP_SERVICE_DISMISSED ||
           s == ODP_SERVICE_STOPPING || s == ODP_SERVICE_PROBING || s == ODP_SERVICE_FROZEN ||
           s == ODP_SERVICE_FREEZING || s == ODP_SERVICE_THAWING;
}

bool odp_memory_look(const struct odp_managed *m, struct odp_memory_use *ret)
{
    const struct odp_memory *memory = m->memory;
    const char *root;

    *ret = (struct odp_memory_use){.why = ""};
    if (!m->active || !is_running(m->machine.state))
        return false;
    if (!memory || !memory->is_told)
        return unknown(ret, m->config->backend == ODP_BACKEND_NONE
                                ? "odp did not start it ([backend] type = none)"
                                : "it is not known yet where it runs");
    if (memory->n_paths == 0)
        return unknown(ret, "%s", memory->why);
    root = odp_cgroup_root();
    if (!root)
        return unknown(ret, "no cgroup2 is mounted in /sys/fs/cgroup");
    return odp_memory_read(root, memory->paths, memory->n_paths, ret);
}

void odp_memory_sample(struct odp_managed *m)
{
    struct odp_memory_use use;

    if (!odp_memory_look(m, &use))
        return;
    odp_ledger_peak(&m->ledger, use.peak_bytes);
    odp_ledger_use(&m->ledger, use.bytes);
}
