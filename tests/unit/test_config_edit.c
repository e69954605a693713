// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `enabled` in a file's text: the value changes, and no other byte.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/config_edit.h"

// `after` NULL: nothing is to be changed.
static void expect(const char *before, bool enabled, const char *after)
{
    struct odp_buf b = {0};
    int r = odp_config_edit_enabled(before, strlen(before), enabled, &b);

    assert_int_equal(r, after ? 1 : 0);
    if (after)
        assert_string_equal(b.s, after);
    odp_buf_deinit(&b);
}

static void test_value_alone(void **state)
{
    (void)state;
    expect("[service]\nenabled = yes\nlisten = 1\n", false,
           "[service]\nenabled = no\nlisten = 1\n");
    expect("[service]\nenabled = no\n", true, "[service]\nenabled = yes\n");
    expect("# a\n\n[service]\n; b\nenabled   =\tno  \nx = 1\n", true,
           "# a\n\n[service]\n; b\nenabled   =\tyes  \nx = 1\n");
    expect("[service]\nenabled=no", true, "[service]\nenabled=yes");
    expect("[service]\nenabled = rubbish that is long\n", true, "[service]\nenabled = yes\n");
    expect("[service]\nenabled =\n", false, "[service]\nenabled =no\n");
}

static void test_what_it_says_already(void **state)
{
    (void)state;
    expect("[service]\nenabled = no\n", false, NULL);
    expect("[service]\nenabled = off\n", false, NULL);
    expect("[service]\nenabled = true\n", true, NULL);
    expect("[service]\nlisten = 1\n", true, NULL);
}

static void test_without_the_key(void **state)
{
    (void)state;
    expect("# a\n[service]\nlisten = 1\n[backend]\n", false,
           "# a\n[service]\nenabled = no\nlisten = 1\n[backend]\n");
    expect("[ service ]  \n", false, "[ service ]  \nenabled = no\n");
    expect("[service]", false, "[service]\nenabled = no");
    expect("\xef\xbb\xbf[service]\n", false, "\xef\xbb\xbf[service]\nenabled = no\n");
    expect("[backend]\ntype = none\n[service]\nlisten = 1\n[service]\ntarget = 2\n", false,
           "[backend]\ntype = none\n[service]\nenabled = no\nlisten = 1\n[service]\ntarget = 2\n");
}

static void test_key_elsewhere(void **state)
{
    (void)state;
    // Of another section, in a comment, of another name, indented, in a value.
    expect("[backend]\nenabled = yes\n[service]\nenabled = yes\n", false,
           "[backend]\nenabled = yes\n[service]\nenabled = no\n");
    expect("[service]\n# enabled = yes\nenabledx = yes\n enabled = yes\nx = enabled = yes\n", false,
           "[service]\nenabled = no\n# enabled = yes\nenabledx = yes\n enabled = yes\n"
           "x = enabled = yes\n");
    expect("[service]\n[services]\nenabled = yes\n", false,
           "[service]\nenabled = no\n[services]\nenabled = yes\n");
}

static void test_without_the_section(void **state)
{
    static const char *const texts[] = {
        "", "\n", "[", "[]", "[service", "enabled = yes\n", "# [service]\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct odp_buf b = {0};
        assert_int_equal(odp_config_edit_enabled(texts[i], strlen(texts[i]), false, &b), -ENOENT);
        assert_null(b.s);
    }
}

// NULs and other bytes that no sound file has are kept as they are.
static void test_any_bytes(void **state)
{
    static const char before[] =
        "\0\xff\r\n[service]\r\n[service]\n\0enabled = no\nenabled = no\0\n";
    struct odp_buf b = {0};

    (void)state;
    assert_int_equal(odp_config_edit_enabled(before, sizeof(before) - 1, true, &b), 1);
    assert_int_equal(b.n_bytes, sizeof(before) - 1 + strlen("yes") - strlen("no") - 1);
    assert_memory_equal(b.s, before, 40);
    odp_buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_alone),         cmocka_unit_test(test_what_it_says_already),
        cmocka_unit_test(test_without_the_key),     cmocka_unit_test(test_key_elsewhere),
        cmocka_unit_test(test_without_the_section), cmocka_unit_test(test_any_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
