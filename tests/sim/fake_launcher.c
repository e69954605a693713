// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The way to the launcher, in the place of proxy/link: requests are handed to whoever plays it, and
// what it says comes to the manager as the real link would bring it.

#include <stdio.h>
#include <string.h>

#include "odp/proxy/link.h"
#include "sim.h"

struct fake_launcher fake_launcher;

void fake_launcher_reset(void)
{
    fake_launcher = (struct fake_launcher){.alive = true};
}

int odp_link_new(struct odp_manager *mgr, struct odp_link **ret)
{
    (void)mgr;
    *ret = NULL;
    return 0;
}

void odp_link_free(struct odp_link *link)
{
    (void)link;
}

void odp_link_urge(struct odp_link *link)
{
    (void)link;
}

void odp_link_request(struct odp_link *link, const struct odp_managed *m, enum odp_proto_op op,
                      uint32_t id)
{
    struct fake_service *s = sim_service_of(m);

    (void)link;
    if (!fake_launcher.alive)
        return;
    if (op == ODP_PROTO_PROBE) {
        s->probe_id = id;
        sim_say(s, m->config->probe == ODP_PROBE_EXEC ? ": its probe command is to be run"
                                                      : ": its health checks are asked after");
        if (fake_launcher.on_request)
            fake_launcher.on_request(s, op, id);
        return;
    }
    // Where its container is may have changed, while the machine waits for nothing.
    if (op == ODP_PROTO_LOOK && id == s->request_ids[0]) {
        sim_say(s, ": it is looked at");
        return;
    }
    if (id == 0 || id == s->request_ids[0])
        sim_fail("requests", "%s: the id %u is no new one", s->name, id);
    sim_check_request(s, op);
    s->request_ids[1] = s->request_ids[0];
    s->request_ids[0] = id;
    if (op == ODP_PROTO_STOP) {
        s->stop_id = id;
        s->stop_runs = true;
    }
    if (fake_launcher.on_request)
        fake_launcher.on_request(s, op, id);
}

// It goes by the same files.
void odp_link_load(struct odp_link *link, const struct odp_managed *m)
{
    (void)link;
    (void)m;
}

void odp_link_forget(struct odp_link *link, const char *name)
{
    (void)link;
    (void)name;
}

void odp_link_rename(struct odp_link *link, const struct odp_link_rename *renames, size_t n)
{
    (void)link;
    (void)renames;
    (void)n;
}

// What its memory is changes nothing.
void odp_link_locate(struct odp_link *link, const struct odp_managed *m, uint32_t id)
{
    (void)link;
    (void)m;
    (void)id;
}

// Its answer ends a stop, or that to a later look. What is seen meanwhile counts only once odpd has
// ceased to wait for the answer.
static bool ends_stop(const struct fake_service *s, uint32_t id)
{
    if (id != 0)
        return id == s->stop_id || id == s->request_ids[0];
    return s->managed->machine.state != ODP_SERVICE_STOPPING;
}

void fake_launcher_say(struct fake_service *s, uint32_t id, enum odp_proto_state state,
                       const char *reason)
{
    struct odp_proto_message m = {.op = ODP_PROTO_REPORT, .state = state, .id = id};

    if (!fake_launcher.alive || !s->managed || !s->managed->active)
        return;
    snprintf(m.name, sizeof(m.name), "%s", s->name);
    snprintf(m.reason, sizeof(m.reason), "%s", reason);
    if (ends_stop(s, id))
        s->stop_runs = false;
    odp_managed_report(s->managed, &m);
}

void fake_launcher_die(void)
{
    fake_launcher.alive = false;
    for (unsigned i = 0; i < fake_n_services; i++)
        fake_services[i].stop_runs = false;
}

void fake_launcher_return(void)
{
    fake_launcher.alive = true;
    odp_manager_relook(sim.manager);
}
