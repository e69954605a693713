// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp check: which files it reads, what it prints where, and its exit code.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/cli/cmd_check.h"

#define SOUND  "[service]\nlisten = 80\ntarget = 127.0.0.1:81\n[backend]\ncommand = /bin/true\n"
#define FAULTY "[service]\nlisten = 82\ntarget = x\n[backend]\nunit = x\n"

static char directory[64];

static void put(const char *path, const char *text)
{
    assert_int_equal(odp_file_write_atomic(path, text, strlen(text)), 0);
}

static int enter_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/odp-test-check.XXXXXX");
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int leave_directory(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "cd / && rm -rf '%s'", directory);
    return system(command);
}

static int redirect(int fd, const char *path)
{
    int saved = dup(fd), file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(saved >= 0 && file >= 0);
    assert_true(dup2(file, fd) >= 0);
    close(file);
    return saved;
}

static void expect_text(const char *path, const char *expected)
{
    char *text = NULL;
    size_t n;

    assert_int_equal(odp_file_read(path, 65536, &text, &n), 0);
    assert_string_equal(text, expected);
    free(text);
}

// Runs `odp check` with up to two paths and --config etc.
static void expect(const char *path, const char *other, int code, const char *out, const char *err)
{
    char *argv[] = {strdup("check"), path ? strdup(path) : NULL, other ? strdup(other) : NULL,
                    NULL};
    int argc = path ? other ? 3 : 2 : 1;

    fflush(stdout);
    int saved_out = redirect(STDOUT_FILENO, "out"), saved_err = redirect(STDERR_FILENO, "err");
    int actual = odp_cmd_check(argc, argv, "etc");
    fflush(stdout);
    assert_true(dup2(saved_out, STDOUT_FILENO) >= 0 && dup2(saved_err, STDERR_FILENO) >= 0);
    close(saved_out);
    close(saved_err);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    expect_text("out", out);
    expect_text("err", err);
    assert_int_equal(actual, code);
}

static void test_directories(void **state)
{
    (void)state;
    expect(NULL, NULL, 1, "",
           "odp: there is no directory etc: make it, or name another with --config or as PATH\n");
    assert_int_equal(odp_mkdir_p("etc", 0700), 0);
    expect(NULL, NULL, 1, "", "odp: etc/services cannot be read: No such file or directory\n");
    put("etc/a.ini", SOUND);
    put("etc/b.ini", "# nothing\n");
    expect("etc/a.ini", NULL, 0, "1 file, no faults\n", "");
    expect("etc", "etc/", 1,
           "etc/b.ini:1: the file is empty: write [service] with `listen` and `target`, and "
           "[backend] with `unit`, `container` or `command`\n",
           "odp: 1 fault in 1 of 2 files: mend the lines above and check again\n");
    assert_int_equal(odp_mkdir_p("etc/services", 0700), 0);
    expect(NULL, NULL, 0, "0 files, no faults\n", "");
    put("etc/services/c.ini", SOUND);
    put("etc/services/note.txt", "no service");
    expect(NULL, NULL, 0, "1 file, no faults\n", "");
    expect("etc//", NULL, 0, "1 file, no faults\n", "");
    expect("etc/services", "etc/services/c.ini", 0, "1 file, no faults\n", "");
}

// Nothing reads it yet: what stands in it is not passed over.
static void test_own_file(void **state)
{
    static const char fault[] = "etc/odp.ini:3: odp.ini is not built yet in odp " ODP_VERSION
                                ": it is not read, remove it\n";

    (void)state;
    assert_int_equal(odp_mkdir_p("etc/services", 0700), 0);
    put("etc/services/c.ini", SOUND);
    put("etc/odp.ini", "# nothing\n\n ; yet\n");
    expect(NULL, NULL, 0, "1 file, no faults\n", "");
    put("etc/odp.ini", "# something\n\n[odpd]\n");
    expect(NULL, NULL, 1, fault,
           "odp: 1 fault in 1 of 2 files: mend the lines above and check again\n");
    expect("etc/", NULL, 1, fault,
           "odp: 1 fault in 1 of 2 files: mend the lines above and check again\n");
    expect("etc/services", NULL, 0, "1 file, no faults\n", "");
    unlink("etc/odp.ini");
}

static void test_faults(void **state)
{
    (void)state;
    put("z.ini", SOUND);
    put("f.ini", FAULTY);
    put("s.ini", SOUND);
    expect("z.ini", "f.ini", 1,
           "f.ini:3: [service] target: `x` is not an address: write `127.0.0.1:8080`, "
           "`[::1]:8080`, a socket's path, `/run/x.sock`, or for a container's own address "
           "`auto:8080`\n"
           "f.ini:5: [backend] unit = x: write the unit's whole name, for instance `x.service`\n",
           "odp: 2 faults in 1 of 2 files: mend the lines above and check again\n");
    expect("z.ini", "s.ini", 1,
           "s.ini:2: listen 80 is also that of z (z.ini:2), which is left out\n"
           "s.ini:3: target 127.0.0.1:81 is also that of z (z.ini:3), which is left out\n"
           "z.ini:2: listen 80 is also that of s (s.ini:2)\n"
           "z.ini:3: target 127.0.0.1:81 is also that of s (s.ini:3)\n",
           "odp: 4 faults in 2 of 2 files: mend the lines above and check again\n");
}

static void test_what_is_no_file(void **state)
{
    (void)state;
    put("g.ini", SOUND);
    put("g.conf", SOUND);
    assert_int_equal(odp_mkdir_p("d.ini", 0700), 0);
    expect("nothing.ini", "g.ini", 1, "1 file, no faults\n",
           "odp: nothing.ini cannot be read: No such file or directory\n");
    expect("g.conf", NULL, 1, "", "odp: g.conf is not read by odpd: rename it to NAME.ini\n");
    expect("d.ini", NULL, 1, "d.ini:1: this is a directory, not a file\n",
           "odp: 1 fault in 1 of 1 file: mend the lines above and check again\n");
    expect("--all", NULL, 2, "", "odp: check has no option --all (odp help check)\n");
    expect("--", "g.ini", 0, "1 file, no faults\n", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_own_file),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_what_is_no_file),
    };

    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
