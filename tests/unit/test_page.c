// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The page as a client reads it: header and body fit each other, and no text of a service can get
// out of its element.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/page.h"

// Splits the response; fails where the header is not sound. Both results point into b.
static const char *split(struct odp_buf *b, const char **ret_body)
{
    assert_false(b->failed);
    assert_int_equal(strlen(b->s), b->n_bytes);
    char *end = strstr(b->s, "\r\n\r\n");
    assert_non_null(end);
    for (const char *p = b->s; p < end; p++) {
        bool is_end = *p == '\r' && p[1] == '\n';
        assert_true(is_end || ((unsigned char)*p >= ' ' && *p != 0x7f));
        p += is_end;
    }
    end[2] = '\0';
    *ret_body = end + 4;
    return b->s;
}

static size_t content_length(const char *header)
{
    const char *line = strstr(header, "\r\nContent-Length: ");

    assert_non_null(line);
    return strtoul(line + strlen("\r\nContent-Length: "), NULL, 10);
}

static void assert_has(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("no \"%s\" in: %s", words, text);
}

static void test_failure(void **state)
{
    const struct odp_page page = {.title = "wiki could not be started",
                                  .description = "The family's wiki",
                                  .reason = "ended with status 7",
                                  .retry_sec = 30};
    struct odp_buf b = {0};
    const char *body;

    (void)state;
    odp_page_write(&page, &b);
    const char *header = split(&b, &body);
    assert_int_equal(strncmp(header, "HTTP/1.1 503 Service Unavailable\r\n", 34), 0);
    assert_has(header, "\r\nContent-Type: text/html; charset=utf-8\r\n");
    assert_has(header, "\r\nConnection: close\r\n");
    assert_has(header, "\r\nCache-Control: no-store\r\n");
    assert_has(header, "\r\nRetry-After: 30\r\n");
    assert_null(strstr(header, "Refresh"));
    assert_int_equal(content_length(header), strlen(body));
    assert_has(body, "<title>wiki could not be started</title>");
    assert_has(body, "<h1>wiki could not be started</h1>");
    assert_has(body, "<p>The family&#39;s wiki</p>");
    assert_has(body, "<p>ended with status 7</p>");
    assert_has(body, "Try again in 30 seconds.");
    assert_null(strstr(body, "src="));
    assert_null(strstr(body, "href="));
    odp_buf_deinit(&b);
}

static void test_waiting(void **state)
{
    const struct odp_page page = {.title = "wiki is starting", .retry_sec = 2, .refresh = true};
    struct odp_buf b = {0};
    const char *body;

    (void)state;
    odp_page_write(&page, &b);
    const char *header = split(&b, &body);
    assert_has(header, "\r\nRefresh: 2\r\n");
    assert_has(header, "\r\nRetry-After: 2\r\n");
    assert_has(body, "looks again by itself");
    assert_null(strstr(body, "Try again"));
    assert_null(strstr(body, "<p></p>"));
    odp_buf_deinit(&b);
}

static void test_retry_is_at_least_one(void **state)
{
    const struct odp_page page = {.title = "x", .description = "", .reason = ""};
    struct odp_buf b = {0};
    const char *body;

    (void)state;
    odp_page_write(&page, &b);
    assert_has(split(&b, &body), "\r\nRetry-After: 1\r\n");
    assert_has(body, "Try again in 1 second.");
    assert_null(strstr(body, "<p></p>"));
    odp_buf_deinit(&b);
}

static void test_head(void **state)
{
    struct odp_page page = {.title = "x", .reason = "y", .refresh = true};
    struct odp_buf whole = {0}, head = {0};
    const char *body, *no_body;

    (void)state;
    odp_page_write(&page, &whole);
    page.head = true;
    odp_page_write(&page, &head);
    assert_string_equal(split(&whole, &body), split(&head, &no_body));
    assert_string_equal(no_body, "");
    assert_true(strlen(body) > 0);
    odp_buf_deinit(&whole);
    odp_buf_deinit(&head);
}

static void test_escaping(void **state)
{
    const struct odp_page page = {.title = "</title><script>a</script>",
                                  .description = "\"d\" & 'e'",
                                  .reason = "x\r\nSet-Cookie: a=b\r\n\r\n<p>\x01\x7f\t \xc3\xa4"};
    struct odp_buf b = {0};
    const char *body;

    (void)state;
    odp_page_write(&page, &b);
    const char *header = split(&b, &body);
    assert_null(strstr(header, "Set-Cookie"));
    assert_int_equal(content_length(header), strlen(body));
    assert_has(body, "<title>&lt;/title&gt;&lt;script&gt;a&lt;/script&gt;</title>");
    assert_null(strstr(body, "<script"));
    assert_has(body, "<p>&quot;d&quot; &amp; &#39;e&#39;</p>");
    assert_has(body, "<p>x  Set-Cookie: a=b    &lt;p&gt;    \xc3\xa4</p>");
    odp_buf_deinit(&b);
}

// Every byte that a text may hold, one at a time.
static void test_every_byte(void **state)
{
    char text[] = {'[', 0, ']', 0};
    const struct odp_page page = {.title = "x", .reason = text};

    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        struct odp_buf b = {0};
        const char *body;
        text[1] = (char)byte;
        odp_page_write(&page, &b);
        const char *header = split(&b, &body);
        assert_int_equal(content_length(header), strlen(body));
        if (byte < ' ' || byte == 0x7f)
            assert_has(body, "<p>[ ]</p>");
        else if (strchr("&<>\"'", byte))
            assert_null(strstr(body, text));
        else
            assert_has(body, text);
        odp_buf_deinit(&b);
    }
}

static void test_appends(void **state)
{
    const struct odp_page page = {.title = "x"};
    struct odp_buf b = {0}, failed = {.failed = true};

    (void)state;
    odp_buf_add(&b, "before ", 7);
    odp_page_write(&page, &b);
    assert_int_equal(strncmp(b.s, "before HTTP/1.1 503 ", 20), 0);
    odp_page_write(&page, &failed);
    assert_true(failed.failed);
    odp_buf_deinit(&b);
    odp_buf_deinit(&failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_retry_is_at_least_one),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_appends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
