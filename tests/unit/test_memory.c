// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The sum of what a service's control groups use, in a tree of files that looks like the kernel's.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/fd.h"
#include "odp/proxy/memory.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char root[64];

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
    strcpy(root, "/tmp/odp-memory-XXXXXX");
    assert_non_null(mkdtemp(root));
    put("", "cgroup.controllers", "cpu memory\n");
    put("/a", "memory.current", "1000\n");
    put("/a", "memory.peak", "1500\n");
    put("/a/inner", "memory.current", "900\n");
    put("/ab", "memory.current", "20\n");
    put("/c", "memory.current", "3\n");
    put("/c", "memory.peak", "2\n"); // read a moment earlier
    put("/off", "cgroup.procs", "");
    put("/odd", "memory.current", "many\n");
    return 0;
}

static int end(void **state)
{
    char command[80];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

#define READ(ret, ...)                                                                             \
    odp_memory_read(root, (char *[]){__VA_ARGS__}, N(((char *[]){__VA_ARGS__})), ret)

static void test_sums(void **state)
{
    static char a[] = "/a", inner[] = "/a/inner", ab[] = "/ab", c[] = "/c", gone[] = "/gone";
    struct odp_memory_use use;

    (void)state;
    assert_true(READ(&use, a));
    assert_true(use.bytes == 1000 && use.peak_bytes == 1500);
    assert_true(READ(&use, a, ab, c));
    assert_true(use.bytes == 1023 && use.peak_bytes == 1523);
    // What is within another is counted there, and none twice.
    assert_true(READ(&use, inner, a, inner));
    assert_true(use.bytes == 1000);
    assert_true(READ(&use, a, a, ab, a));
    assert_true(use.bytes == 1020);
    assert_true(READ(&use, inner, ab));
    assert_true(use.bytes == 920 && use.peak_bytes == 920);
    // What has ended uses nothing.
    assert_true(READ(&use, gone, a));
    assert_true(use.bytes == 1000);
    assert_string_equal(use.why, "");
}

static void test_unknown(void **state)
{
    static char a[] = "/a", off[] = "/off", odd[] = "/odd", gone[] = "/gone";
    struct odp_memory_use use;

    (void)state;
    assert_false(READ(&use, gone));
    assert_non_null(strstr(use.why, "are gone"));
    assert_false(READ(&use, a, odd));
    assert_non_null(strstr(use.why, "/odd/memory.current: Bad message"));
    assert_false(READ(&use, a, off));
    assert_string_equal(use.why, "/off is not accounted for: set MemoryAccounting=yes");
    put("", "cgroup.controllers", "cpu\n");
    assert_false(READ(&use, off));
    assert_string_equal(use.why, "the kernel's memory controller is off: boot with "
                                 "cgroup_enable=memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sums, begin, end),
        cmocka_unit_test_setup_teardown(test_unknown, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
