// SPDX-License-Identifier: LGPL-2.1-or-later

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "odp/base/index.h"

static void test_nothing_is_found_in_nothing(void **state)
{
    struct odp_index x = {0};

    (void)state;
    assert_true(odp_index_first(&x, 1) == ODP_INDEX_END);
    odp_index_add(&x, 1, 1);
    assert_true(odp_index_first(&x, 1) == ODP_INDEX_END);
    odp_index_deinit(&x);
}

static void test_the_latest_comes_first(void **state)
{
    struct odp_index x;
    size_t at, wanted = 1000;

    (void)state;
    assert_int_equal(odp_index_init(&x, 2000), 0);
    for (size_t i = 0; i < 1000; i++) {
        odp_index_add(&x, 7, i);
        odp_index_add(&x, UINT64_C(7) << 32 ^ i << 40, i);
    }
    for (at = odp_index_first(&x, 7); at != ODP_INDEX_END; at = odp_index_next(&x, at))
        assert_int_equal(x.entries[at].value, --wanted);
    assert_int_equal(wanted, 0);
    assert_true(odp_index_first(&x, 8) == ODP_INDEX_END);
    odp_index_deinit(&x);
}

static void test_what_was_not_asked_for_has_no_room(void **state)
{
    struct odp_index x;

    (void)state;
    assert_int_equal(odp_index_init(&x, 1), 0);
    odp_index_add(&x, 1, 1);
    odp_index_add(&x, 2, 2);
    assert_int_equal(x.entries[odp_index_first(&x, 1)].value, 1);
    assert_true(odp_index_first(&x, 2) == ODP_INDEX_END);
    odp_index_deinit(&x);
}

static void test_keys(void **state)
{
    (void)state;
    assert_true(odp_index_key_of_text(1, "a") == odp_index_key(1, "a", 1));
    assert_true(odp_index_key_of_text(1, "a") != odp_index_key_of_text(2, "a"));
    assert_true(odp_index_key_of_text(1, "a") != odp_index_key_of_text(1, "b"));
    assert_true(odp_index_key_of_text(1, "") != odp_index_key_of_text(2, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_found_in_nothing),
        cmocka_unit_test(test_the_latest_comes_first),
        cmocka_unit_test(test_what_was_not_asked_for_has_no_room),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
