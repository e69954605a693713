// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `odp why` asks: who woke a service and when, what keeps it awake, when it will sleep, why it
// last stopped or failed. Clients' addresses are shown only to who may change things.

#include "control_internal.h"
#include "odp/net/peer.h"
#include "odp/proxy/requires.h"
#include "odp/proxy/target.h"
#include "odp/proxy/visit.h"

#define LISTED_MAX 100 // connections told one by one

static void add_seconds(cJSON *o, const char *key, uint64_t usec)
{
    uint64_t ms = usec / ODP_USEC_PER_MS;

    if (usec == ODP_NEVER)
        cJSON_AddNullToObject(o, key);
    else
        cJSON_AddNumberToObject(o, key, (double)ms / 1e3);
}

// By the clock as it is now: a machine without one of its own sets it long after the boot.
static void add_moment(cJSON *o, const char *key, uint64_t boottime_usec)
{
    uint64_t age_usec = odp_boottime_usec() - boottime_usec, now_usec = odp_realtime_usec();

    if (boottime_usec == 0)
        cJSON_AddNullToObject(o, key);
    else
        add_seconds(o, key, now_usec > age_usec ? now_usec - age_usec : 0);
}

static void add_text(cJSON *o, const char *key, const char *text)
{
    if (text)
        cJSON_AddStringToObject(o, key, text);
    else
        cJSON_AddNullToObject(o, key);
}

static cJSON *describe(const struct odp_visit *v, uint64_t now_usec, bool may_see)
{
    cJSON *o = cJSON_CreateObject();
    char from[ODP_ADDRESS_TEXT_MAX];
    bool known = may_see && odp_peer_format(v->relay.ends[ODP_RELAY_CLIENT].fd, from, sizeof(from));

    add_text(o, "from", known ? from : NULL);
    cJSON_AddStringToObject(o, "state", odp_conn_state_to_string(v->state));
    add_seconds(o, "seconds", now_usec - v->since_usec);
    cJSON_AddNumberToObject(o, "bytes_in", (double)v->relay.flows[ODP_RELAY_CLIENT].n_bytes);
    cJSON_AddNumberToObject(o, "bytes_out", (double)v->relay.flows[ODP_RELAY_UPSTREAM].n_bytes);
    return o;
}

static void add_visits(cJSON *array, const struct odp_list *visits, bool may_see)
{
    uint64_t now_usec = odp_now_usec();
    int n = cJSON_GetArraySize(array);

    odp_list_foreach (it, visits) {
        if (n++ >= LISTED_MAX)
            return;
        control_append(array,
                       describe(ODP_CONTAINER_OF(it, struct odp_visit, node), now_usec, may_see));
    }
}

static void add_address(cJSON *o, const struct odp_managed *m)
{
    const struct odp_address *address = m->found.n_addresses > 0 ? odp_managed_target(m) : NULL;
    char text[ODP_ADDRESS_TEXT_MAX];

    add_text(o, "address", address ? odp_address_format(address, text, sizeof(text)) : NULL);
}

static uint64_t span_until(uint64_t deadline_usec)
{
    uint64_t now_usec = odp_now_usec();

    if (deadline_usec == ODP_NEVER)
        return ODP_NEVER;
    return deadline_usec > now_usec ? deadline_usec - now_usec : 0;
}

static cJSON *relation(const char *name, const char *state)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "name", name);
    cJSON_AddStringToObject(o, "state", state);
    return o;
}

// What it requires, and who uses it because they require it.
static void add_requires(cJSON *o, const struct odp_managed *m)
{
    struct odp_manager *mgr = m->manager;
    cJSON *requires = cJSON_AddArrayToObject(o, "requires");
    cJSON *by = cJSON_AddArrayToObject(o, "required_by");

    for (size_t i = 0; i < m->config->n_required_services; i++) {
        const char *name = m->config->required_services[i].text;
        const struct odp_managed *r = odp_manager_find(mgr, name);
        cJSON_AddItemToArray(requires, relation(name, r ? odp_managed_state(r) : "invalid"));
    }
    for (size_t i = 0; i < mgr->n_services; i++) {
        const struct odp_managed *user = mgr->services[i];
        enum odp_requires_use use = odp_requires_use_of(user, m);
        if (use == ODP_REQUIRES_NONE)
            continue;
        cJSON *item = relation(user->config->name, odp_managed_state(user));
        cJSON_AddBoolToObject(item, "waits", use == ODP_REQUIRES_WAITS);
        cJSON_AddItemToArray(by, item);
    }
}

// A container, or a project of some, and whom to ask about it.
static cJSON *engine_item(const struct odp_managed *m, const struct odp_config_service *c,
                          const char *name)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "name", name);
    add_text(o, "engine",
             c->engine == ODP_ENGINE_DOCKER   ? "docker"
             : c->engine == ODP_ENGINE_PODMAN ? "podman"
                                              : NULL);
    add_text(o, "socket", c->engine_socket);
    cJSON_AddBoolToObject(o, "user", control_is_user(m, c));
    return o;
}

// Who asks may ask the engine about them; odpd does not.
static void add_containers(cJSON *o, const struct odp_managed *m)
{
    const struct odp_config_service *c = m->previous ? m->previous : m->config;
    cJSON *containers = cJSON_AddArrayToObject(o, "containers");

    for (size_t i = 0; i < c->n_containers; i++)
        cJSON_AddItemToArray(containers, engine_item(m, c, c->containers[i].text));
    cJSON_AddItemToObject(
        o, "project", c->project.text ? engine_item(m, c, c->project.text) : cJSON_CreateNull());
}

static void add_woken(cJSON *o, const struct odp_story *story, bool may_see)
{
    add_moment(o, "woken_at", story->woken_usec);
    add_text(o, "woken_by", story->woken_by);
    add_text(o, "woken_from", may_see ? story->woken_from : NULL);
}

static void add_clients(cJSON *o, const struct odp_managed *m, bool may_see)
{
    cJSON_AddNumberToObject(o, "connections", m->n_connections);
    cJSON_AddNumberToObject(o, "max_connections", m->config->max_connections);
    cJSON_AddNumberToObject(o, "waiting", m->n_waiting);
    cJSON *clients = cJSON_AddArrayToObject(o, "clients");
    add_visits(clients, &m->relayed, may_see);
    add_visits(clients, &m->waiting, may_see);
}

static void add_sleep(cJSON *o, const struct odp_managed *m)
{
    const struct odp_service *s = &m->machine;
    bool watched = m->active && odp_service_has_window(s), direct = watched && s->n_direct > 0;

    add_seconds(o, "window_seconds",
                s->settings.can_stop ? m->config->idle_timeout_usec : ODP_NEVER);
    add_seconds(o, "sleeps_in_seconds", watched ? span_until(s->deadline_usec) : ODP_NEVER);
    cJSON_AddNumberToObject(o, "direct_connections", direct ? s->n_direct : 0);
    add_moment(o, "direct_at", direct ? m->story.direct_usec : 0);
}

static void add_memory(cJSON *o, const struct odp_managed *m)
{
    struct odp_ledger ledger = m->ledger; // a copy brought up to date: asking changes nothing

    odp_ledger_enter(&ledger, ledger.phase, odp_boottime_usec());
    control_add_memory(o, m, &ledger);
    if (ledger.used_bytes > 0)
        cJSON_AddNumberToObject(o, "memory_used_bytes", (double)ledger.used_bytes);
    else
        cJSON_AddNullToObject(o, "memory_used_bytes");
}

static void add_ends(cJSON *o, const struct odp_managed *m)
{
    const struct odp_story *story = &m->story;
    const struct odp_service *s = &m->machine;

    add_moment(o, "stopped_at", story->stopped_usec);
    add_text(o, "stopped_reason", story->stopped_reason);
    add_moment(o, "failed_at", story->failed_usec);
    add_text(o, "failed_reason", story->failed_reason);
    add_seconds(o, "retry_in_seconds",
                s->state == ODP_SERVICE_FAILED ? span_until(s->retry_usec) : ODP_NEVER);
}

cJSON *control_why(const struct odp_managed *m, bool may_see)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "name", m->config->name);
    cJSON_AddStringToObject(o, "state", odp_managed_state(m));
    control_add_reason(o, m);
    control_add_backend(o, m);
    add_woken(o, &m->story, may_see);
    add_clients(o, m, may_see);
    add_requires(o, m);
    add_sleep(o, m);
    cJSON_AddStringToObject(o, "target", m->config->target_text);
    add_address(o, m);
    add_memory(o, m);
    add_containers(o, m);
    add_ends(o, m);
    return o;
}
