// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which changes of state are events that people look for.

#include "odp/core/message.h"

static const char *id_of_running(enum odp_service_state from, enum odp_service_event_kind kind,
                                 bool is_waking)
{
    bool is_found = kind == ODP_EVENT_RUNNING && !is_waking &&
                    (from == ODP_SERVICE_UNKNOWN || from == ODP_SERVICE_STOPPED);

    return is_found ? ODP_MESSAGE_FOUND : NULL;
}

// What was being stopped when the launcher was lost, or was never looked at, has not ended now.
static const char *id_of_stopped(enum odp_service_state from)
{
    if (from == ODP_SERVICE_UNKNOWN)
        return NULL;
    return from == ODP_SERVICE_STOPPING || from == ODP_SERVICE_FAILED ||
                   from == ODP_SERVICE_REQUIRING
               ? ODP_MESSAGE_STOPPED
               : ODP_MESSAGE_ENDED;
}

static const char *id_of_stopping(enum odp_service_state from, enum odp_service_event_kind kind)
{
    if (kind == ODP_EVENT_STOP)
        return ODP_MESSAGE_ORDERED;
    return from == ODP_SERVICE_DISMISSED ? NULL : ODP_MESSAGE_QUIET; // it has been told
}

const char *odp_message_id(enum odp_service_state from, enum odp_service_state to,
                           enum odp_service_event_kind kind, bool is_waking)
{
    switch (to) {
    case ODP_SERVICE_REQUIRING: return ODP_MESSAGE_WAKING;
    case ODP_SERVICE_STARTING: return from == ODP_SERVICE_REQUIRING ? NULL : ODP_MESSAGE_WAKING;
    case ODP_SERVICE_PROBING: return id_of_running(from, kind, is_waking);
    case ODP_SERVICE_READY: return from == ODP_SERVICE_DRAINING ? NULL : ODP_MESSAGE_READY;
    case ODP_SERVICE_DISMISSED: return ODP_MESSAGE_ORDERED;
    case ODP_SERVICE_STOPPING: return id_of_stopping(from, kind);
    case ODP_SERVICE_STOPPED: return id_of_stopped(from);
    case ODP_SERVICE_FAILED: return ODP_MESSAGE_FAILED;
    case ODP_SERVICE_FROZEN: return ODP_MESSAGE_FROZEN;
    case ODP_SERVICE_THAWING: return ODP_MESSAGE_WAKING;
    case ODP_SERVICE_UNKNOWN:
    case ODP_SERVICE_DRAINING:
    case ODP_SERVICE_FREEZING:
    case ODP_SERVICE_N_STATES: break;
    }
    return NULL;
}
