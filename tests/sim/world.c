// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What really runs, and what the launcher says about it: at once, late, never, in the wrong order.

#include "world.h"

struct world worlds[WORLDS_MAX];
bool world_is_calm, world_has_lost;
static unsigned launcher_life; // what an earlier launcher has said does not arrive

// ---- time and words ----------------------------------------------------------------------------

static uint64_t ms(uint64_t n)
{
    return n * ODP_USEC_PER_MS;
}

// How long something takes: mostly not long.
static uint64_t span(struct world *w)
{
    unsigned r = sim_below(&w->rng, 100);

    if (world_is_calm)
        return ms(1);
    if (r < 40)
        return 0;
    if (r < 70)
        return ms(sim_below(&w->rng, 20));
    return r < 92 ? ms(sim_below(&w->rng, 400)) : ms(sim_below(&w->rng, 3000));
}

static void deliver(void *data, uint64_t message, uint64_t life)
{
    struct world *w = data;
    uint32_t id = (uint32_t)message;
    enum odp_proto_state state = (enum odp_proto_state)(message >> 32);
    static const char *const reasons[ODP_PROTO_UNCHECKED + 1] = {
        [ODP_PROTO_FAILED] = "exited with status 1",
        [ODP_PROTO_STALE] = "its file has changed",
        [ODP_PROTO_PARTLY] = "one has exited with status 1",
        [ODP_PROTO_PENDING] = "its health check says unhealthy",
        [ODP_PROTO_UNCHECKED] = "no container of it has a health check",
    };

    if (life == launcher_life)
        fake_launcher_say(w->s, id, state, reasons[state] ? reasons[state] : "");
}

// Words about one service arrive in the order in which they were said.
static void say_after(struct world *w, uint64_t span_usec, uint32_t id, enum odp_proto_state state)
{
    uint64_t at_usec = odp_usec_add(odp_now_usec(), span_usec);

    if (!world_is_calm && sim_chance(&w->rng, 2)) {
        world_has_lost = true;
        return;
    }
    if (at_usec < w->said_usec)
        at_usec = w->said_usec;
    w->said_usec = at_usec;
    sim_task(at_usec, deliver, w, (uint64_t)state << 32 | id, launcher_life);
}

static void say(struct world *w, uint32_t id, enum odp_proto_state state)
{
    say_after(w, span(w), id, state);
}

// The end of a job is told twice: as the answer, and as what was observed; in any order.
static void say_twice(struct world *w, uint32_t *id, enum odp_proto_state state)
{
    bool observed = sim_chance(&w->rng, 50), first = sim_chance(&w->rng, 50);

    if (observed && first)
        say(w, 0, state);
    if (*id != 0)
        say(w, *id, state);
    if ((observed && !first) || *id == 0)
        say(w, 0, state);
    *id = 0;
}

static enum odp_proto_state seen(const struct world *w)
{
    static const enum odp_proto_state states[] = {
        [UNIT_DOWN] = ODP_PROTO_INACTIVE,     [UNIT_BROKEN] = ODP_PROTO_FAILED,
        [UNIT_STARTING] = ODP_PROTO_STARTING, [UNIT_UP] = ODP_PROTO_RUNNING,
        [UNIT_STOPPING] = ODP_PROTO_RUNNING,  [UNIT_FROZEN] = ODP_PROTO_FROZEN,
        [UNIT_PARTLY] = ODP_PROTO_PARTLY,
    };

    return states[w->unit];
}

// ---- health checks -----------------------------------------------------------------------------

// What a probe finds, whether it is a command or a health check.
static bool answers(const struct world *w)
{
    enum fake_target target = w->s->target;

    return target == FAKE_ECHOES || target == FAKE_GREETS || target == FAKE_SILENT;
}

static void tell_health(struct world *w)
{
    bool is_known = w->unit == UNIT_UP && answers(w);

    if (w->health_id == 0 || (w->is_checked && !is_known))
        return;
    say(w, w->health_id, w->is_checked ? ODP_PROTO_ANSWERS : ODP_PROTO_UNCHECKED);
    w->health_id = 0;
}

static void drop_health(struct world *w)
{
    if (w->health_id != 0)
        say(w, w->health_id, ODP_PROTO_SILENT);
    w->health_id = 0;
}

static void ask_health(struct world *w, uint32_t id)
{
    drop_health(w);
    w->health_id = id;
    if (w->is_checked && sim_chance(&w->rng, 50))
        say(w, id, ODP_PROTO_PENDING);
    if (!world_is_calm && sim_chance(&w->rng, 5))
        drop_health(w); // nobody can be asked
    tell_health(w);
}

static void set_target(struct world *w, enum fake_target target)
{
    fake_target_set(w->s, target);
    tell_health(w);
}

// ---- what runs ---------------------------------------------------------------------------------

static void enter(struct world *w, enum unit unit)
{
    static const char *const names[] = {
        [UNIT_DOWN] = "is down",         [UNIT_BROKEN] = "is broken",
        [UNIT_STARTING] = "starts",      [UNIT_UP] = "is up",
        [UNIT_STOPPING] = "is stopping", [UNIT_FROZEN] = "is frozen",
        [UNIT_PARTLY] = "is partly up",
    };

    w->unit = unit;
    w->job++;
    sim_say(w->s, " = %s", names[unit]);
}

static void go_down(struct world *w, enum unit unit)
{
    enter(w, unit);
    fake_target_drop_all(w->s);
    set_target(w, FAKE_REFUSES);
    drop_health(w);
}

static void go_on(struct world *w)
{
    enter(w, UNIT_UP);
    set_target(w, w->good);
}

// The kernel still accepts for what is frozen.
static void freeze(struct world *w)
{
    enter(w, UNIT_FROZEN);
    set_target(w, FAKE_SILENT);
}

static void on_warm(void *data, uint64_t job, uint64_t b)
{
    struct world *w = data;

    (void)b;
    if (w->job == job)
        set_target(w, w->good);
}

static void on_death(void *data, uint64_t job, uint64_t b)
{
    struct world *w = data;

    (void)b;
    if (w->job != job)
        return;
    go_down(w, UNIT_BROKEN);
    say(w, 0, ODP_PROTO_FAILED);
}

static void come_up(struct world *w)
{
    // Who says that it needs no probe answers for it.
    bool is_warm = w->s->managed->config->probe == ODP_PROBE_NONE;

    enter(w, UNIT_UP);
    set_target(w, is_warm ? w->good : w->has_forwarder ? FAKE_RESETS : FAKE_REFUSES);
    say_twice(w, &w->start_id, ODP_PROTO_RUNNING);
    if (!world_is_calm && sim_chance(&w->rng, 8))
        sim_task(odp_now_usec() + span(w), on_death, w, w->job, 0);
    if (!is_warm)
        sim_task(odp_now_usec() + span(w), on_warm, w, w->job, 0);
}

static void on_start_done(void *data, uint64_t job, uint64_t outcome)
{
    struct world *w = data;

    if (w->job != job)
        return;
    if (outcome < 85 || world_is_calm) {
        come_up(w);
        return;
    }
    go_down(w, outcome < 92 ? UNIT_BROKEN : UNIT_DOWN);
    say_twice(w, &w->start_id, outcome < 95 ? ODP_PROTO_FAILED : ODP_PROTO_INACTIVE);
}

static void begin_start(struct world *w)
{
    uint64_t takes = sim_chance(&w->rng, 5) && !world_is_calm ? ms(20000) : span(w);

    enter(w, UNIT_STARTING);
    if (!world_is_calm && sim_chance(&w->rng, 15)) // answers before its start is done
        set_target(w, w->good);
    sim_task(odp_now_usec() + takes, on_start_done, w, w->job, sim_below(&w->rng, 100));
}

static void on_stop_done(void *data, uint64_t job, uint64_t outcome)
{
    struct world *w = data;

    if (w->job != job)
        return;
    if (outcome < 93 || world_is_calm) {
        go_down(w, outcome < 80 ? UNIT_DOWN : UNIT_BROKEN);
        say_twice(w, &w->stop_id, outcome < 80 ? ODP_PROTO_INACTIVE : ODP_PROTO_FAILED);
        return;
    }
    // It cannot be made to go.
    go_on(w);
    if (w->stop_id != 0)
        say(w, w->stop_id, outcome < 96 ? ODP_PROTO_FAILED : ODP_PROTO_RUNNING);
    w->stop_id = 0;
}

static void begin_stop(struct world *w, bool is_ours)
{
    enter(w, UNIT_STOPPING);
    w->stop_is_ours = is_ours;
    sim_task(odp_now_usec() + span(w), on_stop_done, w, w->job, sim_below(&w->rng, 100));
}

// ---- what odpd asks for ------------------------------------------------------------------------

static void on_start_request(struct world *w, uint32_t id)
{
    if (w->unit == UNIT_STOPPING && w->stop_is_ours)
        sim_fail("no start while a stop runs", "%s is started", w->s->name);
    if (w->unit == UNIT_FROZEN)
        go_on(w);
    if (w->unit == UNIT_UP) {
        say(w, id, ODP_PROTO_RUNNING);
        return;
    }
    w->start_id = id;
    if (w->unit != UNIT_STARTING)
        begin_start(w);
}

static void on_stop_request(struct world *w, uint32_t id)
{
    if (w->unit == UNIT_STARTING && w->start_id != 0) {
        say(w, w->start_id, ODP_PROTO_FAILED);
        w->start_id = 0;
    }
    if (w->unit == UNIT_DOWN || w->unit == UNIT_BROKEN || w->always_up) {
        say(w, id, w->always_up ? ODP_PROTO_RUNNING : ODP_PROTO_INACTIVE);
        return;
    }
    w->stop_id = id;
    if (w->unit == UNIT_STOPPING)
        w->stop_is_ours = true;
    else
        begin_stop(w, true);
}

static void on_request(struct fake_service *s, enum odp_proto_op op, uint32_t id)
{
    struct world *w = &worlds[s->index];

    if (!world_is_calm && op != ODP_PROTO_LOOK && sim_chance(&w->rng, 2)) {
        world_has_lost = true; // nothing is known by it
        say(w, id, ODP_PROTO_STALE);
        return;
    }
    if (op == ODP_PROTO_START || op == ODP_PROTO_STOP || op == ODP_PROTO_THAW)
        drop_health(w);
    switch (op) {
    case ODP_PROTO_START: on_start_request(w, id); break;
    case ODP_PROTO_STOP: on_stop_request(w, id); break;
    case ODP_PROTO_FREEZE:
        if (w->unit == UNIT_UP && (world_is_calm || sim_chance(&w->rng, 90)))
            freeze(w);
        say(w, id, seen(w));
        break;
    case ODP_PROTO_THAW:
        if (w->unit == UNIT_FROZEN)
            go_on(w);
        say(w, id, seen(w));
        break;
    case ODP_PROTO_LOOK:
    case ODP_PROTO_REPORT: say(w, id, seen(w)); break;
    case ODP_PROTO_PROBE:
        if (s->managed->config->probe == ODP_PROBE_EXEC)
            say(w, id, answers(w) ? ODP_PROTO_ANSWERS : ODP_PROTO_SILENT);
        else
            ask_health(w, id);
        break;
    case ODP_PROTO_LOAD: // files are not changed
    case ODP_PROTO_RENAME:
    case ODP_PROTO_FORGET:
    case ODP_PROTO_LEAVE:
    case ODP_PROTO_LOCATE: break;
    }
}

void world_launcher_dies(void)
{
    launcher_life++;
    fake_launcher_die();
    for (unsigned i = 0; i < fake_n_services; i++) {
        struct world *w = &worlds[i];
        w->start_id = w->stop_id = w->health_id = 0;
        w->said_usec = 0;
        if (w->unit == UNIT_STARTING && sim_chance(&w->rng, 50))
            go_down(w, UNIT_DOWN);
    }
}

// ---- what others do ----------------------------------------------------------------------------

// What runs on may be what clients talk with.
static void kill_one(struct world *w)
{
    if (sim_chance(&w->rng, 50))
        go_down(w, UNIT_PARTLY);
    else
        enter(w, UNIT_PARTLY);
    say(w, 0, ODP_PROTO_PARTLY);
}

void world_kill(struct world *w)
{
    if (w->unit == UNIT_UP && !w->always_up && sim_chance(&w->rng, 40)) {
        kill_one(w);
        return;
    }
    if (w->always_up || (w->unit != UNIT_UP && w->unit != UNIT_FROZEN && w->unit != UNIT_PARTLY))
        return;
    go_down(w, sim_chance(&w->rng, 50) ? UNIT_DOWN : UNIT_BROKEN);
    say(w, 0, seen(w));
}

void world_start(struct world *w)
{
    if (w->unit == UNIT_DOWN || w->unit == UNIT_BROKEN || w->unit == UNIT_PARTLY)
        begin_start(w);
}

void world_stop(struct world *w)
{
    if (w->unit == UNIT_UP && !w->always_up)
        begin_stop(w, false);
}

void world_freeze(struct world *w)
{
    if (w->unit != UNIT_UP || w->always_up)
        return;
    freeze(w);
    say(w, 0, ODP_PROTO_FROZEN);
}

void world_thaw(struct world *w)
{
    if (w->unit != UNIT_FROZEN)
        return;
    go_on(w);
    say(w, 0, ODP_PROTO_RUNNING);
}

void world_set_good(struct world *w, enum fake_target good)
{
    w->good = good;
    if (w->unit == UNIT_UP)
        set_target(w, good);
}

void world_begin(void)
{
    world_is_calm = world_has_lost = false;
    launcher_life++;
    fake_launcher.on_request = on_request;
    for (unsigned i = 0; i < fake_n_services; i++)
        if (worlds[i].unit == UNIT_UP)
            set_target(&worlds[i], worlds[i].good);
}

void world_calm_down(void)
{
    world_is_calm = true;
    fake_descriptors_max = 0;
    for (unsigned i = 0; i < fake_n_services; i++) {
        struct world *w = &worlds[i];
        w->s->n_direct = 0;
        w->is_checked = true; // who asks for a health check has one
        w->good = w->good == FAKE_GREETS ? FAKE_GREETS : FAKE_ECHOES;
        if (w->unit == UNIT_UP)
            set_target(w, w->good);
    }
}
