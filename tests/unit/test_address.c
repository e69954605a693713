// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Addresses: what is taken and how it is written back, what is refused, who covers whom.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "odp/core/address.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct odp_address parse(const char *s)
{
    struct odp_address a = {.kind = ODP_ADDRESS_NONE};
    char why[256] = "";

    if (odp_address_parse(s, &a, why, sizeof(why)) != 0)
        fail_msg("`%s`: %s", s, why);
    return a;
}

static void test_targets(void **state)
{
    const struct odp_address wildcard = parse("80"), other = parse("127.0.0.1:80");
    struct odp_address a;
    char buf[ODP_ADDRESS_TEXT_MAX], why[256];

    (void)state;
    assert_int_equal(odp_address_parse_target("auto:80", &a, why, sizeof(why)), 0);
    assert_int_equal(a.kind, ODP_ADDRESS_AUTO);
    assert_string_equal(odp_address_format(&a, buf, sizeof(buf)), "auto:80");
    assert_true(odp_address_equal(&a, &a));
    assert_false(odp_address_equal(&a, &wildcard) || odp_address_covers(&wildcard, &a));
    assert_int_equal(odp_address_parse_target("127.0.0.1:80", &a, why, sizeof(why)), 0);
    assert_true(odp_address_equal(&a, &other));
    assert_int_equal(odp_address_parse("auto:80", &a, why, sizeof(why)), -EINVAL);
}

static void test_taken(void **state)
{
    static const struct {
        const char *text;
        enum odp_address_kind kind;
        const char *back;
    } rows[] = {
        {"4533", ODP_ADDRESS_PORT, "4533"},
        {"65535", ODP_ADDRESS_PORT, "65535"},
        {"0080", ODP_ADDRESS_PORT, "80"},
        {"127.0.0.1:4533", ODP_ADDRESS_INET, "127.0.0.1:4533"},
        {"localhost:80", ODP_ADDRESS_INET, "127.0.0.1:80"},
        {"0.0.0.0:80", ODP_ADDRESS_INET, "0.0.0.0:80"},
        {"[::1]:80", ODP_ADDRESS_INET6, "[::1]:80"},
        {"[FE80:0::1]:80", ODP_ADDRESS_INET6, "[fe80::1]:80"},
        {"[::ffff:127.0.0.1]:80", ODP_ADDRESS_INET, "127.0.0.1:80"},
        {"[2001:db8:1111:2222:3333:4444:5555:6666]:65535", ODP_ADDRESS_INET6,
         "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"},
        {"/run/x.sock", ODP_ADDRESS_UNIX, "/run/x.sock"},
        {"/run/with space:80", ODP_ADDRESS_UNIX, "/run/with space:80"},
    };
    char buf[ODP_ADDRESS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct odp_address a = parse(rows[i].text);
        assert_int_equal(a.kind, rows[i].kind);
        assert_string_equal(odp_address_format(&a, buf, sizeof(buf)), rows[i].back);
        struct odp_address again = parse(buf);
        assert_true(odp_address_equal(&a, &again));
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        const char *why; // a part of it
    } rows[] = {
        {"", "not an address"},
        {"65536", "65535"},
        {"4294967376", "65535"}, // 80 in 32 bits
        {"-1", "not an address"},
        {"80 ", "not an address"},
        {"127.0.0.1", "127.0.0.1:8080"},
        {"127.0.0.1:", "not a port"},
        {"127.0.0.1:http", "not a port"},
        {"127.0.0.1:+80", "not a port"},
        {"127.0.0.1:80 ", "not a port"},
        {"127.0.0.256:80", "not an address"},
        {"127.1:80", "not an address"},
        {"::1:80", "brackets"},
        {"[::1]", "[::1]:8080"},
        {"[::1]80", "[::1]:8080"},
        {"[::1:80", "[::1]:8080"},
        {"[zz]:80", "not an IPv6 address"},
        {"[127.0.0.1]:80", "not an IPv6 address"},
        {"[fe80::1%eth0]:80", "zone"},
        {"nas.lan:80", "host name, which is not built yet"},
        {"*:80", "the port alone"},
        {":80", "not an address"},
        {"run/x.sock", "begins with `/`"},
        {"./x.sock", "begins with `/`"},
        {"unix:/run/x.sock", "begins with `/`"},
        {"/", "plain path"},
        {"/run/", "plain path"},
        {"/run//x.sock", "plain path"},
        {"/run/./x.sock", "plain path"},
        {"/run/../x.sock", "plain path"},
        {"http://127.0.0.1:80", "not an address"},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct odp_address a = {.kind = ODP_ADDRESS_PORT, .port = 7};
        char why[256] = "";
        if (odp_address_parse(rows[i].text, &a, why, sizeof(why)) != -EINVAL)
            fail_msg("`%s` was taken", rows[i].text);
        if (!strstr(why, rows[i].why))
            fail_msg("`%s`: %s", rows[i].text, why);
        assert_int_equal(a.port, 7);
    }
}

static void test_long_ones(void **state)
{
    char path[ODP_ADDRESS_PATH_MAX + 2] = "/", host[600], why[64], buf[ODP_ADDRESS_TEXT_MAX];
    struct odp_address a;

    (void)state;
    memset(path + 1, 'x', ODP_ADDRESS_PATH_MAX - 1);
    path[ODP_ADDRESS_PATH_MAX] = '\0';
    a = parse(path);
    assert_string_equal(odp_address_format(&a, buf, sizeof(buf)), path);
    path[ODP_ADDRESS_PATH_MAX] = 'x';
    path[ODP_ADDRESS_PATH_MAX + 1] = '\0';
    assert_int_equal(odp_address_parse(path, &a, why, sizeof(why)), -EINVAL);
    memset(host, 'h', sizeof(host));
    memcpy(host + sizeof(host) - 4, ":80", 4);
    assert_int_equal(odp_address_parse(host, &a, why, sizeof(why)), -EINVAL);
    host[0] = '[';
    memcpy(host + sizeof(host) - 5, "]:80", 5);
    assert_int_equal(odp_address_parse(host, &a, why, sizeof(why)), -EINVAL);
}

static void test_covers(void **state)
{
    static const struct {
        const char *a, *b;
        bool covers;
    } rows[] = {
        {"80", "80", true},
        {"80", "81", false},
        {"80", "127.0.0.1:80", true},
        {"80", "[::1]:80", true},
        {"80", "0.0.0.0:80", true},
        {"80", "127.0.0.1:81", false},
        {"127.0.0.1:80", "80", false},
        {"0.0.0.0:80", "192.0.2.7:80", true},
        {"0.0.0.0:80", "[::1]:80", false},
        {"0.0.0.0:80", "80", true},
        {"0.0.0.0:80", "[::]:80", true},
        {"[::]:80", "[2001:db8::1]:80", true},
        {"[::]:80", "192.0.2.7:80", true},
        {"[::]:80", "80", true},
        {"127.0.0.1:80", "127.0.0.2:80", false},
        {"/run/a", "/run/a", true},
        {"/run/a", "/run/ab", false},
        {"80", "/run/a", false},
        {"/run/a", "80", false},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct odp_address a = parse(rows[i].a), b = parse(rows[i].b);
        if (odp_address_covers(&a, &b) != rows[i].covers)
            fail_msg("%s over %s", rows[i].a, rows[i].b);
    }
}

static void test_loopback(void **state)
{
    static const struct {
        const char *text;
        bool is_loopback;
    } rows[] = {
        {"127.0.0.1:1", true}, {"127.9.9.9:1", true},
        {"[::1]:1", true},     {"128.0.0.1:1", false},
        {"[::2]:1", false},    {"80", false},
        {"0.0.0.0:1", false},  {"[::ffff:127.0.0.1]:1", true},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct odp_address a = parse(rows[i].text);
        assert_int_equal(odp_address_is_loopback(&a), rows[i].is_loopback);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets), cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_long_ones),
        cmocka_unit_test(test_covers),  cmocka_unit_test(test_loopback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
