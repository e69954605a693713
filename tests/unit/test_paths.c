// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where odp keeps its things, for the system and for a user.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "odp/core/paths.h"

static void expect(const struct odp_paths_env *env, const char *config, const char *runtime,
                   const char *state)
{
    struct odp_paths paths = {0};
    char why[256] = "";

    if (odp_paths_complete(&paths, env, why, sizeof(why)) != 0)
        fail_msg("%s", why);
    assert_string_equal(paths.config, config);
    assert_string_equal(paths.runtime, runtime);
    assert_string_equal(paths.state, state);
}

static void test_system(void **state)
{
    struct odp_paths_env env = {.system = true, .home = "/root", .config_home = "/x"};

    (void)state;
    expect(&env, "/etc/odp", "/run/odp", "/var/lib/odp");
    env.runtime = "/tmp/r";
    expect(&env, "/etc/odp", "/tmp/r", "/var/lib/odp");
}

static void test_user(void **state)
{
    struct odp_paths_env env = {.home = "/home/u", .runtime_home = "/run/user/7"};

    (void)state;
    expect(&env, "/home/u/.config/odp", "/run/user/7/odp", "/home/u/.local/state/odp");
    env.config_home = "/c";
    env.state_home = "relative: ignored";
    env.runtime = "";
    expect(&env, "/c/odp", "/run/user/7/odp", "/home/u/.local/state/odp");
}

static void test_command_line_wins(void **state)
{
    struct odp_paths paths = {.config = "a", .runtime = "b", .state = "c"};
    struct odp_paths_env env = {.runtime = "/r"};
    char why[256];

    (void)state;
    assert_int_equal(odp_paths_complete(&paths, &env, why, sizeof(why)), 0);
    assert_string_equal(paths.config, "a");
    assert_string_equal(paths.runtime, "b");
    assert_string_equal(paths.state, "c");
}

static void expect_fault(const struct odp_paths_env *env, const char *part)
{
    struct odp_paths paths = {0};
    char why[256] = "";

    assert_int_equal(odp_paths_complete(&paths, env, why, sizeof(why)), -EINVAL);
    assert_non_null(strstr(why, part));
}

static void test_nothing_to_go_by(void **state)
{
    char longest[ODP_PATH_MAX + 1];
    struct odp_paths_env env = {.system = false};

    (void)state;
    expect_fault(&env, "HOME");
    env.home = "/home/u";
    expect_fault(&env, "XDG_RUNTIME_DIR");
    memset(longest, 'x', ODP_PATH_MAX);
    longest[0] = '/';
    longest[ODP_PATH_MAX] = '\0';
    env.home = longest;
    expect_fault(&env, "longer than");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system),
        cmocka_unit_test(test_user),
        cmocka_unit_test(test_command_line_wins),
        cmocka_unit_test(test_nothing_to_go_by),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
