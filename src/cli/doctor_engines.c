// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Asks the container engines of the services about themselves and about the services' containers.

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor_internal.h"
#include "odp/cli/compose_list.h"
#include "odp/cli/engine_get.h"

#define PATH_BYTES_MAX 512 // of a request

static bool is_socket(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

bool doctor_is_of_engine(const struct odp_config_service *s)
{
    return s->backend == ODP_BACKEND_CONTAINER || s->backend == ODP_BACKEND_COMPOSE;
}

bool doctor_is_beside(const struct odp_config_service *s)
{
    return s->backend == ODP_BACKEND_SYSTEMD && s->n_containers > 0;
}

static bool is_wanted(const struct odp_doctor *d, const struct odp_config_service *s)
{
    // A user's engine is that of the user's odpd alone; the checks tell who expects otherwise.
    return s->enabled && (doctor_is_of_engine(s) || doctor_is_beside(s)) &&
           (d->is_user || !odp_doctor_is_user_scope(d, s));
}

static void find_place(const struct odp_doctor *d, const struct odp_config_service *s,
                       struct odp_engine_place *ret)
{
    odp_engine_place_find(s, odp_doctor_is_user_scope(d, s), getenv("XDG_RUNTIME_DIR"), is_socket,
                          ret);
}

// ---- whose it is, and how it is called
// -----------------------------------------------------------

// A rootless engine's socket is its user's.
static bool is_of_user(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_uid != 0;
}

// docker takes the system's socket, podman none at all: each has containers of its own.
static void find_program(const struct odp_doctor *d, const struct odp_config_service *s,
                         struct odp_engine_facts *e)
{
    struct odp_config_service usual = {.engine = ODP_ENGINE_PODMAN};
    bool is_podman = strcmp(e->place.engine, "podman") == 0;
    struct odp_engine_place place;

    odp_engine_place_find(&usual, odp_doctor_is_user_scope(d, s), getenv("XDG_RUNTIME_DIR"),
                          is_socket, &place);
    if (is_podman && strcmp(e->place.socket, place.socket) != 0)
        snprintf(e->program, sizeof(e->program), "podman --remote --url=unix://%s",
                 e->place.socket);
    else if (!is_podman && !odp_engine_place_is_usual_docker(&e->place))
        snprintf(e->program, sizeof(e->program), "docker --host=unix://%s", e->place.socket);
}

// Below /run/user/UID there is something only while that user is logged in, or lingers.
static void find_owner(const struct odp_doctor *d, struct odp_engine_facts *e)
{
    static const char below[] = "/run/user/";
    const char *number = e->place.socket + sizeof(below) - 1;
    const struct passwd *owner;
    char lingers[128], *end;

    if (strncmp(e->place.socket, below, sizeof(below) - 1) != 0)
        return;
    uid_t uid = (uid_t)strtoul(number, &end, 10);
    owner = end > number && *end == '/' && uid != d->uid ? getpwuid(uid) : NULL;
    if (!owner)
        return;
    snprintf(e->owner, sizeof(e->owner), "%s", owner->pw_name);
    snprintf(lingers, sizeof(lingers), "/var/lib/systemd/linger/%s", e->owner);
    e->owner_lingers = access(lingers, F_OK) == 0;
}

// ---- asking
// --------------------------------------------------------------------------------------

// n_engines: it is none of them.
static size_t find_engine(const struct odp_doctor *d, const struct odp_config_service *s)
{
    struct odp_engine_place place;
    size_t i = 0;

    if (!is_wanted(d, s))
        return d->n_engines;
    find_place(d, s, &place);
    while (i < d->n_engines && strcmp(d->engines[i].place.socket, place.socket) != 0)
        i++;
    return i;
}

const struct odp_engine_facts *odp_doctor_engine(const struct odp_doctor *d,
                                                 const struct odp_config_service *s)
{
    size_t i = find_engine(d, s);

    return i < d->n_engines ? &d->engines[i] : NULL;
}

static const struct odp_container *find_container(const struct odp_engine_facts *e,
                                                  const char *name)
{
    for (size_t i = 0; i < e->n_containers; i++)
        if (strcmp(e->containers[i].name, name) == 0)
            return &e->containers[i];
    return NULL;
}

const struct odp_container *odp_doctor_container(const struct odp_doctor *d,
                                                 const struct odp_config_service *s, size_t n)
{
    const struct odp_engine_facts *e = odp_doctor_engine(d, s);

    if (!e || e->error < 0)
        return NULL;
    if (s->backend != ODP_BACKEND_COMPOSE)
        return n < s->n_containers ? find_container(e, s->containers[n].text) : NULL;
    for (size_t i = 0; i < e->n_containers; i++)
        if (e->containers[i].project && strcmp(e->containers[i].project, s->project.text) == 0 &&
            n-- == 0)
            return &e->containers[i];
    return NULL;
}

static int ask(struct odp_engine_facts *e, const char *path, unsigned *ret_status, cJSON **ret)
{
    int r = e->error < 0 ? e->error : odp_engine_get(e->place.socket, path, ret_status, ret);

    e->error = r;
    return r == -ENOMEM ? r : 0;
}

// "ApiVersion": "1.41". Podman runs the package manager to answer, which may take seconds.
static int ask_version(struct odp_engine_facts *e)
{
    bool is_docker = strcmp(e->place.engine, "docker") == 0;
    cJSON *json = NULL;
    unsigned status;
    int r = is_docker ? ask(e, "/version", &status, &json) : 0;
    const char *version =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "ApiVersion"));

    if (version && strncmp(version, "1.", 2) == 0)
        e->api_minor = (unsigned)strtoul(version + 2, NULL, 10);
    cJSON_Delete(json);
    return r;
}

static int add_engine(struct odp_doctor *d, const struct odp_config_service *s)
{
    size_t known = find_engine(d, s);
    struct odp_engine_facts *engines;
    unsigned status;

    if (known < d->n_engines)
        d->engines[known].is_beside &= doctor_is_beside(s);
    if (!is_wanted(d, s) || known < d->n_engines)
        return 0;
    engines = reallocarray(d->engines, d->n_engines + 1, sizeof(*engines));
    if (!engines)
        return -ENOMEM;
    d->engines = engines;
    struct odp_engine_facts *e = &engines[d->n_engines++];
    *e = (struct odp_engine_facts){.is_user = odp_doctor_is_user_scope(d, s),
                                   .is_beside = doctor_is_beside(s)};
    find_place(d, s, &e->place);
    e->is_rootless = is_of_user(e->place.socket);
    find_program(d, s, e);
    find_owner(d, e);
    int r = ask(e, "/containers/json", &status, &e->running);
    if (r == 0 && e->error == 0)
        r = ask(e, "/networks", &status, &e->networks);
    return r == 0 && e->error == 0 ? ask_version(e) : r;
}

// An image may be removed by force while a container has it.
static int look_at_image(struct odp_engine_facts *e, struct odp_container *c)
{
    char path[PATH_BYTES_MAX];
    cJSON *image = NULL;
    unsigned status = 0;

    snprintf(path, sizeof(path), "/images/%s/json", odp_container_text(c, "Image"));
    if (!*odp_container_text(c, "Image"))
        return 0;
    int r = ask(e, path, &status, &image);
    c->image_gone = e->error == 0 && status == 404;
    cJSON_Delete(image);
    return r;
}

static int add_container(struct odp_engine_facts *e, const char *name, const char *project)
{
    struct odp_container *containers;
    char path[PATH_BYTES_MAX];
    unsigned status = 0;
    cJSON *json = NULL;

    if (find_container(e, name))
        return 0;
    containers = reallocarray(e->containers, e->n_containers + 1, sizeof(*containers));
    if (!containers)
        return -ENOMEM;
    e->containers = containers;
    struct odp_container *c = &containers[e->n_containers];
    *c = (struct odp_container){.name = strdup(name), .project = project ? strdup(project) : NULL};
    e->n_containers++;
    if (!c->name || (project && !c->project))
        return -ENOMEM;
    snprintf(path, sizeof(path), "/containers/%s/json", name);
    int r = ask(e, path, &status, &json);
    c->is_missing = e->error == 0 && status == 404;
    if (e->error == 0 && status == 200)
        c->inspect = json;
    else
        cJSON_Delete(json);
    return r == 0 && c->inspect ? look_at_image(e, c) : r;
}

static int add_project(struct odp_engine_facts *e, const char *project)
{
    struct odp_words names = {0};
    unsigned status = 0;
    int r = 0;

    if (e->error == 0)
        e->error = odp_compose_list(e->place.socket, project, &status, &names);
    for (size_t i = 0; i < names.n && r == 0; i++)
        r = add_container(e, names.items[i], project);
    odp_words_deinit(&names);
    return e->error == -ENOMEM ? -ENOMEM : r;
}

static int add_containers(struct odp_engine_facts *e, const struct odp_config_service *s)
{
    int r = 0;

    if (s->backend == ODP_BACKEND_COMPOSE)
        return add_project(e, s->project.text);
    for (size_t i = 0; i < s->n_containers && r == 0; i++)
        r = add_container(e, s->containers[i].text, NULL);
    return r;
}

int doctor_gather_engines(struct odp_doctor *d)
{
    int r = 0;

    for (size_t i = 0; i < d->config.n_services && r == 0; i++)
        r = add_engine(d, d->config.services[i]);
    for (size_t i = 0; i < d->config.n_services && r == 0; i++) {
        const struct odp_config_service *s = d->config.services[i];
        size_t n = find_engine(d, s);

        if (n < d->n_engines)
            r = add_containers(&d->engines[n], s);
    }
    return r;
}

void doctor_engines_deinit(struct odp_doctor *d)
{
    for (size_t i = 0; i < d->n_engines; i++) {
        struct odp_engine_facts *e = &d->engines[i];

        for (size_t k = 0; k < e->n_containers; k++) {
            free(e->containers[k].name);
            free(e->containers[k].project);
            cJSON_Delete(e->containers[k].inspect);
        }
        free(e->containers);
        cJSON_Delete(e->running);
        cJSON_Delete(e->networks);
    }
    free(d->engines);
}
