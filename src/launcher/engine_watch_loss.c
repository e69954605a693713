// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is told of an engine that is lost, or is not had: to those who hear it at once, to those who
// wait for it when it has been away for too long.

#include <string.h>

#include "engine_watch_internal.h"
#include "odp/base/log.h"
#include "odp/base/time.h"
#include "odp/launcher/reason.h"

// How long those who wait are left in hope that the engine comes back.
#define PATIENCE_USEC (5 * ODP_USEC_PER_SEC)
// A connection that stood this long was sound: the pauses begin small again.
#define HEALTHY_USEC (10 * ODP_USEC_PER_SEC)
// An engine that is restarted is lost once, one that is started and killed again perhaps twice. One
// that is had and lost more often in a row is no engine that anybody can use.
#define N_LOSSES_MAX 2

// Says so to those who wait.
static void give_up(struct odp_engine_watch *w, const char *what_to_do)
{
    char why[ODP_REASON_MAX + 1];

    odp_reason_format(why, sizeof(why), "cannot reach %s at %s: %s: %s", w->place.engine,
                      w->place.socket, w->why, what_to_do);
    FOREACH_CLIENT(w, c)
    c->on_unreachable(c, why);
}

// Returns whether it has been had and lost too often in a row, and for too long.
static bool count_loss(struct odp_engine_watch *w, uint64_t now_usec)
{
    if (w->n_losses == 0 || now_usec - w->connected_usec >= HEALTHY_USEC) {
        w->n_losses = 0;
        w->wavers_usec = now_usec;
    }
    w->n_losses++;
    return w->n_losses > N_LOSSES_MAX && now_usec - w->wavers_usec >= PATIENCE_USEC;
}

void watch_tell_lost(struct odp_engine_watch *w)
{
    odp_log(ODP_LOG_NOTICE, NULL, "%s at %s is lost: %s: trying again", w->place.engine,
            w->place.socket, w->why);
    w->troubled_usec = odp_now_usec();
    bool wavers = count_loss(w, w->troubled_usec);
    if (w->troubled_usec - w->connected_usec >= HEALTHY_USEC)
        w->pause_ms = WATCH_PAUSE_MIN_MS;
    FOREACH_CLIENT(w, c)
    {
        if (c->is_heard)
            c->on_lost(c);
        c->is_heard = false;
        watch_close_health(c);
    }
    if (wavers)
        give_up(w, "see odp doctor");
}

void watch_tell_missed(struct odp_engine_watch *w)
{
    bool is_denied = strstr(w->why, "permission denied");

    odp_log(ODP_LOG_DEBUG, NULL, "%s at %s: %s", w->place.engine, w->place.socket, w->why);
    if (odp_now_usec() - w->troubled_usec >= PATIENCE_USEC || is_denied)
        give_up(w, is_denied ? "run odp as root, or in its group" : "see odp doctor");
}
