// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Questions after health checks and their answers; see the header.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "health_internal.h"
#include "odp/base/log.h"
#include "odp/launcher/reason.h"

// A unit may take this long until its container runs. What is not there then has another name,
// perhaps, and is no reason to keep clients waiting for ever.
#define PATIENCE_MS 10000

static void on_timer(uv_timer_t *timer);

// ---- its end -----------------------------------------------------------------------------------

static void on_closed(uv_handle_t *timer)
{
    free(timer->data);
}

static void health_free(struct odp_health *h)
{
    odp_list_remove(&h->node);
    odp_engine_stream_free(h->stream);
    for (size_t i = 0; i < h->n_items; i++) {
        odp_engine_http_free(h->items[i].http);
        free(h->items[i].name);
    }
    free(h->items);
    uv_close((uv_handle_t *)&h->timer, on_closed);
}

static void report(struct odp_healths *hs, const char *service, uint32_t id,
                   enum odp_proto_state state, const char *reason)
{
    struct odp_proto_message m = {.op = ODP_PROTO_REPORT, .state = state, .id = id};

    memcpy(m.name, service, strlen(service));
    odp_reason_format(m.reason, sizeof(m.reason), "%s", reason);
    hs->host->on_report(hs->host, &m);
}

// The question is gone then.
void odp_health_answer(struct odp_health *h, enum odp_proto_state state, const char *reason)
{
    report(h->healths, h->service, h->id, state, reason);
    health_free(h);
}

static bool is_checked(const struct odp_health *h)
{
    for (size_t i = 0; i < h->n_items; i++)
        if (h->items[i].facts.health != ODP_CONTAINER_UNCHECKED)
            return true;
    return false;
}

// Who cannot be asked may be gone for a moment alone: what has a check does without it only where
// that is not known.
static void give_up(struct odp_health *h, const char *why)
{
    bool is_needed = h->is_strict || is_checked(h);

    if (!is_needed)
        odp_log(ODP_LOG_INFO, h->service, "its health checks are not known: %s", why);
    odp_health_answer(h, is_needed ? ODP_PROTO_SILENT : ODP_PROTO_UNCHECKED, why);
}

void odp_health_fail(struct odp_health *h, const char *why)
{
    char reason[ODP_REASON_MAX + 1];

    odp_reason_format(reason, sizeof(reason), "cannot ask %s at %s: %s", h->place.engine,
                      h->place.socket, why);
    give_up(h, reason);
}

// The question ends in a turn of its own, since who looks goes through its containers.
void odp_health_run_out(struct odp_health *h)
{
    h->is_spent = true;
    uv_timer_start(&h->timer, on_timer, 0, 0);
}

// ---- the verdict -------------------------------------------------------------------------------

// A unit makes its container anew, perhaps, and with a health check: what is known before it runs
// is known of the last one. Nor is it of use to try it before.
static bool is_settled(const struct odp_health *h, const struct odp_health_item *it)
{
    if (it->facts.health != ODP_CONTAINER_UNCHECKED)
        return it->facts.health == ODP_CONTAINER_HEALTHY;
    if (it->facts.status == ODP_CONTAINER_MISSING)
        return h->has_waited;
    return h->is_strict || h->has_waited || !odp_container_is_down(&it->facts);
}

static const struct odp_health_item *find_missing(const struct odp_health *h)
{
    for (size_t i = 0; i < h->n_items; i++)
        if (h->items[i].facts.status == ODP_CONTAINER_MISSING)
            return &h->items[i];
    return NULL;
}

// What is waited for, one that is unhealthy first. NULL: nothing.
static const struct odp_health_item *find_awaited(const struct odp_health *h)
{
    const struct odp_health_item *found = NULL;

    for (size_t i = 0; i < h->n_items; i++) {
        const struct odp_health_item *it = &h->items[i];
        if (!is_settled(h, it) && (!found || it->facts.health == ODP_CONTAINER_UNHEALTHY))
            found = it;
    }
    return found;
}

static void describe(const struct odp_health *h, const struct odp_health_item *it, char *ret,
                     size_t size)
{
    const struct odp_container_id id = {.name = it->name, .engine = h->place.engine};

    odp_container_why_not_healthy(&id, &it->facts, ret, size);
}

static void say_awaited(struct odp_health *h, const struct odp_health_item *it)
{
    char said[ODP_REASON_MAX + 1];

    describe(h, it, said, sizeof(said));
    if (strcmp(said, h->said) == 0)
        return;
    memcpy(h->said, said, sizeof(said));
    report(h->healths, h->service, h->id, ODP_PROTO_PENDING, said);
}

static void settle(struct odp_health *h)
{
    const struct odp_health_item *missing = find_missing(h);
    char why[ODP_REASON_MAX + 1] = "no container of it has a health check";

    if (is_checked(h)) {
        odp_health_answer(h, ODP_PROTO_ANSWERS, "");
    } else if (missing) {
        describe(h, missing, why, sizeof(why));
        give_up(h, why);
    } else {
        odp_health_answer(h, ODP_PROTO_UNCHECKED, why);
    }
}

// Of several lookings the last one judges.
void odp_health_judge(struct odp_health *h)
{
    for (size_t i = 0; i < h->n_items; i++)
        if (!h->items[i].is_known)
            return;
    const struct odp_health_item *awaited = find_awaited(h);
    if (awaited) {
        say_awaited(h, awaited);
        odp_health_hear(h);
    } else {
        settle(h);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct odp_health *h = timer->data;

    h->has_waited = true;
    if (h->is_spent)
        odp_health_answer(h, ODP_PROTO_SILENT, "the launcher is out of memory");
    else
        odp_health_judge(h);
}

// ---- requests ----------------------------------------------------------------------------------

static int list(struct odp_backend *b, const char ***ret, size_t *ret_n)
{
    const struct odp_config_service *settings = b->settings;

    if (b->vtable->containers)
        return b->vtable->containers(b, ret, ret_n);
    *ret = calloc(settings->n_containers + 1, sizeof(**ret));
    *ret_n = *ret ? settings->n_containers : 0;
    for (size_t i = 0; i < *ret_n; i++)
        (*ret)[i] = settings->containers[i].text;
    return *ret ? 0 : -ENOMEM;
}

static bool add_items(struct odp_health *h, struct odp_backend *b)
{
    const char **names = NULL;
    size_t n = 0;
    bool is_whole = list(b, &names, &n) == 0 && (h->items = calloc(n + 1, sizeof(*h->items)));

    for (size_t i = 0; i < n && is_whole; i++) {
        h->items[i] = (struct odp_health_item){.health = h, .name = strdup(names[i])};
        h->n_items++;
        is_whole = h->items[i].name;
    }
    free(names);
    return is_whole;
}

static struct odp_health *health_new(struct odp_healths *hs, struct odp_backend *b, bool is_strict,
                                     uint32_t id)
{
    const struct odp_config_service *settings = b->settings;
    struct odp_health *h = calloc(1, sizeof(*h));
    bool is_user = settings->scope == ODP_SCOPE_USER ||
                   (settings->scope == ODP_SCOPE_DEFAULT && geteuid() != 0);

    if (!h)
        return NULL;
    h->healths = hs;
    h->id = id;
    h->is_strict = is_strict;
    memcpy(h->service, settings->name, strlen(settings->name));
    odp_engine_find(settings, is_user, &h->place);
    uv_timer_init(hs->host->loop, &h->timer);
    h->timer.data = h;
    odp_list_append(&hs->asked, &h->node);
    if (add_items(h, b))
        return h;
    health_free(h);
    return NULL;
}

static struct odp_health *find(struct odp_healths *hs, const char *service)
{
    odp_list_foreach (it, &hs->asked) {
        struct odp_health *h = ODP_CONTAINER_OF(it, struct odp_health, node);
        if (strcmp(h->service, service) == 0)
            return h;
    }
    return NULL;
}

void odp_healths_request(struct odp_healths *hs, struct odp_backend *b, bool is_strict, uint32_t id)
{
    const char *name = b->settings->name;
    struct odp_health *h = find(hs, name);

    if (h)
        odp_health_answer(h, ODP_PROTO_SILENT, "asked anew");
    h = health_new(hs, b, is_strict, id);
    if (!h) {
        report(hs, name, id, ODP_PROTO_SILENT, "the launcher is out of memory");
        return;
    }
    if (h->n_items == 0) {
        odp_health_answer(h, ODP_PROTO_UNCHECKED, "it runs no container");
        return;
    }
    if (!is_strict)
        uv_timer_start(&h->timer, on_timer, PATIENCE_MS, 0);
    odp_health_look_all(h);
}

void odp_healths_end(struct odp_healths *hs, const char *name)
{
    struct odp_health *h = find(hs, name);

    if (h)
        odp_health_answer(h, ODP_PROTO_SILENT, "the service is started or stopped");
}

void odp_healths_init(struct odp_healths *hs, struct odp_backend_host *host)
{
    hs->host = host;
    odp_list_init(&hs->asked);
}

void odp_healths_deinit(struct odp_healths *hs)
{
    if (!hs->host)
        return;
    odp_list_foreach_safe (it, &hs->asked)
        health_free(ODP_CONTAINER_OF(it, struct odp_health, node));
    hs->host = NULL;
}
