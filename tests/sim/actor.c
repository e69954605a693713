// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The random files of services, and what clients, people and others do to them at random.

#include <stdlib.h>
#include <string.h>

#include "world.h"

#define HTTP_HEAD "GET / HTTP"
#define HTTP_REST "/1.1\r\nHost: odp\r\n\r\n"

// ---- files -------------------------------------------------------------------------------------

static const char *pick(struct sim_rng *r, const char *const *values, unsigned n)
{
    return values[sim_below(r, n)];
}

#define PICK(r, ...)                                                                               \
    pick(r, (const char *const[]){__VA_ARGS__},                                                    \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void random_settings(struct sim_rng *r, bool always_up, struct odp_buf *b)
{
    bool is_container = !always_up && sim_chance(r, 25);

    if (always_up)
        odp_buf_printf(b, "[backend]\ntype = none\n");
    else if (is_container)
        odp_buf_printf(b, "[backend]\ntype = docker\ncontainer = %u\n", sim_below(r, 1000000));
    odp_buf_printf(b, "start_timeout = %s\n", PICK(r, "300ms", "1s", "2s", "10s"));
    odp_buf_printf(b, "stop_timeout = %s\n", PICK(r, "200ms", "1s", "5s"));
    const char *probe = PICK(r, "tcp", "tcp", "tcp", "tcp", "none", "http", "exec");
    if (is_container)
        probe = PICK(r, "auto", "auto", "health", "tcp", "http");
    odp_buf_printf(b, "[ready]\n");
    if (strcmp(probe, "auto") != 0)
        odp_buf_printf(b, "probe = %s\n", probe);
    if (strcmp(probe, "exec") == 0)
        odp_buf_printf(b, "command = /bin/true\n");
    odp_buf_printf(b, "timeout = %s\n", PICK(r, "300ms", "1s", "2s"));
    odp_buf_printf(b, "interval = %s\n", PICK(r, "4ms", "50ms", "200ms"));
    odp_buf_printf(b, "[wait]\nmode = %s\n", PICK(r, "hold", "hold", "page"));
    odp_buf_printf(b, "timeout = %s\n", PICK(r, "500ms", "2s", "10s"));
    odp_buf_printf(b, "max_waiting = %s\n", PICK(r, "1", "2", "4", "256"));
    odp_buf_printf(b, "[idle]\ntimeout = %s\n", PICK(r, "200ms", "1s", "1s", "5s", "infinity"));
    odp_buf_printf(b, "drain_timeout = %s\n", PICK(r, "1ms", "300ms", "2s"));
    odp_buf_printf(b, "count_direct = %s\n", PICK(r, "yes", "no"));
    odp_buf_printf(b, "[client]\nmax_connections = %s\n", PICK(r, "1", "2", "1024", "1024"));
}

static const char *const names[WORLDS_MAX] = {"jellyfin", "memos", "navidrome", "wiki"};

// Of those before it, so that there is no ring. What is shared is not for the plain schedules.
static void random_requires(struct sim_rng *r, unsigned index, bool plain, struct odp_buf *b)
{
    bool any = sim_chance(r, 40);

    if (!any || plain || index == 0)
        return;
    odp_buf_printf(b, "[requires]\nservice = %s\n", names[sim_below(r, index)]);
}

// Somebody edits its file, now and then with a fault, and reloads.
static void edit(struct world *w, bool plain)
{
    bool is_faulty = sim_chance(&w->rng, 30);
    struct odp_buf b = {0};

    random_settings(&w->rng, w->always_up, &b);
    random_requires(&w->rng, w->s->index, plain, &b);
    if (is_faulty)
        odp_buf_printf(&b, "[idle]\nnonsense = 1\n");
    sim_say(w->s, " < its file is edited%s", is_faulty ? ", with a fault" : "");
    fake_service_write(w->s, b.s);
    odp_buf_deinit(&b);
    sim_reload();
}

struct world *world_add(uint64_t seed, unsigned index, bool plain)
{
    static const enum fake_target goods[] = {FAKE_ECHOES, FAKE_ECHOES, FAKE_GREETS, FAKE_SILENT};
    struct world *w = &worlds[index];
    struct odp_buf b = {0};

    *w = (struct world){.rng.s = seed + (index + 1) * UINT64_C(0x5851f42d4c957f2d)};
    w->always_up = sim_chance(&w->rng, 10);
    w->has_forwarder = sim_chance(&w->rng, 30);
    w->is_checked = sim_chance(&w->rng, 50);
    w->good = goods[sim_below(&w->rng, 4)];
    w->unit = w->always_up || sim_chance(&w->rng, 20) ? UNIT_UP
              : sim_chance(&w->rng, 10)               ? UNIT_PARTLY
                                                      : UNIT_DOWN;
    random_settings(&w->rng, w->always_up, &b);
    random_requires(&w->rng, index, plain, &b);
    w->s = fake_service_add(names[index], b.s, sim_chance(&w->rng, 15));
    odp_buf_deinit(&b);
    w->s->n_direct = sim_below(&w->rng, 10) == 0;
    if (!w->always_up && sim_chance(&w->rng, 20)) {
        w->s->way = SIM_BY_SETTINGS;
        w->s->stop_after_usec = sim_chance(&w->rng, 50) ? ODP_NEVER : 2 * ODP_USEC_PER_SEC;
    } else if (!w->always_up && sim_chance(&w->rng, 10)) {
        w->s->way = SIM_BY_HAND;
    }
    return w;
}

// ---- clients -----------------------------------------------------------------------------------

static void connect_one(struct world *w)
{
    struct fake_conn *c = fake_client_connect(w->s, sim_chance(&w->rng, 30));
    unsigned kind = sim_below(&w->rng, 10);

    sim_say(w->s, " < client %u connects%s", c->number, c->remote ? " from afar" : "");
    if (kind < 3)
        fake_client_say(c, "hello\n");
    else if (kind < 6)
        fake_client_say(c, HTTP_HEAD HTTP_REST);
    else if (kind < 7)
        fake_client_say(c, HTTP_HEAD);
    if (kind < 7)
        sim_say(w->s, " < client %u says %s", c->number,
                kind < 3   ? "hello"
                : kind < 6 ? "GET /"
                           : "half of GET /");
}

static struct fake_conn *some_conn(struct world *w, enum fake_kind kind)
{
    unsigned n = 0;

    for (struct fake_conn *c = fake_conn_first(kind, w->s); c; c = fake_conn_next(c))
        n++;
    if (n == 0)
        return NULL;
    n = sim_below(&w->rng, n);
    struct fake_conn *c = fake_conn_first(kind, w->s);
    while (n-- > 0)
        c = fake_conn_next(c);
    return c;
}

static void client_acts(struct world *w)
{
    struct fake_conn *c = some_conn(w, FAKE_CLIENT);
    unsigned what = sim_below(&w->rng, 10);

    if (!c || c->closed)
        return;
    if (what < 3) {
        bool begun = c->n_in == sizeof(HTTP_HEAD) - 1;
        sim_say(w->s, " < client %u says more", c->number);
        fake_client_say(c, begun ? HTTP_REST : "more\n");
    } else if (what < 5) {
        sim_say(w->s, " < client %u ends its side", c->number);
        fake_conn_finish(c);
    } else {
        sim_say(w->s, " < client %u %s", c->number, what < 9 ? "leaves" : "resets");
        fake_conn_leave(c, what == 9);
    }
}

static void all_leave(struct world *w)
{
    sim_say(w->s, " < all clients leave");
    for (struct fake_conn *c = fake_conn_first(FAKE_CLIENT, w->s); c; c = fake_conn_next(c))
        fake_conn_leave(c, false);
}

static void target_acts(struct world *w)
{
    struct fake_conn *c = some_conn(w, FAKE_UPSTREAM);

    if (!c || !c->connected || c->closed)
        return;
    sim_say(w->s, " < the service ends a connection");
    if (sim_chance(&w->rng, 50))
        fake_conn_finish(c);
    else
        fake_conn_leave(c, sim_chance(&w->rng, 50));
}

// ---- people and others -------------------------------------------------------------------------

static void command(struct world *w, enum odp_service_event_kind kind)
{
    if (kind == ODP_EVENT_STOP && !w->s->managed->machine.settings.can_stop)
        return; // refused by the control socket
    odp_managed_event(w->s->managed, kind,
                      kind == ODP_EVENT_START ? "started by odp start" : "stopped by odp stop");
}

static void others_act(struct world *w)
{
    switch (sim_below(&w->rng, 6)) {
    case 0:
    case 1: world_kill(w); break;
    case 2: world_start(w); break;
    case 3: world_stop(w); break;
    case 4: world_freeze(w); break;
    default: world_thaw(w); break;
    }
}

static void drain(struct world *w)
{
    sim_say(w->s, " < is put into draining");
    sim_drain_by_hand(w->s);
}

static void connect_many(struct world *w, unsigned n)
{
    while (n-- > 0)
        connect_one(w);
}

void actor_act(struct world *w, bool plain)
{
    unsigned r = sim_below(&w->rng, 100);

    if (r < 3)
        edit(w, plain);
    else if (r < 30)
        connect_one(w);
    else if (r < 36)
        connect_many(w, 2 + sim_below(&w->rng, 6));
    else if (r < 62)
        client_acts(w);
    else if (r < 66)
        all_leave(w);
    else if (r < 72)
        target_acts(w);
    else if (r < 78)
        command(w, ODP_EVENT_START);
    else if (r < 84)
        command(w, ODP_EVENT_STOP);
    else if (r < 92)
        others_act(w);
    else if (r < 96 && w->s->way == SIM_BY_HAND)
        drain(w);
    else
        world_set_good(w, (enum fake_target)sim_below(&w->rng, FAKE_N_TARGETS));
    if (!plain && sim_below(&w->rng, 20000) == 0)
        connect_many(w, 200);
}
