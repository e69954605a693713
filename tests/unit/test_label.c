// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a service's units are called, whoever was renamed meanwhile.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "odp/launcher/label.h"
#include "odp/launcher/rename.h"

static char directory[32];

static int begin(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/odp-label-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int end(void **state)
{
    static const char *const names[] = {"a", "b", "c"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        odp_label_forget(directory, names[i]);
    return rmdir(directory);
}

static void expect(const char *name, const char *wanted)
{
    char label[ODP_LABEL_MAX + 1];

    odp_label_read(directory, name, label);
    assert_string_equal(label, wanted);
}

static void rename_one(const char *from, const char *to)
{
    struct odp_rename r;
    char label[ODP_LABEL_MAX + 1];

    odp_label_read(directory, from, label);
    snprintf(r.from, sizeof(r.from), "%s", from);
    snprintf(r.to, sizeof(r.to), "%s", to);
    odp_rename_files(directory, &r, 1);
    odp_label_keep(directory, to, label);
}

static void test_renamed(void **state)
{
    (void)state;
    expect("a", "a");
    rename_one("a", "b");
    expect("b", "a");
    // Who is called a from now on has other units, also after the next launcher's start.
    expect("a", "a:2");
    expect("a", "a:2");
    rename_one("b", "c");
    expect("c", "a");
    odp_label_forget(directory, "c");
    expect("c", "c");
    odp_label_forget(directory, "a");
    expect("a", "a");
}

static void test_renamed_twice_in_a_row(void **state)
{
    (void)state;
    rename_one("a", "b");
    expect("a", "a:2");
    rename_one("a", "c");
    expect("c", "a:2");
    expect("a", "a:3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_renamed, begin, end),
        cmocka_unit_test_setup_teardown(test_renamed_twice_in_a_row, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
