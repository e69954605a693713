// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Targets; see the header.

#include "odp/proxy/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"
#include "odp/proxy/link.h"

#define TRIES_OF_BEST 8 // then one at another address

static const struct odp_address *configured(const struct odp_managed *m)
{
    return m->previous ? &m->previous->target : &m->config->target;
}

static bool is_auto(const struct odp_managed *m)
{
    return configured(m)->kind == ODP_ADDRESS_AUTO;
}

const struct odp_address *odp_managed_target(const struct odp_managed *m)
{
    const struct odp_target *t = &m->found;

    if (!is_auto(m))
        return configured(m);
    return t->n_addresses > 0 ? &t->addresses[t->at] : NULL;
}

void odp_target_deinit(struct odp_target *t)
{
    free(t->addresses);
    free(t->why_not);
    *t = (struct odp_target){0};
}

static void set_missing(struct odp_managed *m, const char *why, bool is_unreachable)
{
    char *copy = strdup(why); // without memory it goes unsaid
    bool has_answered = m->found.has_answered;

    odp_target_deinit(&m->found);
    m->found.why_not = copy;
    m->found.is_unreachable = is_unreachable;
    m->found.has_answered = has_answered;
}

// Clients that wait have their tries at once: the container runs by then.
static void begin(struct odp_managed *m)
{
    bool has_answered = m->found.has_answered;

    m->found.has_answered = false;
    if (has_answered) {
        odp_managed_event(m, ODP_EVENT_ANSWERS, NULL);
        return;
    }
    if (!m->active || !odp_service_is_trying(&m->machine))
        return;
    odp_tries_begin(&m->tries, odp_now_usec());
    m->tries.next_usec = odp_now_usec();
    odp_managed_arm(m);
}

static bool is_same(const struct odp_target *t, const struct odp_address *addresses, size_t n)
{
    bool same = n == t->n_addresses;

    for (size_t i = 0; i < n && same; i++)
        same = odp_address_equal(&t->addresses[i], &addresses[i]);
    return same;
}

static size_t find(const struct odp_address *addresses, size_t n, const struct odp_address *a)
{
    for (size_t i = 0; i < n && a; i++)
        if (odp_address_equal(&addresses[i], a))
            return i;
    return SIZE_MAX;
}

static void set_addresses(struct odp_managed *m, const struct odp_address *addresses, size_t n)
{
    struct odp_target *t = &m->found;
    struct odp_address *copy;
    char text[ODP_ADDRESS_TEXT_MAX];

    if (is_same(t, addresses, n))
        return;
    copy = calloc(n, sizeof(*copy));
    if (!copy) { // the next look tells it again
        set_missing(m, "odpd is out of memory", false);
        return;
    }
    memcpy(copy, addresses, n * sizeof(*copy));
    size_t kept = find(copy, n, odp_managed_target(m));
    bool has_answered = t->has_answered;
    odp_target_deinit(t);
    t->addresses = copy;
    t->n_addresses = n;
    t->has_answered = has_answered;
    if (kept != SIZE_MAX) {
        t->at = t->best = kept;
        return;
    }
    odp_log(ODP_LOG_INFO, m->config->name, "its container is at %s",
            odp_address_format(copy, text, sizeof(text)));
    begin(m);
}

static void set_unreachable(struct odp_managed *m, const char *why)
{
    set_missing(m, why, true);
    if (m->active && m->machine.state == ODP_SERVICE_PROBING)
        odp_managed_event(m, ODP_EVENT_FAILED, why);
}

// In the network of this machine it would be odp that answers.
static void refuse_own(struct odp_managed *m)
{
    char why[ODP_REASON_MAX + 1];

    snprintf(why, sizeof(why),
             "its container is in this machine's own network, where odp itself listens on port %u: "
             "one of them needs another port",
             (unsigned)configured(m)->port);
    set_unreachable(m, why);
}

// Words with blanks between. Returns how many make sense; what was found for another port does not.
static size_t parse(const struct odp_managed *m, const char *text, struct odp_address *ret)
{
    char words[ODP_REASON_MAX + 1], why[128], *rest = words, *word;
    size_t n = 0;

    snprintf(words, sizeof(words), "%s", text);
    while ((word = strsep(&rest, " ")) && n < ODP_PROTO_ADDRESSES_MAX)
        if (odp_address_parse(word, &ret[n], why, sizeof(why)) == 0 &&
            ret[n].port == configured(m)->port)
            n++;
    return n;
}

static void take_addresses(struct odp_managed *m, const char *text)
{
    struct odp_address addresses[ODP_PROTO_ADDRESSES_MAX];
    size_t n = parse(m, text, addresses);

    if (n > 0 && odp_config_leads_back(m->config, &addresses[0]))
        refuse_own(m);
    else if (n > 0)
        set_addresses(m, addresses, n);
}

void odp_target_report(struct odp_managed *m, const struct odp_proto_message *report)
{
    if (!is_auto(m))
        return;
    if (report->state == ODP_PROTO_NO_ADDRESS)
        set_missing(m, report->reason, false);
    else if (report->state == ODP_PROTO_UNREACHABLE)
        set_unreachable(m, report->reason);
    else
        take_addresses(m, report->reason);
}

// It may listen at one of them alone. The likeliest has nearly all tries, since another one may let
// them hang.
void odp_target_failed(struct odp_managed *m)
{
    struct odp_target *t = &m->found;

    if (t->n_addresses < 2 || m->machine.state == ODP_SERVICE_READY)
        return;
    bool was_best = t->at == t->best;
    t->at = t->best;
    if (was_best && ++t->n_failed % TRIES_OF_BEST == 0)
        t->at = (t->best + 1 + t->n_failed / TRIES_OF_BEST % (t->n_addresses - 1)) % t->n_addresses;
}

void odp_target_on_change(struct odp_managed *m)
{
    enum odp_service_state s = m->machine.state;

    m->found.has_answered = false;
    if (s == ODP_SERVICE_READY)
        m->found.best = m->found.at;
    if (s == ODP_SERVICE_STOPPED || s == ODP_SERVICE_STARTING)
        odp_target_deinit(&m->found);
}

void odp_target_on_settings(struct odp_managed *m)
{
    const struct odp_address *address = odp_managed_target(m);

    if (!is_auto(m) || (address && address->port != configured(m)->port))
        odp_target_deinit(&m->found);
}

// A container that has ended together with its engine counts as it was until somebody can be asked:
// who comes is not to wait for that.
static bool may_have_ended_unseen(const struct odp_managed *m)
{
    return m->config->backend == ODP_BACKEND_CONTAINER || m->config->backend == ODP_BACKEND_COMPOSE;
}

// With the id of the latest request: what the machine waits for is asked again, or it waits for
// nothing and hears what has changed.
void odp_target_doubt(struct odp_managed *m)
{
    const char *fault = odp_target_fault(m);

    if (!is_auto(m) && !may_have_ended_unseen(m))
        return;
    if (fault)
        odp_managed_event(m, ODP_EVENT_FAILED, fault);
    else
        odp_link_request(m->manager->link, m, ODP_PROTO_LOOK, m->machine.request_id);
}

const char *odp_target_fault(const struct odp_managed *m)
{
    return is_auto(m) && m->found.is_unreachable ? m->found.why_not ? m->found.why_not : "" : NULL;
}

const char *odp_target_missing(const struct odp_managed *m)
{
    if (odp_managed_target(m))
        return NULL;
    return m->found.why_not ? m->found.why_not : "odp-launcher has not said where its container is";
}

void odp_target_resume(struct odp_managed *m, const char *address)
{
    if (is_auto(m) && address[0])
        take_addresses(m, address);
}
