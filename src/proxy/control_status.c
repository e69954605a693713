// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `odp status --json` prints: one object for each service of the files, sound or not.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control_internal.h"
#include "odp/core/engine_place.h"
#include "odp/proxy/memory.h"
#include "odp/proxy/visit.h"

static void add_number(cJSON *o, const char *key, double value)
{
    cJSON_AddNumberToObject(o, key, value);
}

// Milliseconds are all that a person or a graph wants.
static double round_to_ms(uint64_t usec)
{
    uint64_t ms = (usec + 500) / ODP_USEC_PER_MS;

    return (double)ms;
}

static void add_seconds(cJSON *o, const char *key, uint64_t usec)
{
    if (usec == ODP_NEVER)
        cJSON_AddNullToObject(o, key);
    else
        add_number(o, key, round_to_ms(usec) / 1e3);
}

static uint64_t sleeps_in_usec(const struct odp_managed *m)
{
    uint64_t now_usec = odp_now_usec(), deadline = m->machine.deadline_usec;

    if (!m->active || !odp_service_has_window(&m->machine) || deadline == ODP_NEVER)
        return ODP_NEVER;
    return deadline > now_usec ? deadline - now_usec : 0;
}

void control_add_reason(cJSON *o, const struct odp_managed *m)
{
    struct odp_buf notes = {0}, reason = {0};
    const char *why = odp_managed_reason(m);

    odp_managed_add_notes(m, &notes);
    odp_buf_printf(&reason, "%s%s%s", why, why[0] && notes.s ? "; " : "", notes.s ? notes.s : "");
    cJSON_AddStringToObject(o, "reason", reason.failed ? why : reason.s);
    if (notes.s)
        cJSON_AddStringToObject(o, "note", notes.s);
    else
        cJSON_AddNullToObject(o, "note");
    odp_buf_deinit(&notes);
    odp_buf_deinit(&reason);
}

// To odpd's sandbox Podman's directory is there, and closed.
static bool may_be_socket(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? S_ISSOCK(st.st_mode) : errno == EACCES;
}

bool control_is_user(const struct odp_managed *m, const struct odp_config_service *c)
{
    return c->scope == ODP_SCOPE_USER || (c->scope == ODP_SCOPE_DEFAULT && !m->manager->system);
}

void control_add_backend(cJSON *o, const struct odp_managed *m)
{
    const struct odp_config_service *c = m->config;
    const char *type = odp_backend_type_to_string(c->backend);
    struct odp_engine_place place;

    if (c->backend == ODP_BACKEND_CONTAINER) {
        odp_engine_place_find(c, control_is_user(m, c), getenv("XDG_RUNTIME_DIR"), may_be_socket,
                              &place);
        type = place.engine;
    }
    cJSON_AddStringToObject(o, "backend", type);
}

static void add_settings(cJSON *o, const struct odp_managed *m)
{
    const struct odp_config_service *config = m->config;

    cJSON_AddStringToObject(o, "name", config->name);
    cJSON_AddStringToObject(o, "description", config->description);
    cJSON_AddStringToObject(o, "state", odp_managed_state(m));
    control_add_reason(o, m);
    cJSON *listen = cJSON_AddArrayToObject(o, "listen");
    for (size_t i = 0; i < config->n_listen; i++)
        control_append(listen, cJSON_CreateString(config->listen[i].text));
    cJSON_AddStringToObject(o, "target", config->target_text);
    control_add_backend(o, m);
}

// A number that is not known is null.
static void add_bytes(cJSON *o, const char *key, bool is_known, uint64_t bytes)
{
    if (is_known)
        add_number(o, key, (double)bytes);
    else
        cJSON_AddNullToObject(o, key);
}

void control_add_memory(cJSON *o, const struct odp_managed *m, const struct odp_ledger *ledger)
{
    struct odp_memory_use use;
    bool is_known = odp_memory_look(m, &use);
    uint64_t peak_bytes = use.peak_bytes > ledger->peak_bytes ? use.peak_bytes : ledger->peak_bytes;

    add_bytes(o, "memory_bytes", is_known, use.bytes);
    add_bytes(o, "memory_peak_bytes", peak_bytes > 0, peak_bytes);
    if (use.why[0])
        cJSON_AddStringToObject(o, "memory_reason", use.why);
    else
        cJSON_AddNullToObject(o, "memory_reason");
    add_number(o, "saved_byte_seconds", odp_ledger_saved(ledger));
}

static void add_figures(cJSON *o, const struct odp_managed *m)
{
    struct odp_ledger ledger = m->ledger;
    uint64_t bytes_in, bytes_out;

    // A copy brought up to date: asking changes nothing.
    odp_ledger_enter(&ledger, ledger.phase, odp_boottime_usec());
    odp_visits_sum_bytes(m, &bytes_in, &bytes_out);
    add_number(o, "connections", m->n_connections);
    add_number(o, "waiting", m->n_waiting);
    add_seconds(o, "sleeps_in_seconds", sleeps_in_usec(m));
    control_add_memory(o, m, &ledger);
    add_number(o, "wakes", (double)ledger.n_wakes);
    add_number(o, "failed_wakes", (double)ledger.n_failed_wakes);
    add_seconds(o, "last_wake_seconds", ledger.last_wake_usec);
    add_seconds(o, "wake_p50_seconds", odp_ledger_start_percentile(&ledger, 50));
    add_seconds(o, "wake_p95_seconds", odp_ledger_start_percentile(&ledger, 95));
    add_number(o, "bytes_in", (double)bytes_in);
    add_number(o, "bytes_out", (double)bytes_out);
    add_seconds(o, "awake_seconds", ledger.awake_usec);
    add_seconds(o, "asleep_seconds", ledger.asleep_usec);
}

static cJSON *status_of(const struct odp_managed *m)
{
    cJSON *o = cJSON_CreateObject();

    add_settings(o, m);
    add_figures(o, m);
    return o;
}

void control_add_fault(cJSON *o, const struct odp_manager *mgr, const char *name)
{
    const struct odp_config_fault *f = odp_manager_first_fault(mgr, name);
    char text[ODP_REASON_MAX + 1] = "its file has faults: run odp check";

    if (f)
        snprintf(text, sizeof(text), "line %u: %s", f->line, f->message);
    cJSON_AddStringToObject(o, "reason", text);
}

static void add_nothing(cJSON *o, const char *const *zeroes, size_t n_zeroes,
                        const char *const *nulls, size_t n_nulls)
{
    for (size_t i = 0; i < n_zeroes; i++)
        add_number(o, zeroes[i], 0);
    for (size_t i = 0; i < n_nulls; i++)
        cJSON_AddNullToObject(o, nulls[i]);
}

static cJSON *status_of_invalid(const struct odp_manager *mgr, const char *name)
{
    static const char *const zeroes[] = {"connections",   "waiting",        "wakes",
                                         "failed_wakes",  "bytes_in",       "bytes_out",
                                         "awake_seconds", "asleep_seconds", "saved_byte_seconds"};
    static const char *const nulls[] = {
        "note",          "sleeps_in_seconds", "memory_bytes",     "memory_peak_bytes",
        "memory_reason", "last_wake_seconds", "wake_p50_seconds", "wake_p95_seconds"};
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "name", name);
    cJSON_AddStringToObject(o, "description", name);
    cJSON_AddStringToObject(o, "state", "invalid");
    control_add_fault(o, mgr, name);
    cJSON_AddArrayToObject(o, "listen");
    cJSON_AddStringToObject(o, "target", "");
    cJSON_AddStringToObject(o, "backend", "");
    add_nothing(o, zeroes, sizeof(zeroes) / sizeof(zeroes[0]), nulls,
                sizeof(nulls) / sizeof(nulls[0]));
    return o;
}

static bool is_wanted(const cJSON *names, const char *name)
{
    const cJSON *it;

    if (!names)
        return true;
    cJSON_ArrayForEach(it, names)
    {
        const char *s = cJSON_GetStringValue(it);
        if (s && strcmp(s, name) == 0)
            return true;
    }
    return false;
}

bool control_is_invalid(const struct odp_manager *mgr, const char *name)
{
    for (size_t i = 0; i < mgr->files.n_invalid; i++)
        if (strcmp(mgr->files.invalid[i], name) == 0)
            return true;
    return false;
}

cJSON *control_why_invalid(const struct odp_manager *mgr, const char *name)
{
    static const char *const zeroes[] = {"connections", "max_connections", "waiting",
                                         "direct_connections", "saved_byte_seconds"};
    static const char *const nulls[] = {
        "note",          "woken_at",          "woken_by",   "memory_bytes",   "memory_peak_bytes",
        "memory_reason", "memory_used_bytes", "woken_from", "window_seconds", "sleeps_in_seconds",
        "direct_at",     "address",           "stopped_at", "stopped_reason", "failed_at",
        "failed_reason", "retry_in_seconds",  "project"};
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "name", name);
    cJSON_AddStringToObject(o, "state", "invalid");
    control_add_fault(o, mgr, name);
    cJSON_AddStringToObject(o, "backend", "");
    cJSON_AddStringToObject(o, "target", "");
    cJSON_AddArrayToObject(o, "clients");
    cJSON_AddArrayToObject(o, "containers");
    cJSON_AddArrayToObject(o, "requires");
    cJSON_AddArrayToObject(o, "required_by");
    add_nothing(o, zeroes, sizeof(zeroes) / sizeof(zeroes[0]), nulls,
                sizeof(nulls) / sizeof(nulls[0]));
    return o;
}

static bool is_known(const struct odp_manager *mgr, const char *name)
{
    return odp_manager_find(mgr, name) || control_is_invalid(mgr, name);
}

static void add_invalid(cJSON *services, const struct odp_manager *mgr, const cJSON *names,
                        const char *name)
{
    // One that had no fault before is served as it was.
    if (!odp_manager_find(mgr, name) && is_wanted(names, name))
        control_append(services, status_of_invalid(mgr, name));
}

// Both lists are in the order of their names, and so is what is made of them.
static void add_services(cJSON *services, const struct odp_manager *mgr, const cJSON *names)
{
    size_t n_told = 0; // of the invalid ones

    for (size_t i = 0; i < mgr->n_services; i++) {
        const char *name = mgr->services[i]->config->name;
        while (n_told < mgr->files.n_invalid && strcmp(mgr->files.invalid[n_told], name) < 0)
            add_invalid(services, mgr, names, mgr->files.invalid[n_told++]);
        if (is_wanted(names, name))
            control_append(services, status_of(mgr->services[i]));
    }
    while (n_told < mgr->files.n_invalid)
        add_invalid(services, mgr, names, mgr->files.invalid[n_told++]);
}

cJSON *control_status(const struct odp_manager *mgr, const cJSON *names, const char **ret_unknown)
{
    const cJSON *it;

    cJSON_ArrayForEach(it, names)
    {
        const char *s = cJSON_GetStringValue(it);
        if (!s || !is_known(mgr, s)) {
            *ret_unknown = s;
            return NULL;
        }
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "version", ODP_VERSION);
    cJSON *services = cJSON_AddArrayToObject(o, "services");
    add_services(services, mgr, names);
    return o;
}
