// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The end of a random schedule: everything works again, so each service must come to serve a client
// and then to sleep, whatever was done to it before.

#include "world.h"

#define CALM_USEC  (20 * ODP_USEC_PER_SEC) // longer than any deadline
#define RETRY_USEC (31 * ODP_USEC_PER_SEC) // longer than any backoff

static void leave_all(struct fake_service *s)
{
    for (struct fake_conn *c = fake_conn_first(FAKE_CLIENT, s); c; c = fake_conn_next(c))
        fake_conn_leave(c, false);
}

static void visit(struct fake_service *s)
{
    struct fake_conn *c = fake_client_connect(s, false);

    fake_client_say(c, "hello\n");
    sim_say(s, " < client %u visits", c->number);
}

// The visitor is the latest client.
static bool is_served(struct fake_service *s)
{
    const struct fake_conn *c = fake_client_find(s, s->n_clients);

    return c && c->served && c->n_out > 0;
}

// A failed start may have been anybody's fault; but then each must get up again. The time that is
// given is the same for all, however soon some are up.
static void check_all_get_up(unsigned mask)
{
    bool up[WORLDS_MAX] = {false};

    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < fake_n_services; i++)
            if ((mask & (1U << i)) && !up[i])
                visit(&fake_services[i]);
        sim_pass(odp_now_usec() + RETRY_USEC);
        for (unsigned i = 0; i < fake_n_services; i++) {
            up[i] |= (mask & (1U << i)) && is_served(&fake_services[i]);
            leave_all(&fake_services[i]);
        }
    }
    for (unsigned i = 0; i < fake_n_services; i++)
        if ((mask & (1U << i)) && !up[i])
            sim_fail("every waiter answered once", "%s: %s, and cannot be woken any more",
                     fake_services[i].name,
                     odp_service_state_to_string(fake_services[i].managed->machine.state));
}

static void check_lies_down(struct fake_service *s)
{
    const struct odp_managed *m = s->managed;
    enum odp_service_state state = m->machine.state;
    bool stays = !m->machine.settings.can_stop || m->machine.idle.timeout_usec == ODP_NEVER ||
                 m->n_dependents > 0;

    if (stays ? state != ODP_SERVICE_READY
              : state != ODP_SERVICE_STOPPED && state != ODP_SERVICE_FROZEN)
        sim_fail("it sleeps in the end", "%s is %s", s->name, odp_service_state_to_string(state));
    const struct world *w = &worlds[s->index];
    if (state == ODP_SERVICE_STOPPED && w->unit != UNIT_DOWN && w->unit != UNIT_BROKEN &&
        !w->always_up)
        sim_fail("it sleeps in the end", "%s: something of it runs", s->name);
    if (m->n_waiting > 0 || m->n_connections > 0 || m->n_leaving > 0)
        sim_fail("it sleeps in the end", "%s: %u waiting, %u connected, %u leaving", s->name,
                 m->n_waiting, m->n_connections, m->n_leaving);
    if (fake_conn_first(FAKE_CLIENT, s) || fake_conn_first(FAKE_UPSTREAM, s))
        sim_fail("it sleeps in the end", "%s: a connection is left", s->name);
}

void calm_down(unsigned mask, bool plain)
{
    sim_say(NULL, ": everything is calm");
    world_calm_down();
    // Where its word was lost, against its contract, another launcher is asked for what is true.
    if (fake_launcher.alive && (plain || world_has_lost))
        world_launcher_dies();
    if (!fake_launcher.alive)
        fake_launcher_return();
    sim_pass(odp_now_usec() + CALM_USEC);
    for (unsigned i = 0; i < fake_n_services; i++)
        leave_all(&fake_services[i]);
    sim_pass(odp_now_usec() + CALM_USEC);
    check_all_get_up(mask);
    sim_pass(odp_now_usec() + CALM_USEC);
    for (unsigned i = 0; i < fake_n_services; i++)
        if ((mask & (1U << i)))
            check_lies_down(&fake_services[i]);
}
