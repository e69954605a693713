// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The backend for units of systemd: takes requests, answers looks, and tells odpd what others do to
// the units. How units are started and stopped is systemd_action.c's.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/list.h"
#include "odp/base/log.h"
#include "odp/launcher/reason.h"
#include "systemd_internal.h"

static struct odp_systemd_service *systemd_service(struct odp_backend *b)
{
    return ODP_CONTAINER_OF(b, struct odp_systemd_service, base);
}

struct odp_unit_id odp_systemd_service_id(const struct odp_systemd_service *s,
                                          const struct odp_systemd_unit *u)
{
    return (struct odp_unit_id){.name = u->name, .is_user = s->is_user};
}

// *ret_i is the first unit that decides.
static enum odp_unit_verdict judge(const struct odp_systemd_service *s, size_t *ret_i)
{
    enum odp_unit_verdict verdict = ODP_UNITS_RUNNING;

    *ret_i = 0;
    for (size_t i = 0; i < s->n_units; i++) {
        enum odp_unit_verdict own = odp_unit_judge(&s->units[i].facts);

        if (own <= verdict)
            continue;
        verdict = own;
        *ret_i = i;
    }
    return verdict;
}

// ---- what odpd is told -------------------------------------------------------------------------

static enum odp_proto_state state_of(enum odp_unit_verdict verdict)
{
    switch (verdict) {
    case ODP_UNITS_RUNNING: return ODP_PROTO_RUNNING;
    case ODP_UNITS_FROZEN: return ODP_PROTO_FROZEN;
    case ODP_UNITS_INACTIVE: return ODP_PROTO_INACTIVE;
    case ODP_UNITS_FAILED: return ODP_PROTO_FAILED;
    case ODP_UNITS_IN_BETWEEN: break;
    }
    return ODP_PROTO_NO_STATE;
}

// In between, what is being stopped still runs, and what is being started does not yet.
static enum odp_proto_state describe(const struct odp_systemd_service *s, char *ret_reason,
                                     size_t size)
{
    size_t i;
    enum odp_unit_verdict verdict = judge(s, &i);
    const struct odp_systemd_unit *u = &s->units[i];
    const struct odp_unit_id id = odp_systemd_service_id(s, u);
    bool is_stopping = s->action == ODP_SYSTEMD_STOP || u->facts.state == ODP_UNIT_DEACTIVATING;

    ret_reason[0] = '\0';
    if (verdict == ODP_UNITS_FAILED)
        odp_unit_why_down(&id, &u->facts, ret_reason, size);
    if (verdict != ODP_UNITS_IN_BETWEEN)
        return state_of(verdict);
    odp_reason_format(ret_reason, size, "%s is being %s", u->name,
                      is_stopping ? "stopped" : "started");
    return is_stopping ? ODP_PROTO_RUNNING : ODP_PROTO_INACTIVE;
}

static void answer_looks(struct odp_systemd_service *s)
{
    char reason[ODP_REASON_MAX + 1];

    if (s->looks.n == 0)
        return;
    s->told = describe(s, reason, sizeof(reason));
    odp_waiters_answer(&s->looks, &s->base, s->told, reason);
}

// Tells what has changed by itself or by another's hand, once it is settled.
static void observe(struct odp_systemd_service *s)
{
    size_t i;
    enum odp_proto_state state = state_of(judge(s, &i));
    struct odp_systemd_unit *u = &s->units[i];
    const struct odp_unit_id id = odp_systemd_service_id(s, u);
    char reason[ODP_REASON_MAX + 1] = "";

    if (state == ODP_PROTO_NO_STATE || state == s->told)
        return;
    if (state == ODP_PROTO_FAILED || state == ODP_PROTO_INACTIVE) {
        // The reason is to be asked for; and on its way to a restart a unit is down for a moment.
        if (!u->is_looked_at) {
            odp_systemd_unit_study(u);
            return;
        }
        odp_unit_why_down(&id, &u->facts, reason, sizeof(reason));
    }
    s->told = state;
    odp_backend_report(&s->base, 0, state, "%s", reason);
}

static void on_timer(uv_timer_t *timer);

// A unit that was in a loop of Restart= has to prove itself.
static void arm_stable(struct odp_systemd_service *s)
{
    uint64_t usec = ODP_NEVER;

    if (s->waiters[ODP_SYSTEMD_STOP].n > 0)
        return; // the timer is the stop's
    for (size_t i = 0; i < s->n_units; i++)
        usec = odp_usec_min(usec, odp_systemd_unit_stable_in_usec(&s->units[i]));
    if (usec == ODP_NEVER)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer, usec / ODP_USEC_PER_MS + 1, 0);
}

void odp_systemd_service_step(struct odp_systemd_service *s)
{
    if (!s->bus || !odp_systemd_bus_is_connected(s->bus))
        return;
    for (size_t i = 0; i < s->n_units; i++)
        if (s->units[i].is_looking)
            return;
    answer_looks(s);
    odp_systemd_action_run(s);
    if (s->action == ODP_SYSTEMD_NOTHING)
        observe(s);
    arm_stable(s);
}

static void on_timer(uv_timer_t *timer)
{
    struct odp_systemd_service *s = timer->data;

    if (s->waiters[ODP_SYSTEMD_STOP].n > 0)
        odp_systemd_action_late(s);
    for (size_t i = 0; i < s->n_units; i++)
        if (odp_systemd_unit_stable_in_usec(&s->units[i]) == 0)
            odp_systemd_unit_forget_crashes(&s->units[i]);
    odp_systemd_service_step(s);
}

static void on_unit_changed(struct odp_systemd_unit *u, void *userdata)
{
    (void)u;
    odp_systemd_service_step(userdata);
}

// ---- the connection ----------------------------------------------------------------------------

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

// Returns false where the request is answered: out of memory.
static bool join(struct odp_systemd_service *s, uint32_t id)
{
    if (!s->bus) {
        s->bus = odp_systemd_bus_join(s->base.host, s->is_user, &s->client);
        if (s->bus && odp_systemd_bus_is_connected(s->bus))
            on_connected(&s->client);
    }
    if (s->bus)
        odp_systemd_bus_hurry(s->bus);
    else
        odp_backend_report(&s->base, id, ODP_PROTO_FAILED, "the launcher is out of memory");
    return s->bus;
}

// ---- requests ----------------------------------------------------------------------------------

static void systemd_look(struct odp_backend *base, uint32_t id)
{
    struct odp_systemd_service *s = systemd_service(base);

    if (!join(s, id))
        return;
    odp_waiters_add(&s->looks, base, id);
    for (size_t i = 0; i < s->n_units; i++)
        odp_systemd_unit_look(&s->units[i]);
}

static void request(struct odp_backend *base, uint32_t id, enum odp_systemd_action action)
{
    struct odp_systemd_service *s = systemd_service(base);

    if (!join(s, id))
        return;
    odp_waiters_add(&s->waiters[action], base, id);
    odp_systemd_service_step(s);
}

static void systemd_start(struct odp_backend *base, uint32_t id)
{
    request(base, id, ODP_SYSTEMD_START);
}

// What else is under way is given up: the stop jobs replace its jobs.
static void systemd_stop(struct odp_backend *base, uint32_t id)
{
    static const char reason[] = "was to be stopped before it had started";
    struct odp_systemd_service *s = systemd_service(base);

    if (!join(s, id))
        return;
    if (s->action != ODP_SYSTEMD_STOP)
        odp_systemd_action_drop(s);
    odp_waiters_answer(&s->waiters[ODP_SYSTEMD_START], base, ODP_PROTO_FAILED, reason);
    odp_waiters_answer(&s->waiters[ODP_SYSTEMD_THAW], base, ODP_PROTO_FAILED, reason);
    odp_waiters_answer(&s->waiters[ODP_SYSTEMD_FREEZE], base, ODP_PROTO_RUNNING, reason);
    if (s->waiters[ODP_SYSTEMD_STOP].n == 0)
        uv_timer_start(&s->timer, on_timer, s->stop_timeout_usec / ODP_USEC_PER_MS, 0);
    request(base, id, ODP_SYSTEMD_STOP);
}

static void systemd_freeze(struct odp_backend *base, uint32_t id)
{
    request(base, id, ODP_SYSTEMD_FREEZE);
}

static void systemd_thaw(struct odp_backend *base, uint32_t id)
{
    request(base, id, ODP_SYSTEMD_THAW);
}

// ---- its life ----------------------------------------------------------------------------------

static bool systemd_is_idle(struct odp_backend *base)
{
    const struct odp_systemd_service *s = (const void *)base; // its first member
    unsigned n_waiting = s->looks.n;

    for (size_t i = 0; i < ODP_SYSTEMD_N_ACTIONS; i++)
        n_waiting += s->waiters[i].n;
    for (size_t i = 0; i < s->n_units; i++)
        if (!odp_unit_is_down(&s->units[i].facts))
            return false;
    return s->action == ODP_SYSTEMD_NOTHING && n_waiting == 0;
}

static void units_free(struct odp_systemd_unit *units, size_t n)
{
    for (size_t i = 0; i < n; i++)
        odp_systemd_unit_deinit(&units[i]);
    free(units);
}

static void on_closed(uv_handle_t *timer)
{
    struct odp_systemd_service *s = timer->data;

    free(s);
}

static void systemd_free(struct odp_backend *base)
{
    struct odp_systemd_service *s = systemd_service(base);

    odp_systemd_action_drop(s);
    units_free(s->units, s->n_units);
    units_free(s->stop_units, s->n_stop_units);
    if (s->bus)
        odp_systemd_bus_leave(s->bus, &s->client);
    uv_close((uv_handle_t *)&s->timer, on_closed);
}

static const struct odp_backend_vtable systemd_vtable = {
    .type = ODP_BACKEND_SYSTEMD,
    .look = systemd_look,
    .start = systemd_start,
    .stop = systemd_stop,
    .freeze = systemd_freeze,
    .thaw = systemd_thaw,
    .is_idle = systemd_is_idle,
    .free = systemd_free,
};

// *ret_n counts those that are to be deinitialised.
static int units_new(struct odp_systemd_service *s, const struct odp_config_name *names, size_t n,
                     struct odp_systemd_unit **ret, size_t *ret_n)
{
    int r = 0;

    *ret = calloc(n + 1, sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++) {
        r = odp_systemd_unit_init(&(*ret)[i], names[i].text);
        (*ret)[i].on_changed = on_unit_changed;
        (*ret)[i].userdata = s;
        ++*ret_n;
    }
    return r;
}

int odp_backend_systemd_new(struct odp_backend_host *host,
                            const struct odp_config_service *settings, struct odp_backend **ret)
{
    struct odp_systemd_service *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->base = (struct odp_backend){.vtable = &systemd_vtable, .host = host, .settings = settings};
    s->client.on_connected = on_connected;
    s->client.on_job = on_job;
    s->client.on_lost = on_lost;
    s->client.on_unreachable = on_unreachable;
    s->is_user = settings->scope == ODP_SCOPE_USER ||
                 (settings->scope == ODP_SCOPE_DEFAULT && geteuid() != 0);
    s->stop_timeout_usec = settings->stop_timeout_usec;
    uv_timer_init(host->loop, &s->timer);
    s->timer.data = s;
    r = units_new(s, settings->units, settings->n_units, &s->units, &s->n_units);
    if (r == 0)
        r = units_new(s, settings->stop_units, settings->n_stop_units, &s->stop_units,
                      &s->n_stop_units);
    if (r < 0)
        systemd_free(&s->base);
    else
        *ret = &s->base;
    return r;
}
