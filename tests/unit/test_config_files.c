// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Files together: what cannot be read, and clashes, where the later file by name is the invalid
// one.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/config.h"

#define N(a)    (sizeof(a) / sizeof((a)[0]))
#define SERVICE "[service]\nlisten = 80\ntarget = 127.0.0.1:81\n"
#define BACKEND "[backend]\ncommand = /bin/true\n"
#define SOUND   SERVICE BACKEND // five lines

static struct odp_file file(const char *path, const char *stem, const char *text, int error)
{
    struct odp_file f = {.path = strdup(path), .stem = strdup(stem), .error = error};

    if (text)
        f.text = strdup(text);
    f.n_bytes = text ? strlen(text) : 0;
    return f;
}

static void load(struct odp_file *items, size_t n, struct odp_config *config)
{
    struct odp_files files = {items, n};

    assert_int_equal(odp_config_load(&files, config), 0);
    for (size_t i = 0; i < n; i++) {
        free(items[i].path);
        free(items[i].stem);
        free(items[i].text);
    }
}

static void expect(const struct odp_config *c, size_t i, const char *place, const char *message)
{
    char actual[64];

    assert_true(i < c->faults.n);
    snprintf(actual, sizeof(actual), "%s:%u", c->faults.items[i].file, c->faults.items[i].line);
    assert_string_equal(actual, place);
    assert_string_equal(c->faults.items[i].message, message);
}

#define LINK(listen, target, more)                                                                 \
    "[service]\nlisten = 127.0.0.1:" #listen "\ntarget = 127.0.0.1:" #target "\n" more             \
    "[backend]\ntype = none\n"

static void test_targets_that_lead_back(void **state)
{
    struct odp_file ring[] = {
        file("a.ini", "a", LINK(1001, 1002, ""), 0),
        file("b.ini", "b", LINK(1002, 1003, ""), 0),
        file("c.ini", "c", LINK(1003, 1001, ""), 0),
    };
    struct odp_file chain[] = {
        file("a.ini", "a", LINK(1001, 1002, ""), 0),
        file("b.ini", "b", LINK(1002, 1003, ""), 0),
        file("c.ini", "c", LINK(1003, 1001, "enabled = no\n"), 0),
    };
    struct odp_config c;

    (void)state;
    load(ring, N(ring), &c);
    assert_int_equal(c.faults.n, 1);
    expect(&c, 0, "c.ini:3",
           "target 127.0.0.1:1001 leads back to this service by way of b (b.ini:3)");
    assert_int_equal(c.n_services, 2);
    odp_config_deinit(&c);

    load(chain, N(chain), &c);
    assert_int_equal(c.faults.n, 0);
    assert_int_equal(c.n_services, 3);
    odp_config_deinit(&c);
}

static void test_files_that_cannot_be_read(void **state)
{
    struct odp_file items[] = {
        file("a.ini", "a", NULL, -EISDIR), file("b.ini", "b", NULL, -EACCES),
        file("c.ini", "c", NULL, -EFBIG),  file("d.ini", "d", NULL, -EINVAL),
        file("e.ini", "e", SOUND, 0),      file("F.ini", "F", SOUND, 0),
    };
    struct odp_config c;

    (void)state;
    load(items, N(items), &c);
    assert_int_equal(c.n_services, 1);
    assert_string_equal(c.services[0]->name, "e");
    assert_int_equal(c.n_invalid, 5);
    assert_string_equal(c.invalid[0], "F");
    assert_string_equal(c.invalid[4], "d");
    assert_null(c.invalid[5]);
    assert_int_equal(c.faults.n, 5);
    assert_string_equal(c.faults.items[0].file, "F.ini");
    expect(&c, 1, "a.ini:1", "this is a directory, not a file");
    expect(&c, 2, "b.ini:1", "the file cannot be read: Permission denied");
    expect(&c, 3, "c.ini:1", "the file is longer than 1048576 bytes");
    expect(&c, 4, "d.ini:1", "this is not a regular file");
    odp_config_deinit(&c);
    odp_config_deinit(&c);
    odp_config_deinit(NULL);
}

#define FILE_OF(listen, target)                                                                    \
    "[service]\nlisten = " listen "\ntarget = " target "\n[backend]\ntype = none\n"

static void test_clashes(void **state)
{
    struct odp_file items[] = {
        file("z.ini", "z", FILE_OF("[::1]:80", "127.0.0.1:1005"), 0),
        file("homepage.ini", "homepage", FILE_OF("80", "127.0.0.1:1001"), 0),
        file("memos.ini", "memos", FILE_OF("127.0.0.1:80", "127.0.0.1:1001"), 0),
        file("off.ini", "off", FILE_OF("80", "127.0.0.1:1001") "[service]\nenabled = no\n", 0),
        file("other.ini", "other", FILE_OF("127.0.0.1:1001", "127.0.0.1:1002"), 0),
        file("faulty.ini", "faulty", FILE_OF("80", "nonsense"), 0),
        file("q/homepage.ini", "homepage", FILE_OF("90", "127.0.0.1:1006"), 0),
        file("wild.ini", "wild", FILE_OF("1001", "127.0.0.1:1003"), 0),
    };
    struct odp_config c;

    (void)state;
    load(items, N(items), &c);
    assert_int_equal(c.n_services, 3);
    assert_string_equal(c.services[0]->name, "homepage");
    assert_string_equal(c.services[1]->name, "off");
    assert_string_equal(c.services[2]->name, "other");
    assert_int_equal(c.n_invalid, 5);
    assert_int_equal(c.faults.n, 10);
    assert_string_equal(c.faults.items[0].file, "faulty.ini");
    expect(&c, 1, "homepage.ini:2",
           "listen 80 covers 127.0.0.1:80 of memos (memos.ini:2), which is left out");
    expect(&c, 2, "homepage.ini:2", "listen 80 covers [::1]:80 of z (z.ini:2), which is left out");
    expect(&c, 3, "homepage.ini:3",
           "target 127.0.0.1:1001 is also that of memos (memos.ini:3), which is left out");
    expect(&c, 4, "memos.ini:2",
           "listen 127.0.0.1:80 is already covered by 80 of homepage (homepage.ini:2)");
    expect(&c, 5, "memos.ini:3", "target 127.0.0.1:1001 is also that of homepage (homepage.ini:3)");
    expect(&c, 6, "other.ini:2",
           "listen 127.0.0.1:1001 is already covered by 1001 of wild (wild.ini:2), which is left "
           "out");
    expect(&c, 7, "q/homepage.ini:1", "a service named homepage is in homepage.ini already");
    expect(&c, 8, "wild.ini:2", "listen 1001 covers 127.0.0.1:1001 of other (other.ini:2)");
    expect(&c, 9, "z.ini:2",
           "listen [::1]:80 is already covered by 80 of homepage (homepage.ini:2)");
    odp_config_deinit(&c);
}

#define UNITS_OF(listen, units)                                                                    \
    "[service]\nlisten = " listen "\ntarget = /run/" listen "\n[backend]\n" units

static void test_shared_units(void **state)
{
    struct odp_file items[] = {
        file("a.ini", "a", UNITS_OF("1", "unit = db.service\nunit = a.service\n"), 0),
        file("b.ini", "b", UNITS_OF("2", "unit = b.service\nunit = db.service\n"), 0),
        file("c.ini", "c", UNITS_OF("3", "unit = db.service\nscope = user\n"), 0),
        file("d.ini", "d", UNITS_OF("4", "unit = d.service\nstop_unit = all.target\n"), 0),
        file("e.ini", "e", UNITS_OF("5", "unit = e.service\nstop_unit = all.target\n"), 0),
    };
    struct odp_config c;

    (void)state;
    load(items, N(items), &c);
    assert_int_equal(c.n_services, 3);
    assert_int_equal(c.faults.n, 4);
    expect(&c, 0, "a.ini:5", "unit db.service is also that of b (b.ini:6), which is left out");
    expect(&c, 1, "a.ini:5", "unit db.service is also that of c (c.ini:5), which is left out");
    expect(&c, 2, "b.ini:6", "unit db.service is also that of a (a.ini:5)");
    expect(&c, 3, "c.ini:5", "unit db.service is also that of a (a.ini:5)");
    odp_config_deinit(&c);
}

static void test_shared_containers(void **state)
{
    struct odp_file items[] = {
        file("a.ini", "a", UNITS_OF("1", "unit = a.service\ncontainer = db\ncontainer = a\n"), 0),
        file("b.ini", "b", UNITS_OF("2", "unit = b.service\ncontainer = b\ncontainer = db\n"), 0),
        file("c.ini", "c", UNITS_OF("3", "unit = c.service\ncontainer = web\nengine = docker\n"),
             0),
        file("d.ini", "d", UNITS_OF("4", "unit = d.service\ncontainer = web\nengine = podman\n"),
             0),
        // Of two sockets, or of one and where it may be.
        file("e.ini", "e", UNITS_OF("5", "container = x\nsocket = /run/a.sock\n"), 0),
        file("f.ini", "f", UNITS_OF("6", "container = x\nsocket = /run/b.sock\n"), 0),
    };
    struct odp_config c;

    (void)state;
    load(items, N(items), &c);
    assert_int_equal(c.n_services, 5);
    assert_int_equal(c.faults.n, 2);
    expect(&c, 0, "a.ini:6", "container db is also that of b (b.ini:7), which is left out");
    expect(&c, 1, "b.ini:7", "container db is also that of a (a.ini:6)");
    odp_config_deinit(&c);
}

static void test_shared_projects(void **state)
{
    struct odp_file items[] = {
        file("a.ini", "a", UNITS_OF("1", "project = wiki\n"), 0),
        file("b.ini", "b", UNITS_OF("2", "project = media\nengine = podman\n"), 0),
        file("c.ini", "c", UNITS_OF("3", "project = wiki\nengine = docker\n"), 0),
        file("d.ini", "d", UNITS_OF("4", "project = media\nengine = docker\n"), 0),
    };
    struct odp_config c;

    (void)state;
    load(items, N(items), &c);
    assert_int_equal(c.n_services, 3);
    assert_int_equal(c.faults.n, 2);
    expect(&c, 0, "a.ini:5", "project wiki is also that of c (c.ini:5), which is left out");
    expect(&c, 1, "c.ini:5", "project wiki is also that of a (a.ini:5)");
    odp_config_deinit(&c);
}

#define REQUIRES(listen, names)                                                                    \
    "[service]\nlisten = " listen "\ntarget = /run/" listen                                        \
    "\n[backend]\ncommand = x\n[requires]\n" names

static void test_required_services(void **state)
{
    struct odp_file items[] = {
        file("a.ini", "a", REQUIRES("1", "service = b\n"), 0),
        file("b.ini", "b", REQUIRES("2", "service = c\nservice = faulty\n"), 0),
        file("c.ini", "c", REQUIRES("3", "service = d\nservice = a\n"), 0),
        file("d.ini", "d", REQUIRES("4", "mount = /media\n"), 0),
        file("self.ini", "self", REQUIRES("5", "service = self\n"), 0),
        file("typo.ini", "typo", REQUIRES("6", "service = fauty\nservice = zzzzzzzz\n"), 0),
        file("faulty.ini", "faulty", "[service]\n", 0),
    };
    struct odp_config c;

    (void)state;
    load(items, N(items), &c);
    assert_int_equal(c.n_services, 3);
    assert_string_equal(c.services[2]->name, "d");
    expect(&c, 0, "a.ini:7",
           "[requires] service = b: c requires a (c.ini:8): neither could ever start");
    expect(&c, 1, "c.ini:8",
           "[requires] service = a: a requires b (a.ini:7): neither could ever start");
    expect(&c, 5, "self.ini:7", "[requires] service = self: a service cannot require itself");
    expect(&c, 6, "typo.ini:7",
           "[requires] service = fauty: there is no such service: did you mean `faulty`?");
    expect(&c, 7, "typo.ini:8",
           "[requires] service = zzzzzzzz: there is no such service, no file zzzzzzzz.ini");
    assert_int_equal(c.faults.n, 8);
    odp_config_deinit(&c);
}

// Two services that both require both of the next step, and so on: 2^60 ways lead through it.
static void test_many_ways_to_a_required_service(void **state)
{
    enum { STEPS = 60 };
    static char names[2 * STEPS][16], texts[2 * STEPS][160];
    struct odp_file items[2 * STEPS];
    struct odp_config c;

    (void)state;
    for (int i = 0; i < 2 * STEPS; i++) {
        int n = snprintf(texts[i], sizeof(texts[i]),
                         "[service]\nlisten = %d\ntarget = /run/%d\n[backend]\ncommand = x\n"
                         "[requires]\n",
                         i + 1, i);
        snprintf(names[i], sizeof(names[i]), "s%03d", i);
        for (int r = i / 2 * 2 - 2; i >= 2 && r < i / 2 * 2; r++)
            n += snprintf(texts[i] + n, sizeof(texts[i]) - (size_t)n, "service = s%03d\n", r);
        items[i] = file(names[i], names[i], texts[i], 0);
    }
    load(items, N(items), &c);
    assert_int_equal(c.faults.n, 0);
    assert_int_equal(c.n_services, 2 * STEPS);
    odp_config_deinit(&c);
}

// Each line that takes part in a ring is told, also where the rings meet.
static void test_rings_that_meet(void **state)
{
    struct odp_file items[] = {
        file("a.ini", "a", REQUIRES("1", "service = d\n"), 0),
        file("b.ini", "b", REQUIRES("2", "service = a\n"), 0),
        file("c.ini", "c", REQUIRES("3", "service = a\n"), 0),
        file("d.ini", "d", REQUIRES("4", "service = b\nservice = c\n"), 0),
    };
    struct odp_config c;

    (void)state;
    load(items, N(items), &c);
    assert_int_equal(c.n_services, 3);
    expect(&c, 2, "d.ini:7",
           "[requires] service = b: b requires a (b.ini:7): neither could ever start");
    expect(&c, 3, "d.ini:8",
           "[requires] service = c: c requires a (c.ini:7): neither could ever start");
    odp_config_deinit(&c);
}

static void test_nothing_to_load(void **state)
{
    struct odp_config c;

    (void)state;
    load(NULL, 0, &c);
    assert_int_equal(c.n_services + c.n_invalid + c.faults.n, 0);
    odp_config_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets_that_lead_back),
        cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_clashes),
        cmocka_unit_test(test_shared_units),
        cmocka_unit_test(test_shared_containers),
        cmocka_unit_test(test_shared_projects),
        cmocka_unit_test(test_required_services),
        cmocka_unit_test(test_many_ways_to_a_required_service),
        cmocka_unit_test(test_rings_that_meet),
        cmocka_unit_test(test_nothing_to_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
