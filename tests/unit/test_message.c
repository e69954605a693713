// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which changes of a service are events in the journal.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "odp/core/message.h"

static void expect(enum odp_service_state from, enum odp_service_event_kind kind,
                   enum odp_service_state to, const char *id)
{
    const char *got = odp_message_id(from, to, kind, false);

    if (id)
        assert_string_equal(got, id);
    else
        assert_null(got);
}

static void test_a_day(void **state)
{
    (void)state;
    expect(ODP_SERVICE_UNKNOWN, ODP_EVENT_INACTIVE, ODP_SERVICE_STOPPED, NULL);
    expect(ODP_SERVICE_STOPPED, ODP_EVENT_DEMAND, ODP_SERVICE_STARTING, ODP_MESSAGE_WAKING);
    expect(ODP_SERVICE_STARTING, ODP_EVENT_RUNNING, ODP_SERVICE_PROBING, NULL);
    expect(ODP_SERVICE_PROBING, ODP_EVENT_ANSWERS, ODP_SERVICE_READY, ODP_MESSAGE_READY);
    expect(ODP_SERVICE_READY, ODP_EVENT_DEADLINE, ODP_SERVICE_STOPPING, ODP_MESSAGE_QUIET);
    expect(ODP_SERVICE_STOPPING, ODP_EVENT_INACTIVE, ODP_SERVICE_STOPPED, ODP_MESSAGE_STOPPED);
}

// Each thing is told once, however many states it passes.
static void test_once(void **state)
{
    (void)state;
    expect(ODP_SERVICE_STOPPED, ODP_EVENT_DEMAND, ODP_SERVICE_REQUIRING, ODP_MESSAGE_WAKING);
    expect(ODP_SERVICE_REQUIRING, ODP_EVENT_MET, ODP_SERVICE_STARTING, NULL);
    expect(ODP_SERVICE_READY, ODP_EVENT_STOP, ODP_SERVICE_DISMISSED, ODP_MESSAGE_ORDERED);
    expect(ODP_SERVICE_DISMISSED, ODP_EVENT_DEADLINE, ODP_SERVICE_STOPPING, NULL);
    expect(ODP_SERVICE_READY, ODP_EVENT_STOP, ODP_SERVICE_STOPPING, ODP_MESSAGE_ORDERED);
    expect(ODP_SERVICE_READY, ODP_EVENT_DEADLINE, ODP_SERVICE_DRAINING, NULL);
    expect(ODP_SERVICE_DRAINING, ODP_EVENT_DEMAND, ODP_SERVICE_READY, NULL);
    expect(ODP_SERVICE_DRAINING, ODP_EVENT_DEADLINE, ODP_SERVICE_STOPPING, ODP_MESSAGE_QUIET);
    expect(ODP_SERVICE_READY, ODP_EVENT_LOST, ODP_SERVICE_UNKNOWN, NULL);
}

// The launcher was lost, or odpd restarted, before what odp had started answered.
static void test_by_ours_seen_by_another(void **state)
{
    (void)state;
    assert_null(odp_message_id(ODP_SERVICE_UNKNOWN, ODP_SERVICE_PROBING, ODP_EVENT_RUNNING, true));
}

static void test_by_other_hands(void **state)
{
    (void)state;
    expect(ODP_SERVICE_UNKNOWN, ODP_EVENT_RUNNING, ODP_SERVICE_PROBING, ODP_MESSAGE_FOUND);
    expect(ODP_SERVICE_STOPPED, ODP_EVENT_RUNNING, ODP_SERVICE_PROBING, ODP_MESSAGE_FOUND);
    expect(ODP_SERVICE_READY, ODP_EVENT_REFUSED, ODP_SERVICE_PROBING, NULL);
    expect(ODP_SERVICE_READY, ODP_EVENT_FAILED, ODP_SERVICE_STOPPED, ODP_MESSAGE_ENDED);
    expect(ODP_SERVICE_FROZEN, ODP_EVENT_INACTIVE, ODP_SERVICE_STOPPED, ODP_MESSAGE_ENDED);
    expect(ODP_SERVICE_STARTING, ODP_EVENT_FAILED, ODP_SERVICE_FAILED, ODP_MESSAGE_FAILED);
    expect(ODP_SERVICE_FAILED, ODP_EVENT_STOP, ODP_SERVICE_STOPPED, ODP_MESSAGE_STOPPED);
}

static void test_frozen(void **state)
{
    (void)state;
    expect(ODP_SERVICE_READY, ODP_EVENT_DEADLINE, ODP_SERVICE_FREEZING, NULL);
    expect(ODP_SERVICE_FREEZING, ODP_EVENT_FROZEN, ODP_SERVICE_FROZEN, ODP_MESSAGE_FROZEN);
    expect(ODP_SERVICE_FROZEN, ODP_EVENT_DEMAND, ODP_SERVICE_THAWING, ODP_MESSAGE_WAKING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_day),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_by_ours_seen_by_another),
        cmocka_unit_test(test_by_other_hands),
        cmocka_unit_test(test_frozen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
