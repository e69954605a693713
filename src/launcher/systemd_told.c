// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What odpd is told of a service whose units are as they are.

#include <string.h>

#include "odp/launcher/reason.h"
#include "systemd_internal.h"

struct odp_unit_id odp_systemd_service_id(const struct odp_systemd_service *s,
                                          const struct odp_systemd_unit *u)
{
    const struct odp_unit_made *made = s->made ? odp_systemd_made_words(s) : NULL;

    return (struct odp_unit_id){.name = u->name, .is_user = s->is_user, .made = made};
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
    const struct odp_systemd_unit *u = &s->units[i], *up = odp_systemd_service_find_up(s);
    const struct odp_unit_id id = odp_systemd_service_id(s, u);
    bool is_stopping = s->action == ODP_SYSTEMD_STOP || u->facts.state == ODP_UNIT_DEACTIVATING;

    ret_reason[0] = '\0';
    if (verdict == ODP_UNITS_FAILED)
        odp_unit_why_down(&id, &u->facts, ret_reason, size);
    if (verdict == ODP_UNITS_INACTIVE && up && s->action == ODP_SYSTEMD_STOP)
        return ODP_PROTO_RUNNING; // as yet
    bool is_partly = (verdict == ODP_UNITS_INACTIVE || verdict == ODP_UNITS_FAILED) && up &&
                     up != u && s->action == ODP_SYSTEMD_NOTHING;
    if (is_partly && verdict == ODP_UNITS_INACTIVE)
        odp_reason_format(ret_reason, size, "%s is not running, %s is", u->name, up->name);
    if (is_partly)
        return ODP_PROTO_PARTLY;
    if (verdict != ODP_UNITS_IN_BETWEEN)
        return state_of(verdict);
    odp_reason_format(ret_reason, size, "%s is being %s", u->name,
                      is_stopping ? "stopped" : "started");
    return is_stopping ? ODP_PROTO_RUNNING : ODP_PROTO_STARTING;
}

void odp_systemd_service_answer_looks(struct odp_systemd_service *s)
{
    char reason[ODP_REASON_MAX + 1];

    if (s->looks.n == 0)
        return;
    s->told = describe(s, reason, sizeof(reason));
    odp_waiters_answer(&s->looks, &s->base, s->told, reason);
}

void odp_systemd_service_observe(struct odp_systemd_service *s)
{
    size_t i;
    enum odp_proto_state state = state_of(judge(s, &i));
    struct odp_systemd_unit *u = &s->units[i];
    const struct odp_unit_id id = odp_systemd_service_id(s, u);
    char reason[ODP_REASON_MAX + 1] = "";

    bool is_down = state == ODP_PROTO_FAILED || state == ODP_PROTO_INACTIVE;
    if (is_down && odp_systemd_service_find_up(s))
        state = ODP_PROTO_PARTLY;
    if (state == ODP_PROTO_NO_STATE || state == s->told)
        return;
    if (is_down) {
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
