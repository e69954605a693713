// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `systemctl show` prints of odp's socket units, read.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "odp/cli/socket_units.h"

static void test_all_of_it(void **state)
{
    static const char text[] =
        "Id=odpd.service\nLoadState=loaded\nActiveState=active\nResult=success\n"
        "\n"
        "Result=resources\nListen=[::]:80 (Stream)\nListen=/run/x.sock (Stream)\n"
        "Id=odp-a.b-c.socket\nLoadState=loaded\nActiveState=failed\n"
        "\n"
        "Id=odp-launcher.socket\nLoadState=loaded\nActiveState=active\n"
        "\n"
        "Id=other.socket\nLoadState=loaded\nActiveState=active\n"
        "\n"
        "Id=odp-gone.socket\nLoadState=not-found\nActiveState=active\n"
        "\n"
        "Id=odp-gone.socket\nLoadState=not-found\nActiveState=active\n";
    struct odp_socket_units u;

    (void)state;
    assert_int_equal(odp_socket_units_parse(text, &u), 0);
    assert_string_equal(u.odpd_load, "loaded");
    assert_string_equal(u.odpd_active, "active");
    assert_int_equal(u.n, 2); // the launcher's, another's and the second of the same name are not
    assert_string_equal(u.items[0].name, "odp-a.b-c.socket");
    assert_string_equal(u.items[0].active, "failed");
    assert_string_equal(u.items[0].result, "resources");
    assert_string_equal(u.items[0].listen.s,
                        "Listen=[::]:80 (Stream)\nListen=/run/x.sock (Stream)\n");
    assert_false(odp_socket_unit_is_active(&u.items[0]));
    assert_ptr_equal(odp_socket_units_find(&u, "odp-gone.socket"), &u.items[1]);
    assert_string_equal(u.items[1].load, "not-found");
    assert_true(odp_socket_unit_is_active(&u.items[1]));
    assert_null(odp_socket_units_find(&u, "odp-launcher.socket"));
    assert_false(odp_socket_unit_is_active(NULL));
    odp_socket_units_deinit(&u);
}

static void test_odd_texts(void **state)
{
    static const char *const texts[] = {
        "", "\n", "\n\n\n", "Id=", "Id=\n\nListen=x\n\nListen=", "=\n==", "Id=odp-\nLoadState"};
    struct odp_socket_units u;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(odp_socket_units_parse(texts[i], &u), 0);
        odp_socket_units_deinit(&u);
    }
}

static void test_names_too_long(void **state)
{
    char text[1024] = "Id=odp-";
    struct odp_socket_units u;

    (void)state;
    memset(text + 7, 'x', 300);
    strcpy(text + 307, ".socket\nActiveState=active and more than there is room for\n");
    assert_int_equal(odp_socket_units_parse(text, &u), 0);
    assert_int_equal(u.n, 0);
    odp_socket_units_deinit(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it),
        cmocka_unit_test(test_odd_texts),
        cmocka_unit_test(test_names_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
