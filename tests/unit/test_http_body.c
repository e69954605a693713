// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the bodies of responses end, in whatever pieces they come, and which are none.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "odp/core/http_body.h"

#define N(a)     (sizeof(a) / sizeof((a)[0]))
#define HEAD     "HTTP/1.1 200 OK\r\n"
#define CHUNKED  HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define BODY_MAX 256

struct got {
    enum odp_http_body_state state;
    char body[BODY_MAX];
    size_t n_body;
    size_t n_taken; // of the whole text
};

static void feed(struct odp_http_body *b, const char *bytes, size_t n_bytes, struct got *ret)
{
    // On the heap to the byte, so that a sanitizer sees a look beyond the end.
    char *exact = malloc(n_bytes ? n_bytes : 1);

    assert_non_null(exact);
    memcpy(exact, bytes, n_bytes);
    for (size_t at = 0; at < n_bytes && b->state == ODP_HTTP_BODY_MORE;) {
        const char *data;
        size_t n_data, n = odp_http_body_feed(b, exact + at, n_bytes - at, &data, &n_data);

        assert_true(n > 0 && n <= n_bytes - at);
        assert_true(data >= exact + at && data + n_data <= exact + at + n);
        assert_true(ret->n_body + n_data <= BODY_MAX);
        memcpy(ret->body + ret->n_body, data, n_data);
        ret->n_body += n_data;
        ret->n_taken += n;
        at += n;
    }
    free(exact);
}

// The response in two pieces, cut behind `cut` bytes of its body; then the connection's end.
static struct got read_cut(const char *text, size_t cut)
{
    struct odp_http_head h = {0};
    struct odp_http_body b;
    struct got got = {.n_body = 0};

    assert_int_equal(odp_http_head_feed(&h, text, strlen(text)), ODP_HTTP_HEAD_WHOLE);
    got.n_taken = h.n_bytes;
    size_t n = strlen(text) - h.n_bytes;
    odp_http_body_begin(&b, &h);
    cut = cut < n ? cut : n;
    feed(&b, text + h.n_bytes, cut, &got);
    feed(&b, text + h.n_bytes + cut, n - cut, &got);
    got.state = odp_http_body_end(&b);
    return got;
}

static const struct {
    const char *text, *body;
    size_t n_behind; // bytes that are not the body's any more
} whole[] = {
    {HEAD "\r\nhello", "hello", 0},
    {HEAD "\r\n", "", 0},
    {HEAD "Content-Length: 5\r\n\r\nhello", "hello", 0},
    {HEAD "CONTENT-LENGTH:5 \r\n\r\nhello", "hello", 0},
    {HEAD "content-length: \t0005\t \r\nX: y\r\n\r\nhello", "hello", 0},
    {HEAD "Content-Length: 5\n\nhello, and more", "hello", 10},
    {HEAD "Content-Length: 0\r\n\r\nmore", "", 4},
    {HEAD "Content-Lengt: 1\r\nContent-Lengths: 2\r\nX-Content-Length: 3\r\n\r\nhello", "hello", 0},
    {HEAD "X: Content-Length: 1\r\n\r\nhello", "hello", 0},
    {"HTTP/1.1 204 No Content\r\n\r\nmore", "", 4},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nmore", "", 4},
    {"HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n" HEAD "\r\nhello", "hello", 0},
    {CHUNKED "5\r\nhello\r\n0\r\n\r\n", "hello", 0},
    {CHUNKED "0\r\n\r\nmore", "", 4},
    {CHUNKED "000\r\n\r\n", "", 0},
    {CHUNKED "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\nmore", "hello", 4},
    {CHUNKED "A\r\n0123456789\r\n0b;name=value\r\n0123456789a\r\n0\r\n\r\n",
     "01234567890123456789a", 0},
    {CHUNKED "5 \r\nhello\r\n0;last\r\nX-Trailer: 5\r\nY: z\r\n\r\n", "hello", 0},
    {CHUNKED "5\nhello\n0\n\n", "hello", 0},
    {HEAD "TRANSFER-ENCODING:  Chunked \r\nContent-Length: 2\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
     "hello", 0},
};

static void test_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(whole); i++) {
        size_t n = strlen(whole[i].text), n_body = strlen(whole[i].body);
        for (size_t cut = 0; cut <= n; cut++) {
            struct got got = read_cut(whole[i].text, cut);
            if (got.state != ODP_HTTP_BODY_WHOLE)
                fail_msg("cut at %zu: %s", cut, whole[i].text);
            assert_int_equal(got.n_body, n_body);
            assert_memory_equal(got.body, whole[i].body, n_body);
            assert_int_equal(got.n_taken, n - whole[i].n_behind);
        }
    }
}

static const char *const bad[] = {
    HEAD "Content-Length: 6\r\n\r\nhello", // ended too early
    HEAD "Content-Length:\r\n\r\n",
    HEAD "Content-Length: x\r\n\r\n",
    HEAD "Content-Length: -1\r\n\r\n",
    HEAD "Content-Length: +1\r\n\r\n",
    HEAD "Content-Length: 1 1\r\n\r\n1",
    HEAD "Content-Length: 1,1\r\n\r\n1",
    HEAD "Content-Length: 0x1\r\n\r\n1",
    HEAD "Content-Length: 1\r\n 1\r\n\r\n1",
    HEAD "Content-Length: 1\r\nContent-Length: 1\r\n\r\n1",
    HEAD "Content-Length: 18446744073709551616\r\n\r\n1",
    HEAD "Transfer-Encoding: gzip\r\n\r\n",
    HEAD "Transfer-Encoding:\r\n\r\n",
    HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    HEAD "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    CHUNKED "",
    CHUNKED "5\r\nhello",
    CHUNKED "5\r\nhello\r\n",
    CHUNKED "5\r\nhello\r\n0\r\n",
    CHUNKED "5\r\nhello!0\r\n\r\n",
    CHUNKED "5\r\nhello\r\r\n0\r\n\r\n",
    CHUNKED "\r\n0\r\n\r\n",
    CHUNKED ";x\r\n0\r\n\r\n",
    CHUNKED "x\r\n",
    CHUNKED "-1\r\n",
    CHUNKED "10000000000000000\r\n",
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(bad); i++)
        if (read_cut(bad[i], strlen(bad[i])).state != ODP_HTTP_BODY_BAD)
            fail_msg("taken: %s", bad[i]);
}

// Lines without an end are not read for ever.
static void test_bounds(void **state)
{
    static const struct {
        const char *begin;
        size_t n_most;
    } lines[] = {{"5;", ODP_HTTP_CHUNK_LINE_MAX}, {"0\r\nX", ODP_HTTP_TRAILER_MAX}, {"0", 300}};

    (void)state;
    for (size_t i = 0; i < N(lines); i++) {
        struct odp_http_head h = {.status = 200, .framing = {.coding = ODP_HTTP_CHUNKED}};
        struct odp_http_body b;
        struct got got = {.n_body = 0};
        size_t n = 0;

        odp_http_body_begin(&b, &h);
        feed(&b, lines[i].begin, strlen(lines[i].begin), &got);
        for (; b.state == ODP_HTTP_BODY_MORE && n <= lines[i].n_most; n++)
            feed(&b, "0", 1, &got);
        assert_int_equal(b.state, ODP_HTTP_BODY_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
