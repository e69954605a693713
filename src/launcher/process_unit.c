// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A command in a unit that is made for it (transient.h), as process.h has it: how it is begun or
// adopted, and what the connection's loss means to it. Its end is process_unit_end.c's.

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/list.h"
#include "odp/core/command.h"
#include "odp/core/paths.h"
#include "odp/launcher/reason.h"
#include "odp/launcher/transient.h"
#include "process_unit_internal.h"

// A probe that no launcher looks after any more.
#define ORPHAN_USEC (15 * ODP_USEC_PER_SEC)

// ---- its beginning -----------------------------------------------------------------------------

static int on_called(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_process_unit *u = userdata;
    struct odp_process *p = u->process;
    bool is_lost;
    const sd_bus_error *error = odp_systemd_bus_error(u->bus, m, &is_lost);

    (void)ret_error;
    odp_systemd_bus_drop(u->bus, &u->call_slot);
    if (is_lost)
        return 0;
    if (error) {
        p->end.is_taken = strcmp(error->name, "org.freedesktop.systemd1.UnitExists") == 0;
        odp_reason_format(p->end.error, sizeof(p->end.error), "systemd does not run it: %s",
                          error->message);
        if (p->end.is_taken && p->role != ODP_ROLE_START && p->role != ODP_ROLE_COMPOSE) {
            // an earlier launcher's, which nobody waits for
            process_unit_tell(u, "StopUnit");
            process_unit_tell(u, "ResetFailedUnit");
        }
        process_unit_finish(u);
        return 0;
    }
    u->is_accepted = true;
    if (p->state == ODP_PROCESS_STARTING) {
        p->state = ODP_PROCESS_RUNNING;
        p->observer->on_running(p->userdata);
    } else {
        process_unit_kill_all(u, SIGTERM);
    }
    odp_systemd_unit_study(&u->unit);
    return 0;
}

static struct odp_process_unit *of_client(struct odp_systemd_client *c)
{
    return ODP_CONTAINER_OF(c, struct odp_process_unit, client);
}

static void on_connected(struct odp_systemd_client *c)
{
    struct odp_process_unit *u = of_client(c);

    if (u->unit.bus)
        return; // it began within this very round
    odp_systemd_unit_watch(&u->unit, u->bus);
    odp_systemd_unit_look(&u->unit);
    if (u->process->state == ODP_PROCESS_ENDING && !u->is_main_ended) {
        u->process->end.was_killed = false; // what was sent meanwhile has reached nobody
        odp_process_unit_terminate(u->process);
    }
}

// It may have been given the command, or not: the unit will tell.
static void on_lost(struct odp_systemd_client *c)
{
    struct odp_process_unit *u = of_client(c);

    u->is_in_doubt |= !u->is_accepted;
    odp_systemd_bus_drop(u->bus, &u->call_slot);
    odp_systemd_unit_unwatch(&u->unit);
}

// The job to start it lasts as long as the command, and systemd tells of its end at once; the
// unit's own signal it holds back as long as any of its clients does not read, such as a systemctl
// that was suspended.
static void on_job(struct odp_systemd_client *c, const struct odp_systemd_job *job)
{
    struct odp_process_unit *u = of_client(c);

    if (odp_systemd_unit_on_job(&u->unit, job))
        odp_systemd_unit_study(&u->unit);
}

void odp_process_unit_free(struct odp_process_unit *u)
{
    if (!u)
        return;
    if (u->call_slot)
        odp_systemd_bus_drop(u->bus, &u->call_slot);
    odp_systemd_unit_deinit(&u->unit);
    if (u->bus)
        odp_systemd_bus_leave(u->bus, &u->client);
    free(u->program);
    free(u->directory);
    free(u->user);
    free(u->environment_file);
    free(u);
}

static int unit_new(struct odp_process *p, const struct odp_process_home *home)
{
    struct odp_process_unit *u = calloc(1, sizeof(*u));
    char name[ODP_COMMAND_UNIT_MAX + 1];

    if (!u)
        return -ENOMEM;
    p->unit = u;
    u->process = p;
    u->client.on_connected = on_connected;
    u->client.on_lost = on_lost;
    u->client.on_job = on_job;
    odp_command_unit(home->label, p->role, home->number, name);
    if (odp_systemd_unit_init(&u->unit, name) < 0)
        return -ENOMEM;
    u->unit.facts.is_made = true;
    u->unit.on_changed = process_unit_on_changed;
    u->unit.userdata = u;
    u->bus = odp_systemd_bus_join(home->units, geteuid() != 0, &u->client);
    if (!u->bus)
        return -ENOMEM;
    uv_timer_init(home->loop, &p->timer);
    p->timer.data = p;
    p->n_handles++;
    return 0;
}

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

static int ask(struct odp_process *p, char *const *argv, const struct odp_config_service *settings,
               char *why, size_t why_size)
{
    struct odp_process_unit *u = p->unit;
    ODP_CLEANUP_CLOSE int output_fd = -1;
    char output_path[ODP_PATH_MAX];

    if (p->output) {
        odp_output_path(p->directory, p->name, output_path);
        output_fd = open(output_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    }
    const struct odp_transient t = {
        .unit = u->unit.name,
        .settings = settings,
        .argv = argv,
        .role = p->role,
        .is_user = geteuid() != 0,
        .stop_timeout_usec = p->stop_timeout_usec,
        .limit_usec = p->role == ODP_ROLE_PROBE ? ORPHAN_USEC : ODP_NEVER,
        .output_fd = output_fd,
    };
    int r = odp_transient_check(&t, why, why_size);
    if (r == 0)
        r = odp_transient_start(u->bus, &u->call_slot, &t, on_called, u, why, why_size);
    return r;
}

int odp_process_unit_start(struct odp_process *p, const struct odp_process_home *home,
                           char *const *argv, const struct odp_config_service *settings, char *why,
                           size_t why_size)
{
    int r = unit_new(p, home);

    if (r < 0) {
        odp_reason_format(why, why_size, "the launcher is out of memory");
        return r;
    }
    if (!odp_systemd_bus_is_connected(p->unit->bus)) {
        odp_reason_format(why, why_size, "the service manager is not reached yet");
        return -ENOTCONN;
    }
    p->unit->program = copy(argv[0]);
    p->unit->directory = copy(settings->directory);
    p->unit->user = copy(settings->user);
    p->unit->environment_file = copy(settings->environment_file);
    odp_systemd_unit_watch(&p->unit->unit, p->unit->bus);
    return ask(p, argv, settings, why, why_size);
}

int odp_process_adopt_unit(const struct odp_process_home *home, enum odp_role role,
                           struct odp_process **ret)
{
    struct odp_process *p = odp_process_new(home, role);

    if (!p)
        return -ENOMEM;
    if (unit_new(p, home) < 0) {
        odp_process_free(p);
        return -ENOMEM;
    }
    p->state = ODP_PROCESS_RUNNING;
    p->unit->is_accepted = true;
    if (odp_systemd_bus_is_connected(p->unit->bus))
        on_connected(&p->unit->client);
    *ret = p;
    return 0;
}
