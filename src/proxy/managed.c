// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One service at work: steps its machine and carries the effects out. The only place that calls
// odp_service_step().

#include "managed_internal.h"

#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"
#include "odp/core/message.h"
#include "odp/net/direct.h"
#include "odp/net/relay.h"
#include "odp/proxy/control.h"
#include "odp/proxy/ledger_file.h"
#include "odp/proxy/link.h"
#include "odp/proxy/memory.h"
#include "odp/proxy/probe.h"
#include "odp/proxy/requires.h"
#include "odp/proxy/target.h"
#include "odp/proxy/vigil.h"
#include "odp/proxy/visit.h"

static enum odp_ledger_phase phase_of(enum odp_service_state s)
{
    switch (s) {
    case ODP_SERVICE_STOPPED:
    case ODP_SERVICE_REQUIRING: // nothing of it runs
    case ODP_SERVICE_FROZEN:
    case ODP_SERVICE_FAILED: return ODP_LEDGER_ASLEEP;
    case ODP_SERVICE_STARTING:
    case ODP_SERVICE_PROBING:
    case ODP_SERVICE_READY:
    case ODP_SERVICE_DRAINING:
    case ODP_SERVICE_DISMISSED:
    case ODP_SERVICE_STOPPING:
    case ODP_SERVICE_FREEZING:
    case ODP_SERVICE_THAWING: return ODP_LEDGER_AWAKE;
    case ODP_SERVICE_UNKNOWN:
    case ODP_SERVICE_N_STATES: break;
    }
    return ODP_LEDGER_UNKNOWN;
}

void odp_managed_keep_ledger(struct odp_managed *m)
{
    enum odp_service_state s = m->machine.state;
    uint64_t now_usec = odp_boottime_usec();

    odp_ledger_enter(&m->ledger, phase_of(s), now_usec);
    if (s == ODP_SERVICE_REQUIRING || s == ODP_SERVICE_STARTING || s == ODP_SERVICE_THAWING)
        odp_ledger_wake_begin(&m->ledger, now_usec);
    else if (s == ODP_SERVICE_READY || s == ODP_SERVICE_FAILED)
        odp_ledger_wake_end(&m->ledger, s == ODP_SERVICE_READY, now_usec);
    else if (s == ODP_SERVICE_STOPPING || s == ODP_SERVICE_STOPPED)
        m->ledger.wake_since_usec = ODP_NEVER; // called off: neither a wake nor a failed one
}

static void pace_tries(struct odp_managed *m, enum odp_service_event_kind kind)
{
    enum odp_service_state s = m->machine.state;

    if (!odp_service_is_trying(&m->machine)) {
        odp_tries_stop(&m->tries);
        // What a bare try may still find out is older than what is known now.
        if (m->probe)
            odp_visit_event(m->probe, ODP_CONN_EV_CUT);
        if (s == ODP_SERVICE_STOPPING)
            odp_visits_take_back(m);
    } else if (s != ODP_SERVICE_PROBING || kind != ODP_EVENT_RUNNING ||
               m->tries.next_usec == ODP_NEVER) {
        // From starting to probing the rounds that began at the start request simply go on.
        odp_tries_begin(&m->tries, odp_now_usec());
    }
    odp_probe_on_change(m, kind);
}

static void log_change(const struct odp_managed *m, enum odp_service_state from,
                       enum odp_service_event_kind kind)
{
    enum odp_service_state s = m->machine.state;
    const char *reason = m->machine.reason;
    const struct odp_journal_field fields[] = {
        {ODP_FIELD_STATE, odp_service_state_public(s)},
        {ODP_FIELD_REASON, reason[0] ? reason : NULL},
        {ODP_FIELD_MESSAGE_ID, odp_message_id(from, s, kind, m->machine.waking)},
    };

    odp_log_event(s == ODP_SERVICE_FAILED ? ODP_LOG_WARNING : ODP_LOG_INFO, m->config->name, fields,
                  sizeof(fields) / sizeof(fields[0]), "%s: %s -> %s%s%s",
                  odp_service_event_to_string(kind), odp_service_state_to_string(from),
                  odp_service_state_to_string(s), reason[0] ? ": " : "", reason);
}

static void on_change(struct odp_managed *m, const struct odp_service_effects *fx,
                      enum odp_service_event_kind kind)
{
    enum odp_service_state s = m->machine.state;

    log_change(m, fx->from, kind);
    odp_target_on_change(m);
    // Whatever ran by earlier settings, the next start goes by the present ones.
    if (m->previous &&
        (s == ODP_SERVICE_STOPPED || s == ODP_SERVICE_FAILED || s == ODP_SERVICE_STARTING))
        odp_managed_settle(m);
    odp_managed_keep_ledger(m);
    odp_story_on_change(m, fx->from, kind);
    odp_memory_on_change(m, fx->from);
    // The first look changes no sum, nor does probing, when somebody waits.
    if (fx->from != ODP_SERVICE_UNKNOWN && s != ODP_SERVICE_PROBING)
        odp_ledger_file_changed(m->manager->ledger_file);
    odp_vigil_changed(m->manager->vigil);
    pace_tries(m, kind);
    if (m->ledger.phase != ODP_LEDGER_AWAKE)
        odp_manager_trim(m->manager);
}

static void carry_out(struct odp_managed *m, const struct odp_service_effects *fx,
                      enum odp_service_event_kind kind)
{
    bool had_previous = m->previous;

    if (fx->changed)
        on_change(m, fx, kind);
    if (fx->request && fx->op == ODP_PROTO_STOP)
        odp_memory_sample(m);
    if (fx->request)
        odp_link_request(m->manager->link, m, fx->op, fx->request_id);
    if (fx->cut)
        odp_visits_cut(m);
    if (fx->waiters == ODP_WAITERS_RELEASE)
        odp_visits_release(m);
    if (fx->waiters == ODP_WAITERS_DENY) {
        odp_visits_deny(m);
        odp_requires_deny(m);
    }
    if (fx->changed)
        odp_visits_pace(m);
    odp_managed_arm(m);
    if (fx->changed) {
        odp_control_on_state(m->manager->control, m);
        odp_requires_on_change(m, kind);
    }
    // Without another probe, running is as good as an answer. A refusal later is still believed.
    if (fx->changed && kind == ODP_EVENT_RUNNING && m->machine.state == ODP_SERVICE_PROBING &&
        (m->config->probe == ODP_PROBE_NONE || m->config->probe == ODP_PROBE_UNIT ||
         odp_probe_has_passed(m)))
        odp_managed_event(m, ODP_EVENT_ANSWERS, NULL);
    // What was stopped has become a plain proxy meanwhile: that is never stopped.
    if (had_previous && !m->previous && m->machine.state == ODP_SERVICE_STOPPED &&
        !m->machine.settings.can_stop)
        odp_managed_event(m, ODP_EVENT_LOST, "its new [backend] is looked at");
}

_Static_assert(ODP_RELAY_BUFFER_BYTES >= ODP_DIRECT_BUFFER_BYTES, "the shared buffer is too small");

// Looked up once, when the quiet window has really ended: odp has no connection of its own then.
static unsigned count_direct(struct odp_managed *m, const struct odp_service_event *event)
{
    const struct odp_service *s = &m->machine;
    const struct odp_address *target = odp_managed_target(m);

    if (!m->config->count_direct || !target || event->kind != ODP_EVENT_DEADLINE ||
        !odp_service_has_window(s) || event->now_usec < s->deadline_usec ||
        m->n_connections + m->n_waiting > 0)
        return 0;
    int n = odp_direct_count(target, odp_relays_buffer(m->manager->relays), ODP_RELAY_BUFFER_BYTES);
    if (n < 0 && !m->manager->direct_said) {
        m->manager->direct_said = true;
        odp_log(ODP_LOG_WARNING, m->config->name,
                "cannot look for connections that are not odp's (%s): none are counted",
                strerror(-n));
    }
    return n > 0 ? (unsigned)n : 0;
}

static void say_direct(struct odp_managed *m, unsigned n)
{
    char text[ODP_ADDRESS_TEXT_MAX];

    m->story.direct_usec = odp_boottime_usec();
    if (m->machine.n_direct == 0)
        odp_log(ODP_LOG_INFO, m->config->name,
                "%u direct connections to %s keep it awake ([idle] count_direct)", n,
                odp_address_format(odp_managed_target(m), text, sizeof(text)));
}

void managed_step(struct odp_managed *m, struct odp_service_event *event)
{
    struct odp_service_effects fx;

    if (!m->active)
        return;
    event->now_usec = odp_now_usec();
    event->n_connections = m->n_connections;
    event->n_waiting = m->n_waiting + m->n_requiring;
    event->n_dependents = m->n_dependents;
    event->n_direct = count_direct(m, event);
    if (event->n_direct > 0)
        say_direct(m, event->n_direct);
    if (odp_service_step(&m->machine, event, &fx) == 0)
        carry_out(m, &fx, event->kind);
    if (odp_service_awaits_launcher(&m->machine, m->n_waiting + m->n_requiring))
        odp_link_urge(m->manager->link);
}

void odp_managed_event(struct odp_managed *m, enum odp_service_event_kind kind, const char *reason)
{
    struct odp_service_event event = {.kind = kind, .reason = reason};

    // Whoever was told that it is ready would want to connect.
    if (kind == ODP_EVENT_ANSWERS && !odp_managed_target(m))
        m->found.has_answered = true;
    else
        managed_step(m, &event);
}

static uint64_t next_deadline(const struct odp_managed *m)
{
    uint64_t deadline = odp_usec_min(m->machine.deadline_usec, odp_visits_deadline(m));

    deadline = odp_usec_min(deadline, odp_probe_deadline(m));
    if (odp_visits_want_try(m) || odp_probe_is_wanted(m))
        deadline = odp_usec_min(deadline, m->tries.next_usec);
    return deadline;
}

// Why a start that is late is late, as far as anybody has said.
static const char *last_answer(struct odp_managed *m)
{
    const char *missing = odp_target_missing(m);

    return missing ? missing : odp_probe_last_answer(m);
}

static void on_timer(uv_timer_t *timer)
{
    struct odp_managed *m = timer->data;
    uint64_t now_usec = odp_now_usec();

    m->armed_usec = ODP_NEVER;
    if (m->machine.deadline_usec <= now_usec)
        odp_managed_event(m, ODP_EVENT_DEADLINE, last_answer(m));
    odp_visits_expire(m, now_usec);
    odp_probe_expire(m, now_usec);
    if (odp_visits_want_try(m) && odp_tries_due(&m->tries, now_usec))
        odp_visits_try(m);
    if (odp_probe_is_wanted(m) && odp_tries_due(&m->tries, now_usec))
        odp_probe_begin(m);
    odp_managed_arm(m);
}

void odp_managed_arm(struct odp_managed *m)
{
    uint64_t deadline = next_deadline(m);

    if (deadline == m->armed_usec)
        return;
    m->armed_usec = deadline;
    if (deadline == ODP_NEVER) {
        uv_timer_stop(&m->timer);
        return;
    }
    uint64_t now_usec = odp_now_usec();
    uint64_t span_usec = deadline > now_usec ? deadline - now_usec : 0;
    // libuv counts from its own idea of now, which may be old; early is worse than late.
    uv_update_time(m->timer.loop);
    uv_timer_start(&m->timer, on_timer, (span_usec + ODP_USEC_PER_MS - 1) / ODP_USEC_PER_MS, 0);
}

const char *odp_managed_state(const struct odp_managed *m)
{
    if (!m->config->enabled)
        return "disabled";
    return m->active ? odp_service_state_public(m->machine.state) : "invalid";
}

const char *odp_managed_reason(const struct odp_managed *m)
{
    if (!m->config->enabled)
        return "enabled = no";
    // What woke it is kept meanwhile.
    if (m->active && m->machine.state == ODP_SERVICE_UNKNOWN && m->machine.waking)
        return "odp-launcher is asked whether it runs";
    return m->active ? m->machine.reason : m->fault;
}

void odp_managed_add_notes(const struct odp_managed *m, struct odp_buf *b)
{
    const char *const notes[] = {m->file_note, m->listen_note,
                                 m->previous ? "its new [backend] applies when it is next stopped"
                                             : NULL};

    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
        if (notes[i])
            odp_buf_printf(b, "%s%s", b->n_bytes > 0 ? "; " : "", notes[i]);
}

void odp_managed_set_note(char **note, const char *text)
{
    free(*note);
    *note = text ? strdup(text) : NULL; // without memory it goes unsaid: the log has it
}
