// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What counts as a varlink reply. The socket's side of the client is in tests/integration.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "odp/cli/client.h"

static int parse(const char *text, struct odp_reply *ret)
{
    return odp_reply_parse(text, strlen(text), ret);
}

static void test_success(void **state)
{
    struct odp_reply r;

    (void)state;
    assert_int_equal(parse("{\"parameters\":{\"state\":\"ready\",\"n\":1}}\n", &r), 0);
    assert_null(r.error);
    assert_string_equal(odp_reply_string(&r, "state"), "ready");
    assert_null(odp_reply_string(&r, "n"));
    assert_null(odp_reply_string(&r, "absent"));
    odp_reply_deinit(&r);

    assert_int_equal(parse("{}", &r), 0); // parameters may be left out
    assert_true(cJSON_IsObject(r.parameters));
    odp_reply_deinit(&r);
}

static void test_error(void **state)
{
    struct odp_reply r;

    (void)state;
    assert_int_equal(
        parse("{\"error\":\"" ODP_VARLINK_E_JOB_FAILED "\",\"parameters\":{\"name\":\"x\"}}", &r),
        0);
    assert_string_equal(r.error, ODP_VARLINK_E_JOB_FAILED);
    assert_string_equal(odp_reply_string(&r, "name"), "x");
    odp_reply_deinit(&r);
}

static void test_no_reply(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "nonsense",
        "[]",
        "null",
        "{\"parameters\":[]}",
        "{\"parameters\":null}",
        "{\"error\":7}",
        "{\"error\":null}",
        "{} {}",
        "{}x",
        "{\"parameters\":{\"a\":\"b}}",
    };
    struct odp_reply r;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_int_equal(parse(texts[i], &r), -EBADMSG);
        assert_null(r.json);
    }
}

static void test_deep_nesting(void **state)
{
    static char text[200000];
    struct odp_reply r;

    (void)state;
    memset(text, '[', sizeof(text) - 1);
    assert_int_equal(parse(text, &r), -EBADMSG);
}

static void test_connect_errors(void **state)
{
    struct odp_client c;
    char path[200];

    (void)state;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[108] = 0;
    assert_int_equal(odp_client_connect(path, &c), -ENAMETOOLONG);
    path[107] = 0;
    assert_int_equal(odp_client_connect(path, &c), -ENOENT);
    assert_int_equal(c.fd, -1);
    odp_client_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),        cmocka_unit_test(test_error),
        cmocka_unit_test(test_no_reply),       cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_connect_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
