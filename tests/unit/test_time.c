// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Time spans, both ways, and the arithmetic with ODP_NEVER.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "odp/base/time.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void test_sound_spans(void **state)
{
    static const struct {
        const char *text;
        uint64_t usec;
    } rows[] = {
        {"0", 0},
        {"90", 90 * ODP_USEC_PER_SEC},
        {"10min", 10 * ODP_USEC_PER_MIN},
        {"1h 30s", 3630 * ODP_USEC_PER_SEC},
        {"1h30min", 90 * ODP_USEC_PER_MIN},
        {" 5 min ", 5 * ODP_USEC_PER_MIN},
        {"1h 30", 3630 * ODP_USEC_PER_SEC},
        {"250ms", 250 * ODP_USEC_PER_MS},
        {"250msec", 250 * ODP_USEC_PER_MS},
        {"7us", 7},
        {"7usec", 7},
        {"7\xc2\xb5s", 7},
        {"1.5s", 1500 * ODP_USEC_PER_MS},
        {".5s", 500 * ODP_USEC_PER_MS},
        {"0.25h", 15 * ODP_USEC_PER_MIN},
        {"0.0000009s", 0},
        {"2m", 2 * ODP_USEC_PER_MIN},
        {"2minutes", 2 * ODP_USEC_PER_MIN},
        {"1d", 24 * 60 * ODP_USEC_PER_MIN},
        {"1w", 7 * 24 * 60 * ODP_USEC_PER_MIN},
        {"1M", UINT64_C(2629800) * ODP_USEC_PER_SEC},
        {"1y", UINT64_C(31557600) * ODP_USEC_PER_SEC},
        {"3days 2hr 1second", (3 * 86400 + 7201) * ODP_USEC_PER_SEC},
        {"infinity", ODP_NEVER},
        {" infinity ", ODP_NEVER},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        uint64_t usec = 1;
        if (odp_span_parse(rows[i].text, &usec) != 0 || usec != rows[i].usec)
            fail_msg("`%s` gave %ju", rows[i].text, (uintmax_t)usec);
    }
}

static void test_spans_that_are_none(void **state)
{
    static const char *const rows[] = {
        "",          " ",     "-1",    "+1",    "abc",        "10 foo",    "10x",   "min",
        "1..5s",     "1.s",   "1.",    ".",     "10 20",      "1e3s",      "0x10s", "1,5s",
        "infinityx", "1hmin", "10MIN", "5s -1", "1 infinity", "\xc2\xb5s",
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        uint64_t usec = 7;
        if (odp_span_parse(rows[i], &usec) != -EINVAL || usec != 7)
            fail_msg("`%s` was taken", rows[i]);
    }
}

static void test_spans_that_overflow(void **state)
{
    static const char *const rows[] = {
        "99999999999999999999s",
        "18446744073709551615us", // that is ODP_NEVER, which no number stands for
        "18446744073709551616us", "600000y", "584542y 584542y",
    };
    uint64_t usec;

    (void)state;
    for (size_t i = 0; i < N(rows); i++)
        assert_int_equal(odp_span_parse(rows[i], &usec), -ERANGE);
    assert_int_equal(odp_span_parse("18446744073709551614us", &usec), 0);
    assert_int_equal(odp_span_parse("99999999999999999999s foo", &usec), -EINVAL);
}

static void test_format(void **state)
{
    static const struct {
        uint64_t usec;
        const char *text;
    } rows[] = {
        {0, "0"},
        {999, "0"},
        {1000, "1ms"},
        {250 * ODP_USEC_PER_MS, "250ms"},
        {2 * ODP_USEC_PER_SEC, "2s"},
        {1500 * ODP_USEC_PER_MS, "1s 500ms"},
        {10 * ODP_USEC_PER_MIN, "10min"},
        {90 * ODP_USEC_PER_MIN, "1h 30min"},
        {90 * ODP_USEC_PER_MIN + ODP_USEC_PER_SEC, "1h 30min"},
        {25 * 60 * ODP_USEC_PER_MIN, "1d 1h"},
        {24 * 60 * ODP_USEC_PER_MIN + ODP_USEC_PER_SEC, "1d 1s"},
        {ODP_NEVER - 1, "213503982d 8h"},
        {ODP_NEVER, "infinity"},
    };
    char buf[ODP_SPAN_MAX];

    (void)state;
    for (size_t i = 0; i < N(rows); i++)
        assert_string_equal(odp_span_format(rows[i].usec, buf, sizeof(buf)), rows[i].text);
    // Cut at whole units where the buffer is small, and always ended.
    assert_true(strlen(odp_span_format(90 * ODP_USEC_PER_MIN, buf, 4)) < 4);
}

static void test_what_is_formatted_parses(void **state)
{
    char buf[ODP_SPAN_MAX];
    uint64_t usec, back;

    (void)state;
    for (usec = ODP_USEC_PER_MS; usec < 1000 * ODP_USEC_PER_MS; usec += 7 * ODP_USEC_PER_MS) {
        assert_int_equal(odp_span_parse(odp_span_format(usec, buf, sizeof(buf)), &back), 0);
        assert_int_equal(back, usec);
    }
}

static void test_arithmetic(void **state)
{
    (void)state;
    assert_int_equal(odp_usec_add(1, 2), 3);
    assert_true(odp_usec_add(ODP_NEVER, 1) == ODP_NEVER);
    assert_true(odp_usec_add(1, ODP_NEVER) == ODP_NEVER);
    assert_true(odp_usec_add(ODP_NEVER - 1, 5) == ODP_NEVER);
    assert_true(odp_usec_min(ODP_NEVER, 5) == 5);
    uint64_t before = odp_now_usec();
    assert_true(odp_now_usec() >= before && before > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_spans),
        cmocka_unit_test(test_spans_that_are_none),
        cmocka_unit_test(test_spans_that_overflow),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_what_is_formatted_parses),
        cmocka_unit_test(test_arithmetic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
