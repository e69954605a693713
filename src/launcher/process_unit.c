// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A command in a unit that is made for it (transient.h), as process.h has it. The unit stays when
// the command has ended, so its status is not lost with a launcher or a connection: how it was is
// read, then it is released. A start command's unit that ended well is left to whoever stops the
// service: it holds what the command has left behind.

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/list.h"
#include "odp/base/log.h"
#include "odp/core/command.h"
#include "odp/core/paths.h"
#include "odp/launcher/reason.h"
#include "odp/launcher/systemd_unit.h"
#include "odp/launcher/transient.h"
#include "process_internal.h"

#define PATIENCE_USEC (5 * ODP_USEC_PER_SEC) // for SIGKILL to work
// A probe that no launcher looks after any more.
#define ORPHAN_USEC (15 * ODP_USEC_PER_SEC)

struct odp_process_unit {
    struct odp_process *process;
    struct odp_systemd_client client;
    struct odp_systemd_bus *bus;
    struct odp_systemd_unit unit;
    sd_bus_slot *call_slot;
    bool is_accepted;   // systemd has it, as far as is known
    bool is_in_doubt;   // the connection was lost before that was said
    bool is_main_ended; // what it has left is being ended
    bool is_done;       // to be told in the next turn of the loop
    char *program, *directory, *user, *environment_file; // owned or NULL; for the reason
};

static void tell(const struct odp_process_unit *u, const char *method)
{
    odp_systemd_bus_tell(u->bus, method, u->unit.name);
}

// ---- its end -----------------------------------------------------------------------------------

static void release(const struct odp_process_unit *u)
{
    bool is_started = u->process->role == ODP_ROLE_START && u->process->state != ODP_PROCESS_ENDING;

    if (u->unit.facts.state == ODP_UNIT_FAILED)
        tell(u, "ResetFailedUnit");
    else if (u->unit.facts.state == ODP_UNIT_ACTIVE && !is_started)
        tell(u, "StopUnit");
}

// How the main process has ended, by the facts.
static void take_end(struct odp_process_unit *u)
{
    const struct odp_unit_facts *f = &u->unit.facts;
    const struct odp_unit_made made = {.service = u->process->name,
                                       .program = u->program,
                                       .directory = u->directory,
                                       .user = u->user,
                                       .environment_file = u->environment_file};
    struct odp_process_end *end = &u->process->end;

    if (f->state == ODP_UNIT_INACTIVE) {
        odp_reason_format(end->error, sizeof(end->error), "%s",
                          u->is_in_doubt ? "D-Bus was lost before systemd had said whether it runs"
                                         : "somebody has stopped its unit");
        return;
    }
    if (strcmp(f->result, "timeout") == 0)
        end->was_late = true;
    else if (f->state == ODP_UNIT_FAILED && u->process->state != ODP_PROCESS_ENDING &&
             !odp_unit_why_not_run(&made, f, end->error, sizeof(end->error)) &&
             f->exec_main_code == 0)
        odp_reason_format(end->error, sizeof(end->error), "systemd could not run it: %s",
                          f->result);
    end->status_is_known = f->exec_main_code != 0;
    end->code = f->exec_main_code;
    end->status = f->exec_main_status;
}

static void on_done(uv_timer_t *timer)
{
    odp_process_finish(timer->data);
}

// Not from within a callback of sd-bus or of the unit, which goes with the process.
static void finish(struct odp_process_unit *u)
{
    u->is_done = true;
    uv_update_time(u->process->timer.loop);
    uv_timer_start(&u->process->timer, on_done, 0, 0);
}

static int on_processes(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_process_unit *u = userdata;
    const struct odp_sd_bus *sd = odp_systemd_bus_functions(u->bus);
    const char *path, *line;
    uint32_t pid;
    bool is_lost, is_empty;

    (void)ret_error;
    odp_systemd_bus_drop(u->bus, &u->call_slot);
    is_empty = odp_systemd_bus_error(u->bus, m, &is_lost) || // there is no such unit any more
               sd->message_enter_container(m, 'a', "(sus)") < 0 ||
               sd->message_read(m, "(sus)", &path, &pid, &line) <= 0;
    if (is_empty && !is_lost)
        finish(u);
    return 0; // else the timer ends the rest
}

// Ended by us it takes along what it has left; else that is the service.
static void on_main_ended(struct odp_process_unit *u)
{
    if (u->is_main_ended)
        return;
    u->is_main_ended = true;
    take_end(u);
    release(u);
    if (u->process->state != ODP_PROCESS_ENDING || u->process->end.was_killed ||
        odp_systemd_bus_call(u->bus, &u->call_slot, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER,
                             "GetUnitProcesses", on_processes, u, "s", u->unit.name) < 0)
        finish(u);
}

static void on_changed(struct odp_systemd_unit *unit, void *userdata)
{
    struct odp_process_unit *u = userdata;

    if (u->is_done || (!u->is_accepted && !(u->is_in_doubt && unit->is_looked_at)))
        return;
    u->is_accepted = true;
    if (unit->is_looking || !odp_unit_is_settled(&unit->facts))
        return;
    if (unit->is_looked_at)
        on_main_ended(u);
    else
        odp_systemd_unit_study(unit);
}

static void kill_all(const struct odp_process_unit *u, int signal_number)
{
    if (odp_systemd_bus_is_connected(u->bus))
        (void)odp_systemd_bus_call(u->bus, NULL, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER, "KillUnit",
                                   NULL, NULL, "ssi", u->unit.name, "all", signal_number);
}

static void on_ending_timer(uv_timer_t *timer)
{
    struct odp_process *p = timer->data;

    if (p->end.was_killed) {
        p->observer->on_stuck(p->userdata);
        return;
    }
    p->end.was_killed = true;
    kill_all(p->unit, SIGKILL);
    if (p->unit->is_main_ended)
        finish(p->unit);
    else
        uv_timer_start(timer, on_ending_timer, PATIENCE_USEC / ODP_USEC_PER_MS, 0);
}

void odp_process_unit_terminate(struct odp_process *p)
{
    if (p->unit->is_done)
        return;
    if (p->unit->is_accepted) {
        kill_all(p->unit, SIGTERM);
        kill_all(p->unit, SIGCONT); // a stopped process acts on SIGTERM only once it goes on
    }
    uv_update_time(p->timer.loop);
    uv_timer_start(&p->timer, on_ending_timer, p->stop_timeout_usec / ODP_USEC_PER_MS, 0);
}

void odp_process_unit_kill(struct odp_process *p)
{
    kill_all(p->unit, SIGKILL);
    tell(p->unit, "StopUnit");
}

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
            tell(u, "StopUnit");
            tell(u, "ResetFailedUnit");
        }
        finish(u);
        return 0;
    }
    u->is_accepted = true;
    if (p->state == ODP_PROCESS_STARTING) {
        p->state = ODP_PROCESS_RUNNING;
        p->observer->on_running(p->userdata);
    } else {
        kill_all(u, SIGTERM);
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

static void on_job(struct odp_systemd_client *c, const struct odp_systemd_job *job)
{
    (void)c;
    (void)job;
}

// Its limit ends the waiting.
static void on_unreachable(struct odp_systemd_client *c, const char *why)
{
    (void)c;
    (void)why;
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
    u->client.on_job = on_job;
    u->client.on_lost = on_lost;
    u->client.on_unreachable = on_unreachable;
    odp_command_unit(home->label, p->role, home->number, name);
    if (odp_systemd_unit_init(&u->unit, name) < 0)
        return -ENOMEM;
    u->unit.facts.is_made = true;
    u->unit.on_changed = on_changed;
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
