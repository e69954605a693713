// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What counts as HTTP: whole request lines, each of their beginnings, and what only looks like one.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/http.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

// On the heap to the byte, so that a sanitizer sees a look beyond the end.
static enum odp_http detect(const char *bytes, size_t n_bytes, bool *ret_is_head)
{
    char *exact = malloc(n_bytes ? n_bytes : 1);

    assert_non_null(exact);
    memcpy(exact, bytes, n_bytes);
    enum odp_http is = odp_http_detect(exact, n_bytes, ret_is_head);
    free(exact);
    return is;
}

static void assert_detected(const char *text, size_t n_bytes, enum odp_http wanted)
{
    bool is_head;
    enum odp_http got = detect(text, n_bytes, &is_head);

    if (got != wanted)
        fail_msg("%d instead of %d for %zu bytes of: %.60s", (int)got, (int)wanted, n_bytes, text);
}

static void test_requests(void **state)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.0\n",
        "HEAD /x?y=%20&z HTTP/1.1\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "POST http://host:80/p HTTP/1.1\r\n",
        "VERSION-CONTROL /a HTTP/1.1\r\n",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.9\r\n", // 32 letters
        "GET /\xc3\xa4 HTTP/1.1\r\n",
    };

    (void)state;
    for (size_t i = 0; i < N(texts); i++) {
        size_t n = strlen(texts[i]);
        for (size_t cut = 0; cut < n; cut++)
            assert_detected(texts[i], cut, ODP_HTTP_MAYBE);
        assert_detected(texts[i], n, ODP_HTTP_YES);
        char more[256];
        int n_more = snprintf(more, sizeof(more), "%s\x16 whatever", texts[i]);
        assert_detected(more, (size_t)n_more, ODP_HTTP_YES);
    }
}

// Each becomes NO at the named byte and stays it.
static void test_others(void **state)
{
    static const struct {
        const char *text;
        size_t n_maybe; // the longest beginning that could still be HTTP
    } rows[] = {
        {"\x16\x03\x01 a TLS hello", 0},
        {"SSH-2.0-OpenSSH_9.2\r\n", 4},
        {"PING\r\n", 4},
        {"EHLO host\r\n", 9},
        {"get / HTTP/1.1\r\n", 0},
        {"GeT / HTTP/1.1\r\n", 1},
        {"-GET / HTTP/1.1\r\n", 0},
        {" GET / HTTP/1.1\r\n", 0},
        {"\r\nGET / HTTP/1.1\r\n", 0},
        {"GET  / HTTP/1.1\r\n", 4},
        {"GET /\r\n", 5},
        {"GET /\tx HTTP/1.1\r\n", 5},
        {"GET /\x7f HTTP/1.1\r\n", 5},
        {"GET / HTTP/1.x\r\n", 13},
        {"GET / HTTP/1.:\r\n", 13},
        {"GET / HTTP/1.1x\r\n", 14},
        {"GET / HTTP/1.1\rx\n", 15},
        {"GET / HTTP/1.11\r\n", 14},
        {"GET / http/1.1\r\n", 6},
        {"GET /a b HTTP/1.1\r\n", 7},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 11},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n", 32},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++)
        for (size_t n = 0; n <= strlen(rows[i].text); n++)
            assert_detected(rows[i].text, n, n <= rows[i].n_maybe ? ODP_HTTP_MAYBE : ODP_HTTP_NO);
    assert_detected("GET \0 HTTP/1.1\r\n", 16, ODP_HTTP_NO);
}

// A line of n bytes, its end included; a NUL follows.
static void make_line(char *ret, size_t n)
{
    int n_zeros = (int)(n - strlen("GET / HTTP/1.1\r\n"));

    assert_int_equal(snprintf(ret, n + 1, "GET /%0*d HTTP/1.1\r\n", n_zeros, 0), n);
}

static void test_long_lines(void **state)
{
    static char line[ODP_HTTP_PEEK_BYTES + 1];

    (void)state;
    make_line(line, ODP_HTTP_LINE_MAX);
    assert_detected(line, ODP_HTTP_LINE_MAX - 1, ODP_HTTP_MAYBE);
    assert_detected(line, ODP_HTTP_LINE_MAX, ODP_HTTP_YES);
    make_line(line, ODP_HTTP_LINE_MAX + 1);
    assert_detected(line, ODP_HTTP_LINE_MAX - 1, ODP_HTTP_MAYBE);
    assert_detected(line, ODP_HTTP_LINE_MAX, ODP_HTTP_NO);
    assert_detected(line, ODP_HTTP_LINE_MAX + 1, ODP_HTTP_NO);
    memset(line, 'A', sizeof(line));
    assert_detected(line, sizeof(line), ODP_HTTP_NO);
}

static void test_head(void **state)
{
    static const struct {
        const char *text;
        bool is_head;
    } rows[] = {
        {"HEAD / HTTP/1.1\r\n", true},   {"GET / HTTP/1.1\r\n", false},
        {"HEADS / HTTP/1.1\r\n", false}, {"HEA / HTTP/1.1\r\n", false},
        {"HEAD / HTTP/1.1", false}, // not known yet
    };
    bool is_head;

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        is_head = !rows[i].is_head;
        (void)detect(rows[i].text, strlen(rows[i].text), &is_head);
        assert_int_equal(is_head, rows[i].is_head);
    }
}

// Whatever comes: more bytes never change a verdict.
static void test_garbage(void **state)
{
    static const char alphabet[] = "GETHEAD-/ *HTTP/1.1\r\n\x01\xff";
    char text[48];
    uint32_t r = 1;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        enum odp_http before = ODP_HTTP_MAYBE;
        bool is_head;
        for (size_t i = 0; i < sizeof(text); i++) {
            r = r * 1103515245U + 12345U;
            text[i] = alphabet[(r >> 16) % sizeof(alphabet)];
        }
        memcpy(text, "GET / HTTP/1.1\r\n", round % 17);
        for (size_t n = 0; n <= sizeof(text); n++) {
            enum odp_http now = odp_http_detect(text, n, &is_head);
            if (before != ODP_HTTP_MAYBE)
                assert_int_equal(now, before);
            before = now;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),   cmocka_unit_test(test_others),
        cmocka_unit_test(test_long_lines), cmocka_unit_test(test_head),
        cmocka_unit_test(test_garbage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
