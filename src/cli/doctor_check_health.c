// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Checks on the health checks that a wake waits for: does one say anything soon. Pure, on what the
// engine has said.

#include <stdio.h>
#include <string.h>

#include "doctor_internal.h"
#include "odp/base/time.h"
#include "odp/core/compose.h"

#define SLOW_USEC                (5 * ODP_USEC_PER_SEC)
#define USUAL_INTERVAL_USEC      (30 * ODP_USEC_PER_SEC)
#define USUAL_START_USEC         (5 * ODP_USEC_PER_SEC)
#define START_INTERVAL_API_MINOR 44 // Docker 25's

struct context {
    const struct odp_doctor *d;
    const struct odp_config_service *s;
    const struct odp_engine_facts *e;
    struct odp_findings *f;
};

static bool is_docker(const struct context *x)
{
    return strcmp(x->e->place.engine, "docker") == 0;
}

static bool has_start_interval(const struct context *x)
{
    return is_docker(x) && x->e->api_minor >= START_INTERVAL_API_MINOR;
}

// ---- who waits for it ---------------------------------------------------------------------------

// "db:service_healthy:false,side:service_started:false"
static bool waits_for_health(const char *depends_on, const char *service)
{
    static const char condition[] = ":service_healthy";
    size_t n = strlen(service);

    for (const char *p = depends_on; p && *p; p += strcspn(p, ","), p += *p == ',')
        if (strncmp(p, service, n) == 0 && strncmp(p + n, condition, sizeof(condition) - 1) == 0)
            return true;
    return false;
}

// Another container of the project is not started before this one is healthy, whatever the probe.
static bool is_awaited(const struct context *x, const struct odp_container *c)
{
    const char *service = odp_container_label(c, ODP_COMPOSE_SERVICE);
    const struct odp_container *other;

    for (size_t i = 0; service && (other = odp_doctor_container(x->d, x->s, i)); i++)
        if (waits_for_health(odp_container_label(other, ODP_COMPOSE_LABEL("depends_on")), service))
            return true;
    return false;
}

// ---- how long it takes --------------------------------------------------------------------------

// Of Docker until it is made for the first time, of Podman from the first one, made at once, to the
// second one. 0: there is none.
static uint64_t pause_usec(const struct context *x, const struct odp_container *c)
{
    uint64_t interval = odp_container_span(c, "Config.Healthcheck.Interval");
    uint64_t start = odp_container_span(c, "Config.Healthcheck.StartInterval");

    if (!odp_container_is_checked(c))
        return 0;
    if (has_start_interval(x) && odp_container_span(c, "Config.Healthcheck.StartPeriod") > 0)
        return start ? start : USUAL_START_USEC;
    return interval ? interval : USUAL_INTERVAL_USEC;
}

static double last_wake_sec(const struct context *x)
{
    const cJSON *seconds =
        cJSON_GetObjectItemCaseSensitive(odp_doctor_status(x->d, x->s->name), "last_wake_seconds");

    return cJSON_IsNumber(seconds) ? seconds->valuedouble : 0;
}

// What is healthy at Podman's first look needs no second one: the last wake shows whether it is.
static bool is_slow(const struct context *x, uint64_t pause)
{
    return pause > SLOW_USEC &&
           (is_docker(x) || last_wake_sec(x) * (double)ODP_USEC_PER_SEC >= (double)pause);
}

// ---- what is told -------------------------------------------------------------------------------

static void tell(const struct context *x, const struct odp_container *c, uint64_t pause,
                 bool awaited)
{
    char span[ODP_SPAN_MAX], limit[ODP_SPAN_MAX];

    odp_span_format(pause, span, sizeof(span));
    odp_span_format(x->s->ready_timeout_usec, limit, sizeof(limit));
    if (!is_docker(x))
        odp_finding_add(x->f, "health-slow", x->s->name,
                        "the health check of %s is made at once, and then every %s: the last wake "
                        "took %.0fs",
                        c->name, span, last_wake_sec(x));
    else if (pause >= x->s->ready_timeout_usec && !awaited)
        odp_finding_add(x->f, "health-slow", x->s->name,
                        "the health check of %s is first made after %s, when its wake has been "
                        "given up: [ready] timeout is %s",
                        c->name, span, limit);
    else
        odp_finding_add(x->f, "health-slow", x->s->name,
                        "the health check of %s is first made after %s: so long takes each wake",
                        c->name, span);
}

static const char *option(const struct context *x, const struct odp_container *c)
{
    bool is_new = has_start_interval(x);

    if (odp_container_label(c, ODP_COMPOSE_PROJECT))
        return is_new ? "with start_period: 1m and start_interval: 1s below healthcheck:"
                      : "with interval: 2s below healthcheck:";
    return is_new ? "with --health-start-period=1m --health-start-interval=1s"
                  : "with --health-interval=2s";
}

static void check_one(const struct context *x, const struct odp_container *c)
{
    uint64_t pause = c->inspect ? pause_usec(x, c) : 0;
    bool awaited = is_awaited(x, c);
    char change[ODP_PATH_MAX + 256];

    if (!is_slow(x, pause) ||
        !(awaited || x->s->probe == ODP_PROBE_AUTO || x->s->probe == ODP_PROBE_HEALTH))
        return;
    tell(x, c, pause, awaited);
    if (awaited)
        snprintf(change, sizeof(change), "%s", option(x, c));
    else
        snprintf(change, sizeof(change), "%s, or write probe = http below [ready] in %s",
                 option(x, c), x->s->file);
    doctor_command_recreate(x->f, x->e, x->s, c, change);
}

void doctor_check_health(const struct odp_doctor *d, const struct odp_config_service *s,
                         struct odp_findings *f)
{
    struct context x = {.d = d, .s = s, .e = odp_doctor_engine(d, s), .f = f};
    const struct odp_container *c;

    if (s->idle_timeout_usec == ODP_NEVER)
        return;
    for (size_t i = 0; (c = odp_doctor_container(d, s, i)); i++)
        check_one(&x, c);
}
