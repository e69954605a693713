// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bringing a project's containers up: what the compose program needs, when it may begin, and that
// it is given up. Its run is compose_up_run.c's.

#include "compose_up_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/list.h"
#include "odp/launcher/compose_program.h"
#include "odp/launcher/reason.h"

static struct odp_compose_up *of_client(struct odp_systemd_client *c)
{
    return ODP_CONTAINER_OF(c, struct odp_compose_up, client);
}

static void on_connected(struct odp_systemd_client *c)
{
    struct odp_compose_up *u = of_client(c);

    if (!u->process && u->on_end && !uv_is_active((uv_handle_t *)&u->timer) && compose_up_go(u) < 0)
        compose_up_end_soon(u);
}

static void on_lost(struct odp_systemd_client *c)
{
    struct odp_compose_up *u = of_client(c);

    if (u->released_slot)
        compose_up_end_soon(u);
    odp_systemd_bus_drop(u->bus, &u->released_slot);
}

// What runs already looks after itself.
static void on_unreachable(struct odp_systemd_client *c, const char *why)
{
    struct odp_compose_up *u = of_client(c);

    if (u->process)
        return;
    odp_reason_format(u->why, sizeof(u->why), "%s", why);
    compose_up_end_soon(u);
}

static void free_files(char **files)
{
    for (char **file = files; file && *file; file++)
        free(*file);
    free(files);
}

static char **copy(char *const *files)
{
    size_t n = 0;
    char **copies;

    while (files[n])
        n++;
    copies = calloc(n + 1, sizeof(*copies));
    for (size_t i = 0; copies && i < n; i++) {
        copies[i] = strdup(files[i]);
        if (copies[i])
            continue;
        free_files(copies);
        return NULL;
    }
    return copies;
}

static struct odp_compose_up *up_new(struct odp_backend_host *host,
                                     const struct odp_config_service *settings, const char *project,
                                     odp_compose_up_fn *on_end, void *userdata)
{
    struct odp_compose_up *u = calloc(1, sizeof(*u));

    if (!u)
        return NULL;
    u->host = host;
    u->on_end = on_end;
    u->userdata = userdata;
    u->limit_usec = settings->start_timeout_usec;
    u->description = strdup(settings->description);
    memcpy(u->name, settings->name, sizeof(u->name));
    snprintf(u->project, sizeof(u->project), "%s", project);
    snprintf(u->directory, sizeof(u->directory), "%s/compose", host->directory);
    u->client.on_connected = on_connected;
    u->client.on_lost = on_lost;
    u->client.on_unreachable = on_unreachable;
    uv_timer_init(host->loop, &u->timer);
    u->timer.data = u;
    return u;
}

// Runs it, or adopts it; where that takes a unit, once the bus is there.
static int begin(struct odp_compose_up *u)
{
    int r = odp_mkdir_p(u->directory, 0700);

    if (r == 0)
        r = odp_output_new(u->host->loop, u->directory, u->name, u->is_adopted, &u->output);
    if (r < 0) {
        odp_reason_format(u->why, sizeof(u->why), "cannot make a FIFO for its output in %s: %s",
                          u->directory, strerror(-r));
        return r;
    }
    if (!u->host->uses_units)
        return compose_up_go(u);
    u->bus = odp_systemd_bus_join(u->host, geteuid() != 0, &u->client);
    if (!u->bus)
        return -ENOMEM;
    if (odp_systemd_bus_is_connected(u->bus))
        return compose_up_go(u);
    odp_systemd_bus_hurry(u->bus);
    return 0;
}

int odp_compose_up_begin(struct odp_backend_host *host, const struct odp_config_service *settings,
                         const struct odp_engine_place *place, const char *project,
                         char *const *files, odp_compose_up_fn *on_end, void *userdata,
                         struct odp_compose_up **ret, char *why, size_t why_size)
{
    struct odp_compose_up *u = up_new(host, settings, project, on_end, userdata);
    int r = u && u->description && (u->files = copy(files)) ? 0 : -ENOMEM;

    odp_reason_format(why, why_size, "the launcher is out of memory");
    if (r == 0)
        snprintf(u->host_variable, sizeof(u->host_variable), "DOCKER_HOST=unix://%s",
                 place->socket);
    if (r == 0 &&
        !odp_compose_program_find(place->engine, u->program, sizeof(u->program), why, why_size))
        r = -ENOENT;
    if (r == 0)
        r = begin(u);
    if (r < 0 && u && u->why[0])
        odp_reason_format(why, why_size, "%s", u->why);
    if (r < 0)
        odp_compose_up_free(u);
    else
        *ret = u;
    return r;
}

int odp_compose_up_adopt(struct odp_backend_host *host, const struct odp_config_service *settings,
                         const char *project, odp_compose_up_fn *on_end, void *userdata,
                         struct odp_compose_up **ret)
{
    struct odp_compose_up *u = up_new(host, settings, project, on_end, userdata);
    int r = u ? 0 : -ENOMEM;

    if (r == 0 && odp_record_is_marked_up(u->directory, u->name) <= 0)
        r = -ENOENT;
    if (r == 0) {
        u->is_adopted = true;
        r = begin(u);
    }
    if (r == -ENOENT && u)
        odp_record_mark_down(u->directory, u->name);
    if (r < 0)
        odp_compose_up_free(u);
    else
        *ret = u;
    return r;
}

void odp_compose_up_give_up(struct odp_compose_up *u)
{
    if (u->process) {
        odp_process_terminate(u->process);
        return;
    }
    odp_reason_format(u->why, sizeof(u->why), "was not wanted any more");
    compose_up_end_soon(u);
}

static void on_closed(uv_handle_t *timer)
{
    free(timer->data);
}

void odp_compose_up_free(struct odp_compose_up *u)
{
    if (!u)
        return;
    u->on_end = NULL;
    if (!u->process)
        odp_output_remove(u->directory, u->name);
    odp_process_free(u->process);
    odp_output_free(u->output);
    if (u->bus)
        odp_systemd_bus_drop(u->bus, &u->released_slot);
    if (u->bus)
        odp_systemd_bus_leave(u->bus, &u->client);
    free_files(u->files);
    free(u->description);
    uv_close((uv_handle_t *)&u->timer, on_closed);
}
