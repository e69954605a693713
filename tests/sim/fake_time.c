// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The clock, which stands still until it is told to go on, and libuv's timers on it. Their
// millisecond is libuv's: timers count from the loop's time, which is the clock rounded down.

#include <string.h>

#include "sim.h"
#include "wraps.h"

#define BEGIN_USEC     (UINT64_C(100000) * ODP_USEC_PER_SEC) // as if the machine had run for a day
#define RUNS_MAX       20000 // timers at one moment: more is a busy loop
#define REALTIME_AHEAD (UINT64_C(1700000000) * ODP_USEC_PER_SEC)

static uint64_t begin_usec, now_usec, boot_ahead_usec, real_ahead_usec;
static uv_timer_t *timers; // those that run, linked by heap_node[0], in the order of their time
static uint64_t n_starts;
static size_t n_open;
static uv_handle_t *closing; // linked by next_closing

void fake_time_reset(void)
{
    now_usec = begin_usec = BEGIN_USEC;
    boot_ahead_usec = 5 * ODP_USEC_PER_SEC;
    real_ahead_usec = REALTIME_AHEAD;
    timers = NULL;
    closing = NULL;
    n_open = 0;
}

uint64_t fake_time_since_begin(void)
{
    return now_usec - begin_usec;
}

void fake_time_begin_anew(void)
{
    begin_usec = now_usec;
}

void fake_time_set(uint64_t usec)
{
    if (usec > now_usec)
        now_usec = usec;
}

void fake_time_turn_realtime(int64_t by_usec)
{
    real_ahead_usec += (uint64_t)by_usec;
}

void fake_time_sleep_machine(uint64_t usec)
{
    boot_ahead_usec += usec;
    real_ahead_usec += usec;
}

uint64_t __wrap_odp_now_usec(void)
{
    return now_usec;
}

uint64_t __wrap_odp_boottime_usec(void)
{
    return now_usec + boot_ahead_usec;
}

uint64_t __wrap_odp_realtime_usec(void)
{
    return now_usec + real_ahead_usec;
}

// ---- libuv -------------------------------------------------------------------------------------

static bool is_before(const uv_timer_t *a, const uv_timer_t *b)
{
    return a->timeout < b->timeout || (a->timeout == b->timeout && a->start_id < b->start_id);
}

static uv_timer_t *next_of(const uv_timer_t *t)
{
    return t->heap_node[0];
}

static bool runs(const uv_timer_t *handle)
{
    for (const uv_timer_t *t = timers; t; t = next_of(t))
        if (t == handle)
            return true;
    return false;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *handle)
{
    memset(handle, 0, sizeof(*handle));
    handle->loop = loop;
    n_open++;
    return 0;
}

int uv_timer_stop(uv_timer_t *handle)
{
    uv_timer_t *before = NULL;

    for (uv_timer_t *t = timers; t; before = t, t = next_of(t)) {
        if (t != handle)
            continue;
        if (before)
            before->heap_node[0] = t->heap_node[0];
        else
            timers = next_of(t);
        return 0;
    }
    return 0;
}

int uv_timer_start(uv_timer_t *handle, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
    uv_timer_t *before = NULL;

    (void)repeat;
    uv_timer_stop(handle);
    handle->timer_cb = cb;
    handle->timeout = now_usec / ODP_USEC_PER_MS + timeout;
    handle->start_id = n_starts++;
    for (uv_timer_t *t = timers; t && is_before(t, handle); t = next_of(t))
        before = t;
    handle->heap_node[0] = before ? before->heap_node[0] : timers;
    if (before)
        before->heap_node[0] = handle;
    else
        timers = handle;
    return 0;
}

void uv_update_time(uv_loop_t *loop)
{
    (void)loop;
}

// The handle is its owner's again only when the loop has called back.
void uv_close(uv_handle_t *handle, uv_close_cb cb)
{
    uv_timer_stop((uv_timer_t *)(void *)handle);
    n_open--;
    handle->flags = 1;
    handle->close_cb = cb;
    handle->next_closing = closing;
    closing = handle;
}

int uv_is_closing(const uv_handle_t *handle)
{
    return handle->flags != 0;
}

static void run_closing(void)
{
    while (closing) {
        uv_handle_t *handle = closing;
        closing = handle->next_closing;
        if (handle->close_cb)
            handle->close_cb(handle);
    }
}

int uv_run(uv_loop_t *loop, uv_run_mode mode)
{
    (void)loop;
    (void)mode;
    run_closing();
    return 0;
}

uint64_t fake_timers_due(void)
{
    return timers ? timers->timeout * ODP_USEC_PER_MS : ODP_NEVER;
}

uint64_t fake_timer_due(const uv_timer_t *handle)
{
    return runs(handle) ? handle->timeout * ODP_USEC_PER_MS : ODP_NEVER;
}

bool fake_timers_run(void)
{
    unsigned n = 0;

    // As libuv does it: one that is due again at once has its turn in the same run.
    while (timers && timers->timeout <= now_usec / ODP_USEC_PER_MS) {
        uv_timer_t *t = timers;
        uv_timer_stop(t);
        t->timer_cb(t);
        if (++n > RUNS_MAX)
            sim_fail("busy loop", "%u timers at one moment", n);
    }
    run_closing();
    return n > 0;
}

size_t fake_timers_n_open(void)
{
    return n_open;
}
