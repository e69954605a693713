// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From containers to control groups; see the header. The engine tells id and main process. Where
// that process may not be seen (ProtectProc=), the id is looked for among the groups: their names
// have it, whatever made them.

#include "odp/launcher/engine.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/base/cgroup.h"
#include "odp/launcher/engine_http.h"
#include "odp/launcher/reason.h"

#define ID_MIN 12 // hexadecimal digits
#define ID_MAX 64

#define PATH_MAX_BYTES 512 // of a request

struct odp_engine_query {
    uv_loop_t *loop;                            // borrowed
    const struct odp_engine_observer *observer; // borrowed
    void *userdata;
    char **names; // owned, NULL terminated; NULL for none
    size_t n_names, at;
    struct odp_engine_place place;
    struct odp_engine_http *http; // owned; what is under way
};

// ---- where the engine is -----------------------------------------------------------------------

static bool is_socket(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

void odp_engine_find(const struct odp_config_service *settings, bool is_user,
                     struct odp_engine_place *ret)
{
    odp_engine_place_find(settings, is_user, getenv("XDG_RUNTIME_DIR"), is_socket, ret);
}

// ---- control groups ----------------------------------------------------------------------------

static bool is_id(const char *id)
{
    size_t n = strspn(id, "0123456789abcdef");

    return n >= ID_MIN && n <= ID_MAX && id[n] == '\0';
}

bool odp_engine_is_group_of(const char *name, size_t n_name, const char *id)
{
    static const char scope[] = ".scope", conmon[] = "conmon";
    size_t n_id = strlen(id);
    const char *at = memmem(name, n_name, id, n_id);

    if (!at || (at > name && at[-1] != '-') || memmem(name, (size_t)(at - name), conmon, 6))
        return false;
    size_t n_behind = n_name - (size_t)(at - name) - n_id;
    return n_behind == 0 ||
           (n_behind == sizeof(scope) - 1 && memcmp(at + n_id, scope, n_behind) == 0);
}

static bool is_group_of(const char *name, const void *id)
{
    return odp_engine_is_group_of(name, strlen(name), id);
}

// Cuts a path behind the component that is the container's own: a process of it may have gone into
// a group below. False: it has none.
static bool cut_to_container(char *path, const char *id)
{
    for (char *at = path; *at == '/';) {
        size_t n = strcspn(at + 1, "/");

        if (odp_engine_is_group_of(at + 1, n, id)) {
            at[1 + n] = '\0';
            return true;
        }
        at += 1 + n;
    }
    return false;
}

static bool find_group(const char *id, pid_t pid, char *ret, size_t size)
{
    const char *root = odp_cgroup_root();

    // Of another pid namespace it would be another process.
    if (pid > 0 && odp_cgroup_of(pid, ret, size) == 0 && cut_to_container(ret, id))
        return true;
    return root && odp_cgroup_find(root, is_group_of, id, ret, size) == 0;
}

// ---- answers -----------------------------------------------------------------------------------

static void ask_next(struct odp_engine_query *q);

// Of on_done it is the last call: *q may be gone when it returns.
__attribute__((format(printf, 3, 4))) static void say(struct odp_engine_query *q,
                                                      void (*to)(void *userdata, const char *why),
                                                      const char *format, ...)
{
    char why[ODP_REASON_MAX + 1];
    va_list args;

    va_start(args, format);
    odp_reason_vformat(why, sizeof(why), format, args);
    va_end(args);
    to(q->userdata, why);
}

// GET /containers/NAME/json. Returns false where it makes no sense.
static bool take_container(struct odp_engine_query *q, const cJSON *json)
{
    const char *name = q->names[q->at];
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "Id"));
    const cJSON *container_state = cJSON_GetObjectItemCaseSensitive(json, "State");
    const cJSON *running = cJSON_GetObjectItemCaseSensitive(container_state, "Running");
    const cJSON *pid = cJSON_GetObjectItemCaseSensitive(container_state, "Pid");
    char path[ODP_CGROUP_PATH_MAX];

    if (!id || !is_id(id) || !cJSON_IsBool(running))
        return false;
    if (!cJSON_IsTrue(running))
        say(q, q->observer->on_missing, "the container %s does not run", name);
    else if (find_group(id, cJSON_IsNumber(pid) ? pid->valueint : 0, path, sizeof(path)))
        q->observer->on_group(q->userdata, path);
    else
        say(q, q->observer->on_missing, "the control group of container %s is not found", name);
    return true;
}

static void on_reply(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_engine_query *q = userdata;
    cJSON *json = NULL;
    bool is_sound = true;

    if (reply->why) {
        say(q, q->observer->on_done, "cannot ask %s at %s: %s", q->place.engine, q->place.socket,
            reply->why);
        return;
    }
    if (reply->status == 404) {
        say(q, q->observer->on_missing, "%s has no container %s", q->place.engine, q->names[q->at]);
    } else if (reply->status == 200) {
        json = cJSON_ParseWithLength(reply->body, reply->n_body);
        is_sound = take_container(q, json);
        cJSON_Delete(json);
    }
    if (!is_sound || (reply->status != 200 && reply->status != 404)) {
        say(q, q->observer->on_done, "%s at %s answers what makes no sense (status %u)",
            q->place.engine, q->place.socket, reply->status);
        return;
    }
    odp_engine_http_free(q->http);
    q->http = NULL;
    q->at++;
    ask_next(q);
}

// ---- questions ---------------------------------------------------------------------------------

static void ask_next(struct odp_engine_query *q)
{
    char path[PATH_MAX_BYTES];
    const struct odp_engine_request request = {.socket = q->place.socket,
                                               .method = "GET",
                                               .path = path,
                                               .timeout_ms = ODP_ENGINE_TIMEOUT_MS,
                                               .on_reply = on_reply,
                                               .userdata = q};

    if (q->at == q->n_names) {
        q->observer->on_done(q->userdata, NULL);
        return;
    }
    snprintf(path, sizeof(path), "/containers/%s/json", q->names[q->at]);
    if (odp_engine_http_begin(q->loop, &request, &q->http) < 0)
        say(q, q->observer->on_done, "the launcher is out of memory");
}

struct odp_engine_query *
odp_engine_query_new(uv_loop_t *loop, const struct odp_config_service *settings, bool is_user,
                     const struct odp_engine_observer *observer, void *userdata)
{
    struct odp_engine_query *q = calloc(1, sizeof(*q));

    if (!q)
        return NULL;
    q->loop = loop;
    q->observer = observer;
    q->userdata = userdata;
    odp_engine_find(settings, is_user, &q->place);
    return q;
}

int odp_engine_query_add(struct odp_engine_query *q, const char *name)
{
    char **more = reallocarray(q->names, q->n_names + 2, sizeof(*more));

    if (!more)
        return -ENOMEM;
    q->names = more;
    more[q->n_names] = strdup(name);
    if (!more[q->n_names])
        return -ENOMEM;
    more[++q->n_names] = NULL;
    return 0;
}

void odp_engine_query_begin(struct odp_engine_query *q)
{
    ask_next(q);
}

void odp_engine_query_free(struct odp_engine_query *q)
{
    if (!q)
        return;
    odp_engine_http_free(q->http);
    for (char **name = q->names; name && *name; name++)
        free(*name);
    free(q->names);
    free(q);
}
