// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The sections and keys of a service's file, built or only designed: the one place that knows them.
// Says what is wrong with a name; values are for the setters.

#include <string.h>

#include "config_internal.h"
#include "odp/base/buf.h"

#define FNV_PRIME UINT64_C(1099511628211)

#define N_ROWS (sizeof(odp_config_keys) / sizeof(odp_config_keys[0]) - 1)

#define KEY(section, name, kind, member)                                                           \
    {                                                                                              \
        section, name, odp_config_set_##kind, offsetof(struct odp_config_service, member), false   \
    }
#define KEYS(section, name, kind, member)                                                          \
    {                                                                                              \
        section, name, odp_config_set_##kind, offsetof(struct odp_config_service, member), true    \
    }
#define LATER(section, name)                                                                       \
    {                                                                                              \
        section, name, NULL, 0, true                                                               \
    }

const struct odp_config_key odp_config_keys[] = {
    KEY("service", "description", text, description),
    KEYS("service", "listen", listen, listen),
    KEY("service", "socket_mode", mode, socket_mode),
    KEY("service", "socket_owner", owner, socket_owner),
    KEY("service", "target", target, target),
    KEY("service", "enabled", bool, enabled),

    KEY("backend", "type", type, backend),
    KEY("backend", "command", command, command),
    KEY("backend", "start", command, start),
    KEY("backend", "stop", command, stop),
    KEY("backend", "status", command, status),
    KEY("backend", "directory", path, directory),
    KEY("backend", "user", user, user),
    KEYS("backend", "environment", environment, environment),
    KEY("backend", "environment_file", path, environment_file),
    KEY("backend", "start_timeout", span, start_timeout_usec),
    KEY("backend", "stop_timeout", span, stop_timeout_usec),
    KEYS("backend", "unit", units, units),
    KEYS("backend", "stop_unit", units, stop_units),
    KEY("backend", "scope", scope, scope),
    KEYS("backend", "container", containers, containers),
    KEY("backend", "engine", engine, engine),
    KEY("backend", "socket", engine_socket, engine_socket),
    KEY("backend", "project", project, project),
    KEYS("backend", "file", paths, compose_files),

    KEY("ready", "probe", probe, probe),
    KEY("ready", "timeout", span, ready_timeout_usec),
    KEY("ready", "interval", span, ready_interval_usec),
    KEY("ready", "path", http_path, ready_path),
    KEY("ready", "expect", expect, ready_expect),
    KEY("ready", "command", command, ready_command),

    KEY("wait", "mode", wait_mode, wait_mode),
    KEY("wait", "timeout", span, wait_timeout_usec),
    KEY("wait", "max_waiting", count, max_waiting),
    LATER("wait", "page"),

    KEY("idle", "timeout", idle, idle_timeout_usec),
    KEY("idle", "count", idle_count, idle_timeout_usec),
    LATER("idle", "min_traffic"),
    KEY("idle", "count_direct", bool, count_direct),
    LATER("idle", "busy_cpu"),
    LATER("idle", "busy_command"),
    KEY("idle", "action", idle_action, idle_timeout_usec),
    LATER("idle", "stop_after"),
    KEY("idle", "drain_timeout", span, drain_timeout_usec),
    LATER("idle", "keep_awake"),

    KEYS("requires", "service", services, required_services),
    KEYS("requires", "mount", paths, required_mounts),
    KEYS("requires", "path", paths, required_paths),
    LATER("requires", "memory"),

    KEY("client", "proxy_protocol", proxy_protocol, keepalive_usec),
    KEY("client", "keepalive", keepalive, keepalive_usec),
    KEY("client", "max_connections", count, max_connections),

    // Sections that are not built: their keys are named only to say where a stray one belongs.
    LATER("forward", "protocol"),
    LATER("wake", "on"),
    LATER("wake", "allow"),
    LATER("wake", "ignore_from"),
    LATER("wake", "ignore_path"),
    LATER("wake", "ignore_agent"),
    LATER("wake", "ignore_answer"),
    LATER("wake", "rate"),
    LATER("notify", "on"),
    LATER("notify", "command"),
    LATER("notify", "url_file"),
    {NULL, NULL, NULL, 0, false},
};

_Static_assert(N_ROWS < ODP_CONFIG_KEYS_MAX, "the table of what was seen is too small");

static const char *const built_sections[] = {"service", "backend",  "ready",  "wait",
                                             "idle",    "requires", "client", NULL};
static const char *const later_sections[] = {"forward", "wake", "notify", NULL};

static bool is_among(const char *s, size_t n, const char *const *words)
{
    for (; *words; words++) {
        if (strlen(*words) == n && memcmp(*words, s, n) == 0)
            return true;
    }
    return false;
}

bool odp_config_on_section(struct odp_config_parse *p, unsigned line, const char *section)
{
    size_t n_word = strcspn(section, " ");
    const char *nearest;

    p->any_content = true;
    if (is_among(section, strlen(section), built_sections)) {
        if (strcmp(section, "service") == 0 && !p->service_line)
            p->service_line = line;
        if (strcmp(section, "backend") == 0 && !p->backend_line)
            p->backend_line = line;
        return true;
    }
    if (is_among(section, n_word, later_sections)) {
        odp_config_parse_fault(p, line,
                               "the section [%s] is not built yet in odp %s: remove it and its "
                               "lines",
                               section, ODP_VERSION);
        return false;
    }
    nearest = odp_nearest(section, built_sections);
    p->service_excused |= nearest && strcmp(nearest, "service") == 0;
    p->backend_excused |= nearest && strcmp(nearest, "backend") == 0;
    if (!nearest)
        nearest = odp_nearest(section, later_sections);
    if (nearest)
        odp_config_parse_fault(p, line, "unknown section [%s]: did you mean [%s]?", section,
                               nearest);
    else
        odp_config_parse_fault(p, line,
                               "unknown section [%s]: there are [service], [backend], [ready], "
                               "[wait], [idle], [requires] and [client]",
                               section);
    return false;
}

void odp_config_excuse(struct odp_config_parse *p, const char *word, size_t n)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        const char *name = odp_config_keys[i].name;
        if (strlen(name) == n && memcmp(name, word, n) == 0)
            p->excused[i] = true;
    }
}

// The sections that know this key, as "[ready], [wait] or [idle]". Empty where none does.
static void add_homes(struct odp_buf *b, const char *key)
{
    size_t n = 0, n_homes = 0;

    for (size_t i = 0; i < N_ROWS; i++)
        n_homes += strcmp(odp_config_keys[i].name, key) == 0;
    for (size_t i = 0; i < N_ROWS; i++) {
        if (strcmp(odp_config_keys[i].name, key) != 0)
            continue;
        odp_buf_printf(b, "%s[%s]",
                       n == 0             ? ""
                       : n + 1 == n_homes ? " or "
                                          : ", ",
                       odp_config_keys[i].section);
        n++;
    }
}

// Of all sections where `section` is NULL.
static const char *nearest_key(const char *section, const char *key)
{
    const char *candidates[ODP_CONFIG_KEYS_MAX + 1] = {NULL};
    size_t n = 0;

    for (size_t i = 0; i < N_ROWS; i++) {
        if (!section || strcmp(odp_config_keys[i].section, section) == 0)
            candidates[n++] = odp_config_keys[i].name;
    }
    return odp_nearest(key, candidates);
}

// What is chosen by a word of another key, and looks as if it were one itself.
static const char *key_of_choice(const char *word)
{
    static const struct {
        const char *word, *setting;
    } choices[] = {
        {"freeze", "[idle] action = freeze"},  {"ladder", "[idle] action = ladder"},
        {"traffic", "[idle] count = traffic"}, {"hold", "[wait] mode = hold"},
        {"tcp", "[ready] probe = tcp"},        {"http", "[ready] probe = http"},
        {"health", "[ready] probe = health"},  {"docker", "[backend] type = docker"},
        {"podman", "[backend] type = podman"}, {"compose", "[backend] project = NAME"},
    };

    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        if (strcmp(choices[i].word, word) == 0)
            return choices[i].setting;
    }
    return NULL;
}

static void refuse_key(struct odp_config_parse *p, unsigned line, const char *section,
                       const char *key)
{
    if (odp_config_is_full(p)) // the right word is not looked for where nobody is told
        return;
    const char *nearest = nearest_key(section, key), *choice = key_of_choice(key);
    const char *elsewhere = nearest ? NULL : nearest_key(NULL, key);
    struct odp_buf homes = {0};

    add_homes(&homes, elsewhere ? elsewhere : key);
    if (choice)
        odp_config_parse_fault(p, line, "unknown key `%s` in [%s]: did you mean %s?", key, section,
                               choice);
    else if (elsewhere && strcmp(elsewhere, key) != 0)
        odp_config_parse_fault(p, line, "unknown key `%s` in [%s]: did you mean `%s` in %s?", key,
                               section, elsewhere, homes.s);
    else if (homes.n_bytes > 0)
        odp_config_parse_fault(p, line, "`%s` does not belong in [%s] but in %s", key, section,
                               homes.s);
    else if (nearest)
        odp_config_parse_fault(p, line, "unknown key `%s` in [%s]: did you mean `%s`?", key,
                               section, nearest);
    else
        odp_config_parse_fault(p, line, "unknown key `%s` in [%s]", key, section);
    p->out_of_memory |= homes.failed;
    odp_buf_deinit(&homes);
    if (!nearest)
        nearest = elsewhere;
    if (nearest)
        odp_config_excuse(p, nearest, strlen(nearest));
    else
        odp_config_excuse(p, key, strlen(key));
}

static size_t find_row(const char *section, const char *key)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (strcmp(odp_config_keys[i].section, section) == 0 &&
            strcmp(odp_config_keys[i].name, key) == 0)
            return i;
    }
    return N_ROWS;
}

static void digest_add(uint64_t *digest, const char *s, char end)
{
    for (; *s; s++)
        *digest = (*digest ^ (unsigned char)*s) * FNV_PRIME;
    *digest = (*digest ^ (unsigned char)end) * FNV_PRIME;
}

static void digest_setting(uint64_t *digest, const char *section, const char *key,
                           const char *value)
{
    digest_add(digest, section, '.');
    digest_add(digest, key, '=');
    digest_add(digest, value, '\n');
}

static void set_key(struct odp_config_parse *p, unsigned line, const char *section, const char *key,
                    const char *value)
{
    size_t i = find_row(section, key);
    const struct odp_config_key *k = &odp_config_keys[i];

    if (i == N_ROWS) {
        refuse_key(p, line, section, key);
        return;
    }
    if (!k->set) {
        odp_config_parse_fault(p, line, "[%s] %s is not built yet in odp %s: remove the line",
                               section, key, ODP_VERSION);
        return;
    }
    if (p->seen[i] && !k->repeatable) {
        odp_config_parse_fault(p, line, "[%s] %s was given in line %u already: remove one of them",
                               section, key, p->seen[i]);
        return;
    }
    if (!p->seen[i])
        p->seen[i] = line;
    if (value[0])
        k->set(p, k, line, value);
    else
        odp_config_parse_fault(p, line, "[%s] %s has no value: write one or remove the line",
                               section, key);
}

// Of a target it is asked only where that is a container.
static bool is_for_launcher(const char *section, const char *key, const char *value)
{
    return strcmp(section, "backend") == 0 || strcmp(section, "ready") == 0 ||
           strcmp(section, "requires") == 0 ||
           (strcmp(section, "service") == 0 && strcmp(key, "target") == 0 &&
            strncmp(value, "auto:", 5) == 0);
}

void odp_config_on_key(struct odp_config_parse *p, unsigned line, const char *section,
                       const char *key, const char *value)
{
    size_t n_faults = p->faults->n;
    bool is_backend = strcmp(section, "backend") == 0;

    p->any_content = true;
    digest_setting(&p->service->text_digest, section, key, value);
    if (is_backend)
        digest_setting(&p->service->backend_digest, section, key, value);
    if (is_for_launcher(section, key, value))
        digest_setting(&p->service->digest, section, key, value);
    set_key(p, line, section, key, value);
    if (is_backend && p->faults->n > n_faults)
        p->backend_faulty = true;
}

unsigned odp_config_seen(const struct odp_config_parse *p, const char *section, const char *key)
{
    return p->seen[find_row(section, key)];
}

bool odp_config_is_missing(const struct odp_config_parse *p, const char *section, const char *key)
{
    size_t i = find_row(section, key);

    return !p->seen[i] && !p->excused[i];
}
