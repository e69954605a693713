// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who requires whom; see the header. What a service does about it is decided in core/service.

#include "odp/proxy/requires.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What the timeouts of a requirement leave out: looks at it, the launcher's own grace.
#define SLACK_USEC (20 * ODP_USEC_PER_SEC)

static struct odp_managed *nobody[1]; // of a service that none requires: known, and not allocated

static bool requires(const struct odp_managed *user, const char *name)
{
    for (size_t i = 0; i < user->config->n_required_services; i++)
        if (strcmp(user->config->required_services[i].text, name) == 0)
            return true;
    return false;
}

static struct odp_managed *required(const struct odp_managed *m, size_t i)
{
    return odp_manager_find(m->manager, m->config->required_services[i].text);
}

// Of all that it requires alike.
static enum odp_requires_use use_by(const struct odp_managed *user)
{
    if (!user->active)
        return ODP_REQUIRES_NONE;
    switch (user->machine.state) {
    case ODP_SERVICE_STOPPED:
    case ODP_SERVICE_FAILED: return ODP_REQUIRES_NONE;
    case ODP_SERVICE_REQUIRING: return ODP_REQUIRES_WAITS;
    // Nobody knows: what may be in use is not put to sleep.
    case ODP_SERVICE_UNKNOWN:
    // It has its connections to what it requires still, and wants them when it is thawed.
    case ODP_SERVICE_FREEZING:
    case ODP_SERVICE_FROZEN:
    case ODP_SERVICE_THAWING:
    case ODP_SERVICE_STARTING:
    case ODP_SERVICE_PROBING:
    case ODP_SERVICE_READY:
    case ODP_SERVICE_DRAINING:
    case ODP_SERVICE_DISMISSED:
    case ODP_SERVICE_STOPPING: return ODP_REQUIRES_AWAKE;
    case ODP_SERVICE_N_STATES: break;
    }
    return ODP_REQUIRES_NONE;
}

enum odp_requires_use odp_requires_use_of(const struct odp_managed *user,
                                          const struct odp_managed *used)
{
    return requires(user, used->config->name) ? use_by(user) : ODP_REQUIRES_NONE;
}

// The i-th of all that may require m; NULL behind the last.
static struct odp_managed *nth_user(const struct odp_managed *m, size_t i)
{
    const struct odp_manager *mgr = m->manager;

    if (m->users)
        return i < m->n_users ? m->users[i] : NULL;
    return i < mgr->n_services ? mgr->services[i] : NULL;
}

const struct odp_managed *odp_requires_first_waiter(const struct odp_managed *m)
{
    const struct odp_managed *user;

    for (size_t i = 0; (user = nth_user(m, i)); i++)
        if (odp_requires_use_of(user, m) == ODP_REQUIRES_WAITS)
            return user;
    return NULL;
}

bool odp_requires_counts_as_asleep(const struct odp_managed *m)
{
    if (m->config->backend != ODP_BACKEND_NONE || m->config->n_required_services == 0)
        return false;
    enum odp_service_state state = m->machine.state;
    // The next odpd looks at what this one left asleep.
    if (state == ODP_SERVICE_STOPPED || state == ODP_SERVICE_FAILED)
        return true;
    return state == ODP_SERVICE_STOPPING ||
           (state == ODP_SERVICE_UNKNOWN && m->n_connections == 0 &&
            !m->machine.waking); // a launcher that was lost meanwhile calls no wake off
}

// ---- how long it may take ----------------------------------------------------------------------

// The longest way through all that m requires. Each result is kept in the service's settings, so
// that what many require is looked at once; `depth` ends a ring, which the files cannot have.
static uint64_t timeout_of(struct odp_managed *m, size_t depth)
{
    uint64_t *timeout_usec = &m->machine.settings.requires_timeout_usec;
    uint64_t longest_usec = 0;

    if (m->config->n_required_services == 0 || *timeout_usec > 0 || depth == 0)
        return *timeout_usec;
    for (size_t i = 0; i < m->config->n_required_services; i++) {
        struct odp_managed *r = required(m, i);
        if (!r || !r->active)
            continue;
        uint64_t usec = odp_usec_add(r->config->drain_timeout_usec, r->config->stop_timeout_usec);
        usec = odp_usec_add(usec, r->config->start_timeout_usec);
        usec = odp_usec_add(usec, r->config->ready_timeout_usec);
        usec = odp_usec_add(usec, timeout_of(r, depth - 1));
        longest_usec = usec > longest_usec ? usec : longest_usec;
    }
    *timeout_usec = odp_usec_add(longest_usec, SLACK_USEC);
    return *timeout_usec;
}

// ---- who uses it -------------------------------------------------------------------------------

// Counted from the start, whatever the counts were.
static void recount(struct odp_managed *m)
{
    unsigned n_requiring = 0, n_dependents = 0;
    const struct odp_managed *user;

    for (size_t i = 0; (user = nth_user(m, i)); i++) {
        enum odp_requires_use use = odp_requires_use_of(user, m);
        n_requiring += use == ODP_REQUIRES_WAITS;
        n_dependents += use == ODP_REQUIRES_AWAKE;
    }
    if (m->n_requiring == n_requiring && m->n_dependents == n_dependents)
        return;
    m->n_requiring = n_requiring;
    m->n_dependents = n_dependents;
    if (m->active)
        odp_managed_event(m, ODP_EVENT_COUNTS, NULL);
}

static bool stands_before(const struct odp_managed *m, size_t i)
{
    const struct odp_config_name *names = m->config->required_services;

    for (size_t k = 0; k < i; k++)
        if (strcmp(names[k].text, names[i].text) == 0)
            return true;
    return false;
}

static void add_use(struct odp_managed *m, enum odp_requires_use use, unsigned by)
{
    m->n_requiring += use == ODP_REQUIRES_WAITS ? by : 0;
    m->n_dependents += use == ODP_REQUIRES_AWAKE ? by : 0;
}

// m uses what it requires in another way than it was counted: by that alone the counts change,
// since to count all users of one at each change of one would be a walk for each of them. What was
// counted is kept, so nothing can be counted twice.
static void count_anew(struct odp_managed *m)
{
    enum odp_requires_use before = m->counted_use, use = use_by(m);
    struct odp_managed *r;

    m->counted_use = use;
    for (size_t i = 0; i < m->config->n_required_services && use != before; i++) {
        if (stands_before(m, i) || !(r = required(m, i)))
            continue;
        add_use(r, before, (unsigned)-1); // wraps around, as unsigned arithmetic does
        add_use(r, use, 1);
    }
    // Only now: what hears of it may change m's use again.
    for (size_t i = 0; i < m->config->n_required_services && use != before; i++)
        if (!stands_before(m, i) && (r = required(m, i)) && r->active)
            odp_managed_event(r, ODP_EVENT_COUNTS, NULL);
}

// While a reload is at work, names and what is required are not what was counted.
static void count_from_the_start(struct odp_managed *m)
{
    m->counted_use = use_by(m);
    for (size_t i = 0; i < m->config->n_required_services; i++) {
        struct odp_managed *r = required(m, i);
        if (r)
            recount(r);
    }
}

// ---- who waits ---------------------------------------------------------------------------------

// The reason of m's failure: r, and what is the matter with it. A chain reads as one sentence.
static void fail(struct odp_managed *m, const char *name, const struct odp_managed *r)
{
    char text[ODP_NAME_MAX + ODP_REASON_MAX + 64];
    const char *reason = r ? odp_managed_reason(r) : "";

    if (!r)
        snprintf(text, sizeof(text), "requires %s, which has no sound file: run odp check", name);
    else if (!r->active || r->machine.state != ODP_SERVICE_FAILED)
        snprintf(text, sizeof(text), "requires %s, which is %s: %s", name, odp_managed_state(r),
                 reason);
    else if (strncmp(reason, "requires ", strlen("requires ")) == 0)
        snprintf(text, sizeof(text), "requires %s, which %s", name, reason);
    else
        snprintf(text, sizeof(text), "requires %s, which failed: %s", name, reason);
    odp_managed_event(m, ODP_EVENT_UNMET, text);
}

// Tells m how it stands with what it requires.
static void tell(struct odp_managed *m, const char *reason_met)
{
    char text[ODP_REASON_MAX + 1] = "";
    size_t n = 0;

    for (size_t i = 0; i < m->config->n_required_services; i++) {
        const struct odp_managed *r = required(m, i);
        if (!r || !r->active) {
            fail(m, m->config->required_services[i].text, r);
            return;
        }
        if (r->machine.state != ODP_SERVICE_READY && n < sizeof(text))
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? ", " : "waits for ",
                                  r->config->name);
    }
    if (n > 0)
        odp_managed_event(m, ODP_EVENT_PENDING, text);
    else
        odp_managed_event(m, ODP_EVENT_MET, reason_met);
}

// Wakes all that m requires, side by side. What `odp start` began tries in spite of backoff.
static void wake_required(struct odp_managed *m, enum odp_service_event_kind kind)
{
    char text[ODP_NAME_MAX + sizeof("required by ")];

    snprintf(text, sizeof(text), "required by %s", m->config->name);
    for (size_t i = 0; i < m->config->n_required_services; i++) {
        struct odp_managed *r = required(m, i);
        if (r && r->active)
            odp_managed_event(r, kind == ODP_EVENT_START ? kind : ODP_EVENT_DEMAND, text);
        if (m->machine.state != ODP_SERVICE_REQUIRING)
            return; // one could not be woken, or all were ready
    }
    tell(m, NULL);
}

static void tell_waiters(struct odp_managed *m)
{
    struct odp_managed *user;

    for (size_t i = 0; m->n_requiring > 0 && (user = nth_user(m, i)); i++)
        if (odp_requires_use_of(user, m) == ODP_REQUIRES_WAITS)
            tell(user, "all that it requires is ready");
}

void odp_requires_deny(struct odp_managed *m)
{
    struct odp_managed *user;

    for (size_t i = 0; m->n_requiring > 0 && (user = nth_user(m, i)); i++)
        if (odp_requires_use_of(user, m) == ODP_REQUIRES_WAITS)
            fail(user, m->config->name, m);
}

void odp_requires_on_change(struct odp_managed *m, enum odp_service_event_kind kind)
{
    if (m->manager->is_reloading)
        count_from_the_start(m);
    else
        count_anew(m);
    if (m->machine.state == ODP_SERVICE_REQUIRING)
        wake_required(m, kind);
    tell_waiters(m);
}

void odp_requires_forget_users(struct odp_managed *m)
{
    if (m->users != nobody)
        free(m->users);
    m->users = NULL;
    m->n_users = 0;
}

static void add_user(struct odp_managed *m, struct odp_managed *user)
{
    struct odp_managed **known = m->users == nobody ? NULL : m->users;

    if (!m->users || (m->n_users > 0 && m->users[m->n_users - 1] == user)) // it stands there twice
        return;
    struct odp_managed **more = reallocarray(known, m->n_users + 1, sizeof(struct odp_managed *));
    if (!more) {
        odp_requires_forget_users(m);
        return;
    }
    m->users = more;
    more[m->n_users++] = user;
}

// In the order of their names, as all that is asked here.
static void find_users(struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->n_services; i++) {
        odp_requires_forget_users(mgr->services[i]);
        mgr->services[i]->users = nobody;
    }
    for (size_t i = 0; i < mgr->n_services; i++) {
        struct odp_managed *user = mgr->services[i], *m;
        for (size_t k = 0; k < user->config->n_required_services; k++)
            if ((m = required(user, k)))
                add_user(m, user);
    }
}

void odp_requires_refresh(struct odp_manager *mgr)
{
    find_users(mgr);
    for (size_t i = 0; i < mgr->n_services; i++)
        mgr->services[i]->machine.settings.requires_timeout_usec = 0;
    for (size_t i = 0; i < mgr->n_services; i++)
        (void)timeout_of(mgr->services[i], mgr->n_services);
    for (size_t i = 0; i < mgr->n_services; i++)
        mgr->services[i]->counted_use = use_by(mgr->services[i]);
    for (size_t i = 0; i < mgr->n_services; i++)
        recount(mgr->services[i]);
    for (size_t i = 0; i < mgr->n_services; i++)
        if (mgr->services[i]->active && mgr->services[i]->machine.state == ODP_SERVICE_REQUIRING)
            wake_required(mgr->services[i], ODP_EVENT_DEMAND);
}
