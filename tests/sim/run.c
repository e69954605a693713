// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One run of a manager over the fakes: begin, let time pass, end.

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "odp/proxy/reload.h"
#include "sim.h"

#define TASKS_MAX  4096
#define ROUNDS_MAX 20000 // at one moment: more is a busy loop

struct sim sim;

static struct task {
    bool late;
    uint64_t at_usec, order;
    sim_task_cb run;
    void *data;
    uint64_t a, b;
} tasks[TASKS_MAX];
static unsigned n_tasks;
static uint64_t n_tasks_ever;

void sim_fail(const char *check, const char *format, ...)
{
    va_list args;

    snprintf(sim.check, sizeof(sim.check), "%s", check);
    va_start(args, format);
    vsnprintf(sim.message, sizeof(sim.message), format, args);
    va_end(args);
    longjmp(sim.on_failure, 1);
}

static void add_task(bool late, uint64_t at_usec, sim_task_cb run, void *data, uint64_t a,
                     uint64_t b)
{
    if (n_tasks == TASKS_MAX)
        sim_fail("simulation", "too many tasks");
    tasks[n_tasks++] = (struct task){late, at_usec, n_tasks_ever++, run, data, a, b};
}

void sim_task(uint64_t at_usec, sim_task_cb run, void *data, uint64_t a, uint64_t b)
{
    add_task(false, at_usec, run, data, a, b);
}

void sim_task_late(uint64_t at_usec, sim_task_cb run, void *data, uint64_t a, uint64_t b)
{
    add_task(true, at_usec, run, data, a, b);
}

static uint64_t next_task_usec(void)
{
    uint64_t at_usec = ODP_NEVER;

    for (unsigned i = 0; i < n_tasks; i++)
        at_usec = odp_usec_min(at_usec, tasks[i].at_usec);
    return at_usec;
}

static struct task *next_due(bool late, uint64_t before)
{
    struct task *best = NULL;

    for (unsigned i = 0; i < n_tasks; i++) {
        struct task *t = &tasks[i];
        if (t->late == late && t->at_usec <= odp_now_usec() && t->order < before &&
            (!best || t->at_usec < best->at_usec ||
             (t->at_usec == best->at_usec && t->order < best->order)))
            best = t;
    }
    return best;
}

// What they make due at this very moment comes after the loop has run: so it does not matter to one
// service what another one has to do at the same time.
static void run_due(bool late)
{
    uint64_t before = n_tasks_ever;

    for (struct task *t = next_due(late, before); t; t = next_due(late, before)) {
        struct task now = *t;
        *t = tasks[--n_tasks];
        now.run(now.data, now.a, now.b);
    }
}

void sim_reset(void)
{
    sim.manager = NULL;
    sim.began = false;
    sim.check[0] = '\0';
    sim.message[0] = '\0';
    n_tasks = 0;
    fake_time_reset();
    fake_net_reset();
    fake_launcher_reset();
    fake_services_reset();
}

// No key of the files leads to it yet.
static void set_freeze(struct fake_service *s)
{
    s->managed->machine.settings.freeze = true;
    s->managed->machine.settings.stop_after_usec = s->stop_after_usec;
}

void sim_begin(void)
{
    const struct odp_paths paths = {.config = "/sim", .runtime = "/sim", .state = "/sim"};
    struct odp_io_loop *loop;

    odp_io_loop_new(NULL, &loop);
    if (odp_manager_new(loop, &paths, false, &sim.manager) < 0)
        sim_fail("simulation", "no manager");
    for (unsigned i = 0; i < fake_n_services; i++) {
        struct fake_service *s = &fake_services[i];
        s->managed = odp_manager_find(sim.manager, s->name);
        if (!s->managed)
            sim_fail("simulation", "%s: its file is faulty:\n%s", s->name, s->text);
    }
    if (odp_manager_begin(sim.manager) < 0)
        sim_fail("simulation", "the manager does not begin");
    for (unsigned i = 0; i < fake_n_services; i++)
        if (fake_services[i].way == SIM_BY_SETTINGS)
            set_freeze(&fake_services[i]);
    sim.began = true;
}

void sim_reload(void)
{
    struct odp_reload done;
    char why[256];

    for (unsigned i = 0; i < fake_n_services; i++)
        fake_services[i].n_excused = fake_services[i].managed->n_taken;
    if (odp_manager_reload(sim.manager, &done, why, sizeof(why)) < 0)
        sim_fail("simulation", "%s", why);
    odp_reload_deinit(&done);
}

void sim_settle(void)
{
    for (unsigned n = 0; fake_io_round(); n++)
        if (n == ROUNDS_MAX)
            sim_fail("busy loop", "%u rounds at one moment", n);
    sim_check_all();
}

void sim_pass(uint64_t until_usec)
{
    for (;;) {
        sim_settle();
        uint64_t due_usec = odp_usec_min(fake_timers_due(), next_task_usec());
        if (due_usec > until_usec)
            break;
        fake_time_set(due_usec);
        do {
            run_due(false);
            sim_settle();
        } while (next_due(false, n_tasks_ever));
        run_due(true);
    }
    fake_time_set(until_usec);
}

void sim_drain_by_hand(struct fake_service *s)
{
    struct odp_service *machine = &s->managed->machine;

    if (machine->state != ODP_SERVICE_READY || s->managed->n_connections == 0)
        return;
    s->way = SIM_BY_HAND;
    machine->state = ODP_SERVICE_DRAINING;
    machine->deadline_usec = odp_usec_add(odp_now_usec(), machine->settings.drain_timeout_usec);
    odp_managed_arm(s->managed);
    odp_visits_pace(s->managed); // as with every change
}

void sim_end(void)
{
    sim.began = false;
    odp_manager_free(sim.manager);
    fake_io_round(); // frees what was retired
    sim.manager = NULL;
    if (fake_conn_n_open() > 0)
        sim_fail("descriptors", "%u descriptors are left open", fake_conn_n_open());
    if (fake_timers_n_open() > 0)
        sim_fail("timers", "%zu timers are left open", fake_timers_n_open());
}
