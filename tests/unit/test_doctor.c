// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The checks of odp doctor on facts that are made up, and what reads those facts: no system is
// asked.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "odp/base/time.h"
#include "odp/cli/doctor.h"

#define FILE_OF_WEB                                                                                \
    "[service]\nlisten = 8080\ntarget = 127.0.0.1:18080\n[backend]\nunit = web.service\n"
#define WEB                                                                                        \
    "Id=web.service\nNames=web.service\nLoadState=loaded\nTimeoutStopUSec=1min 30s\n"              \
    "Type=simple\nStopWhenUnneeded=no\nNeedDaemonReload=no\nRemainAfterExit=no\n"
#define INACTIVE "ActiveState=inactive\nResult=success\n"
#define ACTIVE   "ActiveState=active\nActiveEnterTimestampMonotonic=1000\n"

// Line of /proc/net/tcp; the port in hexadecimal, addresses as a little-endian machine has them.
#define TCP(address, port, inode)                                                                  \
    "   0: " address ":" port " 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000"     \
    "        0 " inode " 1 0000000000000000 100 0 0 10 0\n"

static struct odp_doctor *facts_new(const char *file, const char *units)
{
    struct odp_doctor *d = calloc(1, sizeof(*d));
    char path[] = "/etc/odp/services/web.ini", stem[] = "web";
    char *text = strdup(file);
    struct odp_file item = {.path = path, .stem = stem, .text = text, .n_bytes = strlen(text)};
    struct odp_files files = {.items = &item, .n = 1};

    assert_int_equal(odp_config_load(&files, &d->config), 0);
    free(text);
    d->is_root = d->container = true;
    d->now_usec = ODP_USEC_PER_SEC;
    d->odpd.error = -ENOENT;
    d->managers[0].present = d->managers[0].bus = true;
    d->managers[0].stop_timeout_usec = 90 * ODP_USEC_PER_SEC;
    assert_int_equal(odp_show_parse(units, &d->managers[0].units), 0);
    return d;
}

static void facts_free(struct odp_doctor *d)
{
    odp_doctor_deinit(d);
    free(d);
}

// Whether exactly this is found of the service (NULL: nothing), whatever there is beside it.
static void assert_found(struct odp_doctor *d, const char *kind)
{
    struct odp_findings f = {0};
    size_t n = 0;

    odp_doctor_check(d, &f);
    assert_false(f.failed);
    for (size_t i = 0; i < f.n; i++) {
        assert_non_null(f.items[i].command);
        if (strcmp(f.items[i].name, "web") != 0)
            continue;
        assert_non_null(kind);
        assert_string_equal(f.items[i].kind, kind);
        n++;
    }
    assert_int_equal(n, kind ? 1 : 0);
    odp_findings_deinit(&f);
}

static void assert_unit(const char *units, const char *kind)
{
    struct odp_doctor *d = facts_new(FILE_OF_WEB, units);

    assert_found(d, kind);
    facts_free(d);
}

static void test_units(void **state)
{
    (void)state;
    assert_unit("", NULL); // nothing is known of it
    assert_unit(WEB INACTIVE, NULL);
    assert_unit(WEB "ActiveState=failed\nResult=exit-code\n", "unit-failed");
    assert_unit(WEB "ActiveState=activating\nSubState=auto-restart\nNRestarts=1\n", "unit-loops");
    assert_unit(WEB ACTIVE "NRestarts=2\n", "target-silent");
    assert_unit(WEB ACTIVE "NRestarts=3\n", "unit-loops"); // up for less than a second
    assert_unit("Names=web.service\nLoadState=not-found\n", "unit-missing");
    assert_unit("Names=web.service\nLoadState=masked\n", "unit-masked");
    assert_unit("Names=web.service\nLoadState=bad-setting\n", "unit-faulty");
    assert_unit("UpheldBy=x.service\n" WEB INACTIVE, "unit-upheld");
    assert_unit("Names=web.service\nLoadState=loaded\nStopWhenUnneeded=yes\n", "unit-unneeded");
    assert_unit("Names=web.service\nLoadState=loaded\nTimeoutStopUSec=5min\n", "unit-slow-stop");
    assert_unit("Names=web.service\nLoadState=loaded\nTimeoutStopUSec=2min\n", NULL);
    assert_unit("Names=web.service\nLoadState=loaded\nNeedDaemonReload=yes\n", "unit-changed");
    assert_unit("Names=web.service\nLoadState=loaded\nType=oneshot\nRemainAfterExit=no\n",
                "unit-oneshot");
    assert_unit("Names=web.service\nLoadState=loaded\nType=oneshot\nRemainAfterExit=yes\n", NULL);
}

static void test_boot(void **state)
{
    struct odp_doctor *d = facts_new(FILE_OF_WEB, "WantedBy=multi-user.target\n" WEB INACTIVE);

    (void)state;
    assert_found(d, NULL);
    d->managers[0].at_boot = strdup("default.target\n  other.service\n");
    assert_found(d, NULL);
    free(d->managers[0].at_boot);
    d->managers[0].at_boot = strdup("default.target\n  multi-user.target\n  web.service\n");
    assert_found(d, "unit-at-boot");
    facts_free(d);
}

static bool says(struct odp_doctor *d, const char *words)
{
    struct odp_findings f = {0};
    bool ret = false;

    odp_doctor_check(d, &f);
    for (size_t i = 0; i < f.n; i++)
        ret |= strstr(f.items[i].what, words) != NULL;
    odp_findings_deinit(&f);
    return ret;
}

static void test_target(void **state)
{
    struct odp_doctor *d = facts_new(FILE_OF_WEB, WEB ACTIVE);

    (void)state;
    assert_found(d, "target-silent");
    assert_true(says(d, "127.0.0.1:18080 yet"));
    d->now_usec = 61 * ODP_USEC_PER_SEC;
    assert_found(d, "target-silent");
    assert_false(says(d, " yet"));
    assert_int_equal(odp_ports_add_inet(&d->ports, TCP("0100007F", "46A0", "7"), false), 0);
    assert_found(d, NULL);
    facts_free(d);
}

static void test_target_open(void **state)
{
    struct odp_doctor *d = facts_new(FILE_OF_WEB, WEB ACTIVE);

    (void)state;
    assert_int_equal(odp_ports_add_inet(&d->ports, TCP("00000000", "46A0", "7"), false), 0);
    assert_found(d, "target-open");
    facts_free(d);
}

static void hold(struct odp_doctor *d, const char *program, const char *unit)
{
    struct odp_holder *h = calloc(1, sizeof(*h));

    h->inode = 7;
    h->pid = 99;
    strcpy(h->program, program);
    strcpy(h->unit, unit);
    free(d->ports.holders);
    d->ports.holders = h;
    d->ports.n_holders = 1;
}

static void test_port(void **state)
{
    struct odp_doctor *d = facts_new(FILE_OF_WEB, WEB INACTIVE);

    (void)state;
    assert_int_equal(odp_ports_add_inet(&d->ports, TCP("00000000", "1F90", "7"), false), 0);
    d->ports.blind = true;
    assert_found(d, NULL); // it may be odpd's
    d->ports.blind = false;
    assert_found(d, "port-taken"); // it is nobody's here
    hold(d, "odpd", "odpd.service");
    assert_found(d, NULL);
    hold(d, "nginx", "nginx.service");
    assert_found(d, "port-taken");
    facts_free(d);

    d = facts_new(FILE_OF_WEB, WEB INACTIVE);
    assert_int_equal(odp_ports_add_inet(&d->ports, TCP("0100007F", "46A0", "7"), false), 0);
    hold(d, "python3", "web.service"); // it has just been stopped
    assert_found(d, NULL);
    hold(d, "python3", "other.service");
    assert_found(d, "target-taken");
    facts_free(d);
}

static void test_listeners(void **state)
{
    struct odp_ports p = {0};
    char text[ODP_ADDRESS_TEXT_MAX];

    (void)state;
    assert_int_equal(
        odp_ports_add_inet(&p, "  sl  local_address\n" TCP("0100007F", "1F90", "7"), false), 0);
    // One that is connected, no listener.
    assert_int_equal(odp_ports_add_inet(&p,
                                        "  1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 "
                                        "00:00000000 00000000 0 0 8 1\n",
                                        false),
                     0);
    assert_int_equal(
        odp_ports_add_inet(&p, TCP("00000000000000000000000001000000", "0050", "9"), true), 0);
    assert_int_equal(odp_ports_add_unix(&p, "Num RefCount Protocol Flags Type St Inode Path\n"
                                            "0000000000000000: 00000002 00000000 00010000 0001 01 "
                                            "11 /run/x.sock\n"
                                            "0000000000000000: 00000003 00000000 00000000 0001 03 "
                                            "12 /run/y.sock\n"
                                            "0000000000000000: 00000002 00000000 00010000 0001 01 "
                                            "13 @/abstract\n"),
                     0);
    assert_int_equal(p.n, 3);
    assert_string_equal(odp_address_format(&p.items[0].address, text, sizeof(text)),
                        "127.0.0.1:8080");
    assert_string_equal(odp_address_format(&p.items[1].address, text, sizeof(text)), "[::1]:80");
    assert_string_equal(odp_address_format(&p.items[2].address, text, sizeof(text)), "/run/x.sock");
    odp_ports_deinit(&p);
}

static void test_show(void **state)
{
    struct odp_show s;
    const char *v;

    (void)state;
    assert_int_equal(odp_show_parse("\nNames=a.service b.service\nListen=1\nListen=2\n\n\n"
                                    "Names=c.service\nX=\nY=a=b",
                                    &s),
                     0);
    assert_int_equal(s.n, 2);
    assert_ptr_equal(odp_show_find(&s, "b.service"), s.blocks[0]);
    assert_null(odp_show_find(&s, "b"));
    v = odp_show_next(s.blocks[0], "Listen", NULL);
    assert_string_equal(v, "1");
    v = odp_show_next(s.blocks[0], "Listen", v);
    assert_string_equal(v, "2");
    assert_null(odp_show_next(s.blocks[0], "Listen", v));
    assert_string_equal(odp_show_value(s.blocks[1], "Y"), "a=b");
    assert_string_equal(odp_show_value(s.blocks[1], "X"), "");
    assert_string_equal(odp_show_value(NULL, "X"), "");
    odp_show_deinit(&s);
}

static void assert_client(const char *exec, const char *type, const char *kind)
{
    struct odp_buf units = {0};

    odp_buf_printf(&units,
                   "Names=web.service\nLoadState=loaded\nType=%s\nExecStart={ path=/bin/x ; "
                   "argv[]=%s ; ignore_errors=no ; start_time=[n/a] }\n",
                   type, exec);
    struct odp_doctor *d = facts_new(FILE_OF_WEB "container = web\n", units.s);
    assert_found(d, kind);
    facts_free(d);
    odp_buf_deinit(&units);
}

static void test_clients(void **state)
{
    (void)state;
    assert_client("/usr/bin/docker run --rm --name web -p 127.0.0.1:18080:80 image", "simple",
                  NULL);
    assert_client("/usr/bin/docker run -p 8080:80 image", "simple", "port-published");
    assert_client("/usr/bin/docker run --publish=0.0.0.0:8080:80/tcp i", "exec", "port-published");
    assert_client("/usr/bin/docker run -p8080:80 image", "simple", "port-published");
    assert_client("/usr/bin/docker run -p=8080:80 image", "simple", "port-published");
    assert_client("/usr/bin/docker run -itp 8080:80 image", "simple", "port-published");
    assert_client("/usr/bin/docker run -dp18080:80 image", "simple", "container-detached");
    assert_client("/usr/bin/docker run -eA=b -v/srv:/srv -p8080:80 i", "simple", "port-published");
    assert_client("/usr/bin/docker run -p18080:80 image -p8080:80", "simple", NULL);
    assert_client("/usr/bin/docker run -p 8080:80/udp image", "simple", NULL);
    assert_client("/usr/bin/docker run -p 80 image", "simple", NULL);
    assert_client("/usr/bin/docker run image -p 8080:80 -d --restart always", "simple", NULL);
    assert_client("/usr/bin/docker run --network x image -d", "simple", NULL);
    assert_client("/usr/bin/podman container run --restart always i", "simple",
                  "container-restarts");
    assert_client("/usr/bin/docker run --restart=unless-stopped image", "simple", NULL);
    assert_client("/usr/bin/docker run --restart on-failure image", "simple", NULL);
    assert_client("/usr/bin/podman run -d image", "simple", "container-detached");
    assert_client("/usr/bin/podman run -d image", "notify", NULL);
    assert_client("/usr/bin/docker ps", "simple", NULL);
    assert_client("/usr/bin/run docker", "simple", NULL);
}

// That `kind` of finding has this command.
static void assert_command(struct odp_doctor *d, const char *kind, const char *command)
{
    struct odp_findings f = {0};
    const char *found = NULL;

    odp_doctor_check(d, &f);
    for (size_t i = 0; i < f.n; i++)
        if (strcmp(f.items[i].kind, kind) == 0)
            found = f.items[i].command;
    assert_non_null(found);
    assert_string_equal(found, command);
    odp_findings_deinit(&f);
    facts_free(d);
}

#define ODD_FILE                                                                                   \
    "[service]\nlisten = 8080\ntarget = 127.0.0.1:18080\n[backend]\nunit = a\\x2db.service\n"
#define ODD "Names=a\\x2db.service\nLoadState="

static void test_commands_for_a_shell(void **state)
{
    (void)state;
    assert_command(facts_new(ODD_FILE, ODD "masked\n"), "unit-masked",
                   "systemctl unmask 'a\\x2db.service'");
    assert_command(facts_new(ODD_FILE, ODD "loaded\nStopWhenUnneeded=yes\n"), "unit-unneeded",
                   "mkdir -p /etc/systemd/system/'a\\x2db.service'.d && printf "
                   "'[Unit]\\nStopWhenUnneeded=%s\\n' no "
                   ">/etc/systemd/system/'a\\x2db.service'.d/odp-StopWhenUnneeded.conf && "
                   "systemctl daemon-reload");
    // A line of that key may be there.
    assert_command(
        facts_new(FILE_OF_WEB, "Names=web.service\nLoadState=loaded\nTimeoutStopUSec=5min\n"),
        "unit-slow-stop",
        "sed -i '/^stop_timeout/d; s/^\\[backend\\]/&\\nstop_timeout = 5min/' "
        "/etc/odp/services/web.ini && odp reload");
}

static void test_holders_command(void **state)
{
    char system[] = "0::/system.slice/x.service\n";
    char user[] = "1:name=x:/y.service\n0::/user.slice/user-1000.slice/user@1000.service/app.slice/"
                  "x.service/sub\n";
    char own[] = "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n";
    struct odp_holder h = {0};

    (void)state;
    odp_holder_set_unit(&h, system);
    assert_string_equal(h.unit, "x.service");
    assert_false(h.is_users);
    odp_holder_set_unit(&h, user);
    assert_string_equal(h.unit, "x.service");
    assert_true(h.is_users);
    assert_int_equal(h.uid, 1000);
    h = (struct odp_holder){0};
    odp_holder_set_unit(&h, own);
    assert_string_equal(h.unit, "init.scope");
}

// A stranger has the port; as root.
static struct odp_doctor *taken_new(const struct odp_holder *h)
{
    struct odp_doctor *d = facts_new(FILE_OF_WEB, WEB INACTIVE);

    assert_int_equal(odp_ports_add_inet(&d->ports, TCP("00000000", "1F90", "7"), false), 0);
    d->ports.holders = calloc(1, sizeof(*h));
    assert_non_null(d->ports.holders);
    d->ports.holders[d->ports.n_holders++] = *h;
    return d;
}

static void test_who_is_to_be_stopped(void **state)
{
    struct odp_holder h = {.inode = 7, .pid = 5, .program = "x", .unit = "x.service"};
    struct odp_doctor *d;

    (void)state;
    assert_command(taken_new(&h), "port-taken", "systemctl disable --now x.service");
    h.is_users = true;
    h.uid = 1000;
    assert_command(taken_new(&h), "port-taken",
                   "sudo -u '#1000' XDG_RUNTIME_DIR=/run/user/1000 systemctl --user disable --now "
                   "x.service");
    d = taken_new(&h);
    d->is_root = false;
    d->is_user = true;
    d->uid = 1000;
    assert_command(d, "port-taken", "systemctl --user disable --now x.service");
}

// What is found of /etc/odp/services, owned by `uid` and group 7.
static void assert_directory(bool is_user, uid_t uid, mode_t mode, bool is_found)
{
    struct odp_doctor *d = facts_new(FILE_OF_WEB, WEB INACTIVE);
    struct odp_findings f = {0};

    strcpy(d->config_dir, "/etc/odp");
    d->is_user = is_user;
    d->uid = 1000;
    d->has_own_group = true;
    d->own_group = 7;
    d->places.items = calloc(1, sizeof(*d->places.items));
    assert_non_null(d->places.items);
    d->places.n = 1;
    d->places.items[0] = (struct odp_place){
        .path = strdup("/etc/odp/services"), .uid = uid, .gid = 7, .mode = S_IFDIR | mode};
    odp_doctor_check(d, &f);
    assert_int_equal(odp_findings_has(&f, "file-owner"), is_found);
    odp_findings_deinit(&f);
    if (is_found && !is_user)
        assert_command(d, "file-owner",
                       "chown root:root /etc/odp/services && chmod 0755 /etc/odp/services");
    else
        facts_free(d);
}

static void test_who_may_put_files_there(void **state)
{
    (void)state;
    assert_directory(false, 0, 0755, false);
    assert_directory(false, 0, 0775, true);
    assert_directory(false, 1000, 0755, true);
    assert_directory(true, 1000, 0775, false); // that group is the user alone
    assert_directory(true, 1000, 0777, true);
}

static void test_keep(void **state)
{
    struct odp_findings a = {0}, b = {0};

    (void)state;
    odp_finding_add(&a, "x", "web", "1");
    odp_finding_add(&a, "x", "echo", "2");
    odp_finding_add(&a, "y", "web", "3");
    odp_finding_add(&b, "y", "web", "other words");
    odp_findings_keep(&a, &b);
    assert_int_equal(a.n, 1);
    assert_string_equal(a.items[0].what, "3");
    odp_findings_deinit(&a);
    odp_findings_deinit(&b);
}

static void test_names_of_containers(void **state)
{
#define CLIENT(words)                                                                              \
    facts_new(FILE_OF_WEB, "Names=web.service\nLoadState=loaded\nType=notify\nExecStart={ "        \
                           "path=/bin/x ; argv[]=/usr/bin/podman " words " i ; }\n")
    struct odp_doctor *d = CLIENT("run --cgroups=split -d --name=wiki");

    (void)state;
    assert_found(d, NULL); // as quadlets do: the unit's own group has it all
    facts_free(d);
    assert_command(CLIENT("run --name wiki"), "no-container",
                   "sed -i 's/^\\[backend\\]/&\\ncontainer = wiki\\nengine = podman/' "
                   "/etc/odp/services/web.ini && odp reload");
    assert_command(CLIENT("start --attach"), "no-container",
                   "sed -i 's/^\\[backend\\]/&\\ncontainer = i\\nengine = podman/' "
                   "/etc/odp/services/web.ini && odp reload");
    assert_command(CLIENT("run --name ${WIKI}"), "no-container",
                   "systemctl edit --full web.service (with --name=web), and add container = web "
                   "below [backend] in /etc/odp/services/web.ini");
}

static void test_many_faults_of_a_file_are_one_line(void **state)
{
    struct odp_doctor *d = facts_new("[service]\nnonsense = 1\nmore = 2\n", "");
    struct odp_findings f = {0};

    (void)state;
    odp_doctor_check(d, &f);
    for (size_t i = 0; i < f.n; i++)
        if (strcmp(f.items[i].kind, "file-faulty") == 0) {
            assert_non_null(strstr(f.items[i].what, "/etc/odp/services/web.ini:"));
            assert_non_null(strstr(f.items[i].what, " more)"));
        }
    assert_true(odp_findings_has(&f, "file-faulty"));
    odp_findings_deinit(&f);
    facts_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_boot),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_target_open),
        cmocka_unit_test(test_port),
        cmocka_unit_test(test_listeners),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_many_faults_of_a_file_are_one_line),
        cmocka_unit_test(test_commands_for_a_shell),
        cmocka_unit_test(test_who_may_put_files_there),
        cmocka_unit_test(test_holders_command),
        cmocka_unit_test(test_who_is_to_be_stopped),
        cmocka_unit_test(test_names_of_containers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
