// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What odp logs asks of journalctl.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/cli/journal.h"

static char directory[] = "/tmp/odp-journal-XXXXXX";
static char services[64], file[80];

static int begin(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(services, sizeof(services), "%s/services", directory);
    snprintf(file, sizeof(file), "%s/wiki.ini", services);
    return mkdir(services, 0700);
}

static int end(void **state)
{
    (void)state;
    unlink(file);
    rmdir(services);
    rmdir(directory);
    return 0;
}

static void write_file(const char *backend)
{
    char text[512];

    int n = snprintf(text, sizeof(text),
                     "[service]\nlisten = 80\ntarget = 127.0.0.1:8080\n[backend]\n%s\n", backend);
    assert_int_equal(odp_file_replace(file, text, (size_t)n), 0);
}

static void expect(const struct odp_journal_query *q, const char *wanted)
{
    char got[1024] = "";
    char **argv = odp_journal_argv(q);

    assert_non_null(argv);
    for (size_t i = 0; argv[i]; i++) {
        assert_true(strlen(got) + strlen(argv[i]) + 2 < sizeof(got));
        strcat(got, i == 0 ? "" : " ");
        strcat(got, argv[i]);
    }
    odp_journal_argv_free(argv);
    assert_string_equal(got, wanted);
}

static void test_words(void **state)
{
    struct odp_journal_query q = {
        .name = "wiki", .config_dir = directory, .n_lines = ODP_JOURNAL_ALL_LINES};

    (void)state;
    unlink(file);
    expect(&q, "journalctl --output=short-iso --quiet ODP_SERVICE=wiki");
    q.follow = true;
    expect(&q, "journalctl --output=short-iso --quiet --follow --lines=all ODP_SERVICE=wiki");
    q.n_lines = 20;
    expect(&q, "journalctl --output=short-iso --quiet --follow --lines=20 ODP_SERVICE=wiki");
    q.follow = false;
    q.user = true;
    expect(&q, "journalctl --output=short-iso --quiet --user --lines=20 ODP_SERVICE=wiki");
}

static void test_units(void **state)
{
    struct odp_journal_query q = {
        .name = "wiki", .config_dir = directory, .n_lines = ODP_JOURNAL_ALL_LINES};

    (void)state;
    write_file("unit = docker-db.service\nunit = docker-wiki.service");
    expect(&q, "journalctl --output=short-iso --quiet ODP_SERVICE=wiki"
               " + _SYSTEMD_UNIT=docker-db.service + UNIT=docker-db.service _PID=1"
               " + _SYSTEMD_UNIT=docker-wiki.service + UNIT=docker-wiki.service _PID=1");
    write_file("unit = wiki.service\nscope = user");
    expect(&q, "journalctl --output=short-iso --quiet ODP_SERVICE=wiki"
               " + _SYSTEMD_USER_UNIT=wiki.service + USER_UNIT=wiki.service");
    write_file("unit = wiki.service");
    q.user = true;
    expect(&q, "journalctl --output=short-iso --quiet --user ODP_SERVICE=wiki"
               " + _SYSTEMD_USER_UNIT=wiki.service + USER_UNIT=wiki.service");
    write_file("command = /usr/bin/wiki"); // what odp makes for it
    expect(&q, "journalctl --output=short-iso --quiet --user ODP_SERVICE=wiki"
               " + _SYSTEMD_USER_UNIT=odp-run-wiki.service + USER_UNIT=odp-run-wiki.service");
    q.user = false;
    write_file("start = virsh start wiki\nstop = virsh stop wiki");
    expect(&q, "journalctl --output=short-iso --quiet ODP_SERVICE=wiki"
               " + _SYSTEMD_UNIT=odp-exec-wiki-start.service"
               " + UNIT=odp-exec-wiki-start.service _PID=1"
               " + _SYSTEMD_UNIT=odp-exec-wiki-stop.service"
               " + UNIT=odp-exec-wiki-stop.service _PID=1");
    q.user = true;
    write_file("unit = "); // a faulty file names none
    expect(&q, "journalctl --output=short-iso --quiet --user ODP_SERVICE=wiki");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_units),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
