// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The end of a command in a unit. The unit stays when the command has ended, so its status is not
// lost with a launcher or a connection: how it was is read, then it is released. A start command's
// unit that ended well is left to whoever stops the service: it holds what the command has left
// behind.

#include <signal.h>
#include <string.h>

#include "odp/launcher/reason.h"
#include "process_unit_internal.h"

#define PATIENCE_USEC (5 * ODP_USEC_PER_SEC) // for SIGKILL to work

void process_unit_tell(const struct odp_process_unit *u, const char *method)
{
    odp_systemd_bus_tell(u->bus, method, u->unit.name);
}

static void release(const struct odp_process_unit *u)
{
    bool is_started = u->process->role == ODP_ROLE_START && u->process->state != ODP_PROCESS_ENDING;

    if (u->unit.facts.state == ODP_UNIT_FAILED)
        process_unit_tell(u, "ResetFailedUnit");
    else if (u->unit.facts.state == ODP_UNIT_ACTIVE && !is_started)
        process_unit_tell(u, "StopUnit");
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

void process_unit_finish(struct odp_process_unit *u)
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
        process_unit_finish(u);
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
        process_unit_finish(u);
}

void process_unit_on_changed(struct odp_systemd_unit *unit, void *userdata)
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

void process_unit_kill_all(const struct odp_process_unit *u, int signal_number)
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
    process_unit_kill_all(p->unit, SIGKILL);
    if (p->unit->is_main_ended)
        process_unit_finish(p->unit);
    else
        uv_timer_start(timer, on_ending_timer, PATIENCE_USEC / ODP_USEC_PER_MS, 0);
}

void odp_process_unit_terminate(struct odp_process *p)
{
    if (p->unit->is_done)
        return;
    if (p->unit->is_accepted) {
        process_unit_kill_all(p->unit, SIGTERM);
        process_unit_kill_all(p->unit,
                              SIGCONT); // a stopped process acts on SIGTERM only once it goes on
    }
    uv_update_time(p->timer.loop);
    uv_timer_start(&p->timer, on_ending_timer, p->stop_timeout_usec / ODP_USEC_PER_MS, 0);
}

void odp_process_unit_kill(struct odp_process *p)
{
    process_unit_kill_all(p->unit, SIGKILL);
    process_unit_tell(p->unit, "StopUnit");
}
