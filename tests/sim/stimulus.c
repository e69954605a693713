// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The words of golden traces: what clients, targets, the launcher, people and the machine do.

#include <string.h>

#include "sim.h"

#define HTTP "GET / HTTP/1.1\r\nHost: odp\r\n\r\n"

// ---- clients -----------------------------------------------------------------------------------

static bool says(struct fake_conn *c, const char *what)
{
    if (strcmp(what, "says hello") == 0)
        fake_client_say(c, "hello\n");
    else if (strcmp(what, "asks for a page") == 0)
        fake_client_say(c, HTTP);
    else if (strcmp(what, "begins to ask for a page") == 0)
        fake_client_say(c, "GET / HT");
    else if (strcmp(what, "goes on to ask") == 0)
        fake_client_say(c, &HTTP[sizeof("GET / HT") - 1]);
    else
        return false;
    return true;
}

static bool connects(struct fake_service *s, unsigned number, const char *how)
{
    bool remote = strncmp(how, " from afar", 10) == 0;

    if (number != s->n_clients + 1)
        return false;
    struct fake_conn *c = fake_client_connect(s, remote);
    how += remote ? 10 : 0;
    return !*how || (strncmp(how, " and ", 5) == 0 && says(c, how + 5));
}

// The target's end of a client's connection.
static struct fake_conn *upstream_of(const struct fake_conn *client)
{
    const struct odp_visit *v = ODP_CONTAINER_OF(client->io, struct odp_visit, relay.ends);

    return v->relay.ends[ODP_RELAY_UPSTREAM].fd < 0
               ? NULL
               : fake_conn_of(&v->relay.ends[ODP_RELAY_UPSTREAM]);
}

static bool client_does(struct fake_service *s, unsigned number, const char *what)
{
    struct fake_conn *c = fake_client_find(s, number);

    if (strncmp(what, "connects", 8) == 0)
        return connects(s, number, what + 8);
    if (!c)
        return false;
    if (strcmp(what, "leaves") == 0)
        fake_conn_leave(c, false);
    else if (strcmp(what, "resets") == 0)
        fake_conn_leave(c, true);
    else if (strcmp(what, "ends its side") == 0)
        fake_conn_finish(c);
    else
        return says(c, what);
    return true;
}

static bool clients_do(struct fake_service *s, unsigned n, const char *what)
{
    if (strcmp(what, "connect") != 0)
        return false;
    for (unsigned i = 0; i < n; i++)
        fake_client_connect(s, false);
    return true;
}

// ---- targets -----------------------------------------------------------------------------------

static bool target_does(struct fake_service *s, const char *what)
{
    static const char *const words[FAKE_N_TARGETS] = {
        [FAKE_REFUSES] = "refuses", [FAKE_HANGS] = "hangs",    [FAKE_RESETS] = "accepts and resets",
        [FAKE_SILENT] = "accepts",  [FAKE_ECHOES] = "answers", [FAKE_GREETS] = "speaks first",
    };
    unsigned number;

    for (int i = 0; i < FAKE_N_TARGETS; i++) {
        if (strcmp(what, words[i]) == 0) {
            fake_target_set(s, (enum fake_target)i);
            return true;
        }
    }
    if (strcmp(what, "dies") == 0) {
        fake_target_drop_all(s);
        fake_target_set(s, FAKE_REFUSES);
        return true;
    }
    if (sscanf(what, "is used directly by %u", &number) == 1) {
        s->n_direct = number;
        return true;
    }
    if (sscanf(what, "ends its side of client %u", &number) != 1)
        return false;
    struct fake_conn *c = fake_client_find(s, number), *up = c ? upstream_of(c) : NULL;
    if (up)
        fake_conn_finish(up);
    return up != NULL;
}

// ---- the launcher ------------------------------------------------------------------------------

static bool launcher_tells(struct fake_service *s, uint32_t id, const char *what)
{
    static const struct {
        const char *word;
        enum odp_proto_state state;
    } words[] = {
        {"running", ODP_PROTO_RUNNING},        {"inactive", ODP_PROTO_INACTIVE},
        {"a part down", ODP_PROTO_PARTLY},     {"failed", ODP_PROTO_FAILED},
        {"frozen", ODP_PROTO_FROZEN},          {"stale", ODP_PROTO_STALE},
        {"being started", ODP_PROTO_STARTING}, {"it at", ODP_PROTO_ADDRESS},
        {"it nowhere", ODP_PROTO_NO_ADDRESS},  {"it out of reach", ODP_PROTO_UNREACHABLE},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t n = strlen(words[i].word);
        if (strncmp(what, words[i].word, n) != 0 || (what[n] && what[n] != ' '))
            continue;
        fake_launcher_say(s, id, words[i].state, what + n + (what[n] == ' '));
        return true;
    }
    return false;
}

static bool probe_tells(struct fake_service *s, const char *what)
{
    static const struct {
        const char *word;
        enum odp_proto_state state;
    } words[] = {
        {"passes", ODP_PROTO_ANSWERS},
        {"says ", ODP_PROTO_SILENT},
        {"waits: ", ODP_PROTO_PENDING},
        {"finds ", ODP_PROTO_UNCHECKED},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t n = strlen(words[i].word);
        if (strncmp(what, words[i].word, n) != 0)
            continue;
        fake_launcher_say(s, s->probe_id, words[i].state, what + n);
        return true;
    }
    return false;
}

static bool launcher_does(struct fake_service *s, const char *what)
{
    if (strncmp(what, "probe ", 6) == 0)
        return probe_tells(s, what + 6);
    if (strncmp(what, "says late ", 10) == 0)
        return launcher_tells(s, s->request_ids[1], what + 10);
    if (strncmp(what, "says ", 5) == 0)
        return launcher_tells(s, s->request_ids[0], what + 5);
    return strncmp(what, "sees ", 5) == 0 && launcher_tells(s, 0, what + 5);
}

// ---- people ------------------------------------------------------------------------------------

static void show(const struct fake_service *s)
{
    const struct odp_managed *m = s->managed;
    char wake[ODP_SPAN_MAX], awake[ODP_SPAN_MAX], asleep[ODP_SPAN_MAX];
    struct odp_ledger l = m->ledger;
    uint64_t n_in, n_out;

    odp_visits_sum_bytes(m, &n_in, &n_out);
    odp_ledger_enter(&l, l.phase, odp_boottime_usec());
    sim_say(
        s,
        " is %s, %u connected, %u waiting; %llu wakes, the last in %s, %llu failed; awake "
        "for %s, asleep for %s; %llu bytes in, %llu out",
        odp_managed_state(m), m->n_connections, m->n_waiting, (unsigned long long)l.n_wakes,
        l.last_wake_usec == ODP_NEVER ? "-" : odp_span_format(l.last_wake_usec, wake, sizeof(wake)),
        (unsigned long long)l.n_failed_wakes, odp_span_format(l.awake_usec, awake, sizeof(awake)),
        odp_span_format(l.asleep_usec, asleep, sizeof(asleep)), (unsigned long long)n_in,
        (unsigned long long)n_out);
}

static bool somebody_does(struct fake_service *s, const char *what)
{
    if (strcmp(what, "odp start") == 0)
        odp_managed_event(s->managed, ODP_EVENT_START, "started by odp start");
    else if (strcmp(what, "odp stop") == 0)
        odp_managed_event(s->managed, ODP_EVENT_STOP, "stopped by odp stop");
    else if (strcmp(what, "is put into draining") == 0)
        sim_drain_by_hand(s);
    else if (strcmp(what, "odp status") == 0)
        show(s);
    else
        return false;
    return true;
}

// ---- the machine -------------------------------------------------------------------------------

static bool span_behind(const char *what, const char *words, uint64_t *ret_usec)
{
    size_t n = strlen(words);

    return strncmp(what, words, n) == 0 && odp_span_parse(what + n, ret_usec) == 0;
}

static bool world_does(const char *who, const char *what)
{
    uint64_t usec = 0;

    if (strcmp(who, "time") == 0)
        return strcmp(what, "passes") == 0;
    if (strcmp(who, "launcher") == 0 && strcmp(what, "dies") == 0)
        fake_launcher_die();
    else if (strcmp(who, "launcher") == 0 && strcmp(what, "is back") == 0)
        fake_launcher_return();
    else if (strcmp(who, "descriptors") == 0 && strcmp(what, "are used up") == 0)
        fake_descriptors_max = fake_conn_n_open();
    else if (strcmp(who, "descriptors") == 0 && strcmp(what, "are used up but for one") == 0)
        fake_descriptors_max = fake_conn_n_open() + 1;
    else if (strcmp(who, "descriptors") == 0 && strcmp(what, "are free again") == 0)
        fake_descriptors_max = 0;
    else if (strcmp(who, "clock") == 0 && span_behind(what, "is set back by ", &usec))
        fake_time_turn_realtime(-(int64_t)usec);
    else if (strcmp(who, "clock") == 0 && span_behind(what, "is set forward by ", &usec))
        fake_time_turn_realtime((int64_t)usec);
    else if (strcmp(who, "machine") == 0 && span_behind(what, "sleeps for ", &usec))
        fake_time_sleep_machine(usec);
    else
        return false;
    return true;
}

bool sim_stimulus(const char *who, const char *what)
{
    struct fake_service *s = fake_service_find(who);
    unsigned number;
    int n = 0;

    if (!s)
        return world_does(who, what);
    if (sscanf(what, "client %u %n", &number, &n) == 1 && n > 0)
        return client_does(s, number, what + n);
    if (sscanf(what, "%u clients %n", &number, &n) == 1 && n > 0)
        return clients_do(s, number, what + n);
    if (strncmp(what, "target ", 7) == 0)
        return target_does(s, what + 7);
    if (strncmp(what, "launcher ", 9) == 0)
        return launcher_does(s, what + 9);
    return somebody_does(s, what);
}
