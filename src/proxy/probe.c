// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When probes are made, and what comes of their verdicts; see the header.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"
#include "odp/core/http_probe.h"
#include "odp/proxy/target.h"
#include "probe_internal.h"

// Health checks are asked after again no sooner than this: an engine is no target.
#define HEALTH_PAUSE_USEC (250 * ODP_USEC_PER_MS)
// Nor than this before it runs: an engine that cannot be asked keeps the start waiting, too.
#define HEALTH_PAUSE_STARTING_USEC ODP_USEC_PER_SEC
// One under way for so long tells more than the answer before it.
#define TELLING_USEC ODP_USEC_PER_SEC

static bool asks_health(const struct odp_managed *m)
{
    return m->config->probe == ODP_PROBE_HEALTH ||
           (m->config->probe == ODP_PROBE_AUTO && !m->is_unchecked);
}

bool odp_probe_is_set(const struct odp_managed *m)
{
    return m->config->probe == ODP_PROBE_HTTP || m->config->probe == ODP_PROBE_EXEC ||
           asks_health(m);
}

bool odp_probe_is_too_early(const struct odp_managed *m)
{
    enum odp_backend_type type = m->config->backend;
    bool is_container = type == ODP_BACKEND_CONTAINER || type == ODP_BACKEND_COMPOSE;

    // Whose own address is known runs by then.
    return !odp_managed_target(m) ||
           (m->machine.state == ODP_SERVICE_STARTING && is_container && m->found.n_addresses == 0);
}

static uint64_t pause_of(const struct odp_managed *m)
{
    uint64_t interval_usec = m->tries.interval_usec;
    bool is_starting = m->machine.state == ODP_SERVICE_STARTING;
    uint64_t least_usec = is_starting ? HEALTH_PAUSE_STARTING_USEC : HEALTH_PAUSE_USEC;

    return asks_health(m) && interval_usec < least_usec ? least_usec : interval_usec;
}

static bool is_under_way(const struct odp_managed *m)
{
    return m->own_probe && m->own_probe->is_under_way;
}

static void on_retired(struct odp_io_retired *r)
{
    free(ODP_CONTAINER_OF(r, struct odp_probe, retired));
}

static void hang_up(struct odp_probe *p)
{
    p->request_id = 0;
    p->is_under_way = false;
    p->deadline_usec = ODP_NEVER;
    if (p->io.fd >= 0)
        odp_io_close(&p->io);
}

void odp_probe_end(struct odp_managed *m)
{
    struct odp_probe *p = m->own_probe;

    if (!p)
        return;
    m->own_probe = NULL;
    hang_up(p);
    p->retired.on_free = on_retired;
    odp_io_retire(m->manager->loop, &p->retired);
}

// ---- its verdict -------------------------------------------------------------------------------

void probe_pass(struct odp_probe *p)
{
    struct odp_managed *m = p->service;

    odp_probe_end(m);
    odp_managed_event(m, ODP_EVENT_ANSWERS, NULL);
    odp_manager_descriptor_freed(m->manager);
}

void probe_fail(struct odp_probe *p, const char *format, ...)
{
    struct odp_managed *m = p->service;
    char said[sizeof(p->said)];
    va_list args;

    va_start(args, format);
    vsnprintf(said, sizeof(said), format, args);
    va_end(args);
    if (strcmp(said, p->said) != 0)
        odp_log(ODP_LOG_DEBUG, m->config->name, "probe: %s", said);
    memcpy(p->said, said, sizeof(said));
    hang_up(p);
    odp_target_failed(m);
    odp_tries_pause(&m->tries, odp_now_usec());
    if (asks_health(m) && m->tries.next_usec != ODP_NEVER)
        m->tries.next_usec = odp_usec_add(odp_now_usec(), pause_of(m));
    if (m->machine.state == ODP_SERVICE_FAILED)
        odp_probe_end(m); // the next demand asks again
    odp_managed_arm(m);
    odp_manager_descriptor_freed(m->manager);
}

// ---- for managed -------------------------------------------------------------------------------

static struct odp_probe *probe_new(struct odp_managed *m)
{
    struct odp_probe *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->service = m;
    p->io = (struct odp_io){.fd = -1, .on_event = probe_on_io};
    p->deadline_usec = ODP_NEVER;
    return p;
}

// What could not be stopped is as it was, and is served on: also where nobody can be asked how
// healthy it is.
static bool keeps_knowledge(enum odp_service_state s)
{
    return s == ODP_SERVICE_PROBING || s == ODP_SERVICE_READY || s == ODP_SERVICE_DRAINING ||
           s == ODP_SERVICE_DISMISSED || s == ODP_SERVICE_STOPPING;
}

void odp_probe_on_change(struct odp_managed *m, enum odp_service_event_kind kind)
{
    enum odp_service_state s = m->machine.state;

    if (!keeps_knowledge(s)) // the next start may be another container's
        m->is_unchecked = false;
    if (s == ODP_SERVICE_STARTING && asks_health(m))
        odp_probe_end(m); // what was asked before is answered by the start
    if (s == ODP_SERVICE_STARTING || s == ODP_SERVICE_PROBING) {
        // It has just passed, and yet refuses clients: asked at once, the two would chase each
        // other.
        if (kind == ODP_EVENT_REFUSED && odp_probe_is_set(m))
            m->tries.next_usec = odp_usec_add(odp_now_usec(), pause_of(m));
    } else if (s != ODP_SERVICE_FAILED || kind != ODP_EVENT_DEADLINE || !is_under_way(m)) {
        odp_probe_end(m);
    }
}

bool odp_probe_is_wanted(const struct odp_managed *m)
{
    enum odp_service_state s = m->machine.state;

    if (is_under_way(m) || (m->own_probe && (m->own_probe->has_passed || m->own_probe->is_useless)))
        return false;
    if (!asks_health(m) && odp_probe_is_too_early(m))
        return false;
    if (s == ODP_SERVICE_PROBING)
        return odp_probe_is_set(m);
    // A command that looks into what is only being started costs much and tells little. Whether a
    // container has a health check is known before it runs, though, and most have none; but which
    // ones a project has may be known only then.
    return s == ODP_SERVICE_STARTING && ((m->config->probe == ODP_PROBE_AUTO && asks_health(m) &&
                                          m->config->backend != ODP_BACKEND_COMPOSE) ||
                                         m->config->probe == ODP_PROBE_HTTP);
}

void odp_probe_begin(struct odp_managed *m)
{
    if (!m->own_probe)
        m->own_probe = probe_new(m);
    if (!m->own_probe) // out of memory: the next round may have some
        return;
    m->own_probe->began_usec = odp_now_usec();
    m->own_probe->is_under_way = true;
    if (m->config->probe == ODP_PROBE_HTTP)
        probe_begin_http(m->own_probe);
    else
        probe_begin_asked(m->own_probe);
}

bool odp_probe_has_passed(const struct odp_managed *m)
{
    return m->own_probe && m->own_probe->has_passed;
}

uint64_t odp_probe_deadline(const struct odp_managed *m)
{
    return m->own_probe ? m->own_probe->deadline_usec : ODP_NEVER;
}

void odp_probe_expire(struct odp_managed *m, uint64_t now_usec)
{
    struct odp_probe *p = m->own_probe;

    if (odp_probe_deadline(m) > now_usec || !is_under_way(m))
        return;
    if (m->config->probe == ODP_PROBE_HTTP)
        probe_expire_http(p);
    else
        probe_expire_asked(p);
}

const char *odp_probe_last_answer(struct odp_managed *m)
{
    struct odp_probe *p = m->own_probe;
    char name[ODP_HTTP_PROBE_TEXT_MAX];

    if (!p)
        return NULL;
    if (!is_under_way(m) || (p->said[0] && odp_now_usec() - p->began_usec < TELLING_USEC))
        return p->said;
    if (asks_health(m))
        return p->said[0] ? p->said : "odp-launcher has not said whether it is healthy";
    if (m->config->probe == ODP_PROBE_HTTP)
        snprintf(p->said, sizeof(p->said), "%s has no answer so far",
                 odp_http_probe_format(m->config, name));
    else
        snprintf(p->said, sizeof(p->said), "its probe command has not ended so far");
    return p->said;
}
