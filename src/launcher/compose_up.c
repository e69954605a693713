// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs the compose program by the means of process.h, in a directory of its own, so that its record
// is never taken for one of the service. `up -d` and not `up --no-start`: docker-compose and
// podman-compose leave no label that says who waits for whom, but know it while they start.

#include "odp/launcher/compose_up.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/list.h"
#include "odp/base/log.h"
#include "odp/core/paths.h"
#include "odp/launcher/compose_program.h"
#include "odp/launcher/process.h"
#include "odp/launcher/reason.h"
#include "odp/launcher/systemd_bus.h"

#define KILL_AFTER_USEC (2 * ODP_USEC_PER_SEC)

struct odp_compose_up {
    struct odp_backend_host *host; // borrowed
    char name[ODP_NAME_MAX + 1];   // of the service
    char project[ODP_NAME_MAX + 1];
    char directory[ODP_PATH_MAX];
    struct odp_process *process;
    struct odp_output *output;
    struct odp_systemd_client client;
    struct odp_systemd_bus *bus; // borrowed; NULL where commands are children
    sd_bus_slot *released_slot;
    bool is_adopted;
    char why[ODP_REASON_MAX + 1]; // it has failed
    uv_timer_t timer;             // to tell that from the loop
    odp_compose_up_fn *on_end;    // NULL once it was called, or is not to be
    void *userdata;

    char program[ODP_PATH_MAX];
    char *file, *description; // owned
    char host_variable[sizeof("DOCKER_HOST=unix://") +
                       sizeof(((struct odp_engine_place *)0)->socket)];
    uint64_t limit_usec;
};

static const struct odp_process_observer observer;

static struct odp_process_home home_of(struct odp_compose_up *u)
{
    return (struct odp_process_home){.loop = u->host->loop,
                                     .directory = u->directory,
                                     .name = u->name,
                                     .observer = &observer,
                                     .userdata = u,
                                     .output = u->output,
                                     .units = u->host->uses_units ? u->host : NULL,
                                     .label = u->name,
                                     .number = 1};
}

// ---- its end -----------------------------------------------------------------------------------

static void end(struct odp_compose_up *u)
{
    odp_compose_up_fn *on_end = u->on_end;

    odp_record_mark_down(u->directory, u->name);
    u->on_end = NULL;
    if (on_end)
        on_end(u->userdata, u->why[0] ? u->why : NULL);
}

static void on_timer(uv_timer_t *timer)
{
    end(timer->data);
}

// Not from within a callback of the bus, which is left at the end.
static void end_soon(struct odp_compose_up *u)
{
    uv_timer_start(&u->timer, on_timer, 0, 0);
}

// Docker was killed while it started one of the containers, and containerd has that one still: no
// start of it will ever do.
static bool is_left_behind(const char *words)
{
    return strstr(words, "id already in use") ||
           (strstr(words, "/containerd/") && strstr(words, "file exists"));
}

static void describe(struct odp_compose_up *u, const struct odp_process_end *e)
{
    const char *name = strrchr(u->program, '/');
    char what[ODP_REASON_MAX + 1], span[ODP_SPAN_MAX];

    name = name ? name + 1 : "its compose program";
    odp_process_end_describe(e, what, sizeof(what));
    if (e->was_late)
        odp_reason_format(u->why, sizeof(u->why),
                          "%s up did not end within %s ([backend] start_timeout)%s%s", name,
                          odp_span_format(u->limit_usec, span, sizeof(span)),
                          e->last_words[0] ? ", last words: " : "", e->last_words);
    else if (u->file && is_left_behind(e->last_words))
        odp_reason_format(u->why, sizeof(u->why),
                          "containerd still has a container that docker was killed with: %s -p %s "
                          "-f %s up -d --force-recreate",
                          name, u->project, u->file);
    else
        odp_reason_format(u->why, sizeof(u->why), "%s up %s", name, what);
}

static int on_released(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_compose_up *u = userdata;

    (void)m;
    (void)ret_error;
    odp_systemd_bus_drop(u->bus, &u->released_slot);
    end_soon(u);
    return 0;
}

// systemd does nothing for who has left before it comes to that, and its unit is to be stopped: an
// answer to whatever comes after it says that this has been done.
static bool awaits_release(struct odp_compose_up *u)
{
    char unit[ODP_COMMAND_UNIT_MAX + 1];

    return u->bus && odp_systemd_bus_is_connected(u->bus) &&
           odp_systemd_bus_call(u->bus, &u->released_slot, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER,
                                "GetUnit", on_released, u, "s",
                                odp_command_unit(u->name, ODP_ROLE_COMPOSE, 1, unit)) == 0;
}

// How one has ended that is no child shows by the containers that there are.
static void on_gone(void *userdata, const struct odp_process_end *e)
{
    struct odp_compose_up *u = userdata;
    bool is_well = e->status_is_known && e->code == CLD_EXITED && e->status == 0;
    bool is_unknown = !e->status_is_known && (!e->error[0] || u->is_adopted);
    struct odp_process_home home = home_of(u);

    u->process = NULL;
    if (e->is_taken && odp_process_adopt_unit(&home, ODP_ROLE_COMPOSE, &u->process) == 0)
        return;
    if (e->was_late || (!is_well && !is_unknown))
        describe(u, e);
    if (!awaits_release(u))
        end(u);
}

static void on_running(void *userdata)
{
    (void)userdata;
}

static void on_stuck(void *userdata)
{
    struct odp_compose_up *u = userdata;

    odp_log(ODP_LOG_ERR, u->name, "not even SIGKILL has ended %s", u->program);
}

static const struct odp_process_observer observer = {
    .on_running = on_running,
    .on_stuck = on_stuck,
    .on_gone = on_gone,
};

// ---- its beginning -----------------------------------------------------------------------------

static int run(struct odp_compose_up *u)
{
    char *argv[] = {u->program, (char[]){"-p"}, u->project,     (char[]){"-f"},
                    u->file,    (char[]){"up"}, (char[]){"-d"}, NULL};
    char *environment[] = {u->host_variable, NULL};
    struct odp_config_service settings = {.description = u->description,
                                          .environment = environment};
    struct odp_process_home home = home_of(u);
    int r;

    memcpy(settings.name, u->name, sizeof(settings.name));
    odp_record_mark_up(u->directory, u->name);
    odp_log(ODP_LOG_INFO, u->name, "makes its containers: %s -p %s -f %s up -d", u->program,
            u->project, u->file);
    r = odp_process_start(&home, ODP_ROLE_COMPOSE, argv, &settings, KILL_AFTER_USEC, &u->process,
                          u->why, sizeof(u->why));
    if (r == 0)
        odp_process_limit(u->process, u->limit_usec);
    else
        odp_record_mark_down(u->directory, u->name);
    return r;
}

static int adopt(struct odp_compose_up *u)
{
    struct odp_process_home home = home_of(u);
    int r = u->bus ? odp_process_adopt_unit(&home, ODP_ROLE_COMPOSE, &u->process)
                   : odp_process_adopt(&home, true, &u->process);

    if (r == 0)
        odp_log(ODP_LOG_INFO, u->name, "its compose program runs since before; taken over");
    if (r == 0)
        odp_process_limit(u->process, u->limit_usec);
    return r;
}

static struct odp_compose_up *of_client(struct odp_systemd_client *c)
{
    return ODP_CONTAINER_OF(c, struct odp_compose_up, client);
}

static void on_connected(struct odp_systemd_client *c)
{
    struct odp_compose_up *u = of_client(c);

    if (!u->process && u->on_end && !uv_is_active((uv_handle_t *)&u->timer) &&
        (u->is_adopted ? adopt(u) : run(u)) < 0)
        end_soon(u);
}

static void on_job(struct odp_systemd_client *c, const struct odp_systemd_job *job)
{
    (void)c;
    (void)job;
}

static void on_lost(struct odp_systemd_client *c)
{
    struct odp_compose_up *u = of_client(c);

    if (u->released_slot)
        end_soon(u);
    odp_systemd_bus_drop(u->bus, &u->released_slot);
}

// What runs already looks after itself.
static void on_unreachable(struct odp_systemd_client *c, const char *why)
{
    struct odp_compose_up *u = of_client(c);

    if (u->process)
        return;
    odp_reason_format(u->why, sizeof(u->why), "%s", why);
    end_soon(u);
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
    u->client.on_job = on_job;
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
        return u->is_adopted ? adopt(u) : run(u);
    u->bus = odp_systemd_bus_join(u->host, geteuid() != 0, &u->client);
    if (!u->bus)
        return -ENOMEM;
    if (odp_systemd_bus_is_connected(u->bus))
        return u->is_adopted ? adopt(u) : run(u);
    odp_systemd_bus_hurry(u->bus);
    return 0;
}

int odp_compose_up_begin(struct odp_backend_host *host, const struct odp_config_service *settings,
                         const struct odp_engine_place *place, const char *project,
                         const char *file, odp_compose_up_fn *on_end, void *userdata,
                         struct odp_compose_up **ret, char *why, size_t why_size)
{
    struct odp_compose_up *u = up_new(host, settings, project, on_end, userdata);
    int r = u && u->description && (u->file = strdup(file)) ? 0 : -ENOMEM;

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
    end_soon(u);
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
    free(u->file);
    free(u->description);
    uv_close((uv_handle_t *)&u->timer, on_closed);
}
