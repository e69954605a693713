// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Checks on services that are containers: can the engine be asked, are they there, does something
// else start or remove them. Pure, on what the engine has said.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor_internal.h"
#include "odp/core/compose.h"
#include "odp/core/json.h"

#define LOOP_RESTARTS 3
#define LOOP_SEC      10

#define PODMAN_SOCKET "/podman/podman.sock"

struct context {
    const struct odp_doctor *d;
    const struct odp_config_service *s;
    const struct odp_engine_facts *e;
    struct odp_findings *f;
};

static bool is_docker(const struct odp_engine_facts *e)
{
    return strcmp(e->place.engine, "docker") == 0;
}

// ---- the engine ---------------------------------------------------------------------------------

// Where the engine's own socket unit listens.
static bool is_usual(const struct odp_engine_facts *e)
{
    const char *path = e->place.socket, *own = is_docker(e) ? "/docker.sock" : PODMAN_SOCKET;
    size_t n = strlen(path), n_own = strlen(own);

    if (e->is_user && n > n_own && strcmp(path + n - n_own, own) == 0)
        return true;
    path += strncmp(path, "/var/run/", strlen("/var/run/")) == 0 ? strlen("/var") : 0;
    return strcmp(path, is_docker(e) ? "/run/docker.sock" : "/run" PODMAN_SOCKET) == 0;
}

// By whose file that socket is asked; NULL: by nobody's.
static const struct odp_config_service *named_by(const struct odp_doctor *d,
                                                 const struct odp_engine_facts *e)
{
    for (size_t i = 0; i < d->config.n_services; i++)
        if (d->config.services[i]->engine_socket &&
            odp_doctor_engine(d, d->config.services[i]) == e)
            return d->config.services[i];
    return NULL;
}

static void command_start(const struct odp_doctor *d, const struct odp_engine_facts *e,
                          struct odp_findings *f)
{
    bool is_user = e->is_user && !is_docker(e);
    const struct odp_config_service *named = named_by(d, e);

    if (named && !*e->owner && !is_usual(e))
        odp_finding_command(f, "ls -l %s (and start what listens there, or mend socket = in %s)",
                            QUOTED(e->place.socket), QUOTED(named->file));
    else if (*e->owner && e->owner_lingers)
        odp_finding_command(f, "systemctl --user --machine=%s@ enable --now %s.socket", e->owner,
                            e->place.engine);
    else if (*e->owner)
        odp_finding_command(f,
                            "loginctl enable-linger %s && systemctl --user --machine=%s@ enable "
                            "--now %s.socket",
                            e->owner, e->owner, e->place.engine);
    else if (e->error == -ETIMEDOUT && is_docker(e))
        odp_finding_command(f, "systemctl restart docker.service");
    else
        odp_finding_command(f, "systemctl %senable --now %s.socket", odp_doctor_option(is_user),
                            e->place.engine);
}

// Whether it may be asked, by who starts the containers: the user, where this is a user's odpd.
static const char *use_of(const struct odp_engine_facts *e)
{
    return e->is_beside ? "which odp asks about the containers of units"
                        : "by which odp starts containers";
}

static void check_denied(const struct odp_doctor *d, const struct odp_engine_facts *e,
                         struct odp_findings *f)
{
    if (!d->is_user)
        return;
    odp_finding_add(f, "engine-denied", ODP_DOCTOR_ALL, "%s may not use %s, %s", d->user_name,
                    e->place.socket, use_of(e));
    // A group counts from the next start of the user's service manager on.
    if (is_docker(e))
        odp_finding_command(f,
                            "sudo usermod -aG docker %s && sudo systemctl restart user@%u.service",
                            d->user_name, (unsigned)d->uid);
    else
        odp_finding_command(f, "systemctl --user enable --now podman.socket (and take socket = "
                               "out of the file)");
}

// While all that units would run is asleep, their engine may be so as well. Where nothing is said
// of it, and none is there, it may be the other one.
static bool is_needed(const struct odp_doctor *d, const struct odp_engine_facts *e)
{
    for (size_t i = 0; i < d->config.n_services && e->is_beside; i++) {
        const struct odp_config_service *s = d->config.services[i];

        if (odp_doctor_engine(d, s) == e && strcmp(odp_doctor_state(d, s->name), "ready") == 0 &&
            !(s->engine == ODP_ENGINE_DEFAULT && e->error == -ENOENT))
            return true;
    }
    return !e->is_beside;
}

void doctor_check_engines(const struct odp_doctor *d, struct odp_findings *f)
{
    for (size_t i = 0; i < d->n_engines; i++) {
        const struct odp_engine_facts *e = &d->engines[i];

        if (e->error == 0 || !is_needed(d, e))
            continue;
        if (e->error == -EACCES || e->error == -EPERM) {
            check_denied(d, e, f);
            continue;
        }
        odp_finding_add(f, "engine-down", ODP_DOCTOR_ALL, "%s does not answer at %s, %s: %s",
                        e->place.engine, e->place.socket, use_of(e), strerror(-e->error));
        command_start(d, e, f);
    }
}

// ---- one container ------------------------------------------------------------------------------

static void check_missing(const struct context *x, const struct odp_container *c)
{
    odp_finding_add(x->f, "container-missing", x->s->name, "%s has no container %s",
                    x->e->place.engine, c->name);
    odp_finding_command(x->f, "%s ps --all (and create it, or mend container = in %s)",
                        odp_engine_program(x->e), QUOTED(x->s->file));
}

// With unless-stopped an engine leaves alone what odp has stopped. Podman's policies are a unit's
// business at boot.
static void check_restart(const struct context *x, const struct odp_container *c)
{
    static const char unit[] = "podman-restart.service";
    const struct odp_service_manager *m = odp_doctor_manager(x->d, x->s);
    const char *by = is_docker(x->e) ? x->e->place.engine : unit;

    if (x->s->idle_timeout_usec == ODP_NEVER ||
        strcmp(odp_container_text(c, "HostConfig.RestartPolicy.Name"), "always") != 0 ||
        (by == unit && !odp_words_have(m->at_boot, unit)))
        return;
    odp_finding_add(x->f, "container-restarts", x->s->name,
                    "%s has the restart policy always, by which %s starts it when it is started "
                    "itself, at boot, when nobody has come",
                    c->name, by);
    if (by == unit)
        odp_finding_command(x->f, "systemctl %sdisable %s",
                            odp_doctor_option(odp_doctor_is_user_scope(x->d, x->s)), unit);
    else
        odp_finding_command(x->f, "%s update --restart=no %s%s", odp_engine_program(x->e), c->name,
                            odp_container_label(c, ODP_COMPOSE_PROJECT)
                                ? " (and take restart: out of its compose file)"
                                : "");
}

// Between its ends such a container runs for a moment.
static void check_loop(const struct context *x, const struct odp_container *c)
{
    bool is_fresh = odp_container_runs(c) && odp_container_started(c) + LOOP_SEC > x->d->now;

    if (odp_container_restarts(c) < LOOP_RESTARTS ||
        !(is_fresh || odp_container_is(c, "State.Restarting")))
        return;
    odp_finding_add(x->f, "container-loops", x->s->name,
                    "%s ends, and its restart policy starts it again, over and over", c->name);
    odp_finding_command(x->f, "%s stop %s; %s logs --tail 20 %s", odp_engine_program(x->e), c->name,
                        odp_engine_program(x->e), c->name);
}

static void check_removed(const struct context *x, const struct odp_container *c)
{
    if (!odp_container_is(c, "HostConfig.AutoRemove"))
        return;
    odp_finding_add(x->f, "container-removed", x->s->name,
                    "%s was made with --rm, by which %s removes it once odp stops it", c->name,
                    x->e->place.engine);
    doctor_command_recreate(x->f, x->e, x->s, c, "without --rm");
}

static void check_image(const struct context *x, const struct odp_container *c)
{
    const char *image = odp_container_text(c, "Config.Image");

    if (!c->image_gone)
        return;
    odp_finding_add(x->f, "image-gone", x->s->name,
                    "the image of %s, %s, was removed: the container cannot be made anew", c->name,
                    image);
    odp_finding_command(x->f, "%s pull %s", odp_engine_program(x->e), QUOTED(image));
}

// Docker's own networks have other ids each time that it is started, and are found by their names.
static bool is_own_network(const char *name)
{
    return strcmp(name, "bridge") == 0 || strcmp(name, "host") == 0 || strcmp(name, "none") == 0;
}

// Its name, NULL for none. A container that has been started looks for its networks by their ids:
// `ret_id` is that, or "".
static const char *find_missing_network(const struct context *x, const struct odp_container *c,
                                        const char **ret_id)
{
    const cJSON *settings = odp_json_member(c->inspect, "NetworkSettings"), *network;
    const char *mode = odp_container_text(c, "HostConfig.NetworkMode");

    cJSON_ArrayForEach(network, odp_json_member(settings, "Networks"))
    {
        *ret_id = odp_json_text(network, "NetworkID");
        if (!is_own_network(network->string) && **ret_id && !odp_engine_has_network(x->e, *ret_id))
            return network->string;
    }
    *ret_id = "";
    // "default", "container:ID" are no names.
    if (!*mode || strchr(mode, ':') || strcmp(mode, "default") == 0 ||
        odp_engine_has_network(x->e, mode))
        return NULL;
    return mode;
}

static void check_network(const struct context *x, const struct odp_container *c)
{
    const char *id, *program = odp_engine_program(x->e);
    const char *network =
        !is_docker(x->e) || odp_container_runs(c) ? NULL : find_missing_network(x, c, &id);

    if (!network)
        return;
    odp_finding_add(x->f, "network-missing", x->s->name,
                    "the network of %s, %s, was removed: the container cannot start", c->name,
                    network);
    if (odp_container_label(c, ODP_COMPOSE_PROJECT) && id[0])
        doctor_command_recreate(x->f, x->e, x->s, c, NULL);
    else if (id[0])
        odp_finding_command(x->f,
                            "%s network inspect %s || %s network create %s; "
                            "%s network disconnect --force %s %s; %s network connect %s %s",
                            program, QUOTED(network), program, QUOTED(network), program,
                            QUOTED(network), c->name, program, QUOTED(network), c->name);
    else
        odp_finding_command(x->f, "%s network create %s", program, QUOTED(network));
}

// Another service has it, too, as one of its Compose project: that shows only by its label.
static void check_shared(const struct context *x, const struct odp_container *c)
{
    const char *project = odp_container_label(c, ODP_COMPOSE_PROJECT);

    if (!project || x->s->backend != ODP_BACKEND_CONTAINER)
        return;
    for (size_t i = 0; i < x->d->config.n_services; i++) {
        const struct odp_config_service *other = x->d->config.services[i];

        if (other->backend != ODP_BACKEND_COMPOSE || strcmp(other->project.text, project) != 0 ||
            odp_doctor_engine(x->d, other) != x->e)
            continue;
        odp_finding_add(x->f, "container-shared", x->s->name,
                        "%s is one of project %s, which is that of the service %s: who is quiet "
                        "first stops it for both",
                        c->name, project, other->name);
        odp_finding_command(x->f,
                            "%s ps --all --filter label=" ODP_COMPOSE_PROJECT
                            "=%s (and in %s write "
                            "type = none in place of container =, and service = %s in [requires])",
                            odp_engine_program(x->e), project, QUOTED(x->s->file), other->name);
    }
}

// Of a unit's, which makes it anew each time, perhaps, and removes it: what shows only while it is
// there is told then, and what the unit's command says is told already.
static void check_beside(const struct context *x, const struct odp_container *c)
{
    bool runs = strcmp(odp_doctor_state(x->d, x->s->name), "ready") == 0;

    if (c->is_missing && runs) {
        odp_finding_add(x->f, "container-missing", x->s->name,
                        "its units run, but %s has no container %s: its memory is not known",
                        x->e->place.engine, c->name);
        odp_finding_command(x->f, "%s ps --all (and mend container = or engine = in %s)",
                            odp_engine_program(x->e), QUOTED(x->s->file));
    }
    if (!c->inspect)
        return;
    if (!odp_container_runs(c) && !odp_findings_has_of(x->f, "container-restarts", x->s->name))
        check_restart(x, c);
    check_loop(x, c);
}

static void check_one(const struct context *x, const struct odp_container *c)
{
    if (doctor_is_beside(x->s)) {
        check_beside(x, c);
        return;
    }
    if (c->is_missing)
        check_missing(x, c);
    if (!c->inspect)
        return;
    check_restart(x, c);
    check_loop(x, c);
    check_removed(x, c);
    check_image(x, c);
    check_network(x, c);
    check_shared(x, c);
}

// What has a file is made by it.
static void check_file(const struct context *x, const char *path)
{
    const struct odp_place *p = odp_doctor_place(x->d, path);

    if (!p || p->error != -ENOENT)
        return;
    odp_finding_add(x->f, "container-missing", x->s->name,
                    "%s has no containers of project %s, and %s, which is to make them, is not "
                    "there",
                    x->e->place.engine, x->s->project.text, path);
    odp_finding_command(x->f, "ls -l %s (and mend file = in %s)", QUOTED(path), QUOTED(x->s->file));
}

static void check_project(const struct context *x)
{
    if (x->s->backend != ODP_BACKEND_COMPOSE || !x->e || x->e->error < 0 ||
        odp_doctor_container(x->d, x->s, 0))
        return;
    for (char **path = x->s->compose_files; path && *path; path++)
        check_file(x, *path);
    if (x->s->compose_files)
        return;
    odp_finding_add(x->f, "container-missing", x->s->name, "%s has no containers of project %s",
                    x->e->place.engine, x->s->project.text);
    odp_finding_command(x->f,
                        "%s compose --project-name %s up --no-start (where its file is, or name "
                        "that: file = in %s)",
                        odp_engine_program(x->e), x->s->project.text, QUOTED(x->s->file));
}

void doctor_check_containers(const struct odp_doctor *d, const struct odp_config_service *s,
                             struct odp_findings *f)
{
    struct context x = {.d = d, .s = s, .e = odp_doctor_engine(d, s), .f = f};
    const struct odp_container *c;

    for (size_t i = 0; (c = odp_doctor_container(d, s, i)); i++)
        check_one(&x, c);
    check_project(&x);
}
