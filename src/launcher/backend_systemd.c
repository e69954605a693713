// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The backend for units of systemd: takes requests, and lets what happens to the units go on to
// those who act (systemd_action.c) and tell (systemd_told.c). What the connection tells comes by
// systemd_client.c. A command of the file is a service of one unit, which is made when it starts
// (systemd_made.c).

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "odp/base/list.h"
#include "systemd_internal.h"

static struct odp_systemd_service *systemd_service(struct odp_backend *b)
{
    return ODP_CONTAINER_OF(b, struct odp_systemd_service, base);
}

// ---- what happens ------------------------------------------------------------------------------

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
    s->is_known = true;
    odp_systemd_service_answer_looks(s);
    odp_systemd_action_run(s);
    if (s->action == ODP_SYSTEMD_NOTHING)
        odp_systemd_service_observe(s);
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

// ---- requests ----------------------------------------------------------------------------------

static void systemd_look(struct odp_backend *base, uint32_t id)
{
    struct odp_systemd_service *s = systemd_service(base);

    if (!odp_systemd_service_join_for(s, id))
        return;
    odp_waiters_add(&s->looks, base, id);
    for (size_t i = 0; i < s->n_units; i++)
        odp_systemd_unit_look(&s->units[i]);
}

static void request(struct odp_backend *base, uint32_t id, enum odp_systemd_action action)
{
    struct odp_systemd_service *s = systemd_service(base);

    if (!odp_systemd_service_join_for(s, id))
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

    if (!odp_systemd_service_join_for(s, id))
        return;
    if (s->action != ODP_SYSTEMD_STOP)
        odp_systemd_action_drop(s);
    odp_waiters_answer(&s->waiters[ODP_SYSTEMD_START], base, ODP_PROTO_FAILED, reason);
    odp_waiters_answer(&s->waiters[ODP_SYSTEMD_THAW], base, ODP_PROTO_FAILED, reason);
    odp_waiters_answer(&s->waiters[ODP_SYSTEMD_FREEZE], base, ODP_PROTO_RUNNING, reason);
    if (s->waiters[ODP_SYSTEMD_STOP].n == 0)
        uv_timer_start(&s->timer, on_timer, s->stop_limit_usec / ODP_USEC_PER_MS, 0);
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

static void systemd_locate(struct odp_backend *base, uint32_t id)
{
    odp_systemd_locate(systemd_service(base), id);
}

// ---- its life ----------------------------------------------------------------------------------

static bool systemd_is_idle(struct odp_backend *base)
{
    struct odp_systemd_service *s = systemd_service(base);
    unsigned n_waiting = s->looks.n;

    for (size_t i = 0; i < ODP_SYSTEMD_N_ACTIONS; i++)
        n_waiting += s->waiters[i].n;
    for (size_t i = 0; i < s->n_units; i++)
        if (!odp_unit_is_down(&s->units[i].facts))
            return false;
    if (s->made && !s->is_known) { // an earlier launcher may have made it
        (void)odp_systemd_service_join(s);
        return false;
    }
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
    odp_systemd_locate_drop(s, NULL);
    units_free(s->units, s->n_units);
    units_free(s->stop_units, s->n_stop_units);
    free(s->made);
    if (s->bus)
        odp_systemd_bus_leave(s->bus, &s->client);
    uv_close((uv_handle_t *)&s->timer, on_closed);
}

static const struct odp_backend_vtable systemd_vtable = {
    .type = ODP_BACKEND_SYSTEMD,
    .is_watched = true,
    .look = systemd_look,
    .start = systemd_start,
    .stop = systemd_stop,
    .freeze = systemd_freeze,
    .thaw = systemd_thaw,
    .locate = systemd_locate,
    .is_idle = systemd_is_idle,
    .free = systemd_free,
};

static void made_rename(struct odp_backend *base, const char *name)
{
    (void)name; // the settings have it
    odp_systemd_made_rename(systemd_service(base));
}

static const struct odp_backend_vtable made_vtable = {
    .type = ODP_BACKEND_PROCESS,
    .look = systemd_look,
    .start = systemd_start,
    .stop = systemd_stop,
    .freeze = systemd_freeze,
    .thaw = systemd_thaw,
    .locate = systemd_locate,
    .is_idle = systemd_is_idle,
    .rename = made_rename,
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

static struct odp_systemd_service *service_new(struct odp_backend_host *host,
                                               const struct odp_config_service *settings,
                                               const struct odp_backend_vtable *vtable)
{
    struct odp_systemd_service *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->base = (struct odp_backend){.vtable = vtable, .host = host, .settings = settings};
    odp_systemd_service_init_client(s);
    s->is_user = settings->scope == ODP_SCOPE_USER ||
                 (settings->scope == ODP_SCOPE_DEFAULT && geteuid() != 0);
    s->stop_timeout_usec = s->stop_limit_usec = settings->stop_timeout_usec;
    uv_timer_init(host->loop, &s->timer);
    s->timer.data = s;
    return s;
}

static int done(struct odp_systemd_service *s, int r, struct odp_backend **ret)
{
    if (r < 0)
        systemd_free(&s->base);
    else
        *ret = &s->base;
    return r;
}

int odp_backend_systemd_new(struct odp_backend_host *host,
                            const struct odp_config_service *settings, struct odp_backend **ret)
{
    struct odp_systemd_service *s = service_new(host, settings, &systemd_vtable);
    int r;

    if (!s)
        return -ENOMEM;
    r = units_new(s, settings->units, settings->n_units, &s->units, &s->n_units);
    if (r == 0)
        r = units_new(s, settings->stop_units, settings->n_stop_units, &s->stop_units,
                      &s->n_stop_units);
    return done(s, r, ret);
}

int odp_backend_made_new(struct odp_backend_host *host, const struct odp_config_service *settings,
                         struct odp_backend **ret)
{
    struct odp_systemd_service *s = service_new(host, settings, &made_vtable);
    char unit[ODP_COMMAND_UNIT_MAX + 1];
    int r;

    if (!s)
        return -ENOMEM;
    r = odp_systemd_made_init(s, unit);
    if (r == 0)
        r = units_new(s, &(const struct odp_config_name){.text = unit}, 1, &s->units, &s->n_units);
    if (r == 0)
        s->units[0].facts.is_made = true;
    return done(s, r, ret);
}
