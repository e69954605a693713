// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The names of the service's states and events, as logs, tests and `odp status` show them.

#include "odp/core/service.h"

static const char *const states[ODP_SERVICE_N_STATES] = {
    [ODP_SERVICE_UNKNOWN] = "unknown",     [ODP_SERVICE_STOPPED] = "stopped",
    [ODP_SERVICE_REQUIRING] = "requiring", [ODP_SERVICE_STARTING] = "starting",
    [ODP_SERVICE_PROBING] = "probing",     [ODP_SERVICE_READY] = "ready",
    [ODP_SERVICE_DRAINING] = "draining",   [ODP_SERVICE_DISMISSED] = "dismissed",
    [ODP_SERVICE_STOPPING] = "stopping",   [ODP_SERVICE_FREEZING] = "freezing",
    [ODP_SERVICE_FROZEN] = "frozen",       [ODP_SERVICE_THAWING] = "thawing",
    [ODP_SERVICE_FAILED] = "failed",
};

static const char *const events[ODP_EVENT_N_KINDS] = {
    [ODP_EVENT_DEMAND] = "demand",
    [ODP_EVENT_START] = "start",
    [ODP_EVENT_STOP] = "stop",
    [ODP_EVENT_DEADLINE] = "deadline",
    [ODP_EVENT_RUNNING] = "running",
    [ODP_EVENT_INACTIVE] = "inactive",
    [ODP_EVENT_FAILED] = "failed",
    [ODP_EVENT_FROZEN] = "frozen",
    [ODP_EVENT_ANSWERS] = "answers",
    [ODP_EVENT_REFUSED] = "refused",
    [ODP_EVENT_COUNTS] = "counts",
    [ODP_EVENT_LOST] = "launcher lost",
    [ODP_EVENT_PENDING] = "required pending",
    [ODP_EVENT_MET] = "required ready",
    [ODP_EVENT_UNMET] = "required failed",
};

const char *odp_service_state_to_string(enum odp_service_state s)
{
    return s < ODP_SERVICE_N_STATES ? states[s] : "invalid";
}

const char *odp_service_event_to_string(enum odp_service_event_kind k)
{
    return k < ODP_EVENT_N_KINDS ? events[k] : "invalid";
}

const char *odp_service_state_public(enum odp_service_state s)
{
    if (s == ODP_SERVICE_REQUIRING || s == ODP_SERVICE_PROBING)
        s = ODP_SERVICE_STARTING;
    else if (s == ODP_SERVICE_DISMISSED)
        s = ODP_SERVICE_DRAINING;
    else if (s == ODP_SERVICE_FREEZING || s == ODP_SERVICE_THAWING)
        s = ODP_SERVICE_FROZEN;
    return odp_service_state_to_string(s);
}
