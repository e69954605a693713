// SPDX-License-Identifier: LGPL-2.1-or-later
//
// JSON to facts; see the header.

#include "odp/launcher/container_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/time.h"
#include "odp/core/compose.h"
#include "odp/core/engine_log.h"
#include "odp/core/engine_time.h"
#include "odp/core/json.h"
#include "odp/launcher/reason.h"

// The version of the API that odp speaks; an engine that has left it behind is asked by its oldest.
#define API_MAJOR 1
#define API_MINOR 41

#define ID_MIN 12 // hexadecimal digits

#define LOOP_MIN 3 // restarts by the engine
// Its count goes on for as long as nobody else starts the container. What has run so long does not
// go round.
#define LOOP_RUN_MAX_USEC ODP_USEC_PER_MIN

// Docker's words and Podman's (died, remove).
#define LIFE                                                                                       \
    "%22start%22,%22die%22,%22died%22,%22oom%22,%22pause%22,%22unpause%22,%22destroy%22,"          \
    "%22remove%22,%22rename%22"

#define READY                                                                                      \
    "%22health_status%22,%22create%22,%22init%22,%22start%22,%22unpause%22,%22die%22,%22died%22"

static const char *const event_words[] = {
    [ODP_ENGINE_EVENTS_LIFE] = LIFE,
    [ODP_ENGINE_EVENTS_HEALTH] = "%22health_status%22",
    [ODP_ENGINE_EVENTS_PROJECT] = LIFE ",%22create%22,%22kill%22,%22cleanup%22",
    [ODP_ENGINE_EVENTS_READY] = READY,
};

static bool is_true(const cJSON *json, const char *name)
{
    return cJSON_IsTrue(odp_json_member(json, name));
}

static int number(const cJSON *json, const char *name)
{
    const cJSON *n = odp_json_member(json, name);

    return cJSON_IsNumber(n) ? n->valueint : 0;
}

// ---- a container -------------------------------------------------------------------------------

// Podman has more words: "configured", "initialized", "stopped", "stopping". What is stopping does
// not count as running there.
static enum odp_container_status status_of(const cJSON *container_state)
{
    const char *word = odp_json_text(container_state, "Status");

    if (is_true(container_state, "Restarting") || strcmp(word, "restarting") == 0)
        return ODP_CONTAINER_RESTARTING;
    if (is_true(container_state, "Paused") || strcmp(word, "paused") == 0)
        return ODP_CONTAINER_PAUSED;
    if (is_true(container_state, "Running"))
        return ODP_CONTAINER_RUNNING;
    if (strcmp(word, "stopping") == 0)
        return ODP_CONTAINER_STOPPING;
    if (strcmp(word, "removing") == 0) // is dead meanwhile, too
        return ODP_CONTAINER_REMOVING;
    if (is_true(container_state, "Dead"))
        return ODP_CONTAINER_DEAD;
    if (strcmp(word, "created") == 0 || strcmp(word, "configured") == 0 ||
        strcmp(word, "initialized") == 0)
        return ODP_CONTAINER_CREATED;
    return ODP_CONTAINER_EXITED;
}

// Podman has a State.Health for all, Docker for those alone that have been started. "NONE" takes
// back the image's check.
static bool has_check(const cJSON *json)
{
    const cJSON *check = odp_json_member(odp_json_member(json, "Config"), "Healthcheck");
    const char *kind = cJSON_GetStringValue(cJSON_GetArrayItem(odp_json_member(check, "Test"), 0));

    return kind && kind[0] != '\0' && strcmp(kind, "NONE") != 0;
}

// The last words that are not blank of the latest check.
static void read_health_said(const cJSON *health, char ret[ODP_CONTAINER_LINE_MAX])
{
    const cJSON *log = odp_json_member(health, "Log");
    const cJSON *last = cJSON_GetArrayItem(log, cJSON_GetArraySize(log) - 1);
    const char *output = odp_json_text(last, "Output");

    odp_container_log_read(output, strlen(output), true, ret, ODP_CONTAINER_LINE_MAX);
}

// What is said of one that does not run is out of date.
static void read_health(const cJSON *json, struct odp_container_facts *ret)
{
    const cJSON *health = odp_json_member(odp_json_member(json, "State"), "Health");
    const char *word = odp_json_text(health, "Status");

    if (!has_check(json))
        return;
    ret->health = ODP_CONTAINER_STARTING;
    read_health_said(health, ret->health_said);
    if (ret->status != ODP_CONTAINER_RUNNING)
        return;
    if (strcmp(word, "healthy") == 0)
        ret->health = ODP_CONTAINER_HEALTHY;
    else if (strcmp(word, "unhealthy") == 0)
        ret->health = ODP_CONTAINER_UNHEALTHY;
}

// A restart policy keeps a container running, or tries again until it ends well.
static bool is_job(const cJSON *json, enum odp_container_health health)
{
    const cJSON *host = odp_json_member(json, "HostConfig");
    const char *policy = odp_json_text(odp_json_member(host, "RestartPolicy"), "Name");

    return cJSON_GetArraySize(odp_json_member(host, "PortBindings")) == 0 &&
           health == ODP_CONTAINER_UNCHECKED && strcmp(policy, "always") != 0 &&
           strcmp(policy, "unless-stopped") != 0;
}

bool odp_container_facts_read(const char *body, size_t n_bytes, struct odp_container_facts *ret)
{
    cJSON *json = cJSON_ParseWithLength(body, n_bytes);
    const cJSON *container_state = odp_json_member(json, "State");
    bool is_sound = cJSON_IsBool(odp_json_member(container_state, "Running"));

    *ret = (struct odp_container_facts){.status = ODP_CONTAINER_MISSING};
    if (is_sound) {
        snprintf(ret->id, sizeof(ret->id), "%s", odp_json_text(json, "Id"));
        ret->status = status_of(container_state);
        ret->exit_code = number(container_state, "ExitCode");
        ret->had_oom = is_true(container_state, "OOMKilled");
        ret->has_tty = is_true(odp_json_member(json, "Config"), "Tty");
        ret->n_restarts = (unsigned)number(json, "RestartCount");
        ret->started_usec = odp_engine_time_read(odp_json_text(container_state, "StartedAt"));
        ret->ended_usec = odp_engine_time_read(odp_json_text(container_state, "FinishedAt"));
        read_health(json, ret);
        ret->is_job = is_job(json, ret->health);
    }
    cJSON_Delete(json);
    return is_sound;
}

bool odp_container_is_down(const struct odp_container_facts *f)
{
    return f->status != ODP_CONTAINER_RUNNING && f->status != ODP_CONTAINER_PAUSED &&
           f->status != ODP_CONTAINER_RESTARTING && f->status != ODP_CONTAINER_STOPPING;
}

bool odp_container_has_crashed(const struct odp_container_facts *f)
{
    if (f->status != ODP_CONTAINER_EXITED && f->status != ODP_CONTAINER_DEAD)
        return false;
    if (f->exit_code == 128 + 9)
        return f->had_oom;
    return f->exit_code != 0 && f->exit_code != 128 + 15;
}

bool odp_container_is_looping(const struct odp_container_facts *f)
{
    bool has_run =
        f->ended_usec > f->started_usec && f->ended_usec - f->started_usec >= LOOP_RUN_MAX_USEC;

    return f->status == ODP_CONTAINER_RESTARTING && f->n_restarts >= LOOP_MIN && !has_run;
}

// ---- what else an engine says ------------------------------------------------------------------

static bool read_version(const char *s, int *ret_minor)
{
    char *end;
    long major = strtol(s, &end, 10);

    if (end == s || *end != '.' || major != API_MAJOR)
        return false;
    *ret_minor = (int)strtol(end + 1, &end, 10);
    return *end == '\0' && *ret_minor >= 0 && *ret_minor < 1000;
}

static void format_prefix(int minor, char ret[ODP_ENGINE_PREFIX_MAX])
{
    snprintf(ret, ODP_ENGINE_PREFIX_MAX, "/v%d.%d", API_MAJOR, minor);
}

void odp_engine_version_usual(char ret[ODP_ENGINE_PREFIX_MAX])
{
    format_prefix(API_MINOR, ret);
}

bool odp_engine_version_read(const char *body, size_t n_bytes, char ret[ODP_ENGINE_PREFIX_MAX])
{
    cJSON *json = cJSON_ParseWithLength(body, n_bytes);
    int newest = 0, oldest = 0;
    bool is_sound = read_version(odp_json_text(json, "ApiVersion"), &newest) && newest >= API_MINOR;

    (void)read_version(odp_json_text(json, "MinAPIVersion"), &oldest);
    cJSON_Delete(json);
    format_prefix(oldest > API_MINOR ? oldest : API_MINOR, ret);
    return is_sound;
}

char *odp_engine_events_path(const char *prefix, enum odp_engine_events events, time_t since_sec,
                             const char *filter)
{
    char *path;

    if (asprintf(&path,
                 "%s/events?since=%lld&filters={%%22type%%22:[%%22container%%22],"
                 "%%22event%%22:[%s],%s}",
                 prefix, (long long)since_sec, event_words[events], filter) < 0)
        return NULL;
    return path;
}

bool odp_engine_runs_only(const char *body, size_t n_bytes, odp_engine_own_fn *is_own,
                          const void *userdata)
{
    cJSON *json = cJSON_ParseWithLength(body, n_bytes);
    bool is_only = cJSON_IsArray(json);
    const cJSON *container;

    cJSON_ArrayForEach(container, json)
    {
        const cJSON *labels = odp_json_member(container, "Labels");
        is_only &= is_own(userdata, odp_json_text(container, "Id"),
                          odp_json_text(labels, ODP_COMPOSE_PROJECT));
    }
    cJSON_Delete(json);
    return is_only;
}

void odp_engine_message_read(const char *body, size_t n_bytes, char *ret, size_t size)
{
    cJSON *json = cJSON_ParseWithLength(body, n_bytes);

    odp_reason_format(ret, size, "%s", odp_json_text(json, "message"));
    cJSON_Delete(json);
}

bool odp_engine_event_read(const char *line, size_t n_bytes, struct odp_engine_event *ret)
{
    cJSON *json = cJSON_ParseWithLength(line, n_bytes);
    const cJSON *actor = odp_json_member(json, "Actor"),
                *attributes = odp_json_member(actor, "Attributes");

    snprintf(ret->action, sizeof(ret->action), "%s", odp_json_text(json, "Action"));
    snprintf(ret->id, sizeof(ret->id), "%s", odp_json_text(actor, "ID"));
    snprintf(ret->name, sizeof(ret->name), "%s", odp_json_text(attributes, "name"));
    snprintf(ret->old_name, sizeof(ret->old_name), "%s", odp_json_text(attributes, "oldName"));
    cJSON_Delete(json);
    return ret->id[0];
}

bool odp_engine_event_is_of(const struct odp_engine_event *e, const char *name)
{
    size_t n_name = strlen(name);

    return strcmp(e->name, name) == 0 || strcmp(e->old_name, name) == 0 ||
           (n_name >= ID_MIN && strncmp(e->id, name, n_name) == 0);
}

// ---- logs --------------------------------------------------------------------------------------

void odp_container_log_read(const char *body, size_t n_bytes, bool has_tty, char *ret, size_t size)
{
    odp_engine_log_last(body, n_bytes, has_tty, ret, size);
    odp_reason_clean(ret);
}
