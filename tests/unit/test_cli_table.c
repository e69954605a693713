// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The table of odp status: the layout of the manual, empty values, colours, and text that wants to
// steer the terminal.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "odp/cli/table.h"

static void assert_table(const char *services, bool colour, const char *expected)
{
    cJSON *json = cJSON_Parse(services);
    struct odp_buf b = {0};

    assert_non_null(json);
    odp_table_status(json, colour, &b);
    assert_false(b.failed);
    assert_string_equal(b.s, expected);
    odp_buf_deinit(&b);
    cJSON_Delete(json);
}

static void test_layout(void **state)
{
    (void)state;
    assert_table(
        "[{\"name\":\"navidrome\",\"state\":\"ready\",\"listen\":[\"4533\"],\"connections\":2,"
        "\"waiting\":0,\"sleeps_in_seconds\":null,\"memory_bytes\":222298112,\"wakes\":14,"
        "\"awake_seconds\":9,\"asleep_seconds\":91},"
        "{\"name\":\"memos\",\"state\":\"stopped\",\"listen\":[\"5230\",\"[::1]:80\"],"
        "\"connections\":0,\"waiting\":0,\"sleeps_in_seconds\":null,\"memory_bytes\":null,"
        "\"wakes\":3,\"awake_seconds\":1,\"asleep_seconds\":99},"
        "{\"name\":\"mealie\",\"state\":\"starting\",\"listen\":[\"9091\"],\"connections\":0,"
        "\"waiting\":1,\"sleeps_in_seconds\":597.6,\"memory_bytes\":null,\"wakes\":6,"
        "\"awake_seconds\":0,\"asleep_seconds\":0}]",
        false,
        "SERVICE    STATE     LISTEN         CONNS  WAITING  SLEEPS IN  MEMORY  WAKES  ASLEEP\n"
        "navidrome  ready     4533               2        0  -          212M       14     91%\n"
        "memos      stopped   5230,[::1]:80      0        0  -          -           3     99%\n"
        "mealie     starting  9091               0        1  9min 58s   -           6       -\n");
}

static void test_no_services(void **state)
{
    (void)state;
    assert_table("[]", false, "no services: write /etc/odp/services/NAME.ini\n");
}

static void test_nothing_known(void **state)
{
    (void)state;
    assert_table("[{\"name\":\"a\",\"state\":7,\"listen\":\"x\",\"wakes\":-1,\"connections\":1e300,"
                 "\"memory_bytes\":\"1\"},null,[]]",
                 false,
                 "SERVICE  STATE  LISTEN  CONNS  WAITING  SLEEPS IN  MEMORY  WAKES  ASLEEP\n"
                 "a        -      -           -        -  -          -           -       -\n"
                 "-        -      -           -        -  -          -           -       -\n"
                 "-        -      -           -        -  -          -           -       -\n");
}

static void test_wide_names_and_units(void **state)
{
    (void)state;
    assert_table("[{\"name\":\"f\u00fcnf\",\"memory_bytes\":1073217536,\"sleeps_in_seconds\":0.2},"
                 "{\"name\":\"x\",\"memory_bytes\":2048,\"sleeps_in_seconds\":1}]",
                 false,
                 "SERVICE  STATE  LISTEN  CONNS  WAITING  SLEEPS IN  MEMORY  WAKES  ASLEEP\n"
                 "f\u00fcnf     -      -           -        -  0s         1.0G        -       -\n"
                 "x        -      -           -        -  1s         2K          -       -\n");
}

static void test_reasons(void **state)
{
    (void)state;
    assert_table("[{\"name\":\"a\",\"state\":\"failed\",\"reason\":\"exit \\u001b[2J7\"},"
                 "{\"name\":\"b\",\"state\":\"invalid\",\"reason\":\"b.ini:3: no\"},"
                 "{\"name\":\"c\",\"state\":\"ready\",\"reason\":\"unsaid\"},"
                 "{\"name\":\"d\",\"state\":\"failed\",\"reason\":\"\"},"
                 "{\"name\":\"e\",\"state\":\"ready\",\"reason\":\"woken; odd\",\"note\":\"odd\"},"
                 "{\"name\":\"f\",\"state\":\"failed\",\"reason\":\"x; y\",\"note\":\"y\"}]",
                 false,
                 "SERVICE  STATE    LISTEN  CONNS  WAITING  SLEEPS IN  MEMORY  WAKES  ASLEEP\n"
                 "a        failed   -           -        -  -          -           -       -\n"
                 "b        invalid  -           -        -  -          -           -       -\n"
                 "c        ready    -           -        -  -          -           -       -\n"
                 "d        failed   -           -        -  -          -           -       -\n"
                 "e        ready    -           -        -  -          -           -       -\n"
                 "f        failed   -           -        -  -          -           -       -\n"
                 "a: exit ?[2J7\n"
                 "b: b.ini:3: no\n"
                 "e: odd\n"
                 "f: x; y\n");
}

static void test_colour_keeps_the_columns(void **state)
{
    (void)state;
    assert_table("[{\"name\":\"a\",\"state\":\"ready\",\"wakes\":1},"
                 "{\"name\":\"b\",\"state\":\"stopped\",\"wakes\":1},"
                 "{\"name\":\"c\",\"state\":\"frozen\",\"wakes\":1}]",
                 true,
                 "SERVICE  STATE    LISTEN  CONNS  WAITING  SLEEPS IN  MEMORY  WAKES  ASLEEP\n"
                 "a        \033[32mready\033[0m    -           -        -  -          -      "
                 "     1       -\n"
                 "b        \033[2mstopped\033[0m  -           -        -  -          -      "
                 "     1       -\n"
                 "c        frozen   -           -        -  -          -      "
                 "     1       -\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),        cmocka_unit_test(test_no_services),
        cmocka_unit_test(test_nothing_known), cmocka_unit_test(test_wide_names_and_units),
        cmocka_unit_test(test_reasons),       cmocka_unit_test(test_colour_keeps_the_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
