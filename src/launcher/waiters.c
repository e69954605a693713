// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A bounded list of request ids.

#include "odp/launcher/waiters.h"

void odp_waiters_add(struct odp_waiters *w, struct odp_backend *b, uint32_t id)
{
    if (w->n < ODP_WAITERS_MAX)
        w->ids[w->n++] = id;
    else
        odp_backend_report(b, id, ODP_PROTO_FAILED,
                           "too many requests for this service are waiting already");
}

void odp_waiters_move(struct odp_waiters *w, struct odp_backend *b, struct odp_waiters *from)
{
    for (unsigned i = 0; i < from->n; i++)
        odp_waiters_add(w, b, from->ids[i]);
    from->n = 0;
}

void odp_waiters_answer(struct odp_waiters *w, struct odp_backend *b, enum odp_proto_state state,
                        const char *reason)
{
    struct odp_waiters old = *w;

    w->n = 0;
    for (unsigned i = 0; i < old.n; i++)
        odp_backend_report(b, old.ids[i], state, "%s", reason);
}
