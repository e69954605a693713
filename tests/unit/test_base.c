// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Files, descriptors, texts, lists and log lines, in a directory of its own below /tmp.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/base/buf.h"
#include "odp/base/fd.h"
#include "odp/base/list.h"
#include "odp/base/log.h"

static char directory[64];

static int enter_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/odp-test-base.XXXXXX");
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int leave_directory(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "cd / && rm -rf '%s'", directory);
    return system(command);
}

static void put(const char *path, const char *text)
{
    assert_int_equal(odp_file_write_atomic(path, text, strlen(text)), 0);
}

static void test_close(void **state)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    errno = EXDEV;
    assert_int_equal(odp_close(fd), -1);
    assert_int_equal(errno, EXDEV);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    errno = EXDEV;
    assert_int_equal(odp_close(-1), -1);
    assert_int_equal(errno, EXDEV);
    {
        ODP_CLEANUP_CLOSE int scoped = open("/dev/null", O_RDONLY | O_CLOEXEC);
        fd = scoped;
        assert_true(fcntl(fd, F_GETFD) >= 0);
    }
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void test_read_one(void **state)
{
    char *text = NULL;
    size_t n = 0;

    (void)state;
    put("ten", "0123456789");
    assert_int_equal(odp_file_read("ten", 10, &text, &n), 0);
    assert_int_equal(n, 10);
    assert_string_equal(text, "0123456789");
    free(text);
    assert_int_equal(odp_file_read("ten", 9, &text, &n), -EFBIG);
    assert_int_equal(odp_file_read("nothing", 9, &text, &n), -ENOENT);
    assert_int_equal(odp_file_read(".", 9, &text, &n), -EISDIR);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(odp_file_read("fifo", 9, &text, &n), -EINVAL);
    put("empty", "");
    assert_int_equal(odp_file_read("empty", 0, &text, &n), 0);
    assert_int_equal(n, 0);
    free(text);
    // A file whose size the kernel does not tell.
    assert_int_equal(odp_file_read("/proc/self/status", 65536, &text, &n), 0);
    assert_true(n > 0);
    free(text);
    assert_int_equal(odp_file_read("/proc/self/status", 16, &text, &n), -EFBIG);
}

static void test_read_own(void **state)
{
    char *text = NULL;
    size_t n = 0;

    (void)state;
    assert_int_equal(odp_file_replace("own", "abc", 3), 0);
    assert_int_equal(odp_file_read_own("own", 3, &text, &n), 0);
    assert_string_equal(text, "abc");
    free(text);
    assert_int_equal(odp_file_read_own("own", 2, &text, &n), -EFBIG);
    assert_int_equal(odp_file_read_own("nothing", 2, &text, &n), -ENOENT);
    // Who could have written it, or have read it?
    assert_int_equal(chmod("own", 0620), 0);
    assert_int_equal(odp_file_read_own("own", 3, &text, &n), -EPERM);
    assert_int_equal(chmod("own", 0604), 0);
    assert_int_equal(odp_file_read_own("own", 3, &text, &n), -EPERM);
    assert_int_equal(chmod("own", 0600), 0);
    assert_int_equal(symlink("own", "link"), 0);
    assert_int_equal(odp_file_read_own("link", 3, &text, &n), -ELOOP);
    if (geteuid() == 0) {
        assert_int_equal(chown("own", 65534, (gid_t)-1), 0);
        assert_int_equal(odp_file_read_own("own", 3, &text, &n), -EPERM);
    }
}

static void test_read_large(void **state)
{
    size_t size = 100000, n = 0;
    char *data = malloc(size), *text = NULL;

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i % 251);
    assert_int_equal(odp_file_write_atomic("large", data, size), 0);
    assert_int_equal(odp_file_read("large", size, &text, &n), 0);
    assert_int_equal(n, size);
    assert_memory_equal(text, data, size);
    free(text);
    assert_int_equal(odp_file_replace("large", data, size), 0);
    assert_int_equal(odp_file_read("large", SIZE_MAX, &text, &n), 0);
    free(text);
    assert_int_equal(odp_file_read("large", size - 1, &text, &n), -EFBIG);
    free(data);
}

// What a write left behind that was killed half-way is gone with the next one.
static void test_replace_after_a_kill(void **state)
{
    char *text;
    size_t n;

    (void)state;
    put("half.new", "ha");
    put("half", "whole");
    assert_int_equal(access("half.new", F_OK), -1);
    assert_int_equal(odp_file_read("half", SIZE_MAX, &text, &n), 0);
    assert_string_equal(text, "whole");
    free(text);
}

static void test_read_directory(void **state)
{
    struct odp_files files;

    (void)state;
    assert_int_equal(odp_mkdir_p("d/b.ini", 0700), 0);
    put("d/c.ini", "c");
    put("d/a.b.ini", "longer");
    put("d/.hidden.ini", "");
    put("d/.ini", "");
    put("d/x.ini~", "");
    assert_int_equal(symlink("nowhere", "d/z.ini"), 0);
    assert_int_equal(odp_files_read("d", ".ini", 3, &files), 0);
    assert_int_equal(files.n, 4);
    assert_string_equal(files.items[0].path, "d/a.b.ini");
    assert_string_equal(files.items[0].stem, "a.b");
    assert_int_equal(files.items[0].error, -EFBIG);
    assert_int_equal(files.items[1].error, -EISDIR);
    assert_null(files.items[1].text);
    assert_string_equal(files.items[2].text, "c");
    assert_int_equal(files.items[3].error, -ENOENT);
    odp_files_deinit(&files);
    odp_files_deinit(&files);
    odp_files_deinit(NULL);
    assert_int_equal(odp_files_read("nothing", ".ini", 3, &files), -ENOENT);
    assert_int_equal(odp_files_read("large", ".ini", 3, &files), -ENOTDIR);
}

static void test_write_atomic(void **state)
{
    struct stat st;
    struct odp_files files;

    (void)state;
    put("w/../ten", "replaced");
    assert_int_equal(stat("ten", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 8);
    assert_int_equal(odp_file_write_atomic("nothing/x", "", 0), -ENOENT);
    // A rename that fails leaves nothing behind.
    assert_int_equal(odp_file_write_atomic("w", "x", 1), -EISDIR);
    assert_int_equal(odp_files_read(".", "", 0, &files), 0);
    for (size_t i = 0; i < files.n; i++)
        assert_null(strstr(files.items[i].path, "w."));
    odp_files_deinit(&files);
}

static void test_mkdir_p(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(odp_mkdir_p("w", 0700), 0);
    assert_int_equal(odp_mkdir_p("m/n//o/", 0750), 0);
    assert_int_equal(stat("m/n/o", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
    assert_int_equal(odp_mkdir_p("m/n/o", 0700), 0);
    assert_int_equal(odp_mkdir_p("/", 0700), 0);
    put("m/file", "");
    assert_int_equal(odp_mkdir_p("m/file", 0700), -ENOTDIR);
    assert_int_equal(odp_mkdir_p("m/file/x", 0700), -ENOTDIR);
    assert_int_equal(odp_mkdir_p("", 0700), -ENOENT);
}

static void test_buf(void **state)
{
    struct odp_buf b = {0};

    (void)state;
    odp_buf_add(&b, "", 0);
    assert_string_equal(b.s, "");
    for (int i = 0; i < 1000; i++)
        odp_buf_printf(&b, "%d,", i % 10);
    odp_buf_add(&b, "a\0b", 3);
    assert_false(b.failed);
    assert_int_equal(b.n_bytes, 2003);
    assert_memory_equal(b.s, "0,1,2,", 6);
    assert_memory_equal(b.s + 2000, "a\0b", 4);
    odp_buf_add(&b, b.s, SIZE_MAX / 2);
    assert_true(b.failed);
    odp_buf_add(&b, "x", 1);
    assert_int_equal(b.n_bytes, 2003);
    odp_buf_deinit(&b);
    assert_null(b.s);
    odp_buf_deinit(NULL);
}

static void test_utf8_cut(void **state)
{
    static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    static const size_t lengths[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};

    (void)state;
    for (size_t n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++)
        assert_int_equal(odp_utf8_cut(text, n), lengths[n]);
    assert_int_equal(odp_utf8_cut("", 0), 0);
    assert_int_equal(odp_utf8_cut("abc", 1000), 3);
}

struct element {
    int value;
    struct odp_list node;
};

static void test_list(void **state)
{
    struct element elements[4] = {{.value = 0}, {.value = 1}, {.value = 2}, {.value = 3}};
    struct odp_list head;
    int sum = 0;

    (void)state;
    odp_list_init(&head);
    assert_true(odp_list_empty(&head));
    for (size_t i = 0; i < 4; i++)
        odp_list_append(&head, &elements[i].node);
    odp_list_foreach (it, &head)
        sum = sum * 10 + ODP_CONTAINER_OF(it, struct element, node)->value;
    assert_int_equal(sum, 123);
    odp_list_foreach_safe (it, &head) {
        if (ODP_CONTAINER_OF(it, struct element, node)->value % 2)
            odp_list_remove(it);
    }
    odp_list_remove(&elements[1].node);
    assert_ptr_equal(head.next, &elements[0].node);
    assert_ptr_equal(head.prev, &elements[2].node);
    assert_ptr_equal(elements[0].node.next, &elements[2].node);
}

// What odp_log() writes for this, and how many lines of it.
static char *logged(enum odp_log_level level, const char *service, const char *text)
{
    int saved = dup(STDERR_FILENO), fd = open("log", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char *all = NULL;
    size_t n = 0;

    assert_true(saved >= 0 && fd >= 0);
    assert_true(dup2(fd, STDERR_FILENO) >= 0);
    odp_log_init("odpx", ODP_LOG_INFO);
    errno = EXDEV;
    odp_log(level, service, "%s", text);
    assert_int_equal(errno, EXDEV);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(fd);
    assert_int_equal(odp_file_read("log", 65536, &all, &n), 0);
    assert_int_equal(strlen(all), n);
    return all;
}

static void expect_logged(enum odp_log_level level, const char *service, const char *text,
                          const char *expected)
{
    char *line = logged(level, service, text);

    assert_string_equal(line, expected);
    free(line);
}

static void test_log(void **state)
{
    char text[2000], *line;

    (void)state;
    unsetenv("JOURNAL_STREAM");
    expect_logged(ODP_LOG_INFO, NULL, "hello", "odpx: hello\n");
    expect_logged(ODP_LOG_INFO, "memos", "hello", "odpx: memos: hello\n");
    expect_logged(ODP_LOG_DEBUG, NULL, "hello", "");
    expect_logged(ODP_LOG_ERR, NULL, "a\nodpd: forged\033[31m\x7f\xc2\x9b",
                  "odpx: a?odpd: forged?[31m???\n");
    expect_logged(ODP_LOG_ERR, NULL, "gr\xc3\xbc\xc3\x9f", "odpx: gr\xc3\xbc\xc3\x9f\n");
    for (size_t shift = 0; shift < 3; shift++) { // the cut falls on each byte of a character once
        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        line = logged(ODP_LOG_ERR, NULL, text);
        size_t n = strlen(line);
        assert_true(n <= 1024 && n > 1000);
        assert_int_equal(line[n - 1], '\n');
        assert_int_equal((n - strlen("odpx: \n") - shift) % 3, 0);
        free(line);
    }
}

static void test_log_to_journal(void **state)
{
    struct stat st;
    char stream[64];

    (void)state;
    put("log", "");
    assert_int_equal(stat("log", &st), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    expect_logged(ODP_LOG_WARNING, "memos", "hello", "<4>memos: hello\n");
    setenv("JOURNAL_STREAM", "1:1", 1);
    expect_logged(ODP_LOG_WARNING, "memos", "hello", "odpx: memos: hello\n");
    setenv("JOURNAL_STREAM", "nonsense", 1);
    expect_logged(ODP_LOG_WARNING, "memos", "hello", "odpx: memos: hello\n");
    unsetenv("JOURNAL_STREAM");
}

static void test_log_levels(void **state)
{
    enum odp_log_level level = ODP_LOG_ERR;

    (void)state;
    assert_true(odp_log_level_from_string("debug", &level));
    assert_int_equal(level, ODP_LOG_DEBUG);
    assert_false(odp_log_level_from_string("loud", &level));
    assert_false(odp_log_level_from_string("", &level));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_read_one),
        cmocka_unit_test(test_read_own),
        cmocka_unit_test(test_read_large),
        cmocka_unit_test(test_replace_after_a_kill),
        cmocka_unit_test(test_read_directory),
        cmocka_unit_test(test_mkdir_p),
        cmocka_unit_test(test_write_atomic),
        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_utf8_cut),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_log_to_journal),
        cmocka_unit_test(test_log_levels),
    };

    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
