// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The http probe's request byte by byte, its ranges, and how it is named.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/http_probe.h"

static struct odp_config_service *parse(const char *target, const char *ready)
{
    struct odp_config_faults faults = {0};
    struct odp_config_service *s;
    char text[1024];

    snprintf(text, sizeof(text),
             "[service]\nlisten = 80\ntarget = %s\n[backend]\ntype = none\n"
             "[ready]\nprobe = http\n%s\n",
             target, ready);
    if (odp_config_service_parse("web", "web.ini", text, strlen(text), &s, &faults) != 0)
        fail_msg("%s", faults.items[0].message);
    odp_config_faults_deinit(&faults);
    return s;
}

static void assert_request(const char *target, const char *path, const char *host)
{
    char ready[256] = "", wanted[512];
    struct odp_buf b = {0};

    if (path)
        snprintf(ready, sizeof(ready), "path = %s", path);
    snprintf(wanted, sizeof(wanted),
             "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: odp/%s\r\nAccept: */*\r\n"
             "Connection: close\r\n\r\n",
             path ? path : "/", host, ODP_VERSION);
    struct odp_config_service *s = parse(target, ready);
    odp_http_probe_write(s, &b);
    assert_string_equal(b.s, wanted);
    odp_buf_deinit(&b);
    odp_config_service_free(s);
}

static void test_request(void **state)
{
    (void)state;
    assert_request("127.0.0.1:18080", NULL, "127.0.0.1:18080");
    assert_request("localhost:18080", "/api/health?full=1", "localhost:18080");
    assert_request("[::1]:18080", "/a%20b", "[::1]:18080");
    assert_request("/run/wiki.sock", "/", "localhost");
}

static void test_expect(void **state)
{
    static const struct {
        const char *ready;
        unsigned status;
        bool passes;
    } rows[] = {
        {"", 199, false},
        {"", 200, true},
        {"", 302, true},
        {"", 399, true},
        {"", 400, false},
        {"", 401, true},
        {"", 402, false},
        {"", 403, true},
        {"", 404, false},
        {"", 503, false},
        {"", 999, false},
        {"expect = 503", 503, true},
        {"expect = 503", 200, false},
        {"expect = 200, 400-404", 402, true},
        {"expect = 101,204", 101, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct odp_config_service *s = parse("127.0.0.1:1", rows[i].ready);
        assert_int_equal(odp_http_probe_passes(s, rows[i].status), rows[i].passes);
        odp_config_service_free(s);
    }
}

static void assert_name(const char *path, const char *wanted)
{
    char ready[512], got[ODP_HTTP_PROBE_TEXT_MAX];

    snprintf(ready, sizeof(ready), "path = %s", path);
    struct odp_config_service *s = parse("127.0.0.1:1", ready);
    assert_string_equal(odp_http_probe_format(s, got), wanted);
    odp_config_service_free(s);
}

#define X70 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_name(void **state)
{
    (void)state;
    assert_name("/health", "GET /health");
    assert_name("/" X70 "x", "GET /" X70 "x"); // 72 bytes of path: all there is room for
    assert_name("/" X70 "xx", "GET /" X70 "x...");
    assert_name("/" X70 "\xc3\xa4x", "GET /" X70 "..."); // cut before the character
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
