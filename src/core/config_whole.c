// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One file as a whole: keys that are missing, and keys that do not go together. A key that would
// never be looked at is a fault: whoever wrote it expects it to do something.

#include <stddef.h>

#include "config_internal.h"

#define BIT(type) (1U << ODP_BACKEND_##type)
#define RUN       (BIT(PROCESS) | BIT(EXEC)) // by odp itself
#define ENGINE    (BIT(CONTAINER) | BIT(COMPOSE))

// Which backends look at a key of [backend]; those that are not here: all.
static const struct {
    const char *key;
    unsigned types;
    bool tells_type; // without a `type` line
} backend_keys[] = {
    {"unit", BIT(SYSTEMD), true},
    {"command", BIT(PROCESS), true},
    {"start", BIT(EXEC), true},
    {"stop", BIT(EXEC), false},
    {"status", BIT(EXEC), false},
    {"stop_unit", BIT(SYSTEMD), false},
    {"project", BIT(COMPOSE), true},
    {"file", BIT(COMPOSE), false},
    {"scope", BIT(SYSTEMD) | ENGINE, false},
    {"container", BIT(SYSTEMD) | ENGINE, true},
    {"engine", BIT(SYSTEMD) | ENGINE, false},
    {"socket", ENGINE, false},
    {"directory", RUN, false},
    {"user", RUN, false},
    {"environment", RUN, false},
    {"environment_file", RUN, false},
};

#define N_BACKEND_KEYS (sizeof(backend_keys) / sizeof(backend_keys[0]))

// A container that stands beside another's key is no type of its own.
static const enum odp_backend_type types[] = {ODP_BACKEND_SYSTEMD, ODP_BACKEND_PROCESS,
                                              ODP_BACKEND_EXEC, ODP_BACKEND_COMPOSE,
                                              ODP_BACKEND_CONTAINER};

// The key that stands for a type where no `type` does.
static const char *telling_key(enum odp_backend_type type)
{
    for (size_t i = 0; i < N_BACKEND_KEYS; i++)
        if (backend_keys[i].tells_type && (backend_keys[i].types & 1U << type))
            return backend_keys[i].key;
    return "type";
}

// Beside any backend a probe command is run, too, and by these keys.
static bool is_for_probe(const struct odp_config_parse *p, size_t key)
{
    return backend_keys[key].types == RUN && odp_config_seen(p, "ready", "command");
}

// As a `type` line has it.
static const char *word_of(const struct odp_config_service *s)
{
    if (s->backend != ODP_BACKEND_CONTAINER)
        return odp_backend_type_to_string(s->backend);
    return s->engine == ODP_ENGINE_PODMAN ? "podman" : "docker";
}

static void check_keys_of_type(struct odp_config_parse *p, unsigned type_line)
{
    enum odp_backend_type type = p->service->backend;
    const char *telling = telling_key(type);
    unsigned why_line = type_line ? type_line : odp_config_seen(p, "backend", telling);

    for (size_t i = 0; i < N_BACKEND_KEYS; i++) {
        unsigned line = odp_config_seen(p, "backend", backend_keys[i].key);
        if (!line || (backend_keys[i].types & 1U << type) || is_for_probe(p, i))
            continue;
        if (type_line)
            odp_config_parse_fault(p, line,
                                   "[backend] %s has no use with type = %s (line %u): remove one "
                                   "of them",
                                   backend_keys[i].key, word_of(p->service), why_line);
        else
            odp_config_parse_fault(p, line,
                                   "[backend] %s has no use beside %s (line %u): remove one of "
                                   "them",
                                   backend_keys[i].key, telling, why_line);
    }
}

static void check_systemd(struct odp_config_parse *p, unsigned type_line)
{
    if (odp_config_is_missing(p, "backend", "unit"))
        odp_config_parse_fault(p, type_line,
                               "[backend] type = systemd needs a unit: write for instance `unit = "
                               "docker-wiki.service`");
    if (odp_config_seen(p, "backend", "engine") && odp_config_is_missing(p, "backend", "container"))
        odp_config_parse_fault(p, odp_config_seen(p, "backend", "engine"),
                               "[backend] engine has no use without a container: write for "
                               "instance `container = wiki`, or remove the line");
}

static void check_process(struct odp_config_parse *p, unsigned type_line)
{
    if (odp_config_is_missing(p, "backend", "command"))
        odp_config_parse_fault(p, type_line,
                               "[backend] type = process needs a command: write `command = "
                               "/path/to/program`");
}

static void check_container(struct odp_config_parse *p, unsigned type_line)
{
    unsigned engine_line = odp_config_seen(p, "backend", "engine");

    if (odp_config_is_missing(p, "backend", "container"))
        odp_config_parse_fault(p, type_line,
                               "[backend] type = %s needs a container: write for instance "
                               "`container = wiki`",
                               word_of(p->service));
    if (type_line && engine_line)
        odp_config_parse_fault(p, engine_line,
                               "[backend] engine has no use beside type = docker or podman (line "
                               "%u): remove one of them",
                               type_line);
}

static void check_compose(struct odp_config_parse *p, unsigned type_line)
{
    if (odp_config_is_missing(p, "backend", "project"))
        odp_config_parse_fault(p, type_line,
                               "[backend] type = compose needs a project: write for instance "
                               "`project = wiki`, as `docker compose ls -a` shows it");
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
}

// True where the file tells the type, by a `type` line or by a key that only one type has.
static bool find_type(struct odp_config_parse *p)
{
    if (odp_config_seen(p, "backend", "type"))
        return p->has_type;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (!odp_config_seen(p, "backend", telling_key(types[i])))
            continue;
        p->service->backend = types[i];
        return true;
    }
    return false;
}

static bool says_nothing_to_start(const struct odp_config_parse *p)
{
    if (p->backend_faulty || p->backend_excused || !odp_config_is_missing(p, "backend", "type"))
        return false;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (!odp_config_is_missing(p, "backend", telling_key(types[i])))
            return false;
    return true;
}

// Mounts and paths are looked at before a start, and nothing of a plain proxy is started.
static void check_none(struct odp_config_parse *p, unsigned type_line)
{
    static const char *const keys[] = {"mount", "path"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        unsigned line = odp_config_seen(p, "requires", keys[i]);
        if (line)
            odp_config_parse_fault(p, line,
                                   "[requires] %s has no use with type = none (line %u), which "
                                   "starts nothing: write it in the file of the service behind it",
                                   keys[i], type_line);
    }
}

static void check_backend(struct odp_config_parse *p)
{
    unsigned type_line = odp_config_seen(p, "backend", "type");

    if (says_nothing_to_start(p))
        odp_config_parse_fault(p, p->backend_line ? p->backend_line : 1,
                               "nothing says what to start: write `unit = NAME.service`, "
                               "`container = NAME`, `project = NAME` of Compose or `command = "
                               "/path/to/program` in [backend], "
                               "`start` and `stop` for "
                               "what runs elsewhere, or `type = none` for a plain proxy");
    if (!find_type(p))
        return;
    check_keys_of_type(p, type_line);
    switch (p->service->backend) {
    case ODP_BACKEND_NONE: check_none(p, type_line); break;
    case ODP_BACKEND_SYSTEMD: check_systemd(p, type_line); break;
    case ODP_BACKEND_PROCESS: check_process(p, type_line); break;
    case ODP_BACKEND_EXEC: check_exec(p, type_line); break;
    case ODP_BACKEND_CONTAINER: check_container(p, type_line); break;
    case ODP_BACKEND_COMPOSE: check_compose(p, type_line); break;
    }
}

static void refuse_without_probe(struct odp_config_parse *p, const char *key, const char *probe)
{
    unsigned line = odp_config_seen(p, "ready", key);

    if (line)
        odp_config_parse_fault(p, line,
                               "[ready] %s has a use with probe = %s alone: write `probe = %s` or "
                               "remove the line",
                               key, probe, probe);
}

static bool runs_containers(const struct odp_config_service *s)
{
    return s->n_containers > 0 || s->backend == ODP_BACKEND_COMPOSE;
}

// Without a `probe` line: who writes what is to be asked wants it asked.
static void find_probe(struct odp_config_parse *p)
{
    if (odp_config_seen(p, "ready", "probe"))
        return;
    if (odp_config_seen(p, "ready", "path") || odp_config_seen(p, "ready", "expect"))
        p->service->probe = ODP_PROBE_HTTP;
    else if (odp_config_seen(p, "ready", "command"))
        p->service->probe = ODP_PROBE_EXEC;
    else if (runs_containers(p->service))
        p->service->probe = ODP_PROBE_AUTO;
}

static void check_ready(struct odp_config_parse *p)
{
    const struct odp_config_service *s = p->service;
    unsigned probe_line = odp_config_seen(p, "ready", "probe");

    find_probe(p);
    if (s->probe != ODP_PROBE_HTTP) {
        refuse_without_probe(p, "path", "http");
        refuse_without_probe(p, "expect", "http");
    }
    if (s->probe == ODP_PROBE_UNIT && s->backend != ODP_BACKEND_SYSTEMD)
        odp_config_parse_fault(p, probe_line,
                               "[ready] probe = unit needs units: write `unit = NAME.service` in "
                               "[backend], or another probe");
    if (s->probe == ODP_PROBE_HEALTH && !runs_containers(s))
        odp_config_parse_fault(p, probe_line,
                               "[ready] probe = health needs a container: write `container = NAME` "
                               "in [backend], or another probe");
    if (s->probe != ODP_PROBE_EXEC)
        refuse_without_probe(p, "command", "exec");
    else if (odp_config_is_missing(p, "ready", "command"))
        odp_config_parse_fault(p, probe_line,
                               "[ready] probe = exec needs a command: write `command = "
                               "/path/to/program`");
}

// Whose address would it be?
static void check_auto(struct odp_config_parse *p)
{
    const struct odp_config_service *s = p->service;

    if (s->target.kind != ODP_ADDRESS_AUTO || p->backend_faulty || p->backend_excused ||
        says_nothing_to_start(p) || s->backend == ODP_BACKEND_CONTAINER ||
        s->backend == ODP_BACKEND_COMPOSE || s->n_containers > 0 ||
        !odp_config_is_missing(p, "backend", "container"))
        return;
    if (s->backend == ODP_BACKEND_SYSTEMD || s->backend == ODP_BACKEND_COMPOSE)
        odp_config_parse_fault(p, s->target_line,
                               "[service] target = %s is the address of a container, and [backend] "
                               "names none: write `container = NAME` beside `%s`, or an address "
                               "here, for instance `127.0.0.1:%u`",
                               s->target_text,
                               s->backend == ODP_BACKEND_COMPOSE ? "project" : "unit",
                               (unsigned)s->target.port);
    else
        odp_config_parse_fault(p, s->target_line,
                               "[service] target = %s is for services that are containers: write "
                               "an address, for instance `127.0.0.1:%u`",
                               s->target_text, (unsigned)s->target.port);
}

// Ports have neither mode nor owner.
static void check_access(struct odp_config_parse *p)
{
    static const char *const keys[] = {"socket_mode", "socket_owner"};
    const struct odp_config_service *s = p->service;
    bool excused = odp_config_is_faulty(p); // a faulty listen may be meant

    for (size_t i = 0; i < s->n_listen; i++)
        excused |= s->listen[i].address.kind == ODP_ADDRESS_UNIX;
    for (size_t i = 0; !excused && i < sizeof(keys) / sizeof(keys[0]); i++) {
        unsigned line = odp_config_seen(p, "service", keys[i]);
        if (line)
            odp_config_parse_fault(p, line,
                                   "[service] %s has a use with a unix socket alone: write "
                                   "`listen = /run/NAME.sock` or remove the line",
                                   keys[i]);
    }
}

void odp_config_check_whole(struct odp_config_parse *p)
{
    unsigned line = p->service_line ? p->service_line : 1;

    if (!p->any_content) {
        if (!odp_config_is_faulty(p))
            odp_config_parse_fault(p, 1,
                                   "the file is empty: write [service] with `listen` and `target`, "
                                   "and [backend] with `unit`, `container` or `command`");
        return;
    }
    if (!p->service_excused && odp_config_is_missing(p, "service", "listen"))
        odp_config_parse_fault(p, line,
                               "[service] has no listen: write for instance `listen = 8080`");
    if (!p->service_excused && odp_config_is_missing(p, "service", "target"))
        odp_config_parse_fault(
            p, line, "[service] has no target: write for instance `target = 127.0.0.1:18080`");
    check_access(p);
    check_backend(p);
    check_auto(p);
    check_ready(p);
    odp_config_check_addresses(p);
}
