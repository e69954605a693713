// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Faults in one file: each with its line and its words, and never one too many.

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

// All faults as "LINE: MESSAGE\n"; owned by the caller.
static char *faults_of(const char *text, size_t n)
{
    struct odp_config_faults faults = {0};
    struct odp_config_service *s = NULL;
    char *all = calloc(1, 65536);
    size_t used = 0;

    assert_non_null(all);
    int r = parse_bytes("x", text, n, &s, &faults);
    assert_int_equal(r, faults.n > 0 ? ODP_CONFIG_E_FAULTY : 0);
    assert_int_equal(s != NULL, faults.n == 0);
    for (size_t i = 0; i < faults.n; i++)
        used += (size_t)snprintf(all + used, 65536 - used, "%u: %s\n", faults.items[i].line,
                                 faults.items[i].message);
    odp_config_service_free(s);
    odp_config_faults_deinit(&faults);
    return all;
}

// Exactly one fault, with this line and these words.
static void expect_fault(const char *text, unsigned line, const char *words)
{
    char *all = faults_of(text, strlen(text));
    char number[16];

    snprintf(number, sizeof(number), "%u: ", line);
    if (strncmp(all, number, strlen(number)) != 0 || !strstr(all, words) ||
        strchr(all, '\n') != all + strlen(all) - 1)
        fail_msg("expected %s%s, got: %s\n%s", number, words, all, text);
    free(all);
}

// Each text stands behind SOUND, so its first line is line 6.
static void test_keys(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *words;
    } rows[] = {
        {"[idle]\ncount = traffic\n", 7,
         "[idle] count = traffic is not built yet in odp 0.1.0: write `connections`"},
        {"[idle]\nmin_traffic = 1K\n", 7,
         "[idle] min_traffic is not built yet in odp 0.1.0: remove the line"},
        {"[idle]\naction = freeze\n", 7, "not built yet in odp 0.1.0: write `stop`"},
        {"[client]\nproxy_protocol = v2\n", 7, "not built yet in odp 0.1.0: write `off`"},
        {"[client]\nkeepalive = 0\n", 7, "[client] keepalive = 0 is not from 1s to 9h"},
        {"[client]\nkeepalive = 10h\n", 7, "is not from 1s to 9h"},
        {"[client]\nkeepalive = soon\n", 7, "is not a time span"},
        {"[client]\nmax_connections = 0\n", 7, "is not a number from 1 to 65536"},
        {"[idle]\ncount_direct = maybe\n", 7, "is neither `yes` nor `no`"},
        {"unit = x.service\n", 5, "command has no use beside unit (line 6)"},
        {"project = x\n", 6, "project has no use beside command (line 5)"},
        {"[wait]\nmode = auto\n", 7,
         "[wait] mode = auto is not built yet in odp 0.1.0: write `hold` or `page`"},
        {"[wait]\nmode = hodl\n", 7, "did you mean `hold`?"},
        {"[ready]\nprobe = health\n", 7,
         "probe = health needs a container: write `container = NAME`"},
        {"[ready]\nprobe = quite wrong\n", 7,
         "is unknown: write `tcp`, `http`, `exec`, `unit`, `health` or `none`"},
        {"[ready]\nprobe = unit\n", 7, "probe = unit needs units: write `unit = NAME.service`"},
        {"[ready]\nprobe = exec\n", 7, "probe = exec needs a command"},
        {"[ready]\ncommand = x\nprobe = tcp\n", 7,
         "[ready] command has a use with probe = exec alone"},
        {"[ready]\npath = /x\ncommand = x\n", 8, "command has a use with probe = exec alone"},
        {"[ready]\nprobe = tcp\npath = /x\n", 8,
         "[ready] path has a use with probe = http alone: write"},
        {"[ready]\nprobe = none\nexpect = 200\n", 8,
         "[ready] expect has a use with probe = http alone"},
        {"[ready]\nprobe = http\npath = x\n", 8, "path = x is not the path of a URL"},
        {"[ready]\nprobe = http\npath = /a b\n", 8, "is not the path of a URL"},
        {"[ready]\nprobe = http\nexpect = 200-\n", 8, "is not a list of HTTP status codes"},
        {"[ready]\nprobe = http\nexpect = 99\n", 8, "is not a list of HTTP status codes"},
        {"[ready]\nprobe = http\nexpect = 300-200\n", 8, "is not a list of HTTP status codes"},
        {"[ready]\nprobe = http\nexpect = 200,\n", 8, "is not a list of HTTP status codes"},
        {"[ready]\nprobe = http\nexpect = 200 201\n", 8, "is not a list of HTTP status codes"},
        {"[requires]\nmount = media\n", 7, "[requires] mount = media is not an absolute path"},
        {"[requires]\nservice = A B\n", 7, "[requires] service = A B is not the name of a"},
        {"[requires]\nservice = a\nservice = a\n", 8, "service = a stands in line 7 already"},
        {"[requires]\nmemory = 1G\n", 7, "[requires] memory is not built yet"},
        {"[notify]\nnonsense = 1\n", 6, "the section [notify] is not built yet"},
        {"[forward web]\nlisten = 81\n", 6, "the section [forward web] is not built yet"},
        {"[wait]\nmax_waiting = 0\n", 7, "is not a number from 1 to 65536"},
        {"[wait]\nmax_waiting = 65537\n", 7, "is not a number from 1 to 65536"},
        {"[wait]\nmax_waiting = 12x\n", 7, "is not a number from 1 to 65536"},
        {"[idle]\ndrain_timeout = infinity\n", 7, "must have an end"},
        {"[idle]\ntimeot = 1\n", 7, "unknown key `timeot` in [idle]: did you mean `timeout`?"},
        {"[idle]\nTimeout = 1\n", 7, "did you mean `timeout`?"},
        {"[idle]\nfrobnicate = 1\n", 7, "unknown key `frobnicate` in [idle]"},
        {"drain_timeot = 1\n", 6,
         "unknown key `drain_timeot` in [backend]: did you mean `drain_timeout` in [idle]?"},
        {"[client]\nintervall = 1\n", 7, "did you mean `interval` in [ready]?"},
        {"freeze = yes\n", 6,
         "unknown key `freeze` in [backend]: did you mean [idle] action = freeze?"},
        {"health = yes\n", 6, "did you mean [ready] probe = health?"},
        {"listen = 81\n", 6, "`listen` does not belong in [backend] but in [service]"},
        {"timeout = 81\n", 6, "but in [ready], [wait] or [idle]"},
        {"rate = 81\n", 6, "but in [wake]"},
        {"[idel]\ntimeout = 1\nnonsense = 1\n", 6, "unknown section [idel]: did you mean [idle]?"},
        {"[wakes]\n", 6, "did you mean [wake]?"},
        {"[zzzzzz]\n", 6, "unknown section [zzzzzz]: there are"},
        {"[service foo]\n", 6, "unknown section [service foo]"},
        {"[idle\ntimeout = 1\n", 6, "name in brackets alone"},
        {"[idle] # comment\n", 6, "name in brackets alone"},
        {"[]\n", 6, "no section's name"},
        {"[idle;x]\n", 6, "no section's name"},
        {"[0123456789012345678901234567890123456789x]\n", 6, "no section's name"},
        {"command = /bin/false\n", 6, "[backend] command was given in line 5 already"},
        {"[idle]\ntimeout = 1\n[idle]\ntimeout = 1\n", 9, "given in line 7 already"},
        {"user =\n", 6, "[backend] user has no value"},
        {"user = \t \n", 6, "[backend] user has no value"},
        {"= x\n", 6, "nothing stands before the `=`"},
        {"user\n", 6, "the line has no `=`"},
        {"user: x\n", 6, "`:` does not part key and value: write `user = ...`"},
        {"user : x=y\n", 6, "`:` does not part key and value"},
        {"us er = x\n", 6, "`us er` is no key"},
        {"user;x = x\n", 6, "`user;x` is no key"},
        {"k123456789012345678901234567890123456789012345678901234567890 = x\n", 6, "is no key"},
        {" user = x\n", 6, "the line is indented"},
        {"\t# comment\n", 6, "the line is indented"},
        {"user = x\r\n[idle]\r\n", 6, "CR LF"},
        {"user = x\ry\n", 6, "control character 0x0d"},
        {"user = x\033[31m\n", 6, "control character 0x1b"},
        {"# \xff\n", 6, "no sound UTF-8 at byte 3"},
        {"user = \xc0\xaf\n", 6, "no sound UTF-8"},
        {"user = \xed\xa0\x80\n", 6, "no sound UTF-8"},
        {"user = \xe2\x82\n", 6, "no sound UTF-8"},
        {"user = \xc2\x9b\n", 6, "no sound UTF-8"},
        {"user = \xef\xbf\xbe\n", 6, "no sound UTF-8"}, // noncharacters
        {"user = \xef\xb7\x90\n", 6, "no sound UTF-8"},
        {"user = \xf4\x8f\xbf\xbf\n", 6, "no sound UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        char text[512];
        snprintf(text, sizeof(text), "%s%s", SOUND, rows[i].text);
        expect_fault(text, rows[i].line, rows[i].words);
    }
}

// A plain proxy starts nothing that mounts and paths could be looked at before.
static void test_requires_of_a_plain_proxy(void **state)
{
    (void)state;
    expect_fault(SERVICE "[backend]\ntype = none\n[requires]\nmount = /media\n", 7,
                 "[requires] mount has no use with type = none (line 5), which starts nothing");
    expect_fault(SERVICE "[backend]\ntype = none\n[requires]\nservice = a\npath = /x\n", 8,
                 "[requires] path has no use with type = none (line 5)");
    odp_config_service_free(parse(SERVICE "[backend]\ntype = none\n[requires]\nservice = a\n"));
}

static void test_values(void **state)
{
    static const struct {
        const char *text; // "SECTION KEY VALUE", an empty VALUE left out
        const char *words;
    } rows[] = {
        {"service listen nonsense", "listen: `nonsense` is not an address"},
        {"service listen 0", "a port is from 1 to 65535"},
        {"service listen 127.0.0.1:0", "a port is from 1 to 65535"},
        {"service listen 99999", "too large"},
        {"service listen run/x.sock", "begins with `/`"},
        {"service socket_mode 0660", "a use with a unix socket alone"},
        {"service socket_owner ada", "a use with a unix socket alone"},
        {"service socket_mode 1777", "octal"},
        {"service socket_mode 0680", "octal"},
        {"service socket_mode -1", "octal"},
        {"service socket_mode 99999999999999999999777", "octal"},
        {"service socket_mode 77777777777777777777777777", "octal"},
        {"service socket_owner :", "USER, USER:GROUP or :GROUP"},
        {"service socket_owner a:b:c", "USER, USER:GROUP or :GROUP"},
        {"service socket_owner a b", "USER, USER:GROUP or :GROUP"},
        {"service enabled maybe", "neither `yes` nor `no`"},
        {"backend directory relative", "not an absolute path"},
        {"backend environment_file -/etc/x", "not an absolute path"},
        {"backend user a:b", "not the name of a user"},
        {"backend environment NOVALUE", "not NAME=VALUE"},
        {"backend environment 1A=x", "not NAME=VALUE"},
        {"backend environment A-B=x", "not NAME=VALUE"},
        {"backend environment =x", "not NAME=VALUE"},
        {"backend environment \"A=x\"", "not NAME=VALUE"},
        {"backend start_timeout 0", "must be more than zero"},
        {"backend stop_timeout infinity", "must have an end"},
        {"backend start_timeout -1", "not a time span: write for instance `10min`"},
        {"ready timeout 0s", "must be more than zero"},
        {"ready interval 0", "must be more than zero"},
        {"ready interval infinity", "must have an end"},
        {"wait timeout 0", "must be more than zero"},
        {"wait timeout infinity", "must have an end"},
        {"wait timeout soon", "not a time span"},
        {"idle timeout -1", "not a time span"},
        {"idle timeout 99999999y", "too long"},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        char section[32], key[32], text[512];
        int n = 0;
        assert_int_equal(sscanf(rows[i].text, "%31s %31s %n", section, key, &n), 2);
        snprintf(text, sizeof(text), "%s[%s]\n%s = %s\n", SOUND, section, key, rows[i].text + n);
        expect_fault(text, 7, rows[i].words);
    }
    odp_config_service_free(parse(SOUND "[idle]\ntimeout = 0\n"));
}

static void test_targets(void **state)
{
    static const struct {
        const char *target;
        const char *words;
    } rows[] = {
        {"8080", "not one address: write for instance `127.0.0.1:8080`"},
        {"0.0.0.0:8080", "not one address"},
        {"[::]:8080", "not one address"},
        {"0", "a port is from 1"},
        {"127.0.0.1:0", "a port is from 1"},
        {"auto", "for a container's own address `auto:8080`"},
        {"auto:8080", "target = auto:8080 is for services that are containers: write an address"},
        {"auto:0", "a port is from 1"},
        {"auto:", "`` is not a port"},
        {"auto:http", "`http` is not a port"},
        {"auto:80000", "the port is too large"},
        {"nas.lan:8080", "`nas.lan` is a host name, which is not built yet in odp 0.1.0"},
        {"127.0.0.1", "not an address"},
        {"x/y.sock", "begins with `/`"},
        {"", "has no value"},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        char text[256];
        snprintf(text, sizeof(text), "[service]\nlisten = 80\ntarget = %s\n" BACKEND,
                 rows[i].target);
        expect_fault(text, 3, rows[i].words);
    }
}

static void test_commands(void **state)
{
    static const struct {
        const char *command;
        const char *words;
    } rows[] = {
        {"/bin/sh -c \"x", "a quote (\") is opened and not closed"},
        {"/bin/sh -c 'it''s", "a quote (') is opened and not closed"},
        {"bin/x", "neither an absolute path nor the bare name"},
        {"./x", "neither an absolute path nor the bare name"},
        {"\"\" x", "neither an absolute path nor the bare name"},
        {"x \\", "a backslash at the end"},
        {"x \\q", "`\\q` is no escape"},
        {"x \\xg0", "`\\x` is no escape"},
        {"x \\x00", "`\\x` is no escape"},
        {"x \\x1", "`\\x` is no escape"},
        {"x \\000", "is no escape"},
        {"x \\777", "is no escape"},
        {"x \\\xc3\xbc", "`\\\xc3\xbc` is no escape"},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        char text[256];
        snprintf(text, sizeof(text), SERVICE "[backend]\ncommand = %s\n", rows[i].command);
        expect_fault(text, 5, rows[i].words);
    }
}

static void test_what_is_missing(void **state)
{
    (void)state;
    expect_fault("", 1, "the file is empty");
    expect_fault("\n\n# nothing\n", 1, "the file is empty");
    expect_fault("\xef\xbb\xbf", 1, "the file is empty");
    expect_fault("\n[service]\ntarget = /run/x\n" BACKEND, 2, "[service] has no listen");
    expect_fault(BACKEND "[service]\nlisten = 80\n", 3, "[service] has no target");
    expect_fault(SERVICE, 1, "nothing says what to start");
    expect_fault(SERVICE "[backend]\nuser = x\n", 4, "nothing says what to start");
    expect_fault(SERVICE "[backend]\ntype = process\n", 5, "type = process needs a command");
    expect_fault(SERVICE BACKEND "type = none\n", 5,
                 "command has no use with type = none (line 6)");
    expect_fault(SERVICE "[backend]\nstop = x\n", 4, "nothing says what to start");
    // What is misspelt is not called missing as well.
    expect_fault("[sevice]\nlisten = 80\ntarget = /run/x\n" BACKEND, 1, "did you mean [service]?");
    expect_fault("[service]\nlissen = 80\ntarget = /run/x\n" BACKEND, 2, "did you mean `listen`?");
    expect_fault("[service]\nlisten: 80\ntarget = /run/x\n" BACKEND, 2, "write `listen = ...`");
    expect_fault("[service]\n listen = 80\ntarget = /run/x\n" BACKEND, 2, "indented");
    expect_fault(SERVICE "[backend]\nunit = x\n", 5, "write the unit's whole name");
    expect_fault(SERVICE "[backend]\nunit = web@.service\n", 5,
                 "web@.service is a template: write the instance behind the `@`, for instance "
                 "`web@wiki.service`");
    odp_config_service_free(parse(SERVICE "[backend]\nunit = a@.b.service\nunit = a@b@.service\n"));
    expect_fault(SERVICE "[backend]\nunit = web@1.service\nstop_unit = web@.target\n", 6,
                 "`web@wiki.target`");
    expect_fault(SERVICE "[backend]\nunit = a.service b.service\n", 5,
                 "is not the name of one unit: write one a line");
    expect_fault(SERVICE "[backend]\ntype = systemd\n", 5, "type = systemd needs a unit");
    expect_fault(SERVICE "[backend]\nunit = x.service\nuser = x\n", 6,
                 "user has no use beside unit (line 5)");
    expect_fault(SERVICE "[backend]\ntype = swarm\n", 5,
                 "[backend] type = swarm is not built yet in odp 0.1.0: write `process`, `exec`, "
                 "`systemd`, `none`, `docker`, `podman` or `compose`");
    expect_fault(SERVICE "[backend]\ntype = compose\n", 5, "type = compose needs a project");
    expect_fault(SERVICE "[backend]\nfile = /srv/compose.yaml\n", 4, "nothing says what to start");
    expect_fault(SERVICE "[backend]\nproject = wiki\nfile = compose.yaml\n", 6, "absolute");
    expect_fault(SERVICE "[backend]\nproject = Wiki\n", 5, "is not the name of a Compose project");
    expect_fault(SERVICE "[backend]\nproject = -wiki\n", 5, "`docker compose ls -a` shows it");
    expect_fault(SERVICE "[backend]\nproject = a\"b\n", 5, "is not the name of a Compose project");
    expect_fault(SERVICE "[backend]\nproject = a\nproject = b\n", 6, "was given in line 5 already");
    expect_fault(SERVICE "[backend]\nproject = a\nunit = a.service\n", 5,
                 "project has no use beside unit (line 6)");
    expect_fault(SERVICE "[backend]\ncontainer = a\nfile = /srv/compose.yaml\n", 6,
                 "file has no use beside container (line 5)");
    expect_fault(SERVICE "[bakend]\ncommand = x\n", 4, "did you mean [backend]?");
    expect_fault("listen = 80\n[service]\ntarget = /run/x\n" BACKEND, 1, "before any section");
}

#define DOCKER "[backend]\nunit = docker-wiki.service\n" // two lines

static void test_containers(void **state)
{
    (void)state;
    expect_fault(
        SERVICE "[backend]\ntype = docker\n", 5,
        "[backend] type = docker needs a container: write for instance `container = wiki`");
    expect_fault(SERVICE "[backend]\ntype = podman\nunit = a.service\ncontainer = a\n", 6,
                 "unit has no use with type = podman (line 5)");
    expect_fault(SERVICE "[backend]\ntype = docker\ncontainer = a\nengine = docker\n", 7,
                 "engine has no use beside type = docker or podman (line 5)");
    expect_fault(SERVICE "[backend]\ncontainer = a\nsocket = run/docker.sock\n", 6,
                 "is not an absolute path");
    expect_fault(SERVICE "[backend]\nunit = a.service\ncontainer = a\nsocket = /run/d\n", 7,
                 "socket has no use beside unit (line 5)");
    expect_fault(SERVICE "[backend]\ncontainer = a\nstop_unit = a.target\n", 6,
                 "stop_unit has no use beside container (line 5)");
    expect_fault(SERVICE "[backend]\ncontainer = a\n[ready]\nprobe = unit\n", 7,
                 "probe = unit needs units");
    expect_fault(SERVICE "[backend]\nunit = a.service\n[ready]\nprobe = health\n", 7,
                 "probe = health needs a container");
    expect_fault(SERVICE "[backend]\ncontainer = a\nsocket = /0123456789012345678901234567890123456"
                         "78901234567890123456789012345678901234567890123456789012345678901234567"
                         "89\n",
                 6, "is longer than the path of a socket may be");
    expect_fault(SERVICE "[backend]\ncontainer = wiki\ncommand = x\n", 5,
                 "container has no use beside command (line 6)");
    expect_fault(SERVICE "[backend]\ntype = none\nengine = docker\n", 6,
                 "engine has no use with type = none (line 5)");
    expect_fault(SERVICE DOCKER "engine = podman\n", 6,
                 "[backend] engine has no use without a container");
    expect_fault(SERVICE DOCKER "container = wiki\nengine = dokcer\n", 7,
                 "engine = dokcer is unknown: did you mean `docker`?");
    expect_fault(SERVICE DOCKER "container = a b\n", 6, "is not the name of one container");
    expect_fault(SERVICE DOCKER "container = ../wiki\n", 6, "is not the name of one container");
    expect_fault(SERVICE DOCKER "container = -wiki\n", 6, "is not the name of one container");
    expect_fault(SERVICE DOCKER "container = wiki?all=1\n", 6, "as `docker ps` shows it");
    expect_fault(SERVICE DOCKER "container = wiki\ncontainer = wiki\n", 7,
                 "container = wiki stands in line 6 already");
    expect_fault(SERVICE DOCKER "containers = wiki\n", 6, "did you mean `container`?");
}

#define EXEC "[backend]\nstart = up\nstop = down\n" // three lines

static void test_exec(void **state)
{
    (void)state;
    expect_fault(SERVICE "[backend]\ntype = exec\nstop = x\n", 5, "type = exec needs a start");
    expect_fault(SERVICE "[backend]\nuser = x\nstart = x\n", 6,
                 "[backend] has no stop, so that what is started would never be stopped");
    expect_fault(SERVICE "[backend]\nstart = x\nstopp = x\n", 6, "did you mean `stop`?");
    expect_fault(SERVICE EXEC "status = ./x\n", 7, "[backend] status: `./x` is neither");
    expect_fault(SERVICE EXEC "stop = x\n", 7, "[backend] stop was given in line 6 already");
    expect_fault(SERVICE EXEC "type = exec\ncommand = x\n", 8,
                 "command has no use with type = exec (line 7)");
    expect_fault(SERVICE "[backend]\ntype = process\ncommand = x\nstatus = x\n", 7,
                 "status has no use with type = process (line 5)");
    expect_fault(SERVICE "[backend]\ncommand = x\nstart = x\n", 6,
                 "start has no use beside command (line 5)");
    expect_fault(SERVICE "[backend]\ntype = none\nstop = x\n", 6,
                 "stop has no use with type = none (line 5)");
}

static void test_addresses_of_one_file(void **state)
{
    (void)state;
    expect_fault(SOUND "[service]\nlisten = 80\n", 7, "listen 80 stands in line 2 already");
    expect_fault(SOUND "[service]\nlisten = 127.0.0.1:80\n", 7,
                 "listen 127.0.0.1:80 is already covered by 80 in line 2");
    expect_fault("[service]\nlisten = 127.0.0.1:80\nlisten = 80\ntarget = /run/x\n" BACKEND, 3,
                 "listen 80 covers 127.0.0.1:80 in line 2");
    expect_fault("[service]\nlisten = 80\ntarget = 127.0.0.1:80\n" BACKEND, 2,
                 "listen 80 covers its own target 127.0.0.1:80");
    expect_fault("[service]\nlisten = /run/x\ntarget = /run/x\n" BACKEND, 2,
                 "listen /run/x covers its own target");
}

static void test_lengths(void **state)
{
    size_t n = strlen(SOUND "[service]\ndescription = ");
    char *text = malloc(ODP_CONFIG_FILE_MAX + 2);

    (void)state;
    assert_non_null(text);
    strcpy(text, SOUND "[service]\ndescription = ");
    memset(text + n, 'd', ODP_CONFIG_VALUE_MAX);
    text[n + ODP_CONFIG_VALUE_MAX] = '\0';
    struct odp_config_service *s = parse(text);
    assert_int_equal(strlen(s->description), ODP_CONFIG_VALUE_MAX);
    odp_config_service_free(s);
    strcat(text, "d");
    expect_fault(text, 7, "the value of `description` is 4097 bytes long: at most 4096");
    memset(text, '#', ODP_CONFIG_FILE_MAX + 1);
    text[ODP_CONFIG_FILE_MAX + 1] = '\0';
    expect_fault(text, 1, "longer than 1048576 bytes");
    strcpy(text, SOUND);
    text[strlen(SOUND)] = '#';
    text[ODP_CONFIG_FILE_MAX] = '\0';
    odp_config_service_free(parse(text));
    free(text);
}

static void test_several_at_once(void **state)
{
    static const char text[] =
        "x = 1\n[service]\nlisten = \0\n target = /run/x\n[ready]\nprobe = no\n";
    char *all = faults_of(text, sizeof(text) - 1);

    (void)state;
    assert_non_null(strstr(all, "1: `x` stands before any section"));
    assert_non_null(strstr(all, "3: the line holds a NUL byte"));
    assert_non_null(strstr(all, "4: the line is indented"));
    assert_non_null(strstr(all, "6: [ready] probe = no is unknown: write `tcp`, `http`"));
    assert_non_null(strstr(all, "1: nothing says what to start"));
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_requires_of_a_plain_proxy),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_what_is_missing),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_addresses_of_one_file),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_several_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
