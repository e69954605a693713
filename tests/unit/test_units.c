// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The text of socket units: whole for the smallest file, and by lines for all that could be
// misread on the way.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/units.h"

#define TARGET "target = 127.0.0.1:9\n[backend]\ntype = none\n"

static struct odp_config_service *parse(const char *name, const char *file, const char *text)
{
    struct odp_config_faults faults = {0};
    struct odp_config_service *s = NULL;

    odp_config_service_parse(name, file, text, strlen(text), &s, &faults);
    if (faults.n > 0)
        fail_msg("%s", faults.items[0].message);
    odp_config_faults_deinit(&faults);
    return s;
}

static struct odp_buf text_of(const char *name, const char *file, const char *text, bool is_user)
{
    struct odp_config_service *s = parse(name, file, text);
    struct odp_buf b = {0};
    char why[256] = "";

    assert_int_equal(odp_units_socket(s, is_user, &b, why, sizeof(why)), 0);
    assert_string_equal(why, "");
    odp_config_service_free(s);
    return b;
}

static struct odp_buf simple(const char *settings, bool is_user)
{
    char text[2048];

    snprintf(text, sizeof(text), "[service]\n%s" TARGET, settings);
    return text_of("wiki", "/etc/odp/services/wiki.ini", text, is_user);
}

// Each of `lines` (parted by newlines) stands in the unit, or with a leading `!` does not.
static void expect(const char *settings, bool is_user, const char *lines)
{
    struct odp_buf b = simple(settings, is_user);
    char *copy = strdup(lines);

    for (char *save, *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        char line[512];
        bool wanted = *l != '!';
        snprintf(line, sizeof(line), "\n%s%s", wanted ? l : l + 1, wanted ? "\n" : "");
        if ((strstr(b.s, line) != NULL) != wanted)
            fail_msg("`%s` in\n%s", l, b.s);
    }
    free(copy);
    odp_buf_deinit(&b);
}

static void test_smallest_file(void **state)
{
    struct odp_buf b = simple("listen = 4533\n", false);

    (void)state;
    assert_string_equal(b.s,
                        "# Made by odp from /etc/odp/services/wiki.ini: changes belong there.\n"
                        "\n"
                        "[Unit]\n"
                        "Description=odp: wiki\n"
                        "SourcePath=/etc/odp/services/wiki.ini\n"
                        "PartOf=odp.target\n"
                        "StartLimitIntervalSec=0\n"
                        "\n"
                        "[Socket]\n"
                        "Service=odpd.service\n"
                        "FileDescriptorName=wiki\n"
                        "TriggerLimitIntervalSec=0\n"
                        "ListenStream=4533\n"
                        "BindIPv6Only=both\n"
                        "NoDelay=yes\n"
                        "KeepAlive=yes\n"
                        "KeepAliveTimeSec=60\n"
                        "KeepAliveIntervalSec=15\n"
                        "KeepAliveProbes=4\n");
    assert_int_equal(strncmp(b.s, ODP_UNITS_MARK, strlen(ODP_UNITS_MARK)), 0);
    odp_buf_deinit(&b);
}

static void test_tcp_addresses(void **state)
{
    (void)state;
    expect("listen = 80\nlisten = 100.64.0.1:81\nlisten = [fd00::1]:82\n", false,
           "ListenStream=80\nListenStream=100.64.0.1:81\nListenStream=[fd00::1]:82\nFreeBind=yes");
    expect("listen = 80\n", false, "!FreeBind=");
    expect("listen = localhost:80\n", false, "ListenStream=127.0.0.1:80");
    expect("listen = 80\n", false, "!RemoveOnStop\n!SocketMode\n!SocketUser\n!DefaultDependencies");
}

static void test_keepalive_is_the_files(void **state)
{
    struct odp_buf b = text_of(
        "a", "/a.ini", "[service]\nlisten = 1\n" TARGET "[client]\nkeepalive = 5min\n", false);

    (void)state;
    assert_non_null(strstr(b.s, "\nKeepAliveTimeSec=300\n"));
    odp_buf_deinit(&b);
}

static void test_unix_sockets(void **state)
{
    (void)state;
    expect("listen = /run/a b.sock\n", false,
           "ListenStream=/run/a b.sock\nRemoveOnStop=yes\nSocketMode=0660\nSocketUser=odp\n"
           "SocketGroup=odp\n!BindIPv6Only\n!NoDelay\n!KeepAlive\n!DefaultDependencies");
    expect("listen = /run/a.sock\nsocket_mode = 0606\nsocket_owner = ada:www\n", false,
           "SocketMode=0606\nSocketUser=ada\nSocketGroup=www");
    expect("listen = /run/a.sock\nsocket_owner = ada\n", false, "SocketUser=ada\nSocketGroup=odp");
    expect("listen = /run/a.sock\nsocket_owner = :www\n", false, "SocketUser=odp\nSocketGroup=www");
    // A user's service manager can give it to nobody else.
    expect("listen = /run/a.sock\n", true, "!SocketUser\n!SocketGroup");
    expect("listen = /run/a.sock\nsocket_owner = :www\n", true, "!SocketUser\nSocketGroup=www");
    // Options of TCP would be warnings for the other.
    expect("listen = /run/a.sock\nlisten = 1\n", false, "BindIPv6Only=both\n!NoDelay\n!KeepAlive");
}

static void test_what_may_be_on_a_network_mount(void **state)
{
    (void)state;
    expect("listen = /srv/a.sock\n", false,
           "DefaultDependencies=no\nRequires=sysinit.target\nAfter=sysinit.target\n"
           "Conflicts=shutdown.target\nBefore=shutdown.target");
    expect("listen = /srv/a.sock\n", true,
           "DefaultDependencies=no\n!Requires\n!After\nConflicts=shutdown.target");
}

static void test_nothing_is_misread(void **state)
{
    struct odp_buf b;

    (void)state;
    expect("listen = 1\ndescription = 100% %n %% \\\n", false,
           "Description=odp: wiki (100%% %%n %%%% \\)");
    expect("listen = 1\ndescription = # ; [Socket] \"quoted\n", false,
           "Description=odp: wiki (# ; [Socket] \"quoted)");
    expect("listen = 1\ndescription = wiki\n", false, "Description=odp: wiki");
    expect("listen = /run/100%n.sock\nsocket_owner = a%b:c%d\n", false,
           "ListenStream=/run/100%%n.sock\nSocketUser=a%%b\nSocketGroup=c%%d");
    b = text_of("a.b-c_d.socket", "/home/a b/100%/a.b-c_d.socket.ini",
                "[service]\nlisten = 1\n" TARGET, true);
    assert_non_null(strstr(b.s, "\nSourcePath=/home/a b/100%%/a.b-c_d.socket.ini\n"));
    assert_non_null(strstr(b.s, "\nFileDescriptorName=a.b-c_d.socket\n"));
    odp_buf_deinit(&b);
}

static void test_a_path_of_two_lines_is_not_written(void **state)
{
    // systemd loads no unit with the second and third.
    static const char *const paths[] = {"/x\nExecStart=/bad/a.ini", "/bad\xe9/a.ini",
                                        "/bad\xef\xbf\xbe/a.ini"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct odp_buf b = text_of("a", paths[i], "[service]\nlisten = 1\n" TARGET, false);
        assert_null(strstr(b.s, "bad"));
        assert_null(strstr(b.s, "SourcePath"));
        odp_buf_deinit(&b);
    }
}

static void test_what_no_unit_can_hold(void **state)
{
    static const char *const settings[] = {
        "listen = 1\nlisten = /run/a\\\n",
        "listen = /run/a\nsocket_owner = a\\\n",
        "listen = /run/a\nsocket_owner = a\\:b\n",
        "listen = /run/a\nsocket_owner = a:b\\\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        char text[256], why[256] = "";
        struct odp_buf b = {0};
        snprintf(text, sizeof(text), "[service]\n%s" TARGET, settings[i]);
        struct odp_config_service *s = parse("a", "/a.ini", text);
        assert_int_equal(odp_units_socket(s, false, &b, why, sizeof(why)), ODP_UNITS_E_UNFIT);
        assert_non_null(strstr(why, "cannot end in a backslash"));
        odp_config_service_free(s);
        odp_buf_deinit(&b);
    }
}

static void test_names(void **state)
{
    char buf[ODP_UNITS_NAME_MAX + 1], name[ODP_NAME_MAX + 1];

    (void)state;
    assert_string_equal(odp_units_name("a.b-c", buf, sizeof(buf)), "odp-a.b-c.socket");
    memset(name, 'x', ODP_NAME_MAX);
    name[ODP_NAME_MAX] = '\0';
    assert_int_equal(strlen(odp_units_name(name, buf, sizeof(buf))), ODP_UNITS_NAME_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_file),
        cmocka_unit_test(test_tcp_addresses),
        cmocka_unit_test(test_keepalive_is_the_files),
        cmocka_unit_test(test_unix_sockets),
        cmocka_unit_test(test_what_may_be_on_a_network_mount),
        cmocka_unit_test(test_nothing_is_misread),
        cmocka_unit_test(test_a_path_of_two_lines_is_not_written),
        cmocka_unit_test(test_what_no_unit_can_hold),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
