// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Control groups: which paths are taken, and what is read of a tree of files that looks like one.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/cgroup.h"
#include "odp/base/fd.h"

static char root[32];

static void put(const char *group, const char *file, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s%s", root, group);
    assert_int_equal(odp_mkdir_p(path, 0755), 0);
    snprintf(path, sizeof(path), "%s%s/%s", root, group, file);
    assert_int_equal(odp_file_replace(path, text, strlen(text)), 0);
}

static int begin(void **state)
{
    (void)state;
    strcpy(root, "/tmp/odp-cgroup-XXXXXX");
    assert_non_null(mkdtemp(root));
    return 0;
}

static int end(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

static void test_sound_paths(void **state)
{
    char longest[ODP_CGROUP_PATH_MAX + 1];

    (void)state;
    assert_true(odp_cgroup_path_is_sound("/a"));
    assert_true(odp_cgroup_path_is_sound("/system.slice/wiki.service"));
    assert_true(odp_cgroup_path_is_sound("/user.slice/a\\x2db/...service/.hidden/..x"));
    assert_false(odp_cgroup_path_is_sound(""));
    assert_false(odp_cgroup_path_is_sound("/"));
    assert_false(odp_cgroup_path_is_sound("a/b"));
    assert_false(odp_cgroup_path_is_sound("/a/"));
    assert_false(odp_cgroup_path_is_sound("//a"));
    assert_false(odp_cgroup_path_is_sound("/a//b"));
    assert_false(odp_cgroup_path_is_sound("/.."));
    assert_false(odp_cgroup_path_is_sound("/a/../b"));
    assert_false(odp_cgroup_path_is_sound("/a/.."));
    assert_false(odp_cgroup_path_is_sound("/./a"));
    memset(longest, 'x', sizeof(longest));
    longest[0] = '/';
    longest[ODP_CGROUP_PATH_MAX] = '\0';
    assert_false(odp_cgroup_path_is_sound(longest));
    longest[ODP_CGROUP_PATH_MAX - 1] = '\0';
    assert_true(odp_cgroup_path_is_sound(longest));
}

static void test_within(void **state)
{
    (void)state;
    assert_true(odp_cgroup_is_within("/a/b", "/a/b"));
    assert_true(odp_cgroup_is_within("/a/b/c", "/a/b"));
    assert_false(odp_cgroup_is_within("/a/bc", "/a/b"));
    assert_false(odp_cgroup_is_within("/a", "/a/b"));
}

static void test_of_a_process(void **state)
{
    char path[ODP_CGROUP_PATH_MAX], small[8];

    (void)state;
    assert_int_equal(odp_cgroup_parse("0::/system.slice/a.service\n", path, sizeof(path)), 0);
    assert_string_equal(path, "/system.slice/a.service");
    assert_int_equal(odp_cgroup_parse("9:memory:/x\n1:name=systemd:/y\n0::/z", path, sizeof(path)),
                     0);
    assert_string_equal(path, "/z");
    assert_int_equal(odp_cgroup_parse("9:memory:/x\n10::/y\n", path, sizeof(path)), -ENOENT);
    assert_int_equal(odp_cgroup_parse("", path, sizeof(path)), -ENOENT);
    assert_int_equal(odp_cgroup_parse("0::/\n", path, sizeof(path)), -ENOENT);
    assert_int_equal(odp_cgroup_parse("0::/../above\n", path, sizeof(path)), -ENOENT);
    assert_int_equal(odp_cgroup_parse("0::/toolong\n", small, sizeof(small)), -ENOENT);
    assert_int_equal(odp_cgroup_of(0, path, sizeof(path)), -ENOENT);
}

static void test_numbers(void **state)
{
    uint64_t n = 7;

    (void)state;
    put("/a", "memory.current", "123456\n");
    put("/a", "max", "max\n");
    put("/a", "empty", "");
    put("/a", "two", "1\n2\n");
    put("/a", "open", "12");
    put("/a", "most", "18446744073709551615\n");
    put("/a", "more", "18446744073709551616\n");
    put("/a", "much", "00000000000000000000000000000000001\n");
    assert_int_equal(odp_cgroup_read(root, "/a", "memory.current", &n), 0);
    assert_int_equal(n, 123456);
    assert_int_equal(odp_cgroup_read(root, "/a", "max", &n), -EBADMSG);
    assert_int_equal(odp_cgroup_read(root, "/a", "empty", &n), -EBADMSG);
    assert_int_equal(odp_cgroup_read(root, "/a", "two", &n), -EBADMSG);
    assert_int_equal(odp_cgroup_read(root, "/a", "open", &n), -EBADMSG);
    assert_int_equal(odp_cgroup_read(root, "/a", "more", &n), -EBADMSG);
    assert_int_equal(odp_cgroup_read(root, "/a", "much", &n), -EFBIG);
    assert_int_equal(odp_cgroup_read(root, "/a", "none", &n), -ENOENT);
    assert_int_equal(odp_cgroup_read(root, "/b", "memory.current", &n), -ENOENT);
    assert_int_equal(n, 123456);
    assert_int_equal(odp_cgroup_read(root, "/a", "most", &n), 0);
    assert_true(n == UINT64_MAX);
}

static void test_groups_and_controllers(void **state)
{
    (void)state;
    assert_false(odp_cgroup_has_controller(root, "memory"));
    put("", "cgroup.controllers", "cpuset cpu io memory pids\n");
    assert_true(odp_cgroup_has_controller(root, "memory"));
    assert_true(odp_cgroup_has_controller(root, "cpuset"));
    assert_true(odp_cgroup_has_controller(root, "pids"));
    assert_false(odp_cgroup_has_controller(root, "mem"));
    assert_false(odp_cgroup_has_controller(root, "memory pids"));
    put("", "cgroup.controllers", "\n");
    assert_false(odp_cgroup_has_controller(root, "memory"));
    put("/a/b", "x", "");
    assert_true(odp_cgroup_exists(root, "/a/b"));
    assert_false(odp_cgroup_exists(root, "/a/b/x"));
    assert_false(odp_cgroup_exists(root, "/a/c"));
}

static bool is_named(const char *name, const void *wanted)
{
    return strcmp(name, wanted) == 0;
}

static void test_find(void **state)
{
    char path[ODP_CGROUP_PATH_MAX], small[8];

    (void)state;
    put("/user.slice/deep/er/box", "x", "");
    put("/a.slice/other", "x", "");
    put("/m.slice/box", "box", "");
    put("/z.slice", "file", "");
    assert_int_equal(odp_cgroup_find(root, is_named, "box", path, sizeof(path)), 0);
    assert_string_equal(path, "/m.slice/box");
    assert_int_equal(odp_cgroup_find(root, is_named, "er", path, sizeof(path)), 0);
    assert_string_equal(path, "/user.slice/deep/er");
    assert_int_equal(odp_cgroup_find(root, is_named, "z.slice", path, sizeof(path)), 0);
    assert_string_equal(path, "/z.slice");
    assert_int_equal(odp_cgroup_find(root, is_named, "file", path, sizeof(path)), -ENOENT);
    assert_int_equal(odp_cgroup_find(root, is_named, "box", small, sizeof(small)), -ENAMETOOLONG);
    assert_int_equal(odp_cgroup_find("/nowhere", is_named, "box", path, sizeof(path)), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_paths),
        cmocka_unit_test(test_within),
        cmocka_unit_test(test_of_a_process),
        cmocka_unit_test_setup_teardown(test_numbers, begin, end),
        cmocka_unit_test_setup_teardown(test_find, begin, end),
        cmocka_unit_test_setup_teardown(test_groups_and_controllers, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
