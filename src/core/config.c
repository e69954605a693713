// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One file's text to one service: defaults, what a file must have, and the end of its life.

#include "odp/core/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

#define FNV_OFFSET UINT64_C(14695981039346656037)

// A key that the backend's type has no use for. `why_line` is that of what made it this type.
static void refuse_with_type(struct odp_config_parse *p, const char *key, const char *why,
                             unsigned why_line)
{
    unsigned line = odp_config_seen(p, "backend", key);

    if (line)
        odp_config_parse_fault(p, line,
                               "[backend] %s is never run with %s (line %u): remove one of them",
                               key, why, why_line);
}

static void check_process(struct odp_config_parse *p, unsigned type_line)
{
    unsigned why_line = type_line ? type_line : odp_config_seen(p, "backend", "command");
    const char *why = type_line ? "type = process" : "a command";

    if (type_line && odp_config_is_missing(p, "backend", "command"))
        odp_config_parse_fault(p, type_line,
                               "[backend] type = process needs a command: write `command = "
                               "/path/to/program`");
    refuse_with_type(p, "start", why, why_line);
    refuse_with_type(p, "stop", why, why_line);
    refuse_with_type(p, "status", why, why_line);
}

static void check_exec(struct odp_config_parse *p, unsigned type_line)
{
    unsigned start_line = odp_config_seen(p, "backend", "start");

    if (odp_config_is_missing(p, "backend", "start"))
        odp_config_parse_fault(p, type_line,
                               "[backend] type = exec needs a start: write `start = "
                               "/path/to/program`");
    if (odp_config_is_missing(p, "backend", "stop"))
        odp_config_parse_fault(p, start_line ? start_line : type_line,
                               "[backend] has no stop, so that what is started would never be "
                               "stopped: write `stop = /path/to/program`");
    refuse_with_type(p, "command", "type = exec", type_line);
}

static void check_none(struct odp_config_parse *p, unsigned type_line)
{
    refuse_with_type(p, "command", "type = none", type_line);
    refuse_with_type(p, "start", "type = none", type_line);
    refuse_with_type(p, "stop", "type = none", type_line);
    refuse_with_type(p, "status", "type = none", type_line);
}

static void check_backend(struct odp_config_parse *p)
{
    struct odp_config_service *s = p->service;
    unsigned type_line = odp_config_seen(p, "backend", "type");
    bool has_command = odp_config_seen(p, "backend", "command");
    bool has_start = odp_config_seen(p, "backend", "start");

    if (odp_config_is_missing(p, "backend", "type") &&
        odp_config_is_missing(p, "backend", "command") &&
        odp_config_is_missing(p, "backend", "start") && !p->backend_faulty && !p->backend_excused)
        odp_config_parse_fault(p, p->backend_line ? p->backend_line : 1,
                               "nothing says what to start: write `command = /path/to/program` in "
                               "[backend], `start` and `stop` for what runs elsewhere, or "
                               "`type = none` for a plain proxy");
    if (!type_line && (has_command || has_start))
        s->backend = has_command ? ODP_BACKEND_PROCESS : ODP_BACKEND_EXEC;
    else if (!p->has_type)
        return;
    switch (s->backend) {
    case ODP_BACKEND_NONE: check_none(p, type_line); break;
    case ODP_BACKEND_PROCESS: check_process(p, type_line); break;
    case ODP_BACKEND_EXEC: check_exec(p, type_line); break;
    }
}

static void check_whole(struct odp_config_parse *p)
{
    unsigned line = p->service_line ? p->service_line : 1;

    if (!p->any_content) {
        if (!odp_config_is_faulty(p))
            odp_config_parse_fault(p, 1,
                                   "the file is empty: write [service] with `listen` and `target`, "
                                   "and [backend] with `command`");
        return;
    }
    if (!p->service_excused && odp_config_is_missing(p, "service", "listen"))
        odp_config_parse_fault(p, line,
                               "[service] has no listen: write for instance `listen = 8080`");
    if (!p->service_excused && odp_config_is_missing(p, "service", "target"))
        odp_config_parse_fault(
            p, line, "[service] has no target: write for instance `target = 127.0.0.1:18080`");
    check_backend(p);
    odp_config_check_addresses(p);
}

static struct odp_config_service *service_new(const char *name, const char *file)
{
    struct odp_config_service *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    strncpy(s->name, name, ODP_NAME_MAX);
    s->file = strdup(file);
    s->socket_mode = 0660;
    s->enabled = true;
    s->start_timeout_usec = 90 * ODP_USEC_PER_SEC;
    s->stop_timeout_usec = 30 * ODP_USEC_PER_SEC;
    s->ready_timeout_usec = 60 * ODP_USEC_PER_SEC;
    s->wait_timeout_usec = 2 * ODP_USEC_PER_MIN;
    s->max_waiting = 256;
    s->idle_timeout_usec = 10 * ODP_USEC_PER_MIN;
    s->drain_timeout_usec = 10 * ODP_USEC_PER_SEC;
    s->digest = FNV_OFFSET;
    if (s->file)
        return s;
    odp_config_service_free(s);
    return NULL;
}

// Defaults that hang on other values.
static int complete(struct odp_config_service *s)
{
    bool near = s->target.kind == ODP_ADDRESS_UNIX || odp_address_is_loopback(&s->target);

    if (!s->description)
        s->description = strdup(s->name);
    if (s->ready_interval_usec == 0)
        s->ready_interval_usec = (near ? 4 : 50) * ODP_USEC_PER_MS;
    return s->description ? 0 : -ENOMEM;
}

static int parse(struct odp_config_parse *p, const char *text, size_t n_bytes)
{
    int r = 0;

    if (!odp_name_is_valid(p->name))
        odp_config_parse_fault(p, 1,
                               "`%.80s` is no service name: rename the file; a name begins with a "
                               "to z or a digit, has a to z, digits, `_`, `.` and `-`, and at most "
                               "%d characters",
                               p->name, ODP_NAME_MAX);
    if (n_bytes > ODP_CONFIG_FILE_MAX)
        odp_config_parse_fault(p, 1, "the file is longer than %d bytes", ODP_CONFIG_FILE_MAX);
    else
        r = odp_config_ini_read(p, text, n_bytes);
    if (r == 0 && n_bytes <= ODP_CONFIG_FILE_MAX)
        check_whole(p);
    if (r == 0 && !odp_config_is_faulty(p))
        r = complete(p->service);
    return p->out_of_memory || p->faults->failed ? -ENOMEM : r;
}

int odp_config_service_parse(const char *name, const char *file, const char *text, size_t n_bytes,
                             struct odp_config_service **ret, struct odp_config_faults *faults)
{
    struct odp_config_parse p = {
        .name = name,
        .file = file,
        .faults = faults,
        .service = service_new(name, file),
        .n_faults_before = faults->n,
    };
    int r = p.service ? parse(&p, text, n_bytes) : -ENOMEM;

    if (r == 0 && odp_config_is_faulty(&p))
        r = ODP_CONFIG_E_FAULTY;
    if (r != 0) {
        odp_config_service_free(p.service);
        p.service = NULL;
    }
    *ret = p.service;
    return r;
}

void odp_config_service_free(struct odp_config_service *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_listen; i++)
        free(s->listen[i].text);
    free(s->listen);
    free(s->file);
    free(s->description);
    free(s->socket_owner);
    free(s->target_text);
    odp_config_strv_free(s->command);
    odp_config_strv_free(s->start);
    odp_config_strv_free(s->stop);
    odp_config_strv_free(s->status);
    free(s->directory);
    free(s->user);
    free(s->environment_file);
    odp_config_strv_free(s->environment);
    free(s);
}

const char *odp_backend_type_to_string(enum odp_backend_type t)
{
    switch (t) {
    case ODP_BACKEND_NONE: return "none";
    case ODP_BACKEND_PROCESS: return "process";
    case ODP_BACKEND_EXEC: return "exec";
    }
    return "unknown";
}
