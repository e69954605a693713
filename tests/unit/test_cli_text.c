// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Foreign text on its way to a terminal and into JSON.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "odp/cli/text.h"

static void assert_clean(const char *text, const char *expected)
{
    struct odp_buf b = {0};

    odp_text_add(&b, text);
    assert_string_equal(b.s ? b.s : "", expected);
    odp_buf_deinit(&b);
}

static void test_sound_text_stays(void **state)
{
    (void)state;
    assert_clean("", "");
    assert_clean("plain ~", "plain ~");
    assert_clean("f\u00fcnf \u65e5\u672c \U0001F3B5", "f\u00fcnf \u65e5\u672c \U0001F3B5");
}

static void test_controls_are_replaced(void **state)
{
    (void)state;
    assert_clean("a\033[2Jb\r\n\tc\x7f", "a?[2Jb???c?");
    assert_clean("\xc2\x9b"
                 "31m",
                 "?31m"); // one character that starts a terminal sequence
    assert_clean("\u202egnp.exe", "?gnp.exe");
}

static void test_broken_utf8_is_replaced(void **state)
{
    (void)state;
    assert_clean("\x80 \xff \xc3", "? ? ?");
    assert_clean("\xc0\x9b", "??");           // an overlong ESC
    assert_clean("\xe0\x80\x9b", "???");      // the same, longer
    assert_clean("\xed\xa0\x80", "???");      // a surrogate
    assert_clean("\xf4\x90\x80\x80", "????"); // behind the last code point
    assert_clean("\xe6\x97", "??");           // cut by the end
}

static void test_width(void **state)
{
    (void)state;
    assert_int_equal(odp_text_width(""), 0);
    assert_int_equal(odp_text_width("abc"), 3);
    assert_int_equal(odp_text_width("f\u00fcnf"), 4);
    assert_int_equal(odp_text_width("\u65e5\u672c"), 2);
}

static void assert_json(const char *json, const char *expected)
{
    struct odp_buf b = {0};
    cJSON *parsed = cJSON_Parse(json);

    assert_non_null(parsed);
    odp_json_add(&b, parsed);
    assert_string_equal(b.s, expected);
    odp_buf_deinit(&b);
    cJSON_Delete(parsed);
}

static void test_json_layout(void **state)
{
    (void)state;
    assert_json("{}", "{}");
    assert_json("{\"a\":[],\"b\":[1,null],\"c\":{\"d\":true}}",
                "{\n  \"a\": [],\n  \"b\": [\n    1,\n    null\n  ],\n  \"c\": {\n    \"d\": true\n"
                "  }\n}");
}

static void test_json_numbers(void **state)
{
    (void)state;
    assert_json("0", "0");
    assert_json("-1", "-1");
    assert_json("9007199254740992", "9007199254740992");
    assert_json("1000000000000000", "1000000000000000");
    assert_json("0.1", "0.1");
    assert_json("0.30000000000000004", "0.30000000000000004");
    assert_json("1e300", "1e+300");
    assert_json("1e999", "null");
}

static void test_json_strings(void **state)
{
    (void)state;
    assert_json("\"a\\\"b\\\\c\\n\\t\"", "\"a\\\"b\\\\c\\n\\t\"");
    assert_json("\"\\u001b[2J\xc2\x9b\\u007f\"", "\"\\u001b[2J\\u009b\\u007f\"");
    assert_json("\"f\u00fcnf \\ud83c\\udfb5\"", "\"f\u00fcnf \U0001F3B5\"");
    assert_json("\"\xff\"", "\"\\ufffd\"");
    assert_json("{\"k\\u001b\":1}", "{\n  \"k\\u001b\": 1\n}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_text_stays),
        cmocka_unit_test(test_controls_are_replaced),
        cmocka_unit_test(test_broken_utf8_is_replaced),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_json_layout),
        cmocka_unit_test(test_json_numbers),
        cmocka_unit_test(test_json_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
