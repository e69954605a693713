// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Containers as their engine describes them; see the header. What it says is not trusted.

#include "odp/cli/containers.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "odp/base/time.h"
#include "odp/cli/compose_list.h"
#include "odp/cli/engine_get.h"
#include "odp/cli/text.h"
#include "odp/core/engine_log.h"
#include "odp/core/engine_time.h"
#include "odp/core/json.h"

#define PATH_BYTES_MAX 512 // of a request
#define LINE_BYTES_MAX 256

// ---- where it is -------------------------------------------------------------------------------

static bool is_socket(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

void odp_containers_place(const cJSON *container, struct odp_engine_place *ret)
{
    const char *engine = odp_json_text(container, "engine"),
               *path = odp_json_text(container, "socket");
    char socket[sizeof(ret->socket)];
    struct odp_config_service settings = {
        .engine = strcmp(engine, "podman") == 0   ? ODP_ENGINE_PODMAN
                  : strcmp(engine, "docker") == 0 ? ODP_ENGINE_DOCKER
                                                  : ODP_ENGINE_DEFAULT,
    };

    if (*path) {
        snprintf(socket, sizeof(socket), "%s", path);
        settings.engine_socket = socket;
    }
    odp_engine_place_find(&settings, cJSON_IsTrue(odp_json_member(container, "user")),
                          getenv("XDG_RUNTIME_DIR"), is_socket, ret);
}

const char *odp_containers_who(const struct odp_engine_place *place)
{
    return strcmp(place->engine, "docker") == 0 ? "as root or as a member of group docker"
                                                : "as root";
}

// ---- what it says ------------------------------------------------------------------------------

static void set(cJSON *o, const char *key, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(o, key);
    if (!cJSON_AddItemToObject(o, key, value ? value : cJSON_CreateNull()))
        cJSON_Delete(value);
}

static void set_text(cJSON *o, const char *key, const char *s)
{
    set(o, key, s && *s ? cJSON_CreateString(s) : NULL);
}

static void set_moment(cJSON *o, const char *key, uint64_t usec)
{
    uint64_t ms = usec / ODP_USEC_PER_MS;

    set(o, key, ms > 0 ? cJSON_CreateNumber((double)ms / 1e3) : NULL);
}

static void set_error(cJSON *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void set_error(cJSON *o, const char *format, ...)
{
    char why[512];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    set_text(o, "error", why);
}

static void set_last_line(cJSON *o, const struct odp_engine_place *place, bool has_tty)
{
    char path[PATH_BYTES_MAX], line[LINE_BYTES_MAX] = "";
    struct odp_buf body = {0};
    unsigned status;

    snprintf(path, sizeof(path), "/containers/%s/logs?stdout=1&stderr=1&tail=1",
             odp_json_text(o, "name"));
    // Some drivers keep no log that can be read.
    if (odp_engine_get_text(place->socket, path, &status, &body) == 0 && status == 200 && body.s)
        odp_engine_log_last(body.s, body.n_bytes, has_tty, line, sizeof(line));
    odp_buf_deinit(&body);
    line[odp_utf8_cut(line, sizeof(line) - 1)] = '\0';
    set_text(o, "last_line", line);
}

static void set_health(cJSON *o, const cJSON *health)
{
    const cJSON *log = odp_json_member(health, "Log");
    const char *output =
        odp_json_text(cJSON_GetArrayItem(log, cJSON_GetArraySize(log) - 1), "Output");
    bool is_known =
        strcmp(odp_json_text(health, "Status"), "none") != 0 && *odp_json_text(health, "Status");
    char line[LINE_BYTES_MAX];

    odp_engine_log_last(output, strlen(output), true, line, sizeof(line));
    set_text(o, "health", is_known ? odp_json_text(health, "Status") : NULL);
    set_text(o, "health_said", is_known ? line : NULL);
}

// Podman's compatible API lets its own word through: that an end has not been tidied up yet.
static const char *status_of(const cJSON *container_state)
{
    const char *status = odp_json_text(container_state, "Status");

    return strcmp(status, "stopped") == 0 ? "exited" : status;
}

static void describe(cJSON *o, const cJSON *inspect, const struct odp_engine_place *place)
{
    const cJSON *container_state = odp_json_member(inspect, "State"),
                *config = odp_json_member(inspect, "Config");
    const cJSON *code = odp_json_member(container_state, "ExitCode");
    bool runs = cJSON_IsTrue(odp_json_member(container_state, "Running"));
    uint64_t started_usec = odp_engine_time_read(odp_json_text(container_state, "StartedAt"));
    uint64_t ended_usec = odp_engine_time_read(odp_json_text(container_state, "FinishedAt"));
    bool has_run = started_usec > 0;

    // Docker writes down the start of one that ends at once after its end.
    if (!runs && ended_usec > 0 && ended_usec < started_usec)
        started_usec = ended_usec;

    set_text(o, "image", odp_json_text(config, "Image"));
    set_text(o, "status", status_of(container_state));
    set(o, "exit_code",
        !runs && has_run && cJSON_IsNumber(code) ? cJSON_CreateNumber(code->valuedouble) : NULL);
    set(o, "oom_killed",
        cJSON_CreateBool(cJSON_IsTrue(odp_json_member(container_state, "OOMKilled"))));
    set_moment(o, "started_at", started_usec);
    set_moment(o, "ended_at", runs ? 0 : ended_usec);
    if (runs)
        set_health(o, odp_json_member(container_state, "Health"));
    set_last_line(o, place, cJSON_IsTrue(odp_json_member(config, "Tty")));
}

static void set_place(cJSON *o, struct odp_engine_place *ret)
{
    odp_containers_place(o, ret);
    set_text(o, "engine", ret->engine);
    set_text(o, "socket", ret->socket);
}

// False: nothing is known, and why.
static bool take_answer(cJSON *o, const struct odp_engine_place *place, int error, unsigned status,
                        const cJSON *reply)
{
    const char *message = odp_json_text(reply, "message");

    if (error == -EACCES || error == -EPERM)
        set_error(o, "%s may not be asked: try %s", place->engine, odp_containers_who(place));
    else if (error < 0)
        set_error(o, "%s at %s cannot be asked: %s", place->engine, place->socket,
                  strerror(-error));
    else if (status == 404)
        set_error(o, "%s has none of that name", place->engine);
    else if (status != 200 && message[0])
        set_error(o, "%s cannot tell how it is: %s", place->engine, message);
    else if (status != 200)
        set_error(o, "%s answers status %u", place->engine, status);
    else
        return true;
    return false;
}

static void ask(cJSON *o)
{
    struct odp_engine_place place;
    char path[PATH_BYTES_MAX];
    cJSON *inspect = NULL;
    unsigned status = 0;

    set_place(o, &place);
    snprintf(path, sizeof(path), "/containers/%s/json", odp_json_text(o, "name"));
    int r = odp_engine_get(place.socket, path, &status, &inspect);
    if (take_answer(o, &place, r, status, inspect))
        describe(o, inspect, &place);
    cJSON_Delete(inspect);
}

static void add_member(cJSON *containers, const cJSON *project, const char *name)
{
    cJSON *o = cJSON_CreateObject();

    set_text(o, "name", name);
    set_text(o, "engine", odp_json_text(project, "engine"));
    set_text(o, "socket", odp_json_text(project, "socket"));
    set(o, "user", cJSON_CreateBool(cJSON_IsTrue(odp_json_member(project, "user"))));
    if (!cJSON_AddItemToArray(containers, o))
        cJSON_Delete(o);
}

bool odp_containers_are_known(const cJSON *why)
{
    return cJSON_IsObject(odp_json_member(why, "project")) ||
           cJSON_GetArraySize(odp_json_member(why, "containers")) > 0;
}

void odp_containers_find(cJSON *why)
{
    cJSON *project = cJSON_GetObjectItemCaseSensitive(why, "project"), *containers;
    struct odp_engine_place place;
    struct odp_words names;
    unsigned status;

    if (!cJSON_IsObject(project))
        return;
    set_place(project, &place);
    set(project, "error", NULL);
    int r = odp_compose_list(place.socket, odp_json_text(project, "name"), &status, &names);
    if (take_answer(project, &place, r, status, NULL)) {
        containers = cJSON_CreateArray();
        for (size_t i = 0; i < names.n; i++)
            add_member(containers, project, names.items[i]);
        set(why, "containers", containers);
    }
    odp_words_deinit(&names);
}

void odp_containers_ask(cJSON *why)
{
    static const char *const keys[] = {"image",      "status",   "exit_code", "oom_killed",
                                       "started_at", "ended_at", "health",    "health_said",
                                       "last_line",  "error"};
    cJSON *o;

    odp_containers_find(why);
    cJSON_ArrayForEach(o, odp_json_member(why, "containers"))
    {
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
            set(o, keys[i], NULL);
        ask(o);
    }
}

// ---- in words ----------------------------------------------------------------------------------

static void add_moment(struct odp_buf *b, const cJSON *seconds)
{
    time_t t = cJSON_IsNumber(seconds) ? (time_t)seconds->valuedouble : 0;
    char moment[32] = "";
    struct tm tm;

    if (t > 0 && localtime_r(&t, &tm) && strftime(moment, sizeof(moment), "%Y-%m-%d %H:%M:%S", &tm))
        odp_buf_printf(b, "%s", moment);
}

static void add_health(struct odp_buf *b, const cJSON *o)
{
    const char *said = odp_json_text(o, "health_said");

    if (!*odp_json_text(o, "health"))
        return;
    odp_buf_printf(b, ", ");
    odp_text_add(b, strcmp(odp_json_text(o, "health"), "starting") == 0
                        ? "not healthy yet"
                        : odp_json_text(o, "health"));
    if (!*said || strcmp(odp_json_text(o, "health"), "healthy") == 0)
        return;
    odp_buf_printf(b, ": ");
    odp_text_add(b, said);
}

static void add_end(struct odp_buf *b, const cJSON *o, const cJSON *code)
{
    odp_buf_printf(b, "has exited with status %d", code->valueint);
    if (cJSON_IsTrue(odp_json_member(o, "oom_killed")) && code->valueint != 0)
        odp_buf_printf(b, ", out of memory");
    if (cJSON_IsNumber(odp_json_member(o, "ended_at"))) {
        odp_buf_printf(b, " at ");
        add_moment(b, odp_json_member(o, "ended_at"));
    }
    if (code->valueint == 0 || !*odp_json_text(o, "last_line"))
        return;
    odp_buf_printf(b, ": ");
    odp_text_add(b, odp_json_text(o, "last_line"));
}

void odp_containers_add(struct odp_buf *b, const cJSON *container)
{
    const cJSON *code = odp_json_member(container, "exit_code");

    odp_buf_printf(b, "container ");
    odp_text_add(b, odp_json_text(container, "name"));
    if (*odp_json_text(container, "image")) {
        odp_buf_printf(b, " of image ");
        odp_text_add(b, odp_json_text(container, "image"));
    }
    odp_buf_printf(b, ": ");
    if (*odp_json_text(container, "error"))
        odp_text_add(b, odp_json_text(container, "error"));
    else if (cJSON_IsNumber(code))
        add_end(b, container, code);
    else
        odp_text_add(b, odp_json_text(container, "status"));
    add_health(b, container);
}

bool odp_containers_add_project(struct odp_buf *b, const cJSON *why)
{
    const cJSON *project = odp_json_member(why, "project");
    const char *error = odp_json_text(project, "error");

    if (!cJSON_IsObject(project) ||
        (!*error && cJSON_GetArraySize(odp_json_member(why, "containers")) > 0))
        return false;
    odp_buf_printf(b, "project ");
    odp_text_add(b, odp_json_text(project, "name"));
    odp_buf_printf(b, ": ");
    if (*error)
        odp_text_add(b, error);
    else
        odp_buf_printf(b, "%s has no container of it", odp_json_text(project, "engine"));
    return true;
}
