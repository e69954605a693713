// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Names of the units that commands run in.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "odp/core/command.h"

static void expect(const char *label, enum odp_role role, unsigned number, const char *wanted)
{
    char unit[ODP_COMMAND_UNIT_MAX + 1];

    assert_string_equal(odp_command_unit(label, role, number, unit), wanted);
}

static void test_names(void **state)
{
    (void)state;
    expect("wiki", ODP_ROLE_SERVICE, 1, "odp-run-wiki.service");
    expect("wiki", ODP_ROLE_START, 1, "odp-exec-wiki-start.service");
    expect("wiki", ODP_ROLE_STOP, 2, "odp-exec-wiki-stop:2.service");
    expect("wiki", ODP_ROLE_STATUS, 1, "odp-exec-wiki-status.service");
    expect("wiki:2", ODP_ROLE_PROBE, 1, "odp-probe-wiki:2.service");
    expect("wiki", ODP_ROLE_COMPOSE, 1, "odp-compose-wiki.service");
}

static void test_longest(void **state)
{
    char name[ODP_LABEL_MAX + 1], unit[ODP_COMMAND_UNIT_MAX + 1];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[ODP_LABEL_MAX] = '\0';
    odp_command_unit(name, ODP_ROLE_STATUS, 9, unit);
    assert_string_equal(unit + strlen(unit) - strlen("-status:9.service"), "-status:9.service");
}

// No two services, whatever they are called, share a unit.
static void test_clashes(void **state)
{
    static const char *const names[] = {"a",      "a-start", "a-start-start", "a.service",
                                        "run",    "run-a",   "exec-a",        "probe-a",
                                        "a-stop", "a:2",     "a-start:2"};
    static const enum odp_role roles[] = {ODP_ROLE_SERVICE, ODP_ROLE_START, ODP_ROLE_STOP,
                                          ODP_ROLE_STATUS,  ODP_ROLE_PROBE, ODP_ROLE_COMPOSE};
    enum { N = 11 * 6 };
    char units[N][ODP_COMMAND_UNIT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        odp_command_unit(names[i / 6], roles[i % 6], 1, units[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(units[i], units[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_clashes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
