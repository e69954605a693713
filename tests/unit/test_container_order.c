// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The order of containers as a graph.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "odp/launcher/container_order.h"

static void add(struct odp_order *o, size_t first, size_t then)
{
    assert_int_equal(odp_order_add(o, first, then, ODP_CONDITION_STARTED), 0);
}

static void test_without_rings(void **state)
{
    struct odp_order o = {0};
    size_t node = 7;

    (void)state;
    assert_false(odp_order_goes_round(&o, 0, &node));
    assert_false(odp_order_goes_round(&o, 3, &node));
    // Two ways from 0 to 3, and one that nobody waits for.
    add(&o, 0, 1);
    add(&o, 0, 2);
    add(&o, 1, 3);
    add(&o, 2, 3);
    assert_false(odp_order_goes_round(&o, 5, &node));
    assert_int_equal(node, 7);
    odp_order_deinit(&o);
    assert_int_equal(o.n_edges, 0);
}

static void test_rings(void **state)
{
    struct odp_order o = {0};
    size_t node = 7;

    (void)state;
    add(&o, 2, 2);
    assert_true(odp_order_goes_round(&o, 3, &node));
    assert_int_equal(node, 2);
    odp_order_deinit(&o);
    // 0 waits for the ring of 1, 2 and 3 without being in it.
    add(&o, 1, 2);
    add(&o, 2, 3);
    add(&o, 3, 1);
    add(&o, 3, 0);
    assert_true(odp_order_goes_round(&o, 4, &node));
    assert_in_range(node, 1, 3);
    odp_order_deinit(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_rings),
        cmocka_unit_test(test_rings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
