// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between visit.c (a connection's life), visit_try.c (what is particular to tries) and
// visit_resume.c (a connection that began in another odpd); and between visits.c (all of a service)
// and visits_due.c (their deadlines).

#pragma once

#include "odp/core/handover.h"
#include "odp/proxy/visit.h"

struct odp_visit *visit_new(struct odp_managed *m); // NULL: out of memory
void visit_free(struct odp_visit *v);               // one that no event can point at

// Counts it into its service, or (-1) out of it, as one in that state.
void visit_count(struct odp_visit *v, enum odp_conn_state s, int by);

void visit_on_client_event(struct odp_io *io, uint32_t events);
void visit_on_upstream_event(struct odp_io *io, uint32_t events);

// From here on its two ends are relayed.
void visit_start_relay(struct odp_visit *v);

// ---- visit_try.c -------------------------------------------------------------------------------

// Sends what the client has sent so far and this try has not had; the client's socket keeps it.
void visit_copy_early(struct odp_visit *v);

// The service has the copied bytes: out of the client's socket they go.
void visit_consume_copied(struct odp_visit *v);

// An early try has something to say: its first byte, or that it ended.
void visit_on_early_event(struct odp_visit *v);

// The try or the connection came to nothing; the client is held again.
void visit_tell_refused(struct odp_visit *v, enum odp_conn_state from);

// ---- visit_resume.c ----------------------------------------------------------------------------

// What another odpd has left of a visit. Descriptors are owned, -1 where there is none.
struct visit_left {
    const struct odp_handover_visit *record;
    int ends[2];          // client and upstream
    int pipes[2][2];      // of each flow
    const char *bytes[2]; // of each flow; borrowed, record->in or out says how many
};

// Goes on with it; all descriptors are taken over. False: not all of it was there, or it is
// nobody's (NULL), and it is closed.
bool visit_resume(struct odp_managed *m, const struct visit_left *left);

// ---- visits.c ----------------------------------------------------------------------------------

static inline struct odp_visit *visit_of(struct odp_list *node)
{
    return ODP_CONTAINER_OF(node, struct odp_visit, node);
}

// All tries under way but the bare probe.
static inline unsigned visits_n_client_tries(const struct odp_managed *m)
{
    bool has_probe =
        m->probe && (m->probe->state == ODP_CONN_TRYING || m->probe->state == ODP_CONN_EARLY);

    return m->n_tries - (has_probe ? 1 : 0);
}

// An event of one visit may end any other, so nothing of a list is kept across one: it is begun
// anew each time. What the event does to its own visit must take it out of the next search.
struct odp_visit *visits_first_of(const struct odp_list *list, uint64_t now_usec,
                                  bool (*is_wanted)(const struct odp_visit *v, uint64_t now_usec));
