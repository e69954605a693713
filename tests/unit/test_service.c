// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Every cell of the service's table: what state follows, what is asked of the launcher, what
// happens to the waiters. The expectations are written as text, so that a row reads like the
// design:
// "=" nothing at all; else the next state, then +REQUEST, release, deny, cut.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "odp/core/service.h"

#define NOW      (UINT64_C(1000) * ODP_USEC_PER_SEC)
#define SEC      ODP_USEC_PER_SEC
#define IDLE     (10 * SEC)
#define ID       7           // of the latest request
#define REQUIRES (200 * SEC) // how long REQUIRING may last

static const struct odp_service_settings settings = {
    .start_timeout_usec = 90 * SEC,
    .ready_timeout_usec = 60 * SEC,
    .stop_timeout_usec = 30 * SEC,
    .drain_timeout_usec = 10 * SEC,
    .stop_after_usec = ODP_NEVER,
    .can_stop = true,
};

// A service that has been in `state` for a while, its deadline just reached.
static struct odp_service service_in(enum odp_service_state state)
{
    return (struct odp_service){
        .settings = settings,
        .state = state,
        .deadline_usec = NOW,
        .request_id = ID,
        .ready_usec = NOW - IDLE,
        .waking = state == ODP_SERVICE_STARTING || state == ODP_SERVICE_PROBING,
        .idle = {.timeout_usec = IDLE, .quiet_usec = NOW - IDLE},
    };
}

// The same, but it requires other services.
static struct odp_service requiring_service_in(enum odp_service_state state)
{
    struct odp_service s = service_in(state);

    s.settings.requires_timeout_usec = REQUIRES;
    return s;
}

static void describe(const struct odp_service *s, const struct odp_service_effects *fx, char *ret,
                     size_t size)
{
    if (!fx->changed && !fx->request && fx->waiters == ODP_WAITERS_KEEP && !fx->cut) {
        snprintf(ret, size, "=");
        return;
    }
    snprintf(ret, size, "%s%s%s%s%s", odp_service_state_to_string(s->state),
             fx->request ? " +" : "", fx->request ? odp_proto_op_to_string(fx->op) : "",
             fx->waiters == ODP_WAITERS_RELEASE ? " release"
             : fx->waiters == ODP_WAITERS_DENY  ? " deny"
                                                : "",
             fx->cut ? " cut" : "");
}

static struct odp_service_event event_of(enum odp_service_event_kind kind)
{
    return (struct odp_service_event){.kind = kind, .now_usec = NOW, .id = ID, .reason = "because"};
}

static void expect(struct odp_service *s, const struct odp_service_event *e, const char *wanted)
{
    char got[96];
    const char *from = odp_service_state_to_string(s->state);
    struct odp_service_effects fx;

    assert_int_equal(odp_service_step(s, e, &fx), 0);
    describe(s, &fx, got, sizeof(got));
    if (strcmp(got, wanted) != 0)
        fail_msg("%s x %s (%u connected, %u waiting): wanted \"%s\", got \"%s\"", from,
                 odp_service_event_to_string(e->kind), e->n_connections, e->n_waiting, wanted, got);
}

#define ROW(...)                                                                                   \
    {                                                                                              \
        __VA_ARGS__, "=", "=", "="                                                                 \
    }

// clang-format off
// Nobody connected, nobody waiting, nothing wanted. Columns in the order of the events' enum; the
// last three are for those who wait for what they require:
static const char *const alone[ODP_SERVICE_N_STATES][ODP_EVENT_N_KINDS] = {
    //                            demand              start               stop                   deadline               running         inactive                failed                  frozen            answers          refused     counts             lost
    [ODP_SERVICE_UNKNOWN]   = ROW("=",                "=",                "stopping +stop deny", "unknown +look",       "probing",      "stopped",              "failed",               "frozen",         "ready release", "=",        "=",               "unknown +look"),
    [ODP_SERVICE_STOPPED]   = ROW("starting +start",  "starting +start",  "=",                   "=",                   "probing",      "=",                    "=",                    "frozen",         "=",             "=",        "=",               "unknown +look"),
    [ODP_SERVICE_REQUIRING] = {
        [ODP_EVENT_DEMAND] = "=",
        [ODP_EVENT_START] = "=",
        [ODP_EVENT_STOP] = "stopped deny",
        [ODP_EVENT_DEADLINE] = "failed deny",
        [ODP_EVENT_RUNNING] = "probing",
        [ODP_EVENT_INACTIVE] = "=",
        [ODP_EVENT_FAILED] = "=",
        [ODP_EVENT_FROZEN] = "frozen",
        [ODP_EVENT_ANSWERS] = "ready release",
        [ODP_EVENT_REFUSED] = "=",
        [ODP_EVENT_COUNTS] = "=",
        [ODP_EVENT_LOST] = "=",
        [ODP_EVENT_PENDING] = "=",
        [ODP_EVENT_MET] = "starting +start",
        [ODP_EVENT_UNMET] = "failed deny",
    },
    [ODP_SERVICE_STARTING]  = ROW("=",                "=",                "stopping +stop deny", "failed deny",         "probing",      "failed deny",          "failed deny",          "frozen",         "ready release", "=",        "=",               "unknown +look"),
    [ODP_SERVICE_PROBING]   = ROW("=",                "=",                "stopping +stop deny", "failed deny",         "=",            "failed deny",          "failed deny",          "frozen",         "ready release", "=",        "=",               "unknown +look"),
    [ODP_SERVICE_READY]     = ROW("=",                "=",                "stopping +stop deny", "stopping +stop",      "=",            "stopped",              "stopped",              "frozen",         "=",             "probing",  "=",               "ready +look"),
    [ODP_SERVICE_DRAINING]  = ROW("ready release",    "ready release",    "dismissed",           "stopping +stop cut",  "=",            "stopped",              "stopped",              "frozen",          "=",             "=",        "stopping +stop",  "draining +look"),
    [ODP_SERVICE_DISMISSED] = ROW("=",                "=",                "=",                   "stopping +stop cut",  "=",            "stopped",              "stopped",              "=",              "=",             "=",        "stopping +stop",  "dismissed +look"),
    [ODP_SERVICE_STOPPING]  = ROW("=",                "=",                "stopping deny",       "unknown +look",       "probing",      "stopped",              "stopped",              "=",              "=",             "=",        "=",               "unknown +look"),
    [ODP_SERVICE_FREEZING]  = ROW("=",                "=",                "stopping +stop deny", "unknown +look",       "probing",      "stopped",              "failed",               "frozen",         "=",             "=",        "=",               "unknown +look"),
    [ODP_SERVICE_FROZEN]    = ROW("thawing +thaw",    "thawing +thaw",    "stopping +stop deny", "stopping +stop",      "probing",      "stopped",              "failed",               "=",              "=",             "=",        "=",               "frozen +look"),
    [ODP_SERVICE_THAWING]   = ROW("=",                "=",                "stopping +stop deny", "unknown +look",       "probing",      "stopped",              "failed",               "=",              "=",             "=",        "=",               "unknown +look"),
    [ODP_SERVICE_FAILED]    = ROW("starting +start",  "starting +start",  "stopping +stop deny", "=",                   "probing",      "=",                    "=",                    "frozen",         "ready release", "=",        "=",               "unknown +look"),
};

// The cells that differ where a client waits.
static const struct { enum odp_service_state state; enum odp_service_event_kind kind; const char *wanted; } waiting[] = {
    {ODP_SERVICE_REQUIRING, ODP_EVENT_FROZEN,   "thawing +thaw"},
    {ODP_SERVICE_UNKNOWN,   ODP_EVENT_INACTIVE, "starting +start"},
    {ODP_SERVICE_UNKNOWN,   ODP_EVENT_FAILED,   "starting +start"},
    {ODP_SERVICE_UNKNOWN,   ODP_EVENT_FROZEN,   "thawing +thaw"},
    {ODP_SERVICE_STOPPED,   ODP_EVENT_FROZEN,   "thawing +thaw"},
    {ODP_SERVICE_STARTING,  ODP_EVENT_FROZEN,   "thawing +thaw"},
    {ODP_SERVICE_PROBING,   ODP_EVENT_FROZEN,   "thawing +thaw"},
    {ODP_SERVICE_READY,     ODP_EVENT_DEADLINE, "="},
    {ODP_SERVICE_READY,     ODP_EVENT_INACTIVE, "starting +start"},
    {ODP_SERVICE_READY,     ODP_EVENT_FAILED,   "starting +start"},
    {ODP_SERVICE_READY,     ODP_EVENT_FROZEN,   "thawing +thaw"},
    {ODP_SERVICE_DRAINING,  ODP_EVENT_FROZEN,   "thawing +thaw"},
    {ODP_SERVICE_DRAINING,  ODP_EVENT_INACTIVE, "starting +start"},
    {ODP_SERVICE_DRAINING,  ODP_EVENT_FAILED,   "starting +start"},
    {ODP_SERVICE_DISMISSED, ODP_EVENT_INACTIVE, "starting +start"},
    {ODP_SERVICE_DISMISSED, ODP_EVENT_FAILED,   "starting +start"},
    {ODP_SERVICE_STOPPING,  ODP_EVENT_INACTIVE, "starting +start"},
    {ODP_SERVICE_STOPPING,  ODP_EVENT_FAILED,   "starting +start"},
    {ODP_SERVICE_FREEZING,  ODP_EVENT_INACTIVE, "starting +start"},
    {ODP_SERVICE_FREEZING,  ODP_EVENT_FAILED,   "starting +start"},
    {ODP_SERVICE_FREEZING,  ODP_EVENT_FROZEN,   "thawing +thaw"},
    {ODP_SERVICE_FROZEN,    ODP_EVENT_INACTIVE, "starting +start"},
    {ODP_SERVICE_FROZEN,    ODP_EVENT_FAILED,   "starting +start"},
    {ODP_SERVICE_THAWING,   ODP_EVENT_INACTIVE, "starting +start"},
    {ODP_SERVICE_FAILED,    ODP_EVENT_FROZEN,   "thawing +thaw"},
    {ODP_SERVICE_THAWING,   ODP_EVENT_FAILED,   "starting +start"},
};

// The cells that differ where a client is connected.
static const struct { enum odp_service_state state; enum odp_service_event_kind kind; const char *wanted; } connected[] = {
    {ODP_SERVICE_UNKNOWN,   ODP_EVENT_STOP,     "dismissed deny"},
    {ODP_SERVICE_REQUIRING, ODP_EVENT_STOP,     "dismissed deny"},
    {ODP_SERVICE_STARTING,  ODP_EVENT_STOP,     "dismissed deny"},
    {ODP_SERVICE_PROBING,   ODP_EVENT_STOP,     "dismissed deny"},
    {ODP_SERVICE_FREEZING,  ODP_EVENT_STOP,     "dismissed deny"},
    {ODP_SERVICE_FROZEN,    ODP_EVENT_STOP,     "dismissed deny"},
    {ODP_SERVICE_THAWING,   ODP_EVENT_STOP,     "dismissed deny"},
    {ODP_SERVICE_FAILED,    ODP_EVENT_STOP,     "dismissed deny"},
    {ODP_SERVICE_FROZEN,    ODP_EVENT_DEADLINE, "="},
    {ODP_SERVICE_READY,     ODP_EVENT_STOP,     "dismissed"},
    {ODP_SERVICE_READY,     ODP_EVENT_DEADLINE, "="},
    {ODP_SERVICE_DRAINING,  ODP_EVENT_COUNTS,   "="},
    {ODP_SERVICE_DISMISSED, ODP_EVENT_COUNTS,   "="},
};
// clang-format on

static void test_every_cell_alone(void **state)
{
    unsigned n = 0;

    (void)state;
    for (int s = 0; s < ODP_SERVICE_N_STATES; s++) {
        for (int k = 0; k < ODP_EVENT_N_KINDS; k++) {
            struct odp_service service = service_in((enum odp_service_state)s);
            struct odp_service_event e = event_of((enum odp_service_event_kind)k);
            assert_non_null(alone[s][k]);
            expect(&service, &e, alone[s][k]);
            n++;
        }
    }
    print_message("%u cells of %u\n", n, ODP_SERVICE_N_STATES * ODP_EVENT_N_KINDS);
}

static void test_every_cell_waiting(void **state)
{
    (void)state;
    for (int s = 0; s < ODP_SERVICE_N_STATES; s++) {
        for (int k = 0; k < ODP_EVENT_N_KINDS; k++) {
            struct odp_service service = service_in((enum odp_service_state)s);
            struct odp_service_event e = event_of((enum odp_service_event_kind)k);
            const char *wanted = alone[s][k];
            for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++)
                if ((int)waiting[i].state == s && (int)waiting[i].kind == k)
                    wanted = waiting[i].wanted;
            e.n_waiting = 1;
            expect(&service, &e, wanted);
        }
    }
}

static void test_every_cell_connected(void **state)
{
    (void)state;
    for (int s = 0; s < ODP_SERVICE_N_STATES; s++) {
        for (int k = 0; k < ODP_EVENT_N_KINDS; k++) {
            struct odp_service service = service_in((enum odp_service_state)s);
            struct odp_service_event e = event_of((enum odp_service_event_kind)k);
            const char *wanted = alone[s][k];
            for (size_t i = 0; i < sizeof(connected) / sizeof(connected[0]); i++)
                if ((int)connected[i].state == s && (int)connected[i].kind == k)
                    wanted = connected[i].wanted;
            e.n_connections = 1;
            expect(&service, &e, wanted);
        }
    }
}

// A service that requires others: wherever one without would be asked to start, these come first.
static void test_every_cell_requiring(void **state)
{
    (void)state;
    for (int s = 0; s < ODP_SERVICE_N_STATES; s++) {
        for (int k = 0; k < ODP_EVENT_N_KINDS; k++) {
            for (unsigned n_waiting = 0; n_waiting <= 1; n_waiting++) {
                struct odp_service service = requiring_service_in((enum odp_service_state)s);
                struct odp_service_event e = event_of((enum odp_service_event_kind)k);
                const char *wanted = alone[s][k];
                for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]) && n_waiting; i++)
                    if ((int)waiting[i].state == s && (int)waiting[i].kind == k)
                        wanted = waiting[i].wanted;
                if (s != ODP_SERVICE_REQUIRING && strcmp(wanted, "starting +start") == 0)
                    wanted = "requiring";
                e.n_waiting = n_waiting;
                expect(&service, &e, wanted);
                if (strcmp(wanted, "requiring") == 0)
                    assert_true(service.deadline_usec == NOW + REQUIRES);
            }
        }
    }
}

// A report to an older request does nothing in any state.
static void test_stale_reports(void **state)
{
    static const enum odp_service_event_kind reports[] = {ODP_EVENT_RUNNING, ODP_EVENT_INACTIVE,
                                                          ODP_EVENT_FAILED, ODP_EVENT_FROZEN};
    (void)state;
    for (int s = 0; s < ODP_SERVICE_N_STATES; s++) {
        for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
            struct odp_service service = service_in((enum odp_service_state)s);
            struct odp_service_event e = event_of(reports[i]);
            struct odp_service_effects fx;
            e.id = ID - 1;
            assert_int_equal(odp_service_step(&service, &e, &fx), -ESTALE);
            assert_int_equal(service.state, s);
            assert_false(fx.request || fx.cut || fx.changed);
        }
    }
}

// While a job runs, what was observed meanwhile is not its result.
static void test_observations_do_not_end_jobs(void **state)
{
    static const struct {
        enum odp_service_state state;
        enum odp_service_event_kind kind;
    } cells[] = {
        {ODP_SERVICE_STARTING, ODP_EVENT_INACTIVE}, {ODP_SERVICE_STARTING, ODP_EVENT_FAILED},
        {ODP_SERVICE_STARTING, ODP_EVENT_FROZEN},   {ODP_SERVICE_STOPPING, ODP_EVENT_RUNNING},
        {ODP_SERVICE_STOPPING, ODP_EVENT_INACTIVE}, {ODP_SERVICE_STOPPING, ODP_EVENT_FAILED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        struct odp_service service = service_in(cells[i].state);
        struct odp_service_event e = event_of(cells[i].kind);
        e.id = 0;
        e.n_waiting = 1;
        expect(&service, &e, "=");
    }
}

// A deadline that was moved meanwhile: the timer of the old one may still fire.
static void test_early_deadline(void **state)
{
    (void)state;
    for (int s = 0; s < ODP_SERVICE_N_STATES; s++) {
        struct odp_service service = service_in((enum odp_service_state)s);
        struct odp_service_event e = event_of(ODP_EVENT_DEADLINE);
        service.deadline_usec = NOW + 1;
        expect(&service, &e, "=");
    }
}

static void expect_timeout(enum odp_service_state state, const char *said, const char *wanted)
{
    struct odp_service s = service_in(state);
    struct odp_service_event e = event_of(ODP_EVENT_DEADLINE);
    struct odp_service_effects fx;

    e.reason = said;
    assert_int_equal(odp_service_step(&s, &e, &fx), 0);
    assert_int_equal(s.state, ODP_SERVICE_FAILED);
    assert_string_equal(s.reason, wanted);
}

// Each in its own words; what the last probe said belongs to the time that was for answering.
static void test_words_of_timeouts(void **state)
{
    static const char start[] = "did not start within 1min 30s ([backend] start_timeout)";
    static const char ready[] = "runs, but did not answer within 1min ([ready] timeout)";
    char said[ODP_REASON_MAX + 1], wanted[ODP_REASON_MAX + 1];

    (void)state;
    expect_timeout(ODP_SERVICE_STARTING, NULL, start);
    expect_timeout(ODP_SERVICE_STARTING, "GET / said 503", start);
    expect_timeout(ODP_SERVICE_PROBING, NULL, ready);
    expect_timeout(ODP_SERVICE_PROBING, "", ready);
    snprintf(wanted, sizeof(wanted), "%s: GET / said 503", ready);
    expect_timeout(ODP_SERVICE_PROBING, "GET / said 503", wanted);
    // As much as there is room for, and no half character.
    memset(said, 'x', sizeof(said) - 1);
    said[sizeof(said) - 1] = '\0';
    size_t room = ODP_REASON_MAX - strlen(ready) - 2;
    memcpy(said + room - 1, "\xc3\xa4", 2);
    snprintf(wanted, sizeof(wanted), "%s: %.*s", ready, (int)(room - 1), said);
    expect_timeout(ODP_SERVICE_PROBING, said, wanted);
}

static void test_late_answer_is_adopted_and_said(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_FAILED);
    struct odp_service_event e = event_of(ODP_EVENT_ANSWERS);

    (void)state;
    strcpy(s.reason, "runs, but did not answer");
    expect(&s, &e, "ready release");
    assert_string_equal(s.reason, "answered late, after its start had failed");
    s = service_in(ODP_SERVICE_PROBING);
    strcpy(s.reason, "woken by a connection");
    expect(&s, &e, "ready release");
    assert_string_equal(s.reason, "woken by a connection");
}

// The ids of probes and of observations are nobody else's.
static void test_ids_wrap_before_those_of_probes(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_STOPPED);
    struct odp_service_event e = event_of(ODP_EVENT_START);

    (void)state;
    s.request_id = ODP_PROTO_LOCATE_ID - 2;
    expect(&s, &e, "starting +start");
    assert_true(s.request_id == ODP_PROTO_LOCATE_ID - 1);
    s.state = ODP_SERVICE_STOPPED;
    expect(&s, &e, "starting +start");
    assert_true(s.request_id == 1);
}

static void test_first_look(void **state)
{
    struct odp_service s;
    struct odp_service_effects fx;

    (void)state;
    odp_service_init(&s, &settings, IDLE, NOW, &fx);
    assert_int_equal(s.state, ODP_SERVICE_UNKNOWN);
    assert_true(fx.request && fx.op == ODP_PROTO_LOOK && fx.request_id == s.request_id);
    assert_true(s.deadline_usec > NOW && s.deadline_usec != ODP_NEVER);
}

static void step(struct odp_service *s, enum odp_service_event_kind kind, uint64_t now_usec,
                 unsigned n_connections, unsigned n_waiting, struct odp_service_effects *ret)
{
    struct odp_service_event e = {.kind = kind,
                                  .now_usec = now_usec,
                                  .n_connections = n_connections,
                                  .n_waiting = n_waiting,
                                  .id = s->request_id,
                                  .reason = "because"};
    assert_int_equal(odp_service_step(s, &e, ret), 0);
}

// The window runs from the last close, whatever happened before.
static void test_window_runs_from_last_close(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_PROBING);
    struct odp_service_effects fx;

    (void)state;
    step(&s, ODP_EVENT_ANSWERS, NOW, 0, 1, &fx);
    assert_true(s.deadline_usec == ODP_NEVER);
    step(&s, ODP_EVENT_COUNTS, NOW + SEC, 1, 0, &fx);
    assert_true(s.deadline_usec == ODP_NEVER);
    step(&s, ODP_EVENT_COUNTS, NOW + 50 * SEC, 0, 0, &fx);
    assert_true(s.deadline_usec == NOW + 50 * SEC + IDLE);
    step(&s, ODP_EVENT_COUNTS, NOW + 55 * SEC, 1, 0, &fx); // a visitor: the window is off
    assert_true(s.deadline_usec == ODP_NEVER);
    step(&s, ODP_EVENT_COUNTS, NOW + 56 * SEC, 0, 0, &fx); // and begins in full again
    assert_true(s.deadline_usec == NOW + 56 * SEC + IDLE);
    step(&s, ODP_EVENT_DEADLINE, NOW + 56 * SEC + IDLE, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPING);
    assert_string_equal(s.reason, "quiet for 10s");
}

static void window_end(struct odp_service *s, uint64_t now_usec, unsigned n_direct,
                       struct odp_service_effects *ret)
{
    struct odp_service_event e = {
        .kind = ODP_EVENT_DEADLINE, .now_usec = now_usec, .n_direct = n_direct};

    assert_int_equal(odp_service_step(s, &e, ret), 0);
}

// Who uses the service without odp begins its window anew in full, as often as it ends.
static void test_direct_connections(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_READY);
    struct odp_service_effects fx;

    (void)state;
    for (uint64_t now = NOW; now < NOW + 5 * IDLE; now += IDLE) {
        window_end(&s, now, 3, &fx);
        assert_true(!fx.changed && !fx.request);
        assert_true(s.deadline_usec == now + IDLE && s.n_direct == 3);
    }
    step(&s, ODP_EVENT_COUNTS, NOW + 5 * IDLE - SEC, 1, 0, &fx);
    assert_true(s.deadline_usec == ODP_NEVER);
    step(&s, ODP_EVENT_COUNTS, NOW + 5 * IDLE, 0, 0, &fx);
    assert_true(s.deadline_usec == NOW + 6 * IDLE);
    window_end(&s, NOW + 6 * IDLE, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPING);
    // A new life begins without them.
    s = service_in(ODP_SERVICE_PROBING);
    s.n_direct = 3;
    step(&s, ODP_EVENT_ANSWERS, NOW, 0, 0, &fx);
    assert_int_equal(s.n_direct, 0);
}

// Without a window it would be looked for them all the time.
static void test_direct_connections_and_no_window(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_READY);
    struct odp_service_effects fx;

    (void)state;
    s.idle.timeout_usec = 0;
    window_end(&s, NOW, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_READY);
    assert_true(s.deadline_usec == NOW + SEC);
    window_end(&s, NOW + SEC, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPING);
}

static void report(struct odp_service *s, enum odp_service_event_kind kind, bool is_partly,
                   uint64_t now_usec, unsigned n_connections, struct odp_service_effects *ret)
{
    struct odp_service_event e = event_of(kind);

    e.id = 0;
    e.now_usec = now_usec;
    e.n_connections = n_connections;
    e.is_partly = is_partly;
    e.reason = "one has ended";
    assert_int_equal(odp_service_step(s, &e, ret), 0);
}

// A part that runs on is put to sleep, too.
static void test_what_is_left_is_stopped(void **state)
{
    const uint64_t last_usec = NOW - IDLE + settings.start_timeout_usec;
    struct odp_service s = service_in(ODP_SERVICE_READY);
    struct odp_service_effects fx;

    (void)state;
    report(&s, ODP_EVENT_INACTIVE, true, NOW, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPED);
    assert_true(s.deadline_usec == last_usec);
    step(&s, ODP_EVENT_DEADLINE, last_usec, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPING);
    assert_true(fx.request && fx.op == ODP_PROTO_STOP);
    assert_string_equal(s.reason, "one has ended; the rest was quiet for 10s");
    report(&s, ODP_EVENT_INACTIVE, false, last_usec, 0, &fx);
    assert_true(s.deadline_usec == last_usec + 35 * SEC); // that was no answer
    struct odp_service_event done = event_of(ODP_EVENT_INACTIVE);
    done.id = s.request_id;
    done.now_usec = last_usec;
    expect(&s, &done, "stopped");
    assert_true(s.deadline_usec == ODP_NEVER);
}

// Who is still connected to it keeps it, who uses it directly as well.
static void test_what_is_left_is_in_use(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_READY);
    struct odp_service_effects fx;

    (void)state;
    s.settings.start_timeout_usec = SEC;
    s.idle.quiet_usec = ODP_NEVER;
    report(&s, ODP_EVENT_INACTIVE, true, NOW, 1, &fx);
    assert_true(s.state == ODP_SERVICE_STOPPED && s.deadline_usec == ODP_NEVER);
    step(&s, ODP_EVENT_COUNTS, NOW + SEC, 0, 0, &fx);
    assert_true(s.deadline_usec == NOW + SEC + IDLE);
    window_end(&s, NOW + SEC + IDLE, 2, &fx);
    assert_true(s.state == ODP_SERVICE_STOPPED && s.deadline_usec == NOW + SEC + 2 * IDLE);
    window_end(&s, NOW + SEC + 2 * IDLE, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPING);
}

// By somebody else's hand a part may be on its way to the whole: its window is that of a start at
// least, and begins anew when all of it runs.
static void test_part_that_somebody_starts(void **state)
{
    const uint64_t up_usec = NOW + settings.start_timeout_usec - 1;
    struct odp_service s = service_in(ODP_SERVICE_STOPPED);
    struct odp_service_effects fx;

    (void)state;
    s.deadline_usec = ODP_NEVER;
    report(&s, ODP_EVENT_INACTIVE, true, NOW, 0, &fx);
    assert_true(s.deadline_usec == up_usec + 1);
    report(&s, ODP_EVENT_INACTIVE, true, NOW + SEC, 0, &fx);
    assert_true(s.deadline_usec == up_usec + 1);
    report(&s, ODP_EVENT_RUNNING, false, up_usec, 0, &fx);
    step(&s, ODP_EVENT_ANSWERS, up_usec, 0, 0, &fx);
    assert_true(s.state == ODP_SERVICE_READY && s.deadline_usec == up_usec + IDLE);
}

// What ends and is started again by itself, for ever, is quiet all the same.
static void test_part_that_comes_and_goes(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_READY);
    struct odp_service_effects fx;

    (void)state;
    s.idle.quiet_usec = NOW;
    for (uint64_t now = NOW + SEC; now < NOW + IDLE; now += SEC) {
        report(&s, ODP_EVENT_INACTIVE, true, now, 0, &fx);
        report(&s, ODP_EVENT_RUNNING, false, now, 0, &fx);
        step(&s, ODP_EVENT_ANSWERS, now, 0, 0, &fx);
        assert_true(s.state == ODP_SERVICE_READY && s.deadline_usec == NOW + IDLE);
    }
    // When nothing of it ran for a moment it is another run.
    report(&s, ODP_EVENT_INACTIVE, true, NOW + 9 * SEC, 0, &fx);
    report(&s, ODP_EVENT_INACTIVE, false, NOW + 9 * SEC, 0, &fx);
    assert_true(s.deadline_usec == ODP_NEVER);
    report(&s, ODP_EVENT_RUNNING, false, NOW + 9 * SEC, 0, &fx);
    step(&s, ODP_EVENT_ANSWERS, NOW + 9 * SEC, 0, 0, &fx);
    assert_true(s.deadline_usec == NOW + 9 * SEC + IDLE);
}

// `odp stop` ends it, and drains as ever; a stop under way is not over before all of it is down.
static void test_what_is_left_and_odp_stop(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_READY);
    struct odp_service_effects fx;

    (void)state;
    report(&s, ODP_EVENT_INACTIVE, true, NOW, 1, &fx);
    step(&s, ODP_EVENT_STOP, NOW, 1, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_DISMISSED);
    report(&s, ODP_EVENT_INACTIVE, true, NOW, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_DISMISSED);
    step(&s, ODP_EVENT_COUNTS, NOW + SEC, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPING);

    s = service_in(ODP_SERVICE_UNKNOWN);
    report(&s, ODP_EVENT_INACTIVE, true, NOW, 0, &fx);
    assert_string_equal(s.reason, "one has ended");
    step(&s, ODP_EVENT_STOP, NOW, 0, 0, &fx);
    assert_true(s.state == ODP_SERVICE_STOPPING && fx.op == ODP_PROTO_STOP);
}

static void test_plain_proxy_is_never_stopped(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_PROBING);
    struct odp_service_effects fx;

    (void)state;
    s.settings.can_stop = false;
    step(&s, ODP_EVENT_ANSWERS, NOW, 0, 0, &fx);
    assert_true(s.deadline_usec == ODP_NEVER);
    step(&s, ODP_EVENT_COUNTS, NOW + SEC, 1, 0, &fx);
    step(&s, ODP_EVENT_COUNTS, NOW + SEC, 0, 0, &fx);
    assert_true(s.deadline_usec == ODP_NEVER);
}

static void test_backoff(void **state)
{
    static const unsigned secs[] = {0, 0, 1, 2, 3, 4};
    struct odp_service s = service_in(ODP_SERVICE_STOPPED);
    struct odp_service_effects fx;
    uint64_t now = NOW;

    (void)state;
    for (unsigned i = 0; i < sizeof(secs) / sizeof(secs[0]); i++)
        assert_true(odp_service_backoff_usec(i) == secs[i] * SEC);
    assert_true(odp_service_backoff_usec(1000) == 30 * SEC);
    for (unsigned i = 1; i < 5; i++) {
        step(&s, ODP_EVENT_DEMAND, now, 0, 1, &fx);
        assert_int_equal(s.state, ODP_SERVICE_STARTING);
        step(&s, ODP_EVENT_FAILED, now, 0, 1, &fx);
        assert_true(fx.waiters == ODP_WAITERS_DENY);
        if (i > 1) { // the second failure and later ones: turned away until the backoff is over
            step(&s, ODP_EVENT_DEMAND, now + (i - 1) * SEC - 1, 0, 1, &fx);
            assert_int_equal(s.state, ODP_SERVICE_FAILED);
            assert_true(fx.waiters == ODP_WAITERS_DENY && !fx.request);
        }
        now += (i - 1) * SEC;
    }
    // By hand at once, in spite of the backoff.
    step(&s, ODP_EVENT_START, now - 1, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STARTING);
}

static void fail_once(struct odp_service *s, uint64_t now)
{
    struct odp_service_effects fx;

    step(s, ODP_EVENT_DEMAND, now, 0, 1, &fx);
    step(s, ODP_EVENT_FAILED, now, 0, 1, &fx);
    assert_int_equal(s->state, ODP_SERVICE_FAILED);
}

static void test_backoff_is_forgotten_after_a_minute_ready(void **state)
{
    static const struct {
        uint64_t ready_usec;
        unsigned n_failures;
    } cases[] = {{60 * SEC, 0}, {60 * SEC - 1, 1}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct odp_service s = service_in(ODP_SERVICE_STOPPED);
        struct odp_service_effects fx;
        fail_once(&s, NOW);
        step(&s, ODP_EVENT_DEMAND, NOW, 0, 1, &fx);
        step(&s, ODP_EVENT_ANSWERS, NOW, 0, 1, &fx);
        step(&s, ODP_EVENT_INACTIVE, NOW + cases[i].ready_usec, 0, 0, &fx);
        assert_int_equal(s.n_failures, cases[i].n_failures);
    }
}

// An end before the first answer is a failed start; later it is somebody's stop, and a client who
// waits because of it gets a new start.
static void test_end_while_probing(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_READY);
    struct odp_service_effects fx;

    (void)state;
    step(&s, ODP_EVENT_REFUSED, NOW, 0, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_PROBING);
    step(&s, ODP_EVENT_FAILED, NOW, 0, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STARTING);
    step(&s, ODP_EVENT_RUNNING, NOW, 0, 1, &fx);
    step(&s, ODP_EVENT_FAILED, NOW, 0, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_FAILED);

    // Found running, then gone before it answered: it was not our start.
    s = service_in(ODP_SERVICE_UNKNOWN);
    step(&s, ODP_EVENT_RUNNING, NOW, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_PROBING);
    step(&s, ODP_EVENT_INACTIVE, NOW, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPED);
}

// The launcher dies while a start, or a stop, is under way: looked up, then asked again.
static void test_launcher_lost(void **state)
{
    struct odp_service_effects fx;

    (void)state;
    struct odp_service s = service_in(ODP_SERVICE_STARTING);
    step(&s, ODP_EVENT_LOST, NOW, 0, 0, &fx);
    step(&s, ODP_EVENT_INACTIVE, NOW, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STARTING);

    // Also where nothing runs: a start that is still under way would bring it up.
    static const enum odp_service_event_kind looks[] = {ODP_EVENT_RUNNING, ODP_EVENT_INACTIVE};
    for (size_t i = 0; i < 2; i++) {
        s = service_in(ODP_SERVICE_STOPPING);
        step(&s, ODP_EVENT_LOST, NOW, 0, 0, &fx);
        step(&s, looks[i], NOW, 0, 0, &fx);
        assert_int_equal(s.state, ODP_SERVICE_STOPPING);
        assert_true(fx.request && fx.op == ODP_PROTO_STOP);
        step(&s, ODP_EVENT_INACTIVE, NOW, 0, 0, &fx);
        assert_int_equal(s.state, ODP_SERVICE_STOPPED);
    }

    // A client that comes before the look is answered is not given to what is still ending.
    s = service_in(ODP_SERVICE_STOPPING);
    step(&s, ODP_EVENT_LOST, NOW, 0, 0, &fx);
    assert_false(odp_service_is_trying(&s));
    s = service_in(ODP_SERVICE_STARTING);
    step(&s, ODP_EVENT_LOST, NOW, 0, 0, &fx);
    assert_true(odp_service_is_trying(&s));

    // `odp start` meanwhile: what runs may still be ending, so it comes behind the stop.
    s = service_in(ODP_SERVICE_STOPPING);
    step(&s, ODP_EVENT_LOST, NOW, 0, 0, &fx);
    step(&s, ODP_EVENT_START, NOW, 0, 0, &fx);
    step(&s, ODP_EVENT_RUNNING, NOW, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPING);
    step(&s, ODP_EVENT_INACTIVE, NOW, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STARTING);
}

// Another odpd goes on with it: what a state becomes, and what the launcher is asked.
static const struct {
    enum odp_service_state state, resumed;
    bool looks;
} resumptions[] = {
    {ODP_SERVICE_UNKNOWN, ODP_SERVICE_UNKNOWN, true},
    {ODP_SERVICE_STOPPED, ODP_SERVICE_STOPPED, true},
    {ODP_SERVICE_REQUIRING, ODP_SERVICE_REQUIRING, false},
    {ODP_SERVICE_STARTING, ODP_SERVICE_UNKNOWN, true},
    {ODP_SERVICE_PROBING, ODP_SERVICE_UNKNOWN, true},
    {ODP_SERVICE_READY, ODP_SERVICE_READY, true},
    {ODP_SERVICE_DRAINING, ODP_SERVICE_DRAINING, true},
    {ODP_SERVICE_DISMISSED, ODP_SERVICE_DISMISSED, true},
    {ODP_SERVICE_STOPPING, ODP_SERVICE_UNKNOWN, true},
    {ODP_SERVICE_FROZEN, ODP_SERVICE_FROZEN, true},
    {ODP_SERVICE_FAILED, ODP_SERVICE_FAILED, true},
};

static void resume(struct odp_service *s, uint64_t now_usec, struct odp_service_effects *fx)
{
    const struct odp_service_settings given = s->settings;

    s->settings = (struct odp_service_settings){0}; // they do not cross
    odp_service_resume(s, &given, IDLE, now_usec, fx);
}

static void test_resume(void **state)
{
    struct odp_service_effects fx;

    (void)state;
    for (size_t i = 0; i < sizeof(resumptions) / sizeof(resumptions[0]); i++) {
        struct odp_service s = service_in(resumptions[i].state);
        resume(&s, NOW, &fx);
        assert_int_equal(s.state, resumptions[i].resumed);
        assert_true(fx.request == resumptions[i].looks);
        assert_true(!fx.request || (fx.op == ODP_PROTO_LOOK && fx.request_id == s.request_id));
        assert_true(s.request_id == (uint32_t)ID + (fx.request ? 1 : 0));
    }
}

static void test_resume_keeps_times(void **state)
{
    struct odp_service_effects fx;

    (void)state;
    struct odp_service s = service_in(ODP_SERVICE_READY); // the window goes on where it was
    s.idle.quiet_usec = NOW - 3 * SEC;
    resume(&s, NOW, &fx);
    assert_true(s.deadline_usec == NOW + IDLE - 3 * SEC);

    s = service_in(ODP_SERVICE_FAILED); // so do the backoff and the reason
    s.n_failures = 6;
    s.retry_usec = NOW + 4 * SEC;
    strcpy(s.reason, "exited with status 3");
    resume(&s, NOW, &fx);
    assert_true(s.retry_usec == NOW + 4 * SEC);
    step(&s, ODP_EVENT_INACTIVE, NOW, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_FAILED);
    assert_string_equal(s.reason, "exited with status 3");

    s = service_in(ODP_SERVICE_STOPPED); // somebody has started it meanwhile
    resume(&s, NOW, &fx);
    step(&s, ODP_EVENT_RUNNING, NOW, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_PROBING);

    s = service_in(ODP_SERVICE_STARTING); // its end is still a failed start
    resume(&s, NOW, &fx);
    step(&s, ODP_EVENT_RUNNING, NOW, 0, 0, &fx);
    step(&s, ODP_EVENT_FAILED, NOW, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_FAILED);
}

// Times that cannot be are put right: nothing waits for years.
static void test_resume_bounds_times(void **state)
{
    struct odp_service_effects fx;

    (void)state;
    struct odp_service s = service_in(ODP_SERVICE_READY);
    s.idle.quiet_usec = NOW + 1000000 * SEC;
    resume(&s, NOW, &fx);
    assert_true(s.deadline_usec == NOW + IDLE);
    s = service_in(ODP_SERVICE_FAILED);
    s.n_failures = 3;
    s.retry_usec = ODP_NEVER;
    resume(&s, NOW, &fx);
    assert_true(s.retry_usec == NOW + 2 * SEC);
    s = service_in(ODP_SERVICE_DISMISSED);
    s.deadline_usec = ODP_NEVER;
    resume(&s, NOW, &fx);
    assert_true(s.deadline_usec == NOW + 10 * SEC);
}

// A stop that was under way when the launcher was lost, and a start likewise, mean nothing any more
// once it has been seen what became of them.
static void test_lost_jobs_are_forgotten(void **state)
{
    static const enum odp_service_event_kind ends[] = {ODP_EVENT_INACTIVE, ODP_EVENT_FAILED};
    struct odp_service_effects fx;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct odp_service s = service_in(ODP_SERVICE_STOPPING);
        step(&s, ODP_EVENT_LOST, NOW, 0, 0, &fx);
        step(&s, ends[i], NOW, 0, 0, &fx);
        if (s.state == ODP_SERVICE_STOPPING) // it is asked for again
            step(&s, ODP_EVENT_INACTIVE, NOW, 0, 0, &fx);
        step(&s, ODP_EVENT_RUNNING, NOW, 0, 0,
             &fx); // somebody else starts it: it is not ours to stop
        assert_int_equal(s.state, ODP_SERVICE_PROBING);

        s = service_in(ODP_SERVICE_PROBING);
        step(&s, ODP_EVENT_LOST, NOW, 0, 0, &fx);
        step(&s, ends[i], NOW, 0, 0, &fx);
        step(&s, ODP_EVENT_RUNNING, NOW, 0, 0, &fx);
        step(&s, ODP_EVENT_INACTIVE, NOW, 0, 0, &fx); // nor is its end our failure
        assert_int_equal(s.state, ODP_SERVICE_STOPPED);
    }
    struct odp_service s = service_in(ODP_SERVICE_STOPPING);
    step(&s, ODP_EVENT_LOST, NOW, 0, 0, &fx);
    step(&s, ODP_EVENT_FROZEN, NOW, 0, 1, &fx); // stopped before it is thawed for who waits
    assert_int_equal(s.state, ODP_SERVICE_STOPPING);
}

// What `odp start` marked while it was stopping happens after the stop; `odp stop` unmarks it.
static void test_marks(void **state)
{
    static const enum odp_service_state states[] = {ODP_SERVICE_UNKNOWN, ODP_SERVICE_DISMISSED,
                                                    ODP_SERVICE_STOPPING};
    struct odp_service_effects fx;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct odp_service s = service_in(states[i]);
        step(&s, ODP_EVENT_START, NOW, 0, 0, &fx);
        step(&s, ODP_EVENT_INACTIVE, NOW, 0, 0, &fx);
        assert_int_equal(s.state, ODP_SERVICE_STARTING);
        assert_string_equal(s.reason, "started again: it was asked for meanwhile");
    }
    struct odp_service s = service_in(ODP_SERVICE_STOPPED);
    step(&s, ODP_EVENT_START, NOW, 0, 0, &fx); // whoever asks says why
    assert_string_equal(s.reason, "because");
    s = service_in(ODP_SERVICE_STOPPING);
    step(&s, ODP_EVENT_START, NOW, 0, 0, &fx);
    step(&s, ODP_EVENT_STOP, NOW, 0, 0, &fx);
    step(&s, ODP_EVENT_INACTIVE, NOW, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPED);
}

static void test_why_it_could_not_be_stopped(void **state)
{
    const struct odp_service_event e = event_of(ODP_EVENT_RUNNING);
    struct odp_service s = service_in(ODP_SERVICE_STOPPING);

    (void)state;
    expect(&s, &e, "probing");
    assert_string_equal(s.reason, "could not be stopped: because");
}

static void test_timeouts_say_which(void **state)
{
    struct odp_service_effects fx;
    struct odp_service s = service_in(ODP_SERVICE_STARTING);

    (void)state;
    step(&s, ODP_EVENT_DEADLINE, NOW, 0, 1, &fx);
    assert_non_null(strstr(s.reason, "start_timeout"));
    assert_false(fx.request); // a timeout never stops a unit
    s = service_in(ODP_SERVICE_PROBING);
    step(&s, ODP_EVENT_DEADLINE, NOW, 0, 1, &fx);
    assert_non_null(strstr(s.reason, "[ready] timeout"));
    // Answering late, it is adopted.
    step(&s, ODP_EVENT_RUNNING, NOW, 0, 0, &fx);
    step(&s, ODP_EVENT_ANSWERS, NOW, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_READY);
}

// The start request, and with it start_timeout, come once all it requires is ready.
static void test_requirements_first(void **state)
{
    struct odp_service s = requiring_service_in(ODP_SERVICE_STOPPED);
    struct odp_service_effects fx;
    struct odp_service_event pending = {.kind = ODP_EVENT_PENDING, .reason = "waits for postgres"};

    (void)state;
    step(&s, ODP_EVENT_DEMAND, NOW, 0, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_REQUIRING);
    assert_string_equal(s.reason, "because");
    assert_false(fx.request);
    assert_int_equal(odp_service_step(&s, &pending, &fx), 0);
    assert_string_equal(s.reason, "waits for postgres");
    assert_true(s.deadline_usec == NOW + REQUIRES);
    // Nothing can be tried yet, and nothing is to be asked again of a new launcher.
    assert_false(odp_service_is_trying(&s));
    step(&s, ODP_EVENT_LOST, NOW + SEC, 0, 1, &fx);
    assert_false(fx.request || fx.changed);
    // The client leaves: what was begun goes on.
    step(&s, ODP_EVENT_COUNTS, NOW + 2 * SEC, 0, 0, &fx);
    step(&s, ODP_EVENT_MET, NOW + 100 * SEC, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STARTING);
    assert_true(fx.request && fx.op == ODP_PROTO_START && fx.request_id == s.request_id);
    assert_true(s.deadline_usec == NOW + 100 * SEC + settings.start_timeout_usec);
    // From here on it is any other start.
    step(&s, ODP_EVENT_FAILED, NOW + 101 * SEC, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_FAILED);
    assert_int_equal(s.n_failures, 1);
}

static void test_unmet_requirements(void **state)
{
    struct odp_service s = requiring_service_in(ODP_SERVICE_STOPPED);
    struct odp_service_effects fx;

    (void)state;
    for (unsigned i = 1; i <= 3; i++) { // backoff as for any failed start
        step(&s, ODP_EVENT_START, NOW, 0, 1, &fx);
        assert_int_equal(s.state, ODP_SERVICE_REQUIRING);
        step(&s, ODP_EVENT_UNMET, NOW, 0, 1, &fx);
        assert_int_equal(s.state, ODP_SERVICE_FAILED);
        assert_string_equal(s.reason, "because");
        assert_true(fx.waiters == ODP_WAITERS_DENY);
        assert_int_equal(s.n_failures, i);
        assert_true(s.retry_usec == NOW + (i - 1) * SEC);
    }
    step(&s, ODP_EVENT_DEMAND, NOW + 2 * SEC - 1, 0, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_FAILED);
    assert_true(fx.waiters == ODP_WAITERS_DENY);
}

static void test_requiring_does_not_last_for_ever(void **state)
{
    struct odp_service s = requiring_service_in(ODP_SERVICE_REQUIRING);
    struct odp_service_effects fx;

    (void)state;
    snprintf(s.reason, sizeof(s.reason), "waits for postgres");
    step(&s, ODP_EVENT_DEADLINE, NOW, 0, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_FAILED);
    assert_string_equal(s.reason, "given up after 3min 20s: waits for postgres");
    // As long a reason as there can be is cut, not overrun.
    s = requiring_service_in(ODP_SERVICE_REQUIRING);
    memset(s.reason, 'x', ODP_REASON_MAX);
    step(&s, ODP_EVENT_DEADLINE, NOW, 0, 1, &fx);
    assert_memory_equal(s.reason, "given up after 3min 20s: xxx", 28);
    // A requirement without a bound is waited for without one.
    s = requiring_service_in(ODP_SERVICE_STOPPED);
    s.settings.requires_timeout_usec = ODP_NEVER;
    step(&s, ODP_EVENT_START, NOW, 0, 0, &fx);
    assert_true(s.state == ODP_SERVICE_REQUIRING && s.deadline_usec == ODP_NEVER);
}

// `odp stop` while it waits: nothing was started. After a failed start something may run, though.
static void test_requiring_called_off(void **state)
{
    struct odp_service s = requiring_service_in(ODP_SERVICE_REQUIRING);
    struct odp_service_effects fx;

    (void)state;
    step(&s, ODP_EVENT_STOP, NOW, 0, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPED);
    assert_true(fx.waiters == ODP_WAITERS_DENY && !fx.request);
    assert_string_equal(s.reason, "because");
    assert_true(s.deadline_usec == ODP_NEVER);
    step(&s, ODP_EVENT_MET, NOW, 0, 0, &fx); // too late
    assert_int_equal(s.state, ODP_SERVICE_STOPPED);

    s = requiring_service_in(ODP_SERVICE_REQUIRING);
    s.n_failures = 1;
    step(&s, ODP_EVENT_STOP, NOW, 0, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPING);
    assert_true(fx.waiters == ODP_WAITERS_DENY && fx.request && fx.op == ODP_PROTO_STOP);
}

// Found running or answering meanwhile, it is adopted, whatever it requires.
static void test_adopted_while_requiring(void **state)
{
    struct odp_service s = requiring_service_in(ODP_SERVICE_REQUIRING);
    struct odp_service_effects fx;

    (void)state;
    step(&s, ODP_EVENT_RUNNING, NOW, 0, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_PROBING);
    assert_string_equal(s.reason, "found running");
    step(&s, ODP_EVENT_INACTIVE, NOW, 0, 0, &fx); // not our start: no failure
    assert_int_equal(s.state, ODP_SERVICE_STOPPED);
    s = requiring_service_in(ODP_SERVICE_UNKNOWN);
    step(&s, ODP_EVENT_RUNNING, NOW, 0, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_PROBING);
}

// Services that require this one use it: its window runs from the end of the last of them.
static void test_dependents_keep_awake(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_PROBING);
    struct odp_service_event counts = {.kind = ODP_EVENT_COUNTS},
                             late = {.kind = ODP_EVENT_DEADLINE};
    struct odp_service_effects fx;

    (void)state;
    counts.n_dependents = late.n_dependents = 2;
    step(&s, ODP_EVENT_ANSWERS, NOW, 0, 0, &fx);
    counts.now_usec = NOW + SEC;
    odp_service_step(&s, &counts, &fx);
    assert_true(s.deadline_usec == ODP_NEVER);
    // A window that ends in the same moment as a dependent wakes.
    s.deadline_usec = late.now_usec = NOW + SEC;
    odp_service_step(&s, &late, &fx);
    assert_true(s.state == ODP_SERVICE_READY && s.deadline_usec == ODP_NEVER);
    counts.now_usec = NOW + 100 * SEC;
    counts.n_dependents = 1;
    odp_service_step(&s, &counts, &fx);
    assert_true(s.deadline_usec == ODP_NEVER);
    counts.n_dependents = 0;
    odp_service_step(&s, &counts, &fx);
    assert_true(s.deadline_usec == NOW + 100 * SEC + IDLE);
    // But they hold up no `odp stop`: what is drained are connections.
    struct odp_service_event stop = {.kind = ODP_EVENT_STOP, .n_dependents = 1, .now_usec = NOW};
    odp_service_step(&s, &stop, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPING);
    // Nor is it started again for who is awake already.
    struct odp_service_event end = {
        .kind = ODP_EVENT_INACTIVE, .n_dependents = 1, .now_usec = NOW, .id = s.request_id};
    odp_service_step(&s, &end, &fx);
    assert_int_equal(s.state, ODP_SERVICE_STOPPED);
}

static void test_freezing_instead_of_stopping(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_READY);
    struct odp_service_effects fx;

    (void)state;
    s.settings.freeze = true;
    s.settings.stop_after_usec = 100 * SEC;
    step(&s, ODP_EVENT_DEADLINE, NOW, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_FREEZING);
    assert_true(fx.request && fx.op == ODP_PROTO_FREEZE);
    step(&s, ODP_EVENT_FROZEN, NOW, 0, 0, &fx);
    assert_int_equal(s.state, ODP_SERVICE_FROZEN);
    assert_true(s.deadline_usec == NOW + 100 * SEC);
    step(&s, ODP_EVENT_DEMAND, NOW, 0, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_THAWING);
    assert_true(fx.request && fx.op == ODP_PROTO_THAW);
    step(&s, ODP_EVENT_RUNNING, NOW, 0, 1, &fx);
    assert_int_equal(s.state, ODP_SERVICE_PROBING);
}

static struct odp_service by_hand(enum odp_service_state state, bool waking)
{
    struct odp_service s = service_in(state);

    s.waking = waking;
    strcpy(s.reason, "woken by a connection");
    return s;
}

// What odp has started is not somebody else's because another launcher, or odpd, sees it run.
static void test_reason_stays_what_woke_it(void **state)
{
    static const enum odp_service_state from[] = {ODP_SERVICE_STARTING, ODP_SERVICE_PROBING};
    struct odp_service_effects fx;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct odp_service s = by_hand(from[i], true);
        step(&s, ODP_EVENT_LOST, NOW, 0, 1, &fx);
        step(&s, ODP_EVENT_DEADLINE, NOW + 20 * SEC, 0, 1, &fx); // and is asked again
        step(&s, ODP_EVENT_RUNNING, NOW, 0, 1, &fx);
        assert_int_equal(s.state, ODP_SERVICE_PROBING);
        assert_string_equal(s.reason, "woken by a connection");
        s = by_hand(from[i], true);
        odp_service_resume(&s, &settings, IDLE, NOW, &fx);
        step(&s, ODP_EVENT_RUNNING, NOW, 0, 1, &fx);
        assert_int_equal(s.state, ODP_SERVICE_PROBING);
        assert_string_equal(s.reason, "woken by a connection");
    }
    struct odp_service s = by_hand(ODP_SERVICE_PROBING, false); // it had answered before
    step(&s, ODP_EVENT_LOST, NOW, 0, 1, &fx);
    step(&s, ODP_EVENT_RUNNING, NOW, 0, 1, &fx);
    assert_string_equal(s.reason, "found running");
}

static void test_reasons_around_the_freezer(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_FROZEN);
    struct odp_service_effects fx;
    struct odp_service_event e = {.now_usec = NOW, .n_waiting = 1};

    (void)state;
    e.kind = ODP_EVENT_DEMAND;
    e.reason = "woken by a connection";
    odp_service_step(&s, &e, &fx);
    assert_int_equal(s.state, ODP_SERVICE_THAWING);
    e = (struct odp_service_event){.kind = ODP_EVENT_RUNNING, .id = s.request_id, .reason = ""};
    odp_service_step(&s, &e, &fx);
    assert_int_equal(s.state, ODP_SERVICE_PROBING);
    assert_string_equal(s.reason, "woken by a connection");

    s = service_in(ODP_SERVICE_FREEZING);
    e.id = s.request_id;
    e.reason = "a.service cannot be frozen";
    odp_service_step(&s, &e, &fx);
    assert_int_equal(s.state, ODP_SERVICE_PROBING);
    assert_string_equal(s.reason, "a.service cannot be frozen");
}

static void test_who_awaits_the_launcher(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_UNKNOWN);

    (void)state;
    assert_false(odp_service_awaits_launcher(&s, 0));
    assert_true(odp_service_awaits_launcher(&s, 1));
    s.unwanted = true;
    assert_true(odp_service_awaits_launcher(&s, 0));
    s = service_in(ODP_SERVICE_STOPPING);
    assert_true(odp_service_awaits_launcher(&s, 0));
    s = service_in(ODP_SERVICE_STARTING);
    assert_true(odp_service_awaits_launcher(&s, 0));
    s = service_in(ODP_SERVICE_READY);
    assert_false(odp_service_awaits_launcher(&s, 1));
    s = service_in(ODP_SERVICE_STOPPED);
    assert_false(odp_service_awaits_launcher(&s, 0));
}

static void test_public_names(void **state)
{
    static const char *const names[ODP_SERVICE_N_STATES] = {
        "unknown",  "stopped",  "starting", "starting", "starting", "ready", "draining",
        "draining", "stopping", "frozen",   "frozen",   "frozen",   "failed"};

    (void)state;
    for (int s = 0; s < ODP_SERVICE_N_STATES; s++)
        assert_string_equal(odp_service_state_public((enum odp_service_state)s), names[s]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cell_alone),
        cmocka_unit_test(test_every_cell_waiting),
        cmocka_unit_test(test_every_cell_connected),
        cmocka_unit_test(test_every_cell_requiring),
        cmocka_unit_test(test_stale_reports),
        cmocka_unit_test(test_observations_do_not_end_jobs),
        cmocka_unit_test(test_early_deadline),
        cmocka_unit_test(test_words_of_timeouts),
        cmocka_unit_test(test_late_answer_is_adopted_and_said),
        cmocka_unit_test(test_ids_wrap_before_those_of_probes),
        cmocka_unit_test(test_first_look),
        cmocka_unit_test(test_window_runs_from_last_close),
        cmocka_unit_test(test_direct_connections),
        cmocka_unit_test(test_direct_connections_and_no_window),
        cmocka_unit_test(test_what_is_left_is_stopped),
        cmocka_unit_test(test_what_is_left_is_in_use),
        cmocka_unit_test(test_part_that_somebody_starts),
        cmocka_unit_test(test_part_that_comes_and_goes),
        cmocka_unit_test(test_what_is_left_and_odp_stop),
        cmocka_unit_test(test_plain_proxy_is_never_stopped),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_backoff_is_forgotten_after_a_minute_ready),
        cmocka_unit_test(test_end_while_probing),
        cmocka_unit_test(test_launcher_lost),
        cmocka_unit_test(test_lost_jobs_are_forgotten),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_resume_keeps_times),
        cmocka_unit_test(test_resume_bounds_times),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_why_it_could_not_be_stopped),
        cmocka_unit_test(test_timeouts_say_which),
        cmocka_unit_test(test_requirements_first),
        cmocka_unit_test(test_unmet_requirements),
        cmocka_unit_test(test_requiring_does_not_last_for_ever),
        cmocka_unit_test(test_requiring_called_off),
        cmocka_unit_test(test_adopted_while_requiring),
        cmocka_unit_test(test_dependents_keep_awake),
        cmocka_unit_test(test_freezing_instead_of_stopping),
        cmocka_unit_test(test_reason_stays_what_woke_it),
        cmocka_unit_test(test_reasons_around_the_freezer),
        cmocka_unit_test(test_who_awaits_the_launcher),
        cmocka_unit_test(test_public_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
