// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Stands between the manager and the core's two machines: every step passes through here, is
// counted, checked and written to the trace.

#include <string.h>

#include "sim.h"
#include "wraps.h"

unsigned long sim_cells[ODP_SERVICE_N_STATES][ODP_EVENT_N_KINDS][SIM_N_WAYS];
unsigned long sim_conn_cells[ODP_CONN_N_STATES][ODP_CONN_N_EVENTS];

static bool is_report(enum odp_service_event_kind k)
{
    return k == ODP_EVENT_RUNNING || k == ODP_EVENT_INACTIVE || k == ODP_EVENT_FAILED ||
           k == ODP_EVENT_FROZEN;
}

// ---- the service's machine ---------------------------------------------------------------------

static const char *name_of(enum odp_service_event_kind k)
{
    if (k == ODP_EVENT_START)
        return "odp start";
    if (k == ODP_EVENT_STOP)
        return "odp stop";
    return k == ODP_EVENT_ANSWERS ? "probe ok" : odp_service_event_to_string(k);
}

// The request that goes with a state says as much as the state.
static bool is_implied(enum odp_service_state state, const struct odp_service_effects *fx)
{
    static const enum odp_service_state after[] = {
        [ODP_PROTO_LOOK] = ODP_SERVICE_UNKNOWN,  [ODP_PROTO_START] = ODP_SERVICE_STARTING,
        [ODP_PROTO_STOP] = ODP_SERVICE_STOPPING, [ODP_PROTO_FREEZE] = ODP_SERVICE_FREEZING,
        [ODP_PROTO_THAW] = ODP_SERVICE_THAWING,  [ODP_PROTO_REPORT] = ODP_SERVICE_N_STATES,
    };

    return state == ODP_SERVICE_PROBING || (fx->request && after[fx->op] == state);
}

struct parts {
    struct odp_buf b;
    const char *separator;
};

static void add_part(struct parts *p, const char *what, unsigned n)
{
    odp_buf_printf(&p->b, "%s%s", p->separator, what);
    if (n > 0)
        odp_buf_printf(&p->b, " %u", n);
    p->separator = ", ";
}

static void add_effects(struct parts *p, const struct odp_service *s,
                        const struct odp_service_event *e, const struct odp_service_effects *fx,
                        const struct odp_service *before)
{
    bool implied = is_implied(s->state, fx);

    if (fx->changed && !implied) {
        odp_buf_printf(&p->b, " -> %s", odp_service_state_to_string(s->state));
        p->separator = ", ";
    }
    if (fx->changed && s->state == ODP_SERVICE_PROBING)
        add_part(p, "probe", 0);
    if (fx->cut)
        add_part(p, "cut", e->n_connections);
    if (fx->request)
        add_part(p, odp_proto_op_to_string(fx->op), 0);
    if (fx->waiters == ODP_WAITERS_RELEASE && e->n_waiting > 0)
        add_part(p, "release", e->n_waiting);
    else if (fx->waiters == ODP_WAITERS_DENY && e->n_waiting > 0)
        add_part(p, "deny", e->n_waiting);
    else if (e->kind == ODP_EVENT_DEMAND && e->n_waiting > 0)
        add_part(p, "hold", e->n_waiting);
    if (s->wanted && !before->wanted)
        add_part(p, "wanted", 0);
    if (s->unwanted && !before->unwanted)
        add_part(p, "unwanted", 0);
}

// What has no effect is worth a line only where somebody asked for it, or told it.
static bool is_news(const struct parts *p, enum odp_service_event_kind k)
{
    return p->b.n_bytes > 0 || is_report(k) || k == ODP_EVENT_START || k == ODP_EVENT_STOP ||
           k == ODP_EVENT_LOST;
}

static void tell_step(const struct fake_service *f, const struct odp_service *s,
                      const struct odp_service_event *e, const struct odp_service_effects *fx,
                      bool stale, const struct odp_service *before)
{
    struct parts p = {.separator = ": "};
    bool by_word = e->kind == ODP_EVENT_DEMAND || e->kind == ODP_EVENT_START ||
                   e->kind == ODP_EVENT_STOP || e->kind == ODP_EVENT_LOST;

    if (!stale)
        add_effects(&p, s, e, fx, before);
    if (is_news(&p, e->kind)) {
        const char *how = !is_report(e->kind) ? "" : stale ? "late " : e->id == 0 ? "sees " : "";
        const char *effects = p.b.n_bytes > 0 ? p.b.s : ": ignored";
        if (!by_word && strcmp(before->reason, s->reason) != 0)
            sim_say(f, " > %s%s%s (%s)", how, name_of(e->kind), effects, s->reason);
        else
            sim_say(f, " > %s%s%s", how, name_of(e->kind), effects);
    }
    odp_buf_deinit(&p.b);
}

static uint64_t tuple_of(const struct odp_service *s, const struct odp_service_event *e,
                         const struct odp_service_effects *fx)
{
    return (uint64_t)s->state | (uint64_t)e->kind << 8 | (uint64_t)fx->waiters << 16 |
           (uint64_t)fx->cut << 20 | (uint64_t)fx->request << 21 | (uint64_t)fx->op << 24 |
           (uint64_t)e->n_connections << 32 | (uint64_t)e->n_waiting << 48;
}

int __wrap_odp_service_step(struct odp_service *s, const struct odp_service_event *event,
                            struct odp_service_effects *ret)
{
    struct fake_service *f = sim_service_of(ODP_CONTAINER_OF(s, struct odp_managed, machine));
    bool early = event->kind == ODP_EVENT_DEADLINE && event->now_usec < s->deadline_usec;
    const struct odp_service before = *s;

    int r = __real_odp_service_step(s, event, ret);
    if (r == 0 && !early) {
        sim_cells[before.state][event->kind][f->way]++;
        sim_note(f, tuple_of(s, event, ret));
    }
    if (sim_trace)
        tell_step(f, s, event, ret, r < 0, &before);
    sim_check_step(f, event, ret);
    return r;
}

// What no key of the files says yet, no reload takes away.
void __wrap_odp_service_set(struct odp_service *s, const struct odp_service_settings *settings,
                            uint64_t idle_timeout_usec, uint64_t now_usec)
{
    const struct fake_service *f = sim_service_of(ODP_CONTAINER_OF(s, struct odp_managed, machine));
    struct odp_service_settings more = *settings;

    if (f->way == SIM_BY_SETTINGS) {
        more.freeze = true;
        more.stop_after_usec = f->stop_after_usec;
    }
    __real_odp_service_set(s, &more, idle_timeout_usec, now_usec);
}

// ---- the connection's machine ------------------------------------------------------------------

static void tell_conn(const struct odp_visit *v, enum odp_conn_state from,
                      enum odp_conn_event event)
{
    struct fake_conn *c = fake_conn_of(&v->relay.ends[ODP_RELAY_CLIENT]);

    if (v->state == ODP_CONN_RELAYED) {
        c->served = true;
        sim_note(c->service, c->number);
        sim_say(c->service, ": client %u is served", c->number);
    } else if (from == ODP_CONN_EARLY && v->state == ODP_CONN_HELD) {
        sim_say(c->service, ": the try of client %u came to nothing", c->number);
    } else if (v->state == ODP_CONN_ENDED && event == ODP_CONN_EV_TIMEOUT) {
        sim_say(c->service, ": client %u waited too long", c->number);
    } else if (v->state == ODP_CONN_ENDED && event == ODP_CONN_EV_DONE) {
        sim_check_relay_done(v);
    }
}

unsigned __wrap_odp_conn_step(enum odp_conn_state *state, enum odp_conn_event event)
{
    const struct odp_visit *v = ODP_CONTAINER_OF(state, struct odp_visit, state);
    enum odp_conn_state from = *state;
    unsigned fx = __real_odp_conn_step(state, event);

    sim_conn_cells[from][event]++;
    if (*state != from && v->relay.ends[ODP_RELAY_CLIENT].fd >= 0)
        tell_conn(v, from, event);
    return fx;
}
