// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A machine goes on in another odpd than the one it began in. The launcher's answers to what was
// asked went to the other one, so it is as if the launcher had been lost.

#include "service_internal.h"

// Whoever wrote it down may have been wrong about the time.
static uint64_t not_after(uint64_t moment_usec, uint64_t bound_usec)
{
    return moment_usec == ODP_NEVER ? ODP_NEVER : odp_usec_min(moment_usec, bound_usec);
}

static void adopt(struct odp_service *s, const struct odp_service_settings *settings,
                  uint64_t idle_timeout_usec, uint64_t now_usec)
{
    const uint64_t retry_usec = odp_usec_add(now_usec, odp_service_backoff_usec(s->n_failures));

    s->settings = *settings;
    s->idle.timeout_usec = idle_timeout_usec;
    s->idle.quiet_usec = not_after(s->idle.quiet_usec, now_usec);
    s->ready_usec = not_after(s->ready_usec, now_usec);
    s->retry_usec = odp_usec_min(s->retry_usec, retry_usec);
    if (s->state == ODP_SERVICE_READY)
        s->deadline_usec = odp_service_window_end(s);
    else if (s->state == ODP_SERVICE_DRAINING || s->state == ODP_SERVICE_DISMISSED)
        s->deadline_usec =
            odp_usec_min(s->deadline_usec, odp_usec_add(now_usec, settings->drain_timeout_usec));
}

void odp_service_resume(struct odp_service *s, const struct odp_service_settings *settings,
                        uint64_t idle_timeout_usec, uint64_t now_usec,
                        struct odp_service_effects *ret)
{
    const struct odp_service_event lost = {.kind = ODP_EVENT_LOST,
                                           .now_usec = now_usec,
                                           .reason =
                                               "odpd was restarted: odp-launcher is asked again"};

    adopt(s, settings, idle_timeout_usec, now_usec);
    if (s->state != ODP_SERVICE_STOPPED && s->state != ODP_SERVICE_FAILED) {
        (void)odp_service_step(s, &lost, ret);
        return;
    }
    // At rest it stays what it is, with its reason, unless the look finds it running.
    *ret = (struct odp_service_effects){.from = s->state};
    s->deadline_usec = ODP_NEVER;
    odp_service_request(s, ODP_PROTO_LOOK, ret);
}
