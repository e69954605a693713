// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Status and watchdog. While the watchdog is armed there is a timer, the only periodic one of odpd.

#include "odp/proxy/vigil.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/net/systemd.h"
#include "odp/proxy/manager.h"

#define SIGNS_PER_TIMEOUT 3 // of life: one or two may be late
#define RETRY_MS          200

struct odp_vigil {
    struct odp_manager *manager;
    struct odp_io_turn turn; // queued: something has changed
    uv_timer_t timer;
    uint64_t timeout_usec; // 0: the unit wants no watchdog
    bool is_ready, is_armed;
    bool is_untold;             // the service manager took nothing: it is told again
    size_t n_awake, n_services; // as they were told
};

static void tell(struct odp_vigil *v, const char *first);

static void on_timer(uv_timer_t *timer)
{
    struct odp_vigil *v = timer->data;

    if (v->is_untold)
        tell(v, "READY=1\n"); // it may be that which was lost
    else
        (void)odp_systemd_notify("WATCHDOG=1"); // another one follows in time
}

static void set_timer(struct odp_vigil *v)
{
    uint64_t pace_ms = v->timeout_usec / ODP_USEC_PER_MS / SIGNS_PER_TIMEOUT;

    if (v->is_untold)
        uv_timer_start(&v->timer, on_timer, RETRY_MS, 0);
    else if (v->is_armed)
        uv_timer_start(&v->timer, on_timer, pace_ms, pace_ms);
    else
        uv_timer_stop(&v->timer);
}

static void count(struct odp_vigil *v)
{
    const struct odp_manager *mgr = v->manager;

    v->n_awake = v->n_services = 0;
    for (size_t i = 0; i < mgr->n_services; i++) {
        v->n_services += mgr->services[i]->active;
        v->n_awake +=
            mgr->services[i]->active && mgr->services[i]->ledger.phase == ODP_LEDGER_AWAKE;
    }
}

// systemd takes a timeout of 0 for none, and a new one counts from now.
static void tell(struct odp_vigil *v, const char *first)
{
    bool arm = v->timeout_usec > 0 && odp_manager_is_any_awake(v->manager);
    bool was_untold = v->is_untold, is_new = arm != v->is_armed;
    char watchdog[64] = "", state[256];

    count(v);
    if (v->timeout_usec > 0 && (is_new || was_untold))
        snprintf(watchdog, sizeof(watchdog), "WATCHDOG_USEC=%llu\n",
                 arm ? (unsigned long long)v->timeout_usec : 0ULL);
    snprintf(state, sizeof(state), "%s%sSTATUS=%zu of %zu services awake", first, watchdog,
             v->n_awake, v->n_services);
    v->is_armed = arm;
    v->is_untold = !odp_systemd_notify(state);
    if (is_new || was_untold || v->is_untold)
        set_timer(v);
}

static void on_turn(struct odp_io_turn *turn)
{
    struct odp_vigil *v = ODP_CONTAINER_OF(turn, struct odp_vigil, turn);
    size_t n_awake = v->n_awake, n_services = v->n_services;

    if (!v->is_ready)
        return;
    count(v);
    if (v->n_awake != n_awake || v->n_services != n_services ||
        (v->timeout_usec > 0 && v->is_armed != odp_manager_is_any_awake(v->manager)))
        tell(v, "");
}

void odp_vigil_changed(struct odp_vigil *v)
{
    if (v)
        odp_io_turn_add(v->manager->loop, &v->turn);
}

// sd_watchdog_enabled(3): meant for this process, and not for its children.
static uint64_t take_timeout(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    unsigned long long ret = 0;

    if (usec && (!pid || strtoul(pid, NULL, 10) == (unsigned long)getpid()))
        ret = strtoull(usec, NULL, 10);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return ret < SIGNS_PER_TIMEOUT * ODP_USEC_PER_MS ? 0 : ret;
}

int odp_vigil_new(struct odp_manager *mgr, struct odp_vigil **ret)
{
    struct odp_vigil *v = *ret = calloc(1, sizeof(*v));

    if (!v)
        return -ENOMEM;
    v->manager = mgr;
    v->turn.on_turn = on_turn;
    odp_list_init(&v->turn.node);
    v->timeout_usec = take_timeout();
    v->is_armed = v->timeout_usec > 0; // by the unit, from READY on
    uv_timer_init(odp_io_loop_uv(mgr->loop), &v->timer);
    v->timer.data = v;
    return 0;
}

void odp_vigil_ready(struct odp_vigil *v)
{
    if (!v)
        return;
    v->is_ready = true;
    if (odp_manager_is_any_awake(v->manager))
        v->is_armed = false; // so that the timer is started
    tell(v, "READY=1\n");
}

void odp_vigil_leave(struct odp_vigil *v)
{
    if (!v)
        return;
    (void)odp_systemd_notify(v->timeout_usec > 0 ? "STOPPING=1\nWATCHDOG_USEC=0" : "STOPPING=1");
    uv_timer_stop(&v->timer);
    odp_list_remove(&v->turn.node);
}

void odp_vigil_free(struct odp_vigil *v)
{
    if (!v)
        return;
    uv_close((uv_handle_t *)&v->timer, NULL);
    uv_run(odp_io_loop_uv(v->manager->loop), UV_RUN_NOWAIT);
    free(v);
}
