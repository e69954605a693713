// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A service of units as one that uses the connection to its service manager: when it joins, and
// what jobs, a loss and a new connection mean to its units.

#include "odp/base/list.h"
#include "systemd_internal.h"

static struct odp_systemd_service *of_client(struct odp_systemd_client *c)
{
    return ODP_CONTAINER_OF(c, struct odp_systemd_service, client);
}

static void on_connected(struct odp_systemd_client *c)
{
    struct odp_systemd_service *s = of_client(c);

    for (size_t i = 0; i < s->n_units; i++) {
        odp_systemd_unit_watch(&s->units[i], s->bus);
        odp_systemd_unit_look(&s->units[i]);
    }
    for (size_t i = 0; i < s->n_stop_units; i++)
        odp_systemd_unit_watch(&s->stop_units[i], s->bus);
    odp_systemd_action_restart(s);
}

static void on_job(struct odp_systemd_client *c, const struct odp_systemd_job *job)
{
    struct odp_systemd_service *s = of_client(c);
    bool is_ours = false;

    for (size_t i = 0; i < s->n_units; i++)
        is_ours |= odp_systemd_unit_on_job(&s->units[i], job);
    for (size_t i = 0; i < s->n_stop_units; i++)
        is_ours |= odp_systemd_unit_on_job(&s->stop_units[i], job);
    if (!is_ours)
        return;
    odp_systemd_action_on_job(s, job);
    odp_systemd_service_step(s);
}

static void on_lost(struct odp_systemd_client *c)
{
    struct odp_systemd_service *s = of_client(c);

    odp_systemd_locate_lost(s);
    odp_systemd_action_restart(s);
    for (size_t i = 0; i < s->n_units; i++)
        odp_systemd_unit_unwatch(&s->units[i]);
    for (size_t i = 0; i < s->n_stop_units; i++)
        odp_systemd_unit_unwatch(&s->stop_units[i]);
}

// Nobody waits any longer. What cannot be asked counts as it was: nothing is called stopped only
// because nobody can be asked. Once somebody can, odpd is told what is the case.
static void on_unreachable(struct odp_systemd_client *c, const char *why)
{
    struct odp_systemd_service *s = of_client(c);

    odp_systemd_action_drop(s);
    s->told = ODP_PROTO_NO_STATE;
    odp_waiters_answer(&s->looks, &s->base, ODP_PROTO_STALE, why);
    odp_waiters_answer(&s->waiters[ODP_SYSTEMD_START], &s->base, ODP_PROTO_FAILED, why);
    odp_waiters_answer(&s->waiters[ODP_SYSTEMD_THAW], &s->base, ODP_PROTO_FAILED, why);
    odp_waiters_answer(&s->waiters[ODP_SYSTEMD_STOP], &s->base, ODP_PROTO_RUNNING, why);
    odp_waiters_answer(&s->waiters[ODP_SYSTEMD_FREEZE], &s->base, ODP_PROTO_RUNNING, why);
}

void odp_systemd_service_init_client(struct odp_systemd_service *s)
{
    s->client.on_connected = on_connected;
    s->client.on_job = on_job;
    s->client.on_lost = on_lost;
    s->client.on_unreachable = on_unreachable;
}

bool odp_systemd_service_join(struct odp_systemd_service *s)
{
    if (!s->bus) {
        s->bus = odp_systemd_bus_join(s->base.host, s->is_user, &s->client);
        if (s->bus && odp_systemd_bus_is_connected(s->bus))
            on_connected(&s->client);
    }
    return s->bus;
}

bool odp_systemd_service_join_for(struct odp_systemd_service *s, uint32_t id)
{
    if (odp_systemd_service_join(s))
        odp_systemd_bus_hurry(s->bus);
    else
        odp_backend_report(&s->base, id, ODP_PROTO_FAILED, "the launcher is out of memory");
    return s->bus;
}
