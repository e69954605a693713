// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The bounded files of lines, and what the log keeps in them.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/keep.h"
#include "odp/base/log.h"

static char directory[] = "/tmp/odp-keep-XXXXXX";
static char path[64], before[64];

static int begin(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/odp-keep-XXXXXX");
    assert_non_null(mkdtemp(directory));
    odp_keep_path(directory, "a", 0, path, sizeof(path));
    odp_keep_path(directory, "a", 1, before, sizeof(before));
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    unlink(before);
    rmdir(directory);
    return 0;
}

static long size_of(const char *file)
{
    struct stat st;

    return stat(file, &st) == 0 ? (long)st.st_size : -1;
}

static char *text_of(const char *file)
{
    char *text;
    size_t n;

    assert_int_equal(odp_file_read(file, 1 << 20, &text, &n), 0);
    return text;
}

static void test_turned_over_before_it_is_too_large(void **state)
{
    char line[1000];

    (void)state;
    memset(line, 'x', sizeof(line));
    for (long i = 1; i <= 65; i++) {
        assert_int_equal(odp_keep_append(directory, "a", line, sizeof(line)), 0);
        assert_int_equal(size_of(path), i * 1000);
    }
    assert_int_equal(size_of(before), -1);
    assert_int_equal(odp_keep_append(directory, "a", line, sizeof(line)), 0);
    assert_int_equal(size_of(path), 1000);
    assert_int_equal(size_of(before), 65000);
}

static void test_no_file_of_somebody_else(void **state)
{
    (void)state;
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(odp_keep_append(directory, "a", "x\n", 2), -ELOOP);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_true(odp_keep_append(directory, "a", "x\n", 2) < 0);
}

// The level is about odp's own lines: what a service prints is kept at any.
static void test_level(void **state)
{
    (void)state;
    odp_log_init("odpx", ODP_LOG_ERR);
    odp_log_keep(directory);
    odp_log(ODP_LOG_INFO, "a", "of odp");
    assert_int_equal(size_of(path), -1);
    odp_log_output("a", "of the service");
    char *text = text_of(path);
    assert_non_null(strstr(text, "+00:00 of the service\n"));
    free(text);
}

static void test_gathered(void **state)
{
    static const char wanted[] = " one\n", also[] = " odp: two\n";

    (void)state;
    odp_log_init("odpx", ODP_LOG_ERR);
    odp_log_keep(directory);
    odp_log_gather();
    odp_log_output("a", "one");
    odp_log(ODP_LOG_ERR, "a", "two");
    assert_int_equal(size_of(path), -1);
    odp_log_gathered("a");
    char *text = text_of(path);
    assert_non_null(strstr(text, wanted));
    assert_non_null(strstr(text, also));
    free(text);
    odp_log_gather();
    odp_log_gathered("a"); // nothing came
    // However much comes, no file grows beyond its bound.
    odp_log_gather();
    for (int i = 0; i < 10000; i++)
        odp_log_output("a", "x");
    odp_log_gathered("a");
    assert_true(size_of(path) > 0 && size_of(path) <= ODP_KEEP_BYTES);
    assert_true(size_of(before) > ODP_KEEP_BYTES / 4 && size_of(before) <= ODP_KEEP_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_turned_over_before_it_is_too_large, begin, end),
        cmocka_unit_test_setup_teardown(test_no_file_of_somebody_else, begin, end),
        cmocka_unit_test_setup_teardown(test_level, begin, end),
        cmocka_unit_test_setup_teardown(test_gathered, begin, end),
    };

    setenv("TZ", "UTC", 1);
    unsetenv("JOURNAL_STREAM");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
