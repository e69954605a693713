// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which control groups are those of a container, by their names.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "odp/launcher/engine.h"

#define ID "2032b2b2cab44a2a8871b3523f5b60756bac4c0b8f1098a9daafc15565e643ae"

static bool is_group(const char *name)
{
    return odp_engine_is_group_of(name, strlen(name), ID);
}

static void test_names_of_groups(void **state)
{
    (void)state;
    assert_true(is_group("docker-" ID ".scope"));
    assert_true(is_group("libpod-" ID ".scope"));
    assert_true(is_group("libpod-payload-" ID));
    assert_true(is_group("libpod-" ID));
    assert_true(is_group(ID));
    assert_false(is_group("libpod-conmon-" ID ".scope"));
    assert_false(is_group(ID ".service")); // podman's health checks
    assert_false(is_group(ID "-1f.service"));
    assert_false(is_group("docker-" ID "0.scope"));
    assert_false(is_group("docker-0" ID ".scope"));
    assert_false(is_group("docker-2032b2b2cab4.scope"));
    assert_false(is_group("docker.service"));
    assert_false(is_group(""));
    assert_false(odp_engine_is_group_of("docker-" ID ".scope", strlen("docker-" ID) - 1, ID));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
