// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Heads of responses: whole ones in whatever pieces they come, what is none, what has no end.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "odp/core/http_head.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

// On the heap to the byte, so that a sanitizer sees a look beyond the end.
static enum odp_http_head_state feed(struct odp_http_head *h, const char *bytes, size_t n_bytes)
{
    char *exact = malloc(n_bytes ? n_bytes : 1);

    assert_non_null(exact);
    memcpy(exact, bytes, n_bytes);
    enum odp_http_head_state s = odp_http_head_feed(h, exact, n_bytes);
    free(exact);
    return s;
}

#define FIELDS                                                                                     \
    "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nX-Empty:\r\nx!#$%&'*+-.^_`|~09:\tvalue \xc3\xa4\r\n"

static const struct {
    const char *text;
    unsigned status;
} heads[] = {
    {"HTTP/1.1 200 OK\r\n\r\n", 200},
    {"HTTP/1.0 204 No Content\r\nServer: x\r\n\r\n", 204},
    {"HTTP/1.1 200 OK\r\n" FIELDS "\r\n", 200},
    {"HTTP/1.1 503 \r\n\r\n", 503},
    {"HTTP/1.1 404\r\n\r\n", 404},
    {"HTTP/1.1 200 OK\nServer: x\n\n", 200},
    {"HTTP/1.1 301\nLocation: /\r\n\n", 301},
    {"HTTP/1.9 999 \t\x80 odd\r\n\r\n", 999},
    {"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\tc\r\n\r\n", 200},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200},
    {"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102\r\n\r\nHTTP/1.0 500 No\r\n\r\n",
     500},
    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101},
};

static void test_whole_heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(heads); i++) {
        size_t n = strlen(heads[i].text);
        for (size_t cut = 0; cut < n; cut++) {
            struct odp_http_head h = {0};
            assert_int_equal(feed(&h, heads[i].text, cut), ODP_HTTP_HEAD_MORE);
            assert_int_equal(h.n_bytes, cut);
            assert_int_equal(feed(&h, heads[i].text + cut, n - cut), ODP_HTTP_HEAD_WHOLE);
            assert_int_equal(h.status, heads[i].status);
        }
    }
}

static void test_body_is_left_alone(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 500 \x01\r\n\r\n";
    struct odp_http_head h = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(feed(&h, text, sizeof(text)), ODP_HTTP_HEAD_WHOLE);
        assert_int_equal(h.status, 200);
        assert_int_equal(h.n_bytes, 19);
    }
}

// Each is sound up to the named byte and bad from there on.
static void test_what_is_none(void **state)
{
    static const struct {
        const char *text;
        size_t n_sound;
    } rows[] = {
        {"SSH-2.0-OpenSSH_9.2\r\n", 0},
        {"\r\nHTTP/1.1 200 OK\r\n", 0},
        {"http/1.1 200 OK\r\n", 0},
        {"HTTP/2.0 200 OK\r\n", 5},
        {"HTTP/1.x 200 OK\r\n", 7},
        {"HTTP/1.10 200 OK\r\n", 8},
        {"HTTP/1.1  200 OK\r\n", 9},
        {"HTTP/1.1 20 OK\r\n", 11},
        {"HTTP/1.1 099 OK\r\n", 9},
        {"HTTP/1.1 2000 OK\r\n", 12},
        {"HTTP/1.1 -20 OK\r\n", 9},
        {"HTTP/1.1 200OK\r\n", 12},
        {"HTTP/1.1 200 O\x01\r\n", 14},
        {"HTTP/1.1 200 O\x7f\r\n", 14},
        {"HTTP/1.1 200 OK\rX\n", 16},
        {"HTTP/1.1 200 OK\r\r\n", 16},
        {"HTTP/1.1 200 OK\r\n folded\r\n", 17},
        {"HTTP/1.1 200 OK\n folded\r\n", 16},
        {"HTTP/1.1 200 OK\r\n: x\r\n", 17},
        {"HTTP/1.1 200 OK\r\nName : x\r\n", 21},
        {"HTTP/1.1 200 OK\r\nName\r\n", 21},
        {"HTTP/1.1 200 OK\r\nN\xc3\xa4me: x\r\n", 18},
        {"HTTP/1.1 200 OK\r\nName: \x1b[0m\r\n", 23},
        {"HTTP/1.1 200 OK\r\nName: x\rY: z\r\n", 25},
        {"HTTP/1.1 200 OK\r\n\rX", 18},
        {"HTTP/1.1 100 \r\n\r\n\r\nHTTP/1.1 200 \r\n", 17},
        {"<html>", 0},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        for (size_t n = 0; n <= strlen(rows[i].text); n++) {
            struct odp_http_head h = {0};
            enum odp_http_head_state wanted =
                n <= rows[i].n_sound ? ODP_HTTP_HEAD_MORE : ODP_HTTP_HEAD_BAD;
            enum odp_http_head_state got = feed(&h, rows[i].text, n);
            if (got != wanted)
                fail_msg("%d instead of %d for %zu bytes of: %s", (int)got, (int)wanted, n,
                         rows[i].text);
        }
    }
    struct odp_http_head h = {0};
    assert_int_equal(feed(&h, "HTTP/1.1 200 OK\r\nX: \0\r\n", 23), ODP_HTTP_HEAD_BAD);
    assert_int_equal(feed(&h, heads[0].text, strlen(heads[0].text)), ODP_HTTP_HEAD_BAD);
    h = (struct odp_http_head){0};
    assert_int_equal(feed(&h, "HTTP/1.1 200 OK\r\n\0: x\r\n", 23), ODP_HTTP_HEAD_BAD);
}

// A head of exactly n bytes.
static char *make_head(size_t n)
{
    static const char begin[] = "HTTP/1.1 200 OK\r\nX: ", end[] = "\r\n\r\n";
    char *text = malloc(n);

    assert_non_null(text);
    memset(text, 'x', n);
    memcpy(text, begin, sizeof(begin) - 1);
    memcpy(text + n - (sizeof(end) - 1), end, sizeof(end) - 1);
    return text;
}

static void test_bound(void **state)
{
    (void)state;
    for (size_t n = ODP_HTTP_HEAD_MAX - 1; n <= ODP_HTTP_HEAD_MAX + 2; n++) {
        char *text = make_head(n);
        struct odp_http_head h = {0};
        assert_int_equal(feed(&h, text, n),
                         n <= ODP_HTTP_HEAD_MAX ? ODP_HTTP_HEAD_WHOLE : ODP_HTTP_HEAD_LONG);
        assert_true(h.n_bytes <= ODP_HTTP_HEAD_MAX);
        free(text);
    }
}

// Interim heads without end are no way around the bound.
static void test_bound_of_interim_heads(void **state)
{
    static const char interim[] = "HTTP/1.1 102 Processing\r\n\r\n";
    struct odp_http_head h = {0};
    size_t n = 0;

    (void)state;
    while (feed(&h, interim, sizeof(interim) - 1) == ODP_HTTP_HEAD_MORE)
        n += sizeof(interim) - 1;
    assert_int_equal(h.state, ODP_HTTP_HEAD_LONG);
    assert_in_range(n, ODP_HTTP_HEAD_MAX - sizeof(interim), ODP_HTTP_HEAD_MAX);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1103515245U + 12345U;
    return *seed >> 16;
}

// Whatever comes, in one piece or in many: the verdict is the same, and it stays.
static void test_garbage(void **state)
{
    static const char alphabet[] = "HTTP/1.1 200\r\n\r\n: \tx\x01\x80";
    unsigned n_whole = 0, n_bad = 0;
    uint32_t seed = 1;

    (void)state;
    for (unsigned round = 0; round < 50000; round++) {
        const char *model = heads[round % N(heads)].text;
        struct odp_http_head at_once = {0}, pieces = {0};
        char text[128];
        size_t n = strlen(model);

        memcpy(text, model, n + 1);
        for (unsigned i = next_random(&seed) % 4; i > 0; i--)
            text[next_random(&seed) % n] = alphabet[next_random(&seed) % sizeof(alphabet)];
        (void)odp_http_head_feed(&at_once, text, n);
        for (size_t i = 0; i < n;) {
            size_t piece = 1 + next_random(&seed) % (n - i);
            enum odp_http_head_state before = pieces.state;
            (void)feed(&pieces, text + i, piece);
            if (before != ODP_HTTP_HEAD_MORE)
                assert_int_equal(pieces.state, before);
            i += piece;
        }
        assert_memory_equal(&at_once, &pieces, sizeof(pieces));
        n_whole += at_once.state == ODP_HTTP_HEAD_WHOLE;
        n_bad += at_once.state == ODP_HTTP_HEAD_BAD;
        if (at_once.state == ODP_HTTP_HEAD_WHOLE)
            assert_in_range(at_once.status, 101, 999);
    }
    assert_true(n_whole > 5000 && n_bad > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_heads),
        cmocka_unit_test(test_body_is_left_alone),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_bound_of_interim_heads),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
