// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whose are the reports that were sent before the launcher knew of a rename?

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "odp/proxy/link.h"
#include "proxy/renames.h"

static void expect(const struct renames *r, const char *name, const char *wanted)
{
    const char *now = renames_translate(r, name);

    if (wanted) {
        assert_non_null(now);
        assert_string_equal(now, wanted);
    } else {
        assert_null(now);
    }
}

static void test_until_answered(void **state)
{
    static const struct odp_link_rename items[] = {{"a", "b"}, {"c", "d"}};
    struct renames r;

    (void)state;
    renames_init(&r);
    expect(&r, "a", "a");
    assert_int_equal(renames_add(&r, 7, items, 2), 0);
    expect(&r, "a", "b");
    expect(&r, "c", "d");
    expect(&r, "x", "x");
    // Whoever was called so before is another one.
    expect(&r, "b", NULL);
    renames_done(&r, 8);
    expect(&r, "a", "b");
    renames_done(&r, 7);
    expect(&r, "a", "a");
    expect(&r, "b", "b");
    renames_deinit(&r);
}

static void test_exchanged(void **state)
{
    static const struct odp_link_rename items[] = {{"a", "b"}, {"b", "a"}};
    struct renames r;

    (void)state;
    renames_init(&r);
    assert_int_equal(renames_add(&r, 1, items, 2), 0);
    expect(&r, "a", "b");
    expect(&r, "b", "a");
    renames_deinit(&r);
    expect(&r, "a", "a");
    renames_deinit(&r);
}

static void test_one_after_the_other(void **state)
{
    static const struct odp_link_rename first[] = {{"a", "b"}}, second[] = {{"b", "c"}},
                                        third[] = {{"c", "a"}};
    struct renames r;

    (void)state;
    renames_init(&r);
    assert_int_equal(renames_add(&r, 1, first, 1), 0);
    assert_int_equal(renames_add(&r, 2, second, 1), 0);
    assert_int_equal(renames_add(&r, 3, third, 1), 0);
    expect(&r, "a", "a"); // round it goes
    expect(&r, "b", NULL);
    renames_done(&r, 1);
    expect(&r, "b", "a");
    expect(&r, "a", NULL);
    // An answer that was missed is made up for by the next.
    renames_done(&r, 3);
    expect(&r, "a", "a");
    expect(&r, "b", "b");
    renames_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_until_answered),
        cmocka_unit_test(test_exchanged),
        cmocka_unit_test(test_one_after_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
