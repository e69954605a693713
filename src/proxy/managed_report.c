// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the launcher tells of a service, and what that means to its machine.

#include "managed_internal.h"

#include "odp/base/log.h"
#include "odp/proxy/memory.h"
#include "odp/proxy/probe.h"
#include "odp/proxy/requires.h"
#include "odp/proxy/target.h"

// Before its start had ended, perhaps: some answer while their start command still runs.
static bool has_answered(const struct odp_service *s)
{
    return s->state == ODP_SERVICE_READY || s->state == ODP_SERVICE_DRAINING ||
           s->state == ODP_SERVICE_DISMISSED;
}

// It was asked how it is, since it refuses: who starts it anew will tell what came of it.
static bool was_refused(const struct odp_managed *m, const struct odp_proto_message *report)
{
    return m->machine.state == ODP_SERVICE_PROBING && report->id != 0;
}

// A container that runs, but cannot be connected to from here, is no use.
static void take_running(struct odp_managed *m, struct odp_service_event *ret)
{
    const char *fault = odp_target_fault(m);

    ret->kind = odp_requires_counts_as_asleep(m) ? ODP_EVENT_INACTIVE : ODP_EVENT_RUNNING;
    if (fault) {
        ret->kind = ODP_EVENT_FAILED;
        ret->reason = fault;
    }
}

// Nothing was done and nothing is known: a start has failed by it, and who has nothing to go by
// does not wait for better; nor does who is refused. What was known before stands.
static bool take_stale(const struct odp_managed *m, struct odp_service_event *ret)
{
    enum odp_service_state s = m->machine.state;

    ret->kind = ODP_EVENT_FAILED;
    if (s == ODP_SERVICE_STARTING || s == ODP_SERVICE_UNKNOWN || s == ODP_SERVICE_PROBING)
        return true;
    odp_log(ODP_LOG_WARNING, m->config->name, "%s", ret->reason);
    return false;
}

// False: there is nothing in it for the machine.
static bool take_report(struct odp_managed *m, const struct odp_proto_message *report,
                        struct odp_service_event *ret)
{
    *ret = (struct odp_service_event){.id = report->id, .reason = report->reason};
    switch (report->state) {
    case ODP_PROTO_RUNNING: take_running(m, ret); return true;
    case ODP_PROTO_PARTLY:
    case ODP_PROTO_INACTIVE:
        ret->kind = ODP_EVENT_INACTIVE;
        ret->is_partly = report->state == ODP_PROTO_PARTLY;
        return true;
    case ODP_PROTO_STARTING:
        ret->kind = ODP_EVENT_INACTIVE;
        return !has_answered(&m->machine) && !was_refused(m, report);
    case ODP_PROTO_FROZEN: ret->kind = ODP_EVENT_FROZEN; return true;
    case ODP_PROTO_STALE: return take_stale(m, ret);
    case ODP_PROTO_FAILED: ret->kind = ODP_EVENT_FAILED; return true;
    case ODP_PROTO_ADDRESS:
    case ODP_PROTO_NO_ADDRESS:
    case ODP_PROTO_UNREACHABLE: odp_target_report(m, report); return false;
    case ODP_PROTO_ANSWERS:
    case ODP_PROTO_SILENT:
    case ODP_PROTO_DONE:
    case ODP_PROTO_LOCATED:
    case ODP_PROTO_NOWHERE:
    case ODP_PROTO_PENDING:
    case ODP_PROTO_UNCHECKED:
    case ODP_PROTO_NO_STATE: break;
    }
    return false;
}

void odp_managed_report(struct odp_managed *m, const struct odp_proto_message *report)
{
    struct odp_service_event event;

    if (report->id & ODP_PROTO_PROBE_ID) {
        odp_probe_report(m, report);
        return;
    }
    if (report->id & ODP_PROTO_LOCATE_ID) {
        odp_memory_report(m, report);
        return;
    }
    if (!take_report(m, report, &event))
        return;
    // What it would have answered late it answers no more.
    if (m->machine.state == ODP_SERVICE_FAILED && event.kind != ODP_EVENT_RUNNING)
        odp_probe_end(m);
    bool was_ready = m->machine.state == ODP_SERVICE_READY;
    managed_step(m, &event);
    if (was_ready && event.kind == ODP_EVENT_RUNNING)
        odp_memory_on_running(m);
}
