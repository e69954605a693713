// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The small sums of the core: the quiet window, the pace of tries, the ledger.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "odp/base/time.h"
#include "odp/core/idle.h"
#include "odp/core/ledger.h"
#include "odp/core/tries.h"

#define MS  ODP_USEC_PER_MS
#define SEC ODP_USEC_PER_SEC
#define NOW (UINT64_C(5000) * SEC)

static void test_idle_window(void **state)
{
    struct odp_idle idle = {.timeout_usec = 10 * SEC, .quiet_usec = ODP_NEVER};

    (void)state;
    assert_true(odp_idle_deadline(&idle) == ODP_NEVER);
    odp_idle_update(&idle, 0, 0, NOW);
    assert_true(odp_idle_deadline(&idle) == NOW + 10 * SEC);
    odp_idle_update(&idle, 0, 0, NOW + 5 * SEC); // still quiet: the window does not move
    assert_true(odp_idle_deadline(&idle) == NOW + 10 * SEC);
    odp_idle_update(&idle, 1, 0, NOW + 6 * SEC);
    assert_true(odp_idle_deadline(&idle) == ODP_NEVER);
    odp_idle_update(&idle, 0, 1, NOW + 7 * SEC); // somebody waits: not quiet
    assert_true(odp_idle_deadline(&idle) == ODP_NEVER);
    odp_idle_update(&idle, 0, 0, NOW + 8 * SEC);
    assert_true(odp_idle_deadline(&idle) == NOW + 18 * SEC);
    idle.timeout_usec = ODP_NEVER;
    assert_true(odp_idle_deadline(&idle) == ODP_NEVER);
}

static void test_tries_come_after_1_2_then_every_4_ms(void **state)
{
    static const uint64_t at_ms[] = {1, 2, 6, 10, 14};
    struct odp_tries t = {.interval_usec = 4 * MS};

    (void)state;
    odp_tries_begin(&t, NOW);
    for (unsigned i = 0; i < sizeof(at_ms) / sizeof(at_ms[0]); i++) {
        assert_true(t.next_usec == NOW + at_ms[i] * MS);
        assert_false(odp_tries_due(&t, t.next_usec - 1));
        assert_true(odp_tries_due(&t, t.next_usec));
    }
    odp_tries_stop(&t);
    assert_false(odp_tries_due(&t, NOW + 1000 * SEC));
}

static void test_pace_of_a_file(void **state)
{
    struct odp_config_service config = {.ready_interval_usec = 7 * MS, .probe = ODP_PROBE_HTTP};
    struct odp_tries t;

    (void)state;
    odp_tries_init(&t, &config);
    assert_true(t.pace == ODP_TRIES_HTTP && t.interval_usec == 7 * MS);
    assert_false(odp_tries_due(&t, NOW));
    config.probe = ODP_PROBE_EXEC;
    odp_tries_init(&t, &config);
    assert_int_equal(t.pace, ODP_TRIES_EXEC);
    config.probe = ODP_PROBE_NONE;
    odp_tries_init(&t, &config);
    assert_int_equal(t.pace, ODP_TRIES_TCP);
}

static void test_http_probes_slow_down_to_the_interval(void **state)
{
    static const uint64_t pause_ms[] = {1, 4, 8, 16, 32, 64, 128, 250, 250};
    struct odp_tries t = {.interval_usec = 250 * MS, .pace = ODP_TRIES_HTTP};
    uint64_t now_usec = NOW;

    (void)state;
    odp_tries_begin(&t, NOW);
    assert_true(t.next_usec == NOW + MS);
    for (unsigned i = 0; i < sizeof(pause_ms) / sizeof(pause_ms[0]); i++) {
        now_usec = t.next_usec;
        assert_true(odp_tries_due(&t, now_usec));
        now_usec += 3 * MS; // it took a while
        odp_tries_pause(&t, now_usec);
        assert_true(t.next_usec == now_usec + pause_ms[i] * MS);
    }
    for (unsigned i = 0; i < 100; i++) // nothing wraps around
        assert_true(odp_tries_due(&t, t.next_usec));
    odp_tries_pause(&t, now_usec);
    assert_true(t.next_usec == now_usec + 250 * MS);
    t = (struct odp_tries){.interval_usec = ODP_NEVER, .pace = ODP_TRIES_HTTP};
    odp_tries_begin(&t, NOW);
    for (unsigned i = 0; t.next_usec != ODP_NEVER; i++) {
        assert_true(i < 100);
        assert_true(odp_tries_due(&t, t.next_usec));
    }
}

static void test_exec_probes_keep_the_interval(void **state)
{
    struct odp_tries t = {.interval_usec = 250 * MS, .pace = ODP_TRIES_EXEC};

    (void)state;
    odp_tries_begin(&t, NOW);
    assert_true(t.next_usec == NOW + MS);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(odp_tries_due(&t, NOW + MS));
        odp_tries_pause(&t, NOW + SEC);
        assert_true(t.next_usec == NOW + SEC + 250 * MS);
        t.next_usec = NOW;
    }
}

static void test_tries_under_way(void **state)
{
    struct odp_tries t = {.interval_usec = 4 * MS};

    (void)state;
    odp_tries_begin(&t, NOW);
    assert_int_equal(odp_tries_limit(&t), 1); // nobody listens yet
    odp_tries_failed(&t, false);
    assert_int_equal(odp_tries_limit(&t), 1);
    odp_tries_connected(&t);
    assert_int_equal(odp_tries_limit(&t), 8); // somebody does
    odp_tries_failed(&t, true);
    assert_int_equal(odp_tries_limit(&t), 2); // a forwarder that hangs up is not stormed
    odp_tries_connected(&t);
    assert_int_equal(odp_tries_limit(&t), 2);
    odp_tries_begin(&t, NOW);
    assert_int_equal(odp_tries_limit(&t), 1);
}

static void test_ledger(void **state)
{
    struct odp_ledger l;

    (void)state;
    odp_ledger_init(&l, NOW);
    odp_ledger_enter(&l, ODP_LEDGER_ASLEEP, NOW + SEC); // the unknown second counts for neither
    odp_ledger_enter(&l, ODP_LEDGER_AWAKE, NOW + 11 * SEC);
    odp_ledger_enter(&l, ODP_LEDGER_ASLEEP, NOW + 14 * SEC);
    odp_ledger_enter(&l, ODP_LEDGER_ASLEEP, NOW + 15 * SEC);
    assert_true(l.asleep_usec == 11 * SEC);
    assert_true(l.awake_usec == 3 * SEC);
    assert_true(l.last_wake_usec == ODP_NEVER);

    odp_ledger_wake_end(&l, true, NOW); // adopted, not woken
    assert_true(l.n_wakes == 0);
    odp_ledger_wake_begin(&l, NOW);
    odp_ledger_wake_begin(&l, NOW + SEC); // still the same wake
    odp_ledger_wake_end(&l, true, NOW + 3 * SEC);
    assert_true(l.n_wakes == 1 && l.last_wake_usec == 3 * SEC);
    odp_ledger_wake_begin(&l, NOW);
    odp_ledger_wake_end(&l, false, NOW + SEC);
    assert_true(l.n_wakes == 1 && l.n_failed_wakes == 1 && l.last_wake_usec == 3 * SEC);
    odp_ledger_deinit(&l);
}

static void test_ledger_of_memory(void **state)
{
    struct odp_ledger l;

    (void)state;
    odp_ledger_init(&l, NOW);
    odp_ledger_enter(&l, ODP_LEDGER_ASLEEP, NOW);
    odp_ledger_enter(&l, ODP_LEDGER_AWAKE, NOW + 100 * SEC);
    assert_true(odp_ledger_saved(&l) == 0.0); // nobody knows how much
    odp_ledger_peak(&l, 3 << 20);
    assert_true(l.used_bytes == 3 << 20 && l.peak_bytes == 3 << 20);
    odp_ledger_peak(&l, 5 << 20);
    odp_ledger_peak(&l, 4 << 20);
    assert_true(l.used_bytes == 3 << 20 && l.peak_bytes == 5 << 20);
    odp_ledger_enter(&l, ODP_LEDGER_AWAKE, NOW + 200 * SEC); // awake saves nothing
    odp_ledger_use(&l, 2 << 20);
    assert_true(l.used_bytes == 2 << 20 && l.peak_bytes == 5 << 20);
    odp_ledger_enter(&l, ODP_LEDGER_ASLEEP, NOW + 300 * SEC);
    odp_ledger_enter(&l, ODP_LEDGER_ASLEEP, NOW + 300 * SEC + SEC / 2);
    odp_ledger_enter(&l, ODP_LEDGER_AWAKE, NOW + 301 * SEC + SEC / 2);
    assert_true(odp_ledger_saved(&l) == 3.0 * (1 << 20)); // 2 MiB for 1.5 s
    odp_ledger_use(&l, UINT64_MAX);
    odp_ledger_enter(&l, ODP_LEDGER_ASLEEP, NOW + 302 * SEC);
    odp_ledger_enter(&l, ODP_LEDGER_ASLEEP, NOW + 900 * SEC);
    odp_ledger_enter(&l, ODP_LEDGER_ASLEEP, NOW + 990000 * SEC);
    assert_true(l.saved_kib_msec == UINT64_MAX);
    odp_ledger_deinit(&l);
}

static void test_ledger_start_percentiles(void **state)
{
    uint32_t kept[ODP_LEDGER_N_STARTS];
    struct odp_ledger l;

    (void)state;
    odp_ledger_init(&l, NOW);
    assert_null(l.starts_usec); // a service that was never woken costs nothing
    assert_int_equal(odp_ledger_starts(&l, kept), 0);
    assert_true(odp_ledger_start_percentile(&l, 50) == ODP_NEVER);
    odp_ledger_wake_begin(&l, NOW);
    odp_ledger_wake_end(&l, false, NOW + SEC); // a failed one is no start
    assert_null(l.starts_usec);
    odp_ledger_wake_begin(&l, NOW);
    odp_ledger_wake_end(&l, true, NOW + SEC);
    assert_true(odp_ledger_start_percentile(&l, 50) == SEC);
    assert_true(odp_ledger_start_percentile(&l, 95) == SEC);
    for (unsigned i = 20; i > 1; i--) // with the first: 20, 19 ... 2 ms and a second
        odp_ledger_add_start(&l, i * MS);
    assert_true(odp_ledger_start_percentile(&l, 1) == 2 * MS);
    assert_true(odp_ledger_start_percentile(&l, 50) == 11 * MS);
    assert_true(odp_ledger_start_percentile(&l, 95) == 20 * MS);
    assert_true(odp_ledger_start_percentile(&l, 100) == SEC);
    for (unsigned i = 1; i <= 100; i++) // the oldest give way
        odp_ledger_add_start(&l, i * MS);
    assert_int_equal(odp_ledger_starts(&l, kept), ODP_LEDGER_N_STARTS);
    assert_int_equal(kept[0], 37 * MS);
    assert_int_equal(kept[ODP_LEDGER_N_STARTS - 1], 100 * MS);
    assert_true(odp_ledger_start_percentile(&l, 50) == 68 * MS);
    assert_true(odp_ledger_start_percentile(&l, 95) == 97 * MS);
    odp_ledger_add_start(&l, UINT64_C(5000000000)); // more than the ring's numbers hold
    assert_true(odp_ledger_start_percentile(&l, 100) == UINT32_MAX);
    odp_ledger_deinit(&l);
    odp_ledger_deinit(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_window),
        cmocka_unit_test(test_tries_come_after_1_2_then_every_4_ms),
        cmocka_unit_test(test_pace_of_a_file),
        cmocka_unit_test(test_http_probes_slow_down_to_the_interval),
        cmocka_unit_test(test_exec_probes_keep_the_interval),
        cmocka_unit_test(test_tries_under_way),
        cmocka_unit_test(test_ledger),
        cmocka_unit_test(test_ledger_of_memory),
        cmocka_unit_test(test_ledger_start_percentiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
