// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Is a mount, is a path there, on the file systems that every machine has. What needs mounts of its
// own is in tests/integration/test_requires.py.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/core/proto.h"
#include "odp/launcher/present.h"

static char dir[] = "/tmp/odp-present-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    FILE *f = fopen(in_dir("file"), "w");
    return f && fclose(f) == 0 && symlink("/proc", in_dir("link")) == 0 &&
                   symlink("nowhere", in_dir("dangling")) == 0
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"file", "link", "dangling"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(in_dir(names[i]));
    return rmdir(dir);
}

static void expect(int (*look)(const char *, char *, size_t), const char *path, int wanted,
                   const char *words)
{
    char why[ODP_REASON_MAX + 1] = "";
    int r = look(path, why, sizeof(why));

    if (r != wanted || !strstr(why, words))
        fail_msg("%s: wanted %d \"%s\", got %d \"%s\"", path, wanted, words, r, why);
}

static void test_mount(void **state)
{
    (void)state;
    expect(odp_present_mount, "/proc", 0, "");
    expect(odp_present_mount, "/proc/", 0, "");
    expect(odp_present_mount, "/", 0, "");
    expect(odp_present_mount, in_dir("link"), 0, "");
    // In a mount, but not its root.
    expect(odp_present_mount, "/proc/self", -ENOENT, "/proc/self is not mounted");
    expect(odp_present_mount, dir, -ENOENT,
           " is not mounted ([requires] mount): mount it, then visit again");
    expect(odp_present_mount, in_dir("file"), -ENOENT, "file is not mounted");
    expect(odp_present_mount, in_dir("nothing"), -ENOENT, "nothing is not mounted");
    expect(odp_present_mount, in_dir("file/x"), -ENOTDIR, "cannot be looked at: Not a directory");
}

static void test_path(void **state)
{
    (void)state;
    expect(odp_present_path, dir, 0, "");
    expect(odp_present_path, in_dir("file"), 0, "");
    expect(odp_present_path, in_dir("link"), 0, "");
    expect(odp_present_path, in_dir("nothing"), -ENOENT,
           "nothing does not exist ([requires] path)");
    expect(odp_present_path, in_dir("dangling"), -ENOENT, "dangling does not exist");
    expect(odp_present_path, in_dir("file/x"), -ENOENT, "file/x does not exist");
}

// The end of the reason says what to do: the path must leave room for it.
static void test_long_path(void **state)
{
    char path[3000];

    (void)state;
    memset(path, 'x', sizeof(path));
    path[0] = path[200] = path[400] = '/';
    path[500] = '\0';
    expect(odp_present_mount, path, -ENOENT,
           "xxx is not mounted ([requires] mount): mount it, then");
    expect(odp_present_path, path, -ENOENT, "xxx does not exist ([requires] path)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mount),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_long_path),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
