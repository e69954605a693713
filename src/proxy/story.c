// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Keeps the last chapter of each service; see the header.

#include "odp/proxy/story.h"

#include <stdlib.h>
#include <string.h>

#include "odp/net/peer.h"
#include "odp/proxy/visit.h"

// Without memory the story has a gap, no more.
static void tell(uint64_t *at_usec, char **text, const char *what)
{
    *at_usec = odp_realtime_usec();
    free(*text);
    *text = what ? strdup(what) : NULL;
}

// The client that has waited longest is the one that woke it.
static void tell_who(struct odp_managed *m)
{
    struct odp_story *story = &m->story;
    char from[ODP_ADDRESS_TEXT_MAX];

    free(story->woken_from);
    story->woken_from = NULL;
    if (odp_list_empty(&m->waiting))
        return;
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
    } else if (s->state == ODP_SERVICE_STARTING || s->state == ODP_SERVICE_THAWING) {
        if (s->waking && m->n_waiting > 0 && kind != ODP_EVENT_START) {
            tell(&story->woken_usec, &story->woken_by, "a client");
            tell_who(m);
        } else {
            tell(&story->woken_usec, &story->woken_by, "odp start");
            free(story->woken_from);
            story->woken_from = NULL;
        }
    } else if (s->state == ODP_SERVICE_PROBING && kind == ODP_EVENT_RUNNING &&
               from != ODP_SERVICE_STARTING) {
        tell(&story->woken_usec, &story->woken_by, "somebody else: odp found it running");
        free(story->woken_from);
        story->woken_from = NULL;
    }
}

void odp_story_deinit(struct odp_story *story)
{
    free(story->woken_by);
    free(story->woken_from);
    free(story->stopped_reason);
    free(story->failed_reason);
}
