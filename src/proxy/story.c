// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Keeps the last chapter of each service; see the header.

#include "odp/proxy/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/net/peer.h"
#include "odp/proxy/requires.h"
#include "odp/proxy/visit.h"

// Without memory the story has a gap, no more.
static void tell(uint64_t *at_usec, char **text, const char *what)
{
    *at_usec = odp_boottime_usec();
    free(*text);
    *text = what ? strdup(what) : NULL;
}

static void forget_where_from(struct odp_story *story)
{
    free(story->woken_from);
    story->woken_from = NULL;
}

static void tell_dependent(struct odp_managed *m)
{
    const struct odp_managed *waiter = odp_requires_first_waiter(m);
    char text[ODP_NAME_MAX + sizeof(", which requires it")];

    snprintf(text, sizeof(text), "%s, which requires it", waiter ? waiter->config->name : "one");
    tell(&m->story.woken_usec, &m->story.woken_by, text);
}

// Of the clients that wait, the one that has waited longest woke it.
static void tell_waker(struct odp_managed *m, enum odp_service_event_kind kind)
{
    struct odp_story *story = &m->story;
    char from[ODP_ADDRESS_TEXT_MAX];

    forget_where_from(story);
    if (odp_list_empty(&m->waiting) && m->n_requiring > 0) {
        tell_dependent(m);
        return;
    }
    if (odp_list_empty(&m->waiting)) {
        tell(&story->woken_usec, &story->woken_by,
             kind == ODP_EVENT_START ? "odp start" : "a request made before it had ended");
        return;
    }
    tell(&story->woken_usec, &story->woken_by, "a client");
    const struct odp_visit *v = ODP_CONTAINER_OF(m->waiting.next, struct odp_visit, node);
    if (odp_peer_format(v->relay.ends[ODP_RELAY_CLIENT].fd, from, sizeof(from)))
        story->woken_from = strdup(from);
}

void odp_story_on_change(struct odp_managed *m, enum odp_service_state from,
                         enum odp_service_event_kind kind)
{
    struct odp_story *story = &m->story;
    const struct odp_service *s = &m->machine;

    if (s->state == ODP_SERVICE_STOPPED || s->state == ODP_SERVICE_FROZEN) {
        tell(&story->stopped_usec, &story->stopped_reason, s->reason);
    } else if (s->state == ODP_SERVICE_FAILED) {
        tell(&story->failed_usec, &story->failed_reason, s->reason);
    } else if (s->state == ODP_SERVICE_STARTING && from == ODP_SERVICE_REQUIRING) {
        return; // who woke it is told already
    } else if (s->state == ODP_SERVICE_REQUIRING || s->state == ODP_SERVICE_STARTING ||
               s->state == ODP_SERVICE_THAWING) {
        tell_waker(m, kind);
    } else if (s->state == ODP_SERVICE_PROBING && kind == ODP_EVENT_RUNNING &&
               from != ODP_SERVICE_STARTING && from != ODP_SERVICE_THAWING &&
               from != ODP_SERVICE_FREEZING && from != ODP_SERVICE_STOPPING && !s->waking) {
        // With `waking` it is odp's own start, seen by another odpd or launcher than began it. From
        // STOPPING it was not stopped: who woke it did so all the same.
        tell(&story->woken_usec, &story->woken_by, "somebody else: odp found it running");
        forget_where_from(story);
    }
}

void odp_story_deinit(struct odp_story *story)
{
    free(story->woken_by);
    free(story->woken_from);
    free(story->stopped_reason);
    free(story->failed_reason);
}
