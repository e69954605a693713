// SPDX-License-Identifier: LGPL-2.1-or-later
//
// New settings for a machine that is at work. Changes no state; a deadline that has passed by the
// new settings is for the next step to find.

#include "service_internal.h"

// A deadline of `before` from some moment on, as it is of `after` from that moment on.
static uint64_t moved(uint64_t deadline_usec, uint64_t before, uint64_t after, uint64_t now_usec)
{
    if (after == ODP_NEVER)
        return ODP_NEVER;
    if (deadline_usec == ODP_NEVER || before == ODP_NEVER || deadline_usec < before)
        return odp_usec_add(now_usec, after); // nobody knows since when
    return odp_usec_add(deadline_usec - before, after);
}

void odp_service_set(struct odp_service *s, const struct odp_service_settings *settings,
                     uint64_t idle_timeout_usec, uint64_t now_usec)
{
    const struct odp_service_settings before = s->settings;
    bool is_same_window =
        before.can_stop == settings->can_stop && s->idle.timeout_usec == idle_timeout_usec;
    uint64_t *deadline = &s->deadline_usec;

    s->settings = *settings;
    s->idle.timeout_usec = idle_timeout_usec;
    switch (s->state) {
    case ODP_SERVICE_STOPPED:
    case ODP_SERVICE_READY:
        // Direct connections may have put it off.
        if (!is_same_window && odp_service_has_window(s))
            *deadline = odp_service_window_end(s);
        break;
    case ODP_SERVICE_STARTING:
        *deadline =
            moved(*deadline, before.start_timeout_usec, settings->start_timeout_usec, now_usec);
        break;
    case ODP_SERVICE_PROBING:
        *deadline =
            moved(*deadline, before.ready_timeout_usec, settings->ready_timeout_usec, now_usec);
        break;
    case ODP_SERVICE_DRAINING:
    case ODP_SERVICE_DISMISSED:
        *deadline =
            moved(*deadline, before.drain_timeout_usec, settings->drain_timeout_usec, now_usec);
        break;
    case ODP_SERVICE_FROZEN:
        *deadline = moved(*deadline, before.stop_after_usec, settings->stop_after_usec, now_usec);
        break;
    case ODP_SERVICE_REQUIRING: // proxy/requires sees to its time
    case ODP_SERVICE_STOPPING:  // whoever was asked to stop it has not been told of another time
    case ODP_SERVICE_UNKNOWN:
    case ODP_SERVICE_FREEZING:
    case ODP_SERVICE_THAWING:
    case ODP_SERVICE_FAILED:
    case ODP_SERVICE_N_STATES: break;
    }
}
