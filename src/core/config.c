// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One file's text to one service: its defaults, and the end of its life.

#include "odp/core/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define RESERVED   "launcher"
#define EXPECT     "200-399,401,403" // whoever asks for a password answers, too

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
    s->count_direct = true;
    s->keepalive_usec = ODP_USEC_PER_MIN;
    s->max_connections = 1024;
    s->digest = s->backend_digest = s->text_digest = FNV_OFFSET;
    if (s->file)
        return s;
    odp_config_service_free(s);
    return NULL;
}

// Defaults that hang on other values.
static int complete(struct odp_config_service *s)
{
    bool is_http = s->probe == ODP_PROBE_HTTP;
    int r = 0;
    bool near = s->target.kind == ODP_ADDRESS_UNIX || s->target.kind == ODP_ADDRESS_AUTO ||
                odp_address_is_loopback(&s->target);

    if (!s->description)
        s->description = strdup(s->name);
    bool is_asked = is_http || s->probe == ODP_PROBE_EXEC || s->probe == ODP_PROBE_HEALTH;

    if (s->ready_interval_usec == 0 && is_asked)
        s->ready_interval_usec = 250 * ODP_USEC_PER_MS;
    else if (s->ready_interval_usec == 0)
        s->ready_interval_usec = (near ? 4 : 50) * ODP_USEC_PER_MS;
    if (is_http && !s->ready_path)
        s->ready_path = strdup("/");
    if (is_http && !s->ready_expect)
        r = odp_config_ranges_parse(EXPECT, &s->ready_expect, &s->n_ready_expect);
    return s->description && (s->ready_path || !is_http) ? r : -ENOMEM;
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
    if (strcmp(p->name, RESERVED) == 0)
        odp_config_parse_fault(p, 1,
                               "a service cannot be named `" RESERVED "`: odp-" RESERVED ".socket "
                               "is odp's own; rename the file");
    if (n_bytes > ODP_CONFIG_FILE_MAX)
        odp_config_parse_fault(p, 1, "the file is longer than %d bytes", ODP_CONFIG_FILE_MAX);
    else
        r = odp_config_ini_read(p, text, n_bytes);
    if (r == 0 && n_bytes <= ODP_CONFIG_FILE_MAX)
        odp_config_check_whole(p);
    if (r == 0 && !odp_config_is_faulty(p))
        r = complete(p->service);
    return p->out_of_memory || p->faults->failed ? -ENOMEM : r;
}

int odp_config_service_read(const char *name, const char *file, const char *text, size_t n_bytes,
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
    *ret = p.service;
    return r;
}

int odp_config_service_parse(const char *name, const char *file, const char *text, size_t n_bytes,
                             struct odp_config_service **ret, struct odp_config_faults *faults)
{
    int r = odp_config_service_read(name, file, text, n_bytes, ret, faults);

    if (r != 0) {
        odp_config_service_free(*ret);
        *ret = NULL;
    }
    return r;
}

static void names_free(struct odp_config_name *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i].text);
    free(names);
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
    names_free(s->units, s->n_units);
    names_free(s->stop_units, s->n_stop_units);
    names_free(s->containers, s->n_containers);
    free(s->engine_socket);
    free(s->project.text);
    odp_config_strv_free(s->compose_files);
    free(s->ready_path);
    free(s->ready_expect);
    odp_config_strv_free(s->ready_command);
    names_free(s->required_services, s->n_required_services);
    odp_config_strv_free(s->required_mounts);
    odp_config_strv_free(s->required_paths);
    free(s);
}

const char *odp_backend_type_to_string(enum odp_backend_type t)
{
    switch (t) {
    case ODP_BACKEND_NONE: return "none";
    case ODP_BACKEND_PROCESS: return "process";
    case ODP_BACKEND_EXEC: return "exec";
    case ODP_BACKEND_SYSTEMD: return "systemd";
    case ODP_BACKEND_CONTAINER: return "container";
    case ODP_BACKEND_COMPOSE: return "compose";
    }
    return "unknown";
}
