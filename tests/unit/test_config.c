// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Sound service files: what they mean, and what a name is.

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

static int parse_bytes(const char *name, const char *text, size_t n,
                       struct odp_config_service **ret, struct odp_config_faults *faults)
{
    return odp_config_service_parse(name, "x.ini", text, n, ret, faults);
}

static struct odp_config_service *parse(const char *text)
{
    struct odp_config_faults faults = {0};
    struct odp_config_service *s = NULL;
    int r = parse_bytes("x", text, strlen(text), &s, &faults);

    if (faults.n > 0)
        fail_msg("line %u: %s", faults.items[0].line, faults.items[0].message);
    assert_int_equal(r, 0);
    assert_non_null(s);
    return s;
}

static void test_smallest(void **state)
{
    struct odp_config_service *s = parse(SOUND);

    (void)state;
    assert_string_equal(s->name, "x");
    assert_string_equal(s->description, "x");
    assert_string_equal(s->file, "x.ini");
    assert_int_equal(s->n_listen, 1);
    assert_string_equal(s->listen[0].text, "80");
    assert_int_equal(s->listen[0].line, 2);
    assert_string_equal(s->target_text, "127.0.0.1:81");
    assert_int_equal(s->target_line, 3);
    assert_true(s->enabled);
    assert_int_equal(s->socket_mode, 0660);
    assert_int_equal(s->backend, ODP_BACKEND_PROCESS);
    assert_string_equal(s->command[0], "/bin/true");
    assert_null(s->command[1]);
    assert_null(s->environment);
    assert_int_equal(s->start_timeout_usec, 90 * ODP_USEC_PER_SEC);
    assert_int_equal(s->stop_timeout_usec, 30 * ODP_USEC_PER_SEC);
    assert_int_equal(s->probe, ODP_PROBE_TCP);
    assert_int_equal(s->ready_timeout_usec, 60 * ODP_USEC_PER_SEC);
    assert_int_equal(s->ready_interval_usec, 4 * ODP_USEC_PER_MS);
    assert_int_equal(s->wait_mode, ODP_WAIT_HOLD);
    assert_int_equal(s->wait_timeout_usec, 2 * ODP_USEC_PER_MIN);
    assert_int_equal(s->idle_timeout_usec, 10 * ODP_USEC_PER_MIN);
    assert_int_equal(s->drain_timeout_usec, 10 * ODP_USEC_PER_SEC);
    assert_int_equal(s->max_waiting, 256);
    assert_true(s->count_direct);
    assert_int_equal(s->keepalive_usec, 60 * ODP_USEC_PER_SEC);
    assert_int_equal(s->max_connections, 1024);
    assert_null(s->ready_path);
    assert_null(s->required_mounts);
    odp_config_service_free(s);
    odp_config_service_free(NULL);
}

static void test_exec(void **state)
{
    struct odp_config_service *s = parse(SERVICE "[backend]\nstart = virsh start 'my vm'\n"
                                                 "stop = virsh shutdown \"my vm\"\n");

    (void)state;
    assert_int_equal(s->backend, ODP_BACKEND_EXEC);
    assert_string_equal(odp_backend_type_to_string(s->backend), "exec");
    assert_null(s->command);
    assert_string_equal(s->start[2], "my vm");
    assert_string_equal(s->stop[1], "shutdown");
    assert_null(s->stop[3]);
    assert_null(s->status);
    odp_config_service_free(s);
    s = parse(SERVICE "[backend]\ntype = exec\nstatus = /bin/c\nstop = b\nstart = a\n");
    assert_string_equal(s->start[0], "a");
    assert_string_equal(s->status[0], "/bin/c");
    odp_config_service_free(s);
}

static void test_systemd(void **state)
{
    struct odp_config_service *s =
        parse(SERVICE "[backend]\nunit = docker-db.service\nunit = wiki@a\\x2db.service\n"
                      "stop_unit = wiki.target\nscope = user\ncontainer = db\n"
                      "container = Wiki_1.x\nengine = podman\n[ready]\nprobe = unit\n");

    (void)state;
    assert_int_equal(s->backend, ODP_BACKEND_SYSTEMD);
    assert_string_equal(odp_backend_type_to_string(s->backend), "systemd");
    assert_int_equal(s->n_units, 2);
    assert_string_equal(s->units[1].text, "wiki@a\\x2db.service");
    assert_int_equal(s->units[1].line, 6);
    assert_int_equal(s->n_stop_units, 1);
    assert_string_equal(s->stop_units[0].text, "wiki.target");
    assert_int_equal(s->scope, ODP_SCOPE_USER);
    assert_int_equal(s->n_containers, 2);
    assert_string_equal(s->containers[1].text, "Wiki_1.x");
    assert_int_equal(s->containers[1].line, 10);
    assert_int_equal(s->engine, ODP_ENGINE_PODMAN);
    assert_int_equal(s->probe, ODP_PROBE_UNIT);
    odp_config_service_free(s);
}

static void test_containers(void **state)
{
    struct odp_config_service *s = parse(SERVICE "[backend]\ncontainer = db\ncontainer = wiki\n");

    (void)state;
    assert_int_equal(s->backend, ODP_BACKEND_CONTAINER);
    assert_string_equal(odp_backend_type_to_string(s->backend), "container");
    assert_int_equal(s->engine, ODP_ENGINE_DEFAULT);
    assert_int_equal(s->n_containers, 2);
    assert_string_equal(s->containers[1].text, "wiki");
    assert_int_equal(s->probe, ODP_PROBE_AUTO); // a health check, where it has one
    assert_int_equal(s->ready_interval_usec, 4 * ODP_USEC_PER_MS);
    assert_null(s->engine_socket);
    odp_config_service_free(s);

    s = parse(SERVICE "[backend]\ntype = podman\ncontainer = wiki\nsocket = /run/x.sock\n");
    assert_int_equal(s->backend, ODP_BACKEND_CONTAINER);
    assert_int_equal(s->engine, ODP_ENGINE_PODMAN);
    assert_string_equal(s->engine_socket, "/run/x.sock");
    odp_config_service_free(s);
}

static void test_compose(void **state)
{
    struct odp_config_service *s = parse(SERVICE "[backend]\nproject = wiki_2-a\n");

    (void)state;
    assert_int_equal(s->backend, ODP_BACKEND_COMPOSE);
    assert_string_equal(odp_backend_type_to_string(s->backend), "compose");
    assert_string_equal(s->project.text, "wiki_2-a");
    assert_int_equal(s->engine, ODP_ENGINE_DEFAULT);
    assert_null(s->compose_files);
    assert_int_equal(s->probe, ODP_PROBE_AUTO);
    odp_config_service_free(s);

    s = parse(SERVICE
              "[backend]\ntype = compose\nproject = wiki\nfile = /srv/my wiki/compose.yaml\n"
              "file = /srv/my wiki/pi.yaml\n"
              "engine = podman\nsocket = /run/x.sock\nscope = user\ncontainer = wiki_db_1\n");
    assert_int_equal(s->backend, ODP_BACKEND_COMPOSE);
    assert_string_equal(s->compose_files[0], "/srv/my wiki/compose.yaml");
    assert_string_equal(s->compose_files[1], "/srv/my wiki/pi.yaml");
    assert_null(s->compose_files[2]);
    assert_int_equal(s->engine, ODP_ENGINE_PODMAN);
    assert_int_equal(s->n_containers, 1);
    odp_config_service_free(s);
}

static void test_probes_of_containers(void **state)
{
    struct odp_config_service *s =
        parse(SERVICE "[backend]\ncontainer = wiki\n[ready]\nprobe = health\n");

    (void)state;
    assert_int_equal(s->probe, ODP_PROBE_HEALTH);
    assert_int_equal(s->ready_interval_usec, 250 * ODP_USEC_PER_MS);
    odp_config_service_free(s);
    s = parse(SERVICE "[backend]\nunit = docker-wiki.service\ncontainer = wiki\n");
    assert_int_equal(s->probe, ODP_PROBE_AUTO);
    odp_config_service_free(s);
    s = parse(SERVICE "[backend]\ncontainer = wiki\n[ready]\nprobe = tcp\n");
    assert_int_equal(s->probe, ODP_PROBE_TCP);
    odp_config_service_free(s);
    s = parse(SERVICE "[backend]\ncontainer = wiki\n[ready]\npath = /\n");
    assert_int_equal(s->probe, ODP_PROBE_HTTP);
    odp_config_service_free(s);
}

static void test_probes(void **state)
{
    struct odp_config_service *s = parse(SOUND "[ready]\nprobe = http\n");

    (void)state;
    assert_int_equal(s->probe, ODP_PROBE_HTTP);
    assert_string_equal(s->ready_path, "/");
    assert_int_equal(s->n_ready_expect, 3);
    assert_int_equal(s->ready_expect[0].first, 200);
    assert_int_equal(s->ready_expect[0].last, 399);
    assert_int_equal(s->ready_expect[2].first, 403);
    assert_int_equal(s->ready_expect[2].last, 403);
    assert_int_equal(s->ready_interval_usec, 250 * ODP_USEC_PER_MS);
    odp_config_service_free(s);
    s = parse(SOUND "[ready]\nprobe = http\npath = /health?x=1\nexpect = 204 , 500 - 599\n"
                    "interval = 1s\n");
    assert_string_equal(s->ready_path, "/health?x=1");
    assert_int_equal(s->n_ready_expect, 2);
    assert_int_equal(s->ready_expect[1].first, 500);
    assert_int_equal(s->ready_expect[1].last, 599);
    assert_int_equal(s->ready_interval_usec, ODP_USEC_PER_SEC);
    odp_config_service_free(s);
    s = parse(SERVICE "[backend]\nunit = pg.service\nuser = postgres\n"
                      "[ready]\ncommand = pg_isready -p 81\n");
    assert_string_equal(s->user, "postgres"); // the probe's
    odp_config_service_free(s);
    s = parse(SOUND "[ready]\nprobe = exec\ncommand = pg_isready -p 81\n");
    assert_int_equal(s->probe, ODP_PROBE_EXEC);
    odp_config_service_free(s);
    s = parse(SOUND "[ready]\npath = /settings\n");
    assert_int_equal(s->probe, ODP_PROBE_HTTP);
    assert_string_equal(s->ready_path, "/settings");
    odp_config_service_free(s);
    s = parse(SOUND "[ready]\ncommand = pg_isready -p 81\n");
    assert_int_equal(s->probe, ODP_PROBE_EXEC);
    assert_string_equal(s->ready_command[2], "81");
    assert_null(s->ready_path);
    odp_config_service_free(s);
}

static void test_requires_and_client(void **state)
{
    struct odp_config_service *s =
        parse(SOUND "[idle]\ncount = connections\naction = stop\ncount_direct = no\n"
                    "[requires]\nservice = db\nservice = cache\nmount = /media/FILMS\n"
                    "path = /media/a b\npath = /media/c\n"
                    "[client]\nproxy_protocol = off\nkeepalive = 90s\nmax_connections = 5000\n");

    (void)state;
    assert_false(s->count_direct);
    assert_int_equal(s->n_required_services, 2);
    assert_string_equal(s->required_services[1].text, "cache");
    assert_int_equal(s->required_services[1].line, 12);
    assert_string_equal(s->required_mounts[0], "/media/FILMS");
    assert_null(s->required_mounts[1]);
    assert_string_equal(s->required_paths[0], "/media/a b");
    assert_string_equal(s->required_paths[1], "/media/c");
    assert_int_equal(s->keepalive_usec, 90 * ODP_USEC_PER_SEC);
    assert_int_equal(s->max_connections, 5000);
    odp_config_service_free(s);
}

static const char everything[] = "\xef\xbb\xbf# every key that is built\n"
                                 "; and both kinds of comment\n"
                                 "[service]\n"
                                 "description = Notes ; not a comment # nor this = really\n"
                                 "listen = [::1]:8080\n"
                                 "listen=/run/notes.sock\n"
                                 "socket_mode = 0600\n"
                                 "socket_owner = www-data:www-data\n"
                                 "target =  192.0.2.7:5230  \t\n"
                                 "enabled = Off\n"
                                 " \t\n"
                                 "[backend]\n"
                                 "type = process\n"
                                 "command = notes --title \"a b\" 'c \"d\"' e\\ f --empty \"\" "
                                 "x\"y z\"w $HOME %n \\x41\\101\\n\n"
                                 "directory = /var/lib/notes\n"
                                 "user = notes\n"
                                 "environment = TZ=Europe/Berlin\n"
                                 "environment = EMPTY=\n"
                                 "environment_file = /etc/notes.env\n"
                                 "start_timeout = 1h 30s\n"
                                 "stop_timeout = 250ms\n"
                                 "[ready]\n"
                                 "probe = none\n"
                                 "timeout = 5\n"
                                 "interval = 1.5s\n"
                                 "[wait]\n"
                                 "mode = page\n"
                                 "timeout = 3min\n"
                                 "[idle]\n"
                                 "timeout = infinity\n"
                                 "[service]\n"
                                 "listen = 7000"; // no newline at the end

static void test_everything(void **state)
{
    static const char *const argv[] = {"notes", "--title", "a b",   "c \"d\"", "e f", "--empty",
                                       "",      "xy zw",   "$HOME", "%n",      "AA\n"};
    struct odp_config_service *s = parse(everything);

    (void)state;
    assert_string_equal(s->description, "Notes ; not a comment # nor this = really");
    assert_int_equal(s->n_listen, 3);
    assert_int_equal(s->listen[1].address.kind, ODP_ADDRESS_UNIX);
    assert_int_equal(s->listen[2].line, 32);
    assert_int_equal(s->socket_mode, 0600);
    assert_string_equal(s->socket_owner, "www-data:www-data");
    assert_string_equal(s->target_text, "192.0.2.7:5230");
    assert_false(s->enabled);
    for (size_t i = 0; i < N(argv); i++)
        assert_string_equal(s->command[i], argv[i]);
    assert_null(s->command[N(argv)]);
    assert_string_equal(s->directory, "/var/lib/notes");
    assert_string_equal(s->user, "notes");
    assert_string_equal(s->environment[0], "TZ=Europe/Berlin");
    assert_string_equal(s->environment[1], "EMPTY=");
    assert_null(s->environment[2]);
    assert_string_equal(s->environment_file, "/etc/notes.env");
    assert_int_equal(s->start_timeout_usec, 3630 * ODP_USEC_PER_SEC);
    assert_int_equal(s->stop_timeout_usec, 250 * ODP_USEC_PER_MS);
    assert_int_equal(s->probe, ODP_PROBE_NONE);
    assert_int_equal(s->ready_timeout_usec, 5 * ODP_USEC_PER_SEC);
    assert_int_equal(s->ready_interval_usec, 1500 * ODP_USEC_PER_MS);
    assert_int_equal(s->wait_mode, ODP_WAIT_PAGE);
    assert_int_equal(s->wait_timeout_usec, 3 * ODP_USEC_PER_MIN);
    assert_true(s->idle_timeout_usec == ODP_NEVER);
    odp_config_service_free(s);
}

static void test_defaults_that_hang_on_the_target(void **state)
{
    static const struct {
        const char *target;
        uint64_t ms;
    } rows[] = {{"127.0.0.1:81", 4}, {"localhost:81", 4},  {"[::1]:81", 4},
                {"/run/x.sock", 4},  {"192.0.2.7:81", 50}, {"[2001:db8::1]:81", 50},
                {"192.0.2.7:80", 50}};

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "[service]\nlisten = 80\ntarget = %s\n[backend]\ntype = none\n", rows[i].target);
        struct odp_config_service *s = parse(text);
        assert_int_equal(s->ready_interval_usec, rows[i].ms * ODP_USEC_PER_MS);
        assert_int_equal(s->backend, ODP_BACKEND_NONE);
        assert_null(s->command);
        odp_config_service_free(s);
    }
}

static uint64_t digest_of(const char *text)
{
    struct odp_config_service *s = parse(text);
    uint64_t digest = s->digest;

    odp_config_service_free(s);
    return digest;
}

static void test_other_digests(void **state)
{
    static const char *const texts[] = {SOUND, SOUND "[idle]\ntimeout = 1\n",
                                        SOUND "[backend]\nstop_timeout = 1\n"};
    uint64_t backend[3], text[3];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct odp_config_service *s = parse(texts[i]);
        backend[i] = s->backend_digest;
        text[i] = s->text_digest;
        odp_config_service_free(s);
    }
    assert_true(backend[0] == backend[1] && backend[0] != backend[2]);
    assert_true(text[0] != text[1] && text[0] != text[2] && text[1] != text[2]);
}

static void test_digest(void **state)
{
    uint64_t digest = digest_of(SOUND);

    (void)state;
    assert_true(digest == digest_of("# c\n" SERVICE "\n[backend]\n;c\ncommand=/bin/true  \n"));
    assert_true(digest ==
                digest_of(BACKEND "[service]\nlisten=82\ntarget=/run/x\n[idle]\ntimeout=1\n"));
    assert_true(digest != digest_of(SERVICE "[backend]\ncommand = /bin/false\n"));
    assert_true(digest != digest_of(SOUND "type = process\n"));
    assert_true(digest != digest_of(SOUND "[requires]\npath = /x\n"));
    assert_true(digest_of(SOUND "[requires]\npath = /x\n") !=
                digest_of(SOUND "[requires]\nmount = /x\n"));
    assert_true(digest_of(SOUND "environment=A=1\nenvironment=B=2\n") !=
                digest_of(SOUND "environment=B=2\nenvironment=A=1\n"));
}

// Its containers' address the launcher has to find by the port.
static void test_auto(void **state)
{
#define AUTO(port, backend) "[service]\nlisten = 80\ntarget = auto:" port "\n[backend]\n" backend
    struct odp_config_service *s = parse(AUTO("8080", "container = wiki\n"));

    (void)state;
    assert_int_equal(s->target.kind, ODP_ADDRESS_AUTO);
    assert_int_equal(s->target.port, 8080);
    assert_string_equal(s->target_text, "auto:8080");
    assert_int_equal(s->ready_interval_usec, 4 * ODP_USEC_PER_MS);
    odp_config_service_free(s);
    odp_config_service_free(parse(AUTO("80", "unit = wiki.service\ncontainer = wiki\n")));
    odp_config_service_free(parse(AUTO("80", "project = wiki\n")));
    assert_true(digest_of(AUTO("80", "container = wiki\n")) !=
                digest_of(AUTO("81", "container = wiki\n")));
#undef AUTO
}

static void test_names(void **state)
{
    static const char *const sound[] = {
        "a", "0", "a.b-c_d", "navidrome",
        "a23456789012345678901234567890123456789012345678901234567890123"};
    static const char *const unsound[] = {
        "",    "A",
        "-a",  ".a",
        "_a",  "a b",
        "a/b", "\xc3\xbc",
        "a\n", "a234567890123456789012345678901234567890123456789012345678901234"};
    struct odp_config_faults faults = {0};
    struct odp_config_service *s = NULL;

    (void)state;
    for (size_t i = 0; i < N(sound); i++)
        assert_true(odp_name_is_valid(sound[i]));
    for (size_t i = 0; i < N(unsound); i++) {
        assert_false(odp_name_is_valid(unsound[i]));
        assert_int_equal(parse_bytes(unsound[i], SOUND, strlen(SOUND), &s, &faults),
                         ODP_CONFIG_E_FAULTY);
        assert_null(s);
        assert_int_equal(faults.n, i + 1);
        assert_non_null(strstr(faults.items[i].message, "is no service name"));
    }
    odp_config_faults_deinit(&faults);
}

static void test_nearest(void **state)
{
    static const char *const words[] = {"timeout", "listen", "probe", NULL};

    (void)state;
    assert_string_equal(odp_nearest("timeot", words), "timeout");
    assert_string_equal(odp_nearest("TIMEOUT", words), "timeout");
    assert_string_equal(odp_nearest("lsiten", words), "listen");
    assert_string_equal(odp_nearest("prob", words), "probe");
    assert_string_equal(odp_nearest("probe", words), "probe");
    assert_null(odp_nearest("prbo", words));
    assert_null(odp_nearest("x", words));
    assert_null(odp_nearest("", words));
    assert_string_equal(odp_backend_type_to_string(ODP_BACKEND_PROCESS), "process");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_systemd),
        cmocka_unit_test(test_compose),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_probes_of_containers),
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_requires_and_client),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_defaults_that_hang_on_the_target),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_other_digests),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
