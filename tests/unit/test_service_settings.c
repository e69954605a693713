// SPDX-License-Identifier: LGPL-2.1-or-later
//
// New settings for a machine at work: every state's deadline afterwards.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "odp/core/service.h"

#define NOW   (UINT64_C(1000) * ODP_USEC_PER_SEC)
#define SEC   ODP_USEC_PER_SEC
#define BEGAN (NOW - 5 * SEC)

static const struct odp_service_settings before = {
    .start_timeout_usec = 90 * SEC,
    .ready_timeout_usec = 60 * SEC,
    .stop_timeout_usec = 30 * SEC,
    .drain_timeout_usec = 10 * SEC,
    .stop_after_usec = 100 * SEC,
    .can_stop = true,
};

static const struct odp_service_settings after = {
    .start_timeout_usec = 91 * SEC,
    .ready_timeout_usec = 62 * SEC,
    .stop_timeout_usec = 33 * SEC,
    .drain_timeout_usec = 14 * SEC,
    .stop_after_usec = 105 * SEC,
    .can_stop = true,
};

// Quiet, and in its state since BEGAN.
static struct odp_service service_in(enum odp_service_state state, uint64_t deadline_usec)
{
    return (struct odp_service){
        .settings = before,
        .state = state,
        .deadline_usec = deadline_usec,
        .idle = {.timeout_usec = 600 * SEC, .quiet_usec = BEGAN},
    };
}

static uint64_t deadline_after(enum odp_service_state state, uint64_t deadline_usec,
                               const struct odp_service_settings *settings)
{
    struct odp_service s = service_in(state, deadline_usec);

    odp_service_set(&s, settings, 300 * SEC, NOW);
    assert_int_equal(s.state, state);
    assert_true(s.settings.stop_timeout_usec == settings->stop_timeout_usec);
    assert_true(s.idle.timeout_usec == 300 * SEC && s.idle.quiet_usec == BEGAN);
    return s.deadline_usec;
}

static void test_same_settings(void **state)
{
    // Connections that are not odp's have put its window's end off.
    struct odp_service s = service_in(ODP_SERVICE_READY, NOW + SEC);

    (void)state;
    odp_service_set(&s, &before, 600 * SEC, NOW);
    assert_true(s.deadline_usec == NOW + SEC);
}

static void test_every_state(void **state)
{
    static const struct {
        enum odp_service_state state;
        uint64_t before, after; // spans from BEGAN
    } rows[] = {
        {ODP_SERVICE_UNKNOWN, 10 * SEC, 10 * SEC},  {ODP_SERVICE_STARTING, 90 * SEC, 91 * SEC},
        {ODP_SERVICE_PROBING, 60 * SEC, 62 * SEC},  {ODP_SERVICE_READY, 600 * SEC, 300 * SEC},
        {ODP_SERVICE_DRAINING, 10 * SEC, 14 * SEC}, {ODP_SERVICE_DISMISSED, 10 * SEC, 14 * SEC},
        {ODP_SERVICE_STOPPING, 35 * SEC, 35 * SEC}, {ODP_SERVICE_FREEZING, 10 * SEC, 10 * SEC},
        {ODP_SERVICE_FROZEN, 100 * SEC, 105 * SEC}, {ODP_SERVICE_THAWING, 10 * SEC, 10 * SEC},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(deadline_after(rows[i].state, BEGAN + rows[i].before, &after) ==
                    BEGAN + rows[i].after);
    assert_true(deadline_after(ODP_SERVICE_STOPPED, ODP_NEVER, &after) == ODP_NEVER);
    assert_true(deadline_after(ODP_SERVICE_FAILED, ODP_NEVER, &after) == ODP_NEVER);
}

static void test_nothing_changed(void **state)
{
    (void)state;
    for (int s = 0; s < ODP_SERVICE_N_STATES; s++)
        if (s != ODP_SERVICE_READY)
            assert_true(deadline_after((enum odp_service_state)s, NOW + SEC, &before) == NOW + SEC);
}

static void test_shorter_is_due_at_once(void **state)
{
    struct odp_service_settings shorter = before;
    struct odp_service s = service_in(ODP_SERVICE_PROBING, BEGAN + 60 * SEC);
    const struct odp_service_event deadline = {.kind = ODP_EVENT_DEADLINE, .now_usec = NOW};
    struct odp_service_effects fx;

    (void)state;
    shorter.ready_timeout_usec = 3 * SEC;
    odp_service_set(&s, &shorter, ODP_NEVER, NOW);
    assert_true(s.deadline_usec == BEGAN + 3 * SEC);
    odp_service_step(&s, &deadline, &fx);
    assert_int_equal(s.state, ODP_SERVICE_FAILED);
}

static void test_window(void **state)
{
    struct odp_service s = service_in(ODP_SERVICE_READY, ODP_NEVER);
    struct odp_service_settings never = before;

    (void)state;
    // Somebody is connected: the window begins when they leave.
    s.idle.quiet_usec = ODP_NEVER;
    odp_service_set(&s, &before, 3 * SEC, NOW);
    assert_true(s.deadline_usec == ODP_NEVER);
    s.idle.quiet_usec = BEGAN;
    odp_service_set(&s, &before, 0, NOW);
    assert_true(s.deadline_usec == BEGAN);
    odp_service_set(&s, &before, ODP_NEVER, NOW);
    assert_true(s.deadline_usec == ODP_NEVER);
    // A plain proxy is not stopped, whatever the window.
    never.can_stop = false;
    odp_service_set(&s, &never, 3 * SEC, NOW);
    assert_true(s.deadline_usec == ODP_NEVER);
    odp_service_set(&s, &before, 3 * SEC, NOW);
    assert_true(s.deadline_usec == BEGAN + 3 * SEC);
}

static void test_from_and_to_never(void **state)
{
    struct odp_service_settings never = before;
    struct odp_service s = service_in(ODP_SERVICE_FROZEN, BEGAN + 100 * SEC);

    (void)state;
    never.stop_after_usec = ODP_NEVER;
    odp_service_set(&s, &never, 0, NOW);
    assert_true(s.deadline_usec == ODP_NEVER);
    // Since when it is frozen nobody knows any more.
    odp_service_set(&s, &before, 0, NOW);
    assert_true(s.deadline_usec == NOW + 100 * SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_settings),   cmocka_unit_test(test_every_state),
        cmocka_unit_test(test_nothing_changed), cmocka_unit_test(test_shorter_is_due_at_once),
        cmocka_unit_test(test_window),          cmocka_unit_test(test_from_and_to_never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
