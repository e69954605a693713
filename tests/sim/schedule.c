// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Random schedules: two to four services under whatever the world can do to them, then calm, in
// which each of them must come to serve again and to sleep. A schedule is its seed, so the one that
// fails is run again with its trace, as short as it still fails, and some are run again with one
// service alone, to which the same must happen.

#include <string.h>
#include <time.h>

#include "world.h"

#define DISTURBED "two services never disturb each other"

struct plan {
    uint64_t seed;
    unsigned n_services;
    unsigned mask;         // the services to which something happens
    unsigned length;       // actions for each
    uint64_t horizon_usec; // then calm begins
    bool plain;            // without what services share
};

static struct plan plan; // of the run under way
static struct sim_rng shared;
static unsigned long n_actions;

// ---- what happens ------------------------------------------------------------------------------

static uint64_t random_pause(struct sim_rng *r)
{
    unsigned kind = sim_below(r, 100);

    if (kind < 25)
        return 0;
    if (kind < 45)
        return (1 + sim_below(r, 5)) * ODP_USEC_PER_MS;
    return (kind < 75 ? sim_below(r, 300) : sim_below(r, 3000)) * ODP_USEC_PER_MS;
}

static void on_turn(void *data, uint64_t a, uint64_t b);

// Often just when the service's own timer is due: before it, or behind it.
static void plan_turn(struct world *w)
{
    uint64_t due_usec = fake_timer_due(&w->s->managed->timer);
    bool late = sim_chance(&w->rng, 30);
    uint64_t at_usec = odp_now_usec() + random_pause(&w->rng);

    if (sim_chance(&w->rng, 20) && due_usec != ODP_NEVER)
        at_usec = due_usec;
    if (w->n_done >= plan.length || world_is_calm)
        return;
    if (late)
        sim_task_late(at_usec, on_turn, w, 0, 0);
    else
        sim_task(at_usec, on_turn, w, 0, 0);
}

static void on_turn(void *data, uint64_t a, uint64_t b)
{
    struct world *w = data;

    (void)a;
    (void)b;
    if (world_is_calm)
        return;
    w->n_done++;
    n_actions++;
    actor_act(w, plan.plain);
    plan_turn(w);
}

static void on_launcher_back(void *data, uint64_t a, uint64_t b)
{
    (void)data;
    (void)a;
    (void)b;
    if (fake_launcher.alive)
        return;
    sim_say(NULL, ": the launcher is back");
    fake_launcher_return();
}

static void kill_launcher(void)
{
    if (!fake_launcher.alive)
        return;
    sim_say(NULL, ": the launcher dies");
    world_launcher_dies();
    sim_task(odp_now_usec() + random_pause(&shared), on_launcher_back, NULL, 0, 0);
}

static void turn_clock(void)
{
    unsigned r = sim_below(&shared, 3);

    sim_say(NULL, ": the clock is turned");
    if (r == 0)
        fake_time_sleep_machine(ODP_USEC_PER_MIN * sim_below(&shared, 600));
    else
        fake_time_turn_realtime((r == 1 ? -1 : 1) * (int64_t)(ODP_USEC_PER_MIN * 600));
}

static void use_up_descriptors(void)
{
    unsigned most = fake_conn_n_open() + sim_below(&shared, 4);

    fake_descriptors_max = fake_descriptors_max == 0 ? most : 0;
    sim_say(NULL, ": descriptors: %u at most", fake_descriptors_max);
}

static void on_shared_turn(void *data, uint64_t n, uint64_t b)
{
    unsigned r = sim_below(&shared, 10);

    (void)data;
    (void)b;
    if (world_is_calm)
        return;
    if (r < 3)
        kill_launcher();
    else if (r < 5)
        turn_clock();
    else if (!plan.plain)
        use_up_descriptors();
    if (n + 1 < plan.length / 4)
        sim_task(odp_now_usec() + 5 * random_pause(&shared), on_shared_turn, NULL, n + 1, 0);
}

// ---- one schedule ------------------------------------------------------------------------------

static void make_plan(uint64_t seed, unsigned number)
{
    struct sim_rng r = {seed + number * UINT64_C(0xd1342543de82ef95)};

    plan = (struct plan){.seed = sim_random(&r)};
    plan.n_services = 2 + sim_below(&r, WORLDS_MAX - 1);
    plan.mask = (1U << plan.n_services) - 1;
    plan.length = 10 + sim_below(&r, 40);
    plan.horizon_usec = plan.length * 400 * ODP_USEC_PER_MS;
    plan.plain = number % 4 == 0;
}

static bool is_planned(unsigned i)
{
    return plan.mask & (1U << i);
}

static bool run_plan(void)
{
    sim_reset();
    if (setjmp(sim.on_failure) != 0)
        return false;
    shared.s = plan.seed;
    for (unsigned i = 0; i < plan.n_services; i++)
        world_add(plan.seed, i, plan.plain);
    fake_io_counts_rounds = !plan.plain;
    world_begin();
    sim_begin();
    sim_settle();
    for (unsigned i = 0; i < plan.n_services; i++)
        if (is_planned(i))
            plan_turn(&worlds[i]);
    sim_task(odp_now_usec() + random_pause(&shared), on_shared_turn, NULL, 0, 0);
    sim_pass(odp_now_usec() + plan.horizon_usec);
    calm_down(plan.mask, plan.plain);
    sim_end();
    return true;
}

// What happens to one service must not depend on what happens to the others.
static bool run_alone(unsigned i)
{
    uint64_t among = fake_services[i].digest;

    plan.mask = 1U << i;
    if (!run_plan())
        return false;
    if (fake_services[i].digest == among)
        return true;
    snprintf(sim.check, sizeof(sim.check), DISTURBED);
    return false;
}

// ---- what failed -------------------------------------------------------------------------------

static void keep_lines_of(const char *text, const char *name, struct odp_buf *ret)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n") + 1;
        const char *who = memchr(p, ']', n);
        if (who && strncmp(who + 2, name, strlen(name)) == 0)
            odp_buf_add(ret, p, n);
        p += n;
    }
}

static void say_again(const struct sim_options *o, unsigned number)
{
    printf("again: --seed %llu --first %u --schedules 1\n", (unsigned long long)o->seed, number);
}

static void trace_of_plan(struct odp_buf *b)
{
    sim_trace = b;
    sim_trace_is_short = false;
    (void)run_plan();
    sim_trace = NULL;
}

static void show_disturbance(const struct sim_options *o, unsigned number, unsigned i)
{
    struct odp_buf all = {0}, alone = {0}, a = {0}, b = {0};

    plan.mask = (1U << plan.n_services) - 1;
    trace_of_plan(&all);
    plan.mask = 1U << i;
    trace_of_plan(&alone);
    keep_lines_of(all.s, fake_services[i].name, &a);
    keep_lines_of(alone.s, fake_services[i].name, &b);
    sim_diff(stdout, a.s, b.s);
    printf("FAILED: random: " DISTURBED ": %s among others (-) and alone (+)\n",
           fake_services[i].name);
    say_again(o, number);
}

// The fewest services, then the fewest actions, with which the same check still fails.
static void shorten(void)
{
    char check[sizeof(sim.check)];

    snprintf(check, sizeof(check), "%s", sim.check);
    for (unsigned i = 0; i < plan.n_services; i++) {
        unsigned mask = plan.mask;
        plan.mask &= ~(1U << i);
        if (plan.mask == 0 || run_plan() || strcmp(check, sim.check) != 0)
            plan.mask = mask;
    }
    unsigned most = plan.length;
    for (plan.length = 1; plan.length < most; plan.length++)
        if (!run_plan() && strcmp(check, sim.check) == 0)
            break;
}

static void show_failure(const struct sim_options *o, unsigned number)
{
    struct odp_buf b = {0};

    shorten();
    trace_of_plan(&b);
    for (unsigned i = 0; i < plan.n_services; i++)
        if (is_planned(i))
            printf("---- %s.ini\n%s", fake_services[i].name, fake_services[i].text);
    printf("----\n%sFAILED: random: %s: %s\n", b.s ? b.s : "", sim.check, sim.message);
    say_again(o, number);
    odp_buf_deinit(&b);
}

// ---- all of them -------------------------------------------------------------------------------

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

bool sim_schedules(const struct sim_options *o)
{
    double began = seconds();
    unsigned n_alone = 0;

    n_actions = 0;
    for (unsigned i = 0; i < o->n_schedules; i++) {
        unsigned number = o->first + i;
        char what[64];
        snprintf(what, sizeof(what), "--seed %llu --first %u --schedules 1",
                 (unsigned long long)o->seed, number);
        sim_running(what);
        make_plan(o->seed, number);
        if (!run_plan()) {
            show_failure(o, number);
            return false;
        }
        if (!plan.plain)
            continue;
        n_alone++;
        unsigned k = number / 4 % plan.n_services;
        if (!run_alone(k)) {
            if (strcmp(sim.check, DISTURBED) == 0)
                show_disturbance(o, number, k);
            else
                show_failure(o, number);
            return false;
        }
    }
    printf("schedules: %u, with %lu actions; %u of them compared with one service alone; %.1f s\n",
           o->n_schedules, n_actions, n_alone, seconds() - began);
    return true;
}
