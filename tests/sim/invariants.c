// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What must hold whatever happens. Some checks look at each step, some at what passes a socket, the
// rest at everything whenever the loop would sleep.

#include <string.h>

#include "odp/proxy/probe.h"
#include "odp/proxy/requires.h"
#include "sim.h"

#define EARLY_SLACK_USEC (ODP_CONN_STOOD_USEC + 2 * ODP_USEC_PER_MS)

static bool is_live(const struct odp_visit *v)
{
    const struct odp_io *ends = v->relay.ends;

    return ends[ODP_RELAY_CLIENT].fd >= 0 && ends[ODP_RELAY_UPSTREAM].fd >= 0 &&
           !fake_conn_of(&ends[ODP_RELAY_CLIENT])->closed &&
           !fake_conn_of(&ends[ODP_RELAY_UPSTREAM])->closed;
}

// Connections that both sides still hold.
static unsigned n_live(const struct odp_managed *m)
{
    unsigned n = 0;

    odp_list_foreach (it, &m->relayed) {
        n += is_live(ODP_CONTAINER_OF(it, struct odp_visit, node));
    }
    return n;
}

// ---- steps -------------------------------------------------------------------------------------

// Those that it requires are to be ready first.
static void check_required(const struct fake_service *s)
{
    const struct odp_config_service *config = s->managed->config;

    for (size_t i = 0; i < config->n_required_services; i++) {
        const struct odp_managed *r =
            odp_manager_find(sim.manager, config->required_services[i].text);
        if (r && r->machine.state != ODP_SERVICE_READY)
            sim_fail("no start before what it requires", "%s is started, and %s is %s", s->name,
                     r->config->name, odp_service_state_to_string(r->machine.state));
    }
}

void sim_check_request(struct fake_service *s, enum odp_proto_op op)
{
    if (op == ODP_PROTO_START)
        check_required(s);
    if (op == ODP_PROTO_START && s->stop_runs)
        sim_fail("no start while a stop runs", "%s is started", s->name);
}

// Whoever waits now is to be served, not shown a page.
static void note_ready(struct fake_service *s)
{
    for (struct fake_conn *c = fake_conn_first(FAKE_CLIENT, s); c; c = fake_conn_next(c))
        c->was_ready = true;
}

void sim_check_step(struct fake_service *s, const struct odp_service_event *event,
                    const struct odp_service_effects *fx)
{
    const struct odp_service *machine = &s->managed->machine;
    bool puts_to_sleep = fx->request && (fx->op == ODP_PROTO_STOP || fx->op == ODP_PROTO_FREEZE);
    unsigned n = puts_to_sleep && !fx->cut ? n_live(s->managed) : 0;

    if (n > 0)
        sim_fail("no stop with a live connection", "%s: %s in %s: %s with %u", s->name,
                 odp_service_event_to_string(event->kind), odp_service_state_to_string(fx->from),
                 odp_proto_op_to_string(fx->op), n);
    if (puts_to_sleep && event->kind == ODP_EVENT_DEADLINE && fx->from == ODP_SERVICE_READY &&
        s->managed->n_dependents > 0)
        sim_fail("no sleep while others require it", "%s", s->name);
    if (fx->request && fx->request_id == 0)
        sim_fail("requests", "%s: a request without an id", s->name);
    if (fx->changed && machine->state == ODP_SERVICE_READY)
        note_ready(s);
    if (machine->state >= ODP_SERVICE_N_STATES)
        sim_fail("states", "%s is in state %d", s->name, (int)machine->state);
}

void sim_check_accept(const struct fake_service *s)
{
    const struct odp_managed *m = s->managed;

    if (m->n_waiting >= m->config->max_waiting)
        sim_fail("no more than max_waiting", "%s: one more is accepted while %u wait", s->name,
                 m->n_waiting);
}

// ---- bytes -------------------------------------------------------------------------------------

static const struct odp_visit *visit_of(const struct fake_conn *c)
{
    int side = c->kind == FAKE_CLIENT ? ODP_RELAY_CLIENT : ODP_RELAY_UPSTREAM;
    char *end = (char *)c->io - (size_t)side * sizeof(struct odp_io);

    return ODP_CONTAINER_OF(end, struct odp_visit, relay.ends);
}

// Each side of a connection is sent what the other side said: from its beginning, in order.
static void check_passes(const struct fake_conn *c, const struct fake_conn *from, const char *bytes,
                         size_t n_bytes)
{
    if (c->n_out + n_bytes > from->n_in || memcmp(from->in + c->n_out, bytes, n_bytes) != 0)
        sim_fail("every byte once", "%s: %s of client %u is sent other bytes at %u",
                 c->service->name,
                 c->kind == FAKE_CLIENT ? "the client's end" : "the service's end",
                 c->kind == FAKE_CLIENT ? c->number : from->number, c->n_out);
    const char *end = memchr(bytes, '\n', n_bytes);
    sim_say(c->service, ": %s reads \"%.*s\"", c->kind == FAKE_CLIENT ? "a client" : "the service",
            (int)(end ? (size_t)(end - bytes) - (end > bytes && end[-1] == '\r') : n_bytes), bytes);
}

static const char *behind(const char *page, const char *words)
{
    const char *found = strstr(page, words);

    if (found)
        return found + strlen(words);
    sim_fail("pages", "a page without %s: %.40s", words, page);
}

static void tell_page(struct fake_conn *c, const char *bytes)
{
    const char *title = behind(bytes, "<title>"), *retry = behind(bytes, "Retry-After: ");

    sim_note(c->service, c->number);
    sim_say(c->service, ": client %u is told: %.*s, again in %.*s s", c->number,
            (int)strcspn(title, "<"), title, (int)strcspn(retry, "\r"), retry);
}

void sim_check_sent(struct fake_conn *c, const char *bytes, size_t n_bytes)
{
    const struct odp_visit *v = visit_of(c);
    int other = c->kind == FAKE_CLIENT ? ODP_RELAY_UPSTREAM : ODP_RELAY_CLIENT;

    if (c->pages > 0)
        sim_fail("every waiter answered once", "%s: client %u is sent more behind its page",
                 c->service->name, c->number);
    if (c->kind == FAKE_UPSTREAM && v->is_probe)
        sim_fail("every byte once", "%s: a bare probe says something", c->service->name);
    if (c->kind == FAKE_UPSTREAM || c->served) {
        check_passes(c, fake_conn_of(&v->relay.ends[other]), bytes, n_bytes);
        return;
    }
    c->pages++;
    tell_page(c, bytes);
}

void sim_check_relay_done(const struct odp_visit *v)
{
    const struct fake_conn *c = fake_conn_of(&v->relay.ends[ODP_RELAY_CLIENT]);
    const struct fake_conn *u = fake_conn_of(&v->relay.ends[ODP_RELAY_UPSTREAM]);

    if (!c->reset && !u->reset && (c->n_out != u->n_in || u->n_out != c->n_in))
        sim_fail("to the last byte", "%s: client %u: %u of %u and %u of %u bytes", c->service->name,
                 c->number, c->n_out, u->n_in, u->n_out, c->n_in);
}

void sim_check_closed(const struct fake_conn *c)
{
    if (c->kind != FAKE_CLIENT || !sim.began)
        return;
    if (c->served && !c->closed)
        sim_say(c->service, ": client %u is %s", c->number, c->linger_zero ? "reset" : "closed");
    else if (!c->served && c->closed)
        sim_say(c->service, ": client %u is forgotten", c->number);
    else if (!c->served && c->pages == 0)
        sim_say(c->service, ": client %u is turned away", c->number);
    if (!c->served && !c->closed && !c->reset && c->pages == 0 && c->http && c->n_in > 0)
        sim_fail("every waiter answered once", "%s: client %u asked by HTTP and has no answer",
                 c->service->name, c->number);
    sim_note(c->service, c->number);
}

// ---- whenever the loop would sleep -------------------------------------------------------------

struct counts {
    unsigned n_waiting, n_connections, n_tries, n_connecting, n_leaving;
};

static void count(struct counts *n, const struct odp_visit *v)
{
    enum odp_conn_state s = v->state;

    n->n_tries += s == ODP_CONN_TRYING || s == ODP_CONN_EARLY;
    if (v->is_probe)
        return;
    n->n_waiting += s == ODP_CONN_HELD || s == ODP_CONN_TRYING || s == ODP_CONN_EARLY;
    n->n_connections += s == ODP_CONN_CONNECTING || s == ODP_CONN_RELAYED;
    n->n_connecting += s == ODP_CONN_CONNECTING;
}

static void check_counts(const struct odp_managed *m, struct counts *n)
{
    odp_list_foreach (it, &m->waiting) {
        count(n, ODP_CONTAINER_OF(it, struct odp_visit, node));
    }
    odp_list_foreach (it, &m->relayed) {
        count(n, ODP_CONTAINER_OF(it, struct odp_visit, node));
    }
    odp_list_foreach (it, &m->leaving) {
        n->n_leaving++;
    }
    if (m->probe)
        count(n, m->probe);
    if (n->n_waiting != m->n_waiting || n->n_connections != m->n_connections ||
        n->n_tries != m->n_tries || n->n_leaving != m->n_leaving)
        sim_fail("counts",
                 "%s: waiting %u of %u, connected %u of %u, tries %u of %u, leaving %u of %u",
                 m->config->name, m->n_waiting, n->n_waiting, m->n_connections, n->n_connections,
                 m->n_tries, n->n_tries, m->n_leaving, n->n_leaving);
}

static const char *lacks_window(const struct odp_managed *m)
{
    const struct odp_service *s = &m->machine;
    bool has_deadline = s->deadline_usec != ODP_NEVER;
    bool is_busy =
        m->n_connections > 0 || m->n_waiting > 0 || m->n_requiring > 0 || m->n_dependents > 0;

    if (!has_deadline && !is_busy && s->settings.can_stop && s->idle.timeout_usec != ODP_NEVER)
        return "is quiet, and has no deadline";
    return has_deadline && is_busy ? "is busy, and has a deadline" : NULL;
}

// NULL where the state may last; else what is missing.
static const char *lacks(const struct odp_managed *m)
{
    const struct odp_service *s = &m->machine;
    bool has_deadline = s->deadline_usec != ODP_NEVER;

    switch (s->state) {
    case ODP_SERVICE_STOPPED:
        if (m->n_waiting > 0 || s->wanted)
            return "sleeps, and somebody waits";
        if (s->is_partly)
            return lacks_window(m);
        return has_deadline ? "sleeps, and has a deadline" : NULL;
    case ODP_SERVICE_READY: return lacks_window(m);
    case ODP_SERVICE_FAILED:
    case ODP_SERVICE_FROZEN:
        if (s->state == ODP_SERVICE_FROZEN && s->settings.stop_after_usec != ODP_NEVER &&
            !has_deadline)
            return "has no deadline";
        return m->n_waiting > 0 || s->wanted ? "sleeps, and somebody waits" : NULL;
    case ODP_SERVICE_STARTING:
        return has_deadline || s->settings.start_timeout_usec == ODP_NEVER ? NULL
                                                                           : "has no deadline";
    case ODP_SERVICE_PROBING:
        return has_deadline || s->settings.ready_timeout_usec == ODP_NEVER ? NULL
                                                                           : "has no deadline";
    case ODP_SERVICE_UNKNOWN:
    case ODP_SERVICE_REQUIRING:
    case ODP_SERVICE_DRAINING:
    case ODP_SERVICE_DISMISSED:
    case ODP_SERVICE_STOPPING:
    case ODP_SERVICE_FREEZING:
    case ODP_SERVICE_THAWING:
    case ODP_SERVICE_N_STATES: break;
    }
    return has_deadline ? NULL : "has no deadline";
}

static const char *bad_mark(const struct odp_service *s)
{
    enum odp_service_state is = s->state;

    if (s->unwanted && is != ODP_SERVICE_UNKNOWN)
        return "a stop was asked when the launcher was lost";
    if (s->waking && is != ODP_SERVICE_UNKNOWN && is != ODP_SERVICE_STARTING &&
        is != ODP_SERVICE_PROBING)
        return "it is being woken";
    return NULL;
}

// In mode page nobody who can be shown one is left to wait; but whoever has queued for a service
// that was ready is served as soon as it is ready again.
static bool lacks_page(const struct odp_visit *v, const struct odp_managed *m)
{
    const struct fake_conn *c = fake_conn_of(&v->relay.ends[ODP_RELAY_CLIENT]);
    enum odp_service_state s = m->machine.state;

    return m->config->wait_mode == ODP_WAIT_PAGE && c->http && !c->was_ready &&
           s != ODP_SERVICE_READY && (v->state == ODP_CONN_HELD || v->state == ODP_CONN_TRYING);
}

// Nobody has a place too many, whoever waits.
static void check_places(struct fake_service *s)
{
    const struct odp_managed *m = s->managed;

    if (s->n_excused > m->n_taken)
        s->n_excused = m->n_taken;
    if (m->n_connections > m->config->max_connections && m->n_connections > s->n_excused)
        sim_fail("max_connections", "%s has %u connections", m->config->name, m->n_connections);
}

static void check_waiters(const struct odp_managed *m)
{
    uint64_t most_usec = odp_usec_add(m->config->wait_timeout_usec, EARLY_SLACK_USEC);

    odp_list_foreach (it, &m->waiting) {
        const struct odp_visit *v = ODP_CONTAINER_OF(it, struct odp_visit, node);
        // A try that stands when a reload makes the wait shorter is let stand.
        bool stands =
            v->state == ODP_CONN_EARLY && odp_now_usec() - v->early_usec < EARLY_SLACK_USEC;
        if (odp_now_usec() - v->since_usec > most_usec && !stands)
            sim_fail("every waiter answered once", "%s: client %u waits beyond its time",
                     m->config->name, fake_conn_of(&v->relay.ends[ODP_RELAY_CLIENT])->number);
        if (lacks_page(v, m))
            sim_fail("every waiter answered once", "%s: client %u is not shown its page",
                     m->config->name, fake_conn_of(&v->relay.ends[ODP_RELAY_CLIENT])->number);
        if (m->machine.state == ODP_SERVICE_READY && v->state == ODP_CONN_HELD &&
            odp_list_empty(&m->release_node) && m->n_taken < m->config->max_connections)
            sim_fail("every waiter answered once", "%s is ready, and client %u is not released",
                     m->config->name, fake_conn_of(&v->relay.ends[ODP_RELAY_CLIENT])->number);
    }
}

// What is due must have a timer, and nothing may be overdue.
static void check_timer(const struct odp_managed *m)
{
    uint64_t due_usec = odp_usec_min(m->machine.deadline_usec, odp_visits_deadline(m));
    uint64_t set_usec = fake_timer_due(&m->timer);

    due_usec = odp_usec_min(due_usec, odp_probe_deadline(m));
    if (odp_visits_want_try(m) || odp_probe_is_wanted(m))
        due_usec = odp_usec_min(due_usec, m->tries.next_usec);
    if (due_usec != ODP_NEVER && (set_usec == ODP_NEVER || set_usec > due_usec + ODP_USEC_PER_MS))
        sim_fail("no state without a deadline", "%s: %s: due in %lld ms, and the timer is not set",
                 m->config->name, odp_service_state_to_string(m->machine.state),
                 (long long)(due_usec - odp_now_usec()) / 1000);
}

static void check_users(const struct odp_managed *m)
{
    const struct odp_manager *mgr = sim.manager;
    unsigned n_requiring = 0, n_dependents = 0;

    for (size_t i = 0; i < mgr->n_services; i++) {
        enum odp_requires_use use = odp_requires_use_of(mgr->services[i], m);
        n_requiring += use == ODP_REQUIRES_WAITS;
        n_dependents += use == ODP_REQUIRES_AWAKE;
    }
    if (n_requiring != m->n_requiring || n_dependents != m->n_dependents)
        sim_fail("counts", "%s: waited for by %u of %u, used by %u of %u", m->config->name,
                 m->n_requiring, n_requiring, m->n_dependents, n_dependents);
}

static void check_service(struct fake_service *s, struct counts *n)
{
    const struct odp_managed *m = s->managed;
    const char *what = lacks(m);

    if (what)
        sim_fail("no state without a deadline", "%s: %s: %s", s->name,
                 odp_service_state_to_string(m->machine.state), what);
    what = bad_mark(&m->machine);
    if (what)
        sim_fail("marks", "%s: %s, but still: %s", s->name,
                 odp_service_state_to_string(m->machine.state), what);
    check_counts(m, n);
    check_waiters(m);
    check_places(s);
    check_users(m);
    check_timer(m);
}

void sim_check_all(void)
{
    const struct odp_manager *mgr = sim.manager;
    unsigned n_connecting = 0;

    for (unsigned i = 0; i < fake_n_services; i++) {
        struct counts n = {0};
        if (fake_services[i].managed->active)
            check_service(&fake_services[i], &n);
        n_connecting += n.n_connecting;
    }
    if (n_connecting != mgr->n_connecting)
        sim_fail("counts", "connecting %u of %u", mgr->n_connecting, n_connecting);
    if (!odp_list_empty(&mgr->release_queue) && n_connecting == 0 && !mgr->exhausted)
        sim_fail("every waiter answered once", "a service is queued, and nothing will call it");
    if (mgr->exhausted && fake_timer_due(&mgr->retry_timer) == ODP_NEVER)
        sim_fail("no state without a deadline", "out of descriptors, and no timer is set");
}
