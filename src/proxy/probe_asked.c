// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Probes that the launcher is asked for: commands, and health checks of containers. A command ends
// soon; the question after health checks stands until it is answered, however long that takes.

#include <stdio.h>

#include "odp/base/log.h"
#include "odp/proxy/link.h"
#include "probe_internal.h"

// The launcher gives a command 10 s, and then a little to end.
#define EXEC_LIMIT_USEC (20 * ODP_USEC_PER_SEC)

void probe_begin_asked(struct odp_probe *p)
{
    struct odp_managed *m = p->service;

    m->probe_id = (m->probe_id + 1) | ODP_PROTO_PROBE_ID;
    p->request_id = m->probe_id;
    if (m->config->probe == ODP_PROBE_EXEC)
        p->deadline_usec = odp_usec_add(p->began_usec, EXEC_LIMIT_USEC);
    odp_link_request(m->manager->link, m, ODP_PROTO_PROBE, p->request_id);
}

void probe_expire_asked(struct odp_probe *p)
{
    probe_fail(p, "odp-launcher has not said how its probe command ended");
}

// From here on its clients try it, as they do where there are no health checks at all.
static void go_without(struct odp_managed *m)
{
    m->is_unchecked = true;
    odp_probe_end(m);
    if (odp_service_is_trying(&m->machine))
        odp_tries_begin(&m->tries, odp_now_usec());
    odp_managed_arm(m);
}

// Healthy before it is said to run: other containers of it may still be missing. Where nobody wrote
// that health checks tell, they say when to try and not more: the port may be another container's
// than theirs, and a forwarder accepts before anybody listens there.
static void take_answer(struct odp_probe *p)
{
    struct odp_managed *m = p->service;
    enum odp_service_state state = m->machine.state;

    if (m->config->probe == ODP_PROBE_AUTO &&
        (state == ODP_SERVICE_STARTING || state == ODP_SERVICE_PROBING)) {
        go_without(m);
        return;
    }
    if (state != ODP_SERVICE_STARTING || m->config->probe == ODP_PROBE_EXEC) {
        probe_pass(p);
        return;
    }
    p->has_passed = true;
    p->is_under_way = false;
    p->request_id = 0;
    odp_managed_arm(m);
}

static void take_pending(struct odp_probe *p, const char *reason)
{
    odp_log(ODP_LOG_DEBUG, p->service->config->name, "probe: %s", reason);
    snprintf(p->said, sizeof(p->said), "%s", reason);
}

// Who wrote that health checks tell is told that there are none. What was found running is not
// called ended because of it.
static void refuse(struct odp_probe *p, const char *reason)
{
    struct odp_managed *m = p->service;
    bool is_waking = m->machine.waking;

    p->is_useless = true;
    probe_fail(p, "%s: give one a HEALTHCHECK, or write `probe = tcp` in [ready]", reason);
    if (is_waking && m->own_probe)
        odp_managed_event(m, ODP_EVENT_FAILED, m->own_probe->said);
}

static void take_unchecked(struct odp_probe *p, const char *reason)
{
    if (p->service->config->probe == ODP_PROBE_AUTO)
        go_without(p->service);
    else
        refuse(p, reason);
}

void odp_probe_report(struct odp_managed *m, const struct odp_proto_message *report)
{
    struct odp_probe *p = m->own_probe;

    if (!p || p->request_id == 0 || report->id != p->request_id)
        return; // nobody waits for it any more
    if (report->state == ODP_PROTO_ANSWERS) {
        take_answer(p);
    } else if (report->state == ODP_PROTO_PENDING) {
        take_pending(p, report->reason);
    } else if (report->state == ODP_PROTO_UNCHECKED) {
        take_unchecked(p, report->reason);
    } else {
        probe_fail(p, "%s", report->reason[0] ? report->reason : "its command failed");
    }
}
