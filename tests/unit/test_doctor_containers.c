// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp doctor on what a container engine has said, made up here: ports, policies, prunes. No engine
// is asked.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "odp/base/time.h"
#include "odp/cli/doctor.h"

#define FILE_OF_WEB                                                                                \
    "[service]\nlisten = 8080\ntarget = 127.0.0.1:18080\n"                                         \
    "[backend]\ntype = docker\nsocket = /run/x.sock\ncontainer = web\n"
// Docker's usual socket, since a unit's file may not name another.
#define FILE_OF_UNIT                                                                               \
    "[service]\nlisten = 8080\ntarget = 127.0.0.1:18080\n"                                         \
    "[backend]\nunit = web.service\ncontainer = web\nengine = docker\n"
#define NOW 1795945816 // 2026-11-29T09:50:16Z

// What docker inspect says, as far as it matters: the container's own part.
#define INSPECT(state, host, config)                                                               \
    "{\"Image\":\"sha256:1\",\"RestartCount\":4,\"State\":{" state "},\"HostConfig\":{" host       \
    "},\"Config\":{\"Image\":\"web:1\"" config "}}"
#define ASLEEP "\"Running\":false"
#define AWAKE  "\"Running\":true,\"StartedAt\":\"2026-11-29T09:00:00.5Z\""
#define PORT(ip, host, inside)                                                                     \
    "\"PortBindings\":{\"" inside "\":[{\"HostIp\":\"" ip "\",\"HostPort\":\"" host "\"}]}"
#define SOUND PORT("127.0.0.1", "18080", "80/tcp")

// `other` is the text of a second file; NULL: there is none.
static struct odp_doctor *facts_of_two(const char *file, const char *other, const char *inspect)
{
    struct odp_doctor *d = calloc(1, sizeof(*d));
    char path[] = "/etc/odp/services/web.ini", stem[] = "web";
    char other_path[] = "/etc/odp/services/wiki.ini", other_stem[] = "wiki";
    char *text = strdup(file), *other_text = strdup(other ? other : "");
    struct odp_file items[] = {
        {.path = path, .stem = stem, .text = text, .n_bytes = strlen(text)},
        {.path = other_path, .stem = other_stem, .text = other_text, .n_bytes = strlen(other_text)},
    };
    struct odp_files files = {.items = items, .n = other ? 2 : 1};

    assert_int_equal(odp_config_load(&files, &d->config), 0);
    assert_int_equal(d->config.n_services, files.n);
    free(text);
    free(other_text);
    d->is_root = d->container = true;
    d->now = NOW;
    d->odpd.error = -1;
    d->engines = calloc(1, sizeof(*d->engines));
    d->n_engines = 1;
    d->engines[0].place.engine = "docker";
    strcpy(d->engines[0].place.socket, "/run/x.sock");
    d->engines[0].containers = calloc(1, sizeof(struct odp_container));
    d->engines[0].n_containers = 1;
    d->engines[0].containers[0].name = strdup("web");
    d->engines[0].containers[0].inspect = cJSON_Parse(inspect);
    assert_non_null(d->engines[0].containers[0].inspect);
    return d;
}

static struct odp_doctor *facts_of(const char *file, const char *inspect)
{
    return facts_of_two(file, NULL, inspect);
}

static struct odp_doctor *facts_new(const char *inspect)
{
    return facts_of(FILE_OF_WEB, inspect);
}

static void facts_free(struct odp_doctor *d)
{
    odp_doctor_deinit(d);
    free(d);
}

// The kinds that are found of the service, with blanks between.
static void assert_kinds(struct odp_doctor *d, const char *kinds)
{
    struct odp_findings f = {0};
    char found[256] = "";

    odp_doctor_check(d, &f);
    assert_false(f.failed);
    for (size_t i = 0; i < f.n; i++)
        if (strcmp(f.items[i].name, "web") == 0) {
            assert_non_null(f.items[i].command);
            strcat(strcat(found, *found ? " " : ""), f.items[i].kind);
        }
    assert_string_equal(found, kinds);
    odp_findings_deinit(&f);
}

static void assert_inspect(const char *inspect, const char *kinds)
{
    struct odp_doctor *d = facts_new(inspect);

    assert_kinds(d, kinds);
    facts_free(d);
}

static void test_ports(void **state)
{
    (void)state;
    assert_inspect(INSPECT(ASLEEP, SOUND, ""), "");
    assert_inspect(INSPECT(AWAKE, SOUND, ""), "");
    assert_inspect(INSPECT(ASLEEP, PORT("", "18080", "80/tcp"), ""), "target-open");
    assert_inspect(INSPECT(ASLEEP, PORT("0.0.0.0", "18080", "80/tcp"), ""), "target-open");
    assert_inspect(INSPECT(ASLEEP, PORT("::", "18080", "80/tcp"), ""), "target-open");
    assert_inspect(INSPECT(ASLEEP, PORT("", "8080", "80/tcp"), ""),
                   "port-published target-unpublished");
    assert_inspect(INSPECT(ASLEEP, PORT("127.0.0.1", "8080", "80/tcp"), ""),
                   "port-published target-unpublished");
    assert_inspect(INSPECT(ASLEEP, PORT("", "8080", "80/udp"), ""), "target-unpublished");
    assert_inspect(INSPECT(ASLEEP, PORT("127.0.0.1", "", "80/tcp"), ""), "target-unpublished");
    assert_inspect(INSPECT(ASLEEP, PORT("not an address", "18080", "80/tcp"), ""),
                   "target-unpublished");
    assert_inspect(INSPECT(ASLEEP, "\"NetworkMode\":\"host\"", ""), "");
    assert_inspect(INSPECT(ASLEEP, "\"NetworkMode\":\"container:0123456789ab\"", ""), "");
    assert_inspect("{}", "target-unpublished"); // of no shape that is known
}

#define LABELS(directory, files)                                                                   \
    ",\"Labels\":{\"com.docker.compose.project\":\"web\",\"com.docker.compose.version\":\"1.29."   \
    "2\","                                                                                         \
    "\"com.docker.compose.project.working_dir\":\"" directory "\","                                \
    "\"com.docker.compose.project.config_files\":\"" files "\"}"

static void assert_recreated(const char *labels, const char *options)
{
    struct odp_doctor *d = facts_new(labels);
    struct odp_findings f = {0};
    char expected[256];
    bool is_told = false;

    snprintf(expected, sizeof(expected), "docker-compose --project-name web%s up --no-start (",
             options);
    odp_doctor_check(d, &f);
    for (size_t i = 0; i < f.n; i++)
        is_told |= strcmp(f.items[i].kind, "target-open") == 0 &&
                   strncmp(f.items[i].command, expected, strlen(expected)) == 0;
    assert_true(is_told);
    odp_findings_deinit(&f);
    facts_free(d);
}

// The command may be typed anywhere.
static void test_files_of_a_project(void **state)
{
    (void)state;
    assert_recreated(INSPECT(ASLEEP, PORT("", "18080", "80/tcp"), LABELS("/srv", "/srv/a.yml")),
                     " --file /srv/a.yml");
    assert_recreated(
        INSPECT(ASLEEP, PORT("", "18080", "80/tcp"), LABELS("/srv/my web", "a.yml,b.yml")),
        " --file '/srv/my web/a.yml' --file '/srv/my web/b.yml'");
}

static void test_policies(void **state)
{
    (void)state;
    assert_inspect(INSPECT(ASLEEP, SOUND ",\"RestartPolicy\":{\"Name\":\"always\"}", ""),
                   "container-restarts");
    assert_inspect(INSPECT(ASLEEP, SOUND ",\"RestartPolicy\":{\"Name\":\"unless-stopped\"}", ""),
                   "");
    assert_inspect(INSPECT(ASLEEP, SOUND ",\"AutoRemove\":true", ""), "container-removed");
    assert_inspect(INSPECT(AWAKE ",\"Restarting\":true", SOUND, ""), "container-loops");
    assert_inspect(INSPECT("\"Running\":true,\"StartedAt\":\"2026-11-29T09:50:10.1Z\"", SOUND, ""),
                   "container-loops");
    assert_inspect(INSPECT("\"Running\":true,\"StartedAt\":\"yesterday\"", SOUND, ""), "");
}

// The command of the first finding of a kind, into a static buffer; "" for none.
static const char *command_of(struct odp_doctor *d, const char *kind)
{
    static char command[512];
    struct odp_findings f = {0};

    command[0] = '\0';
    odp_doctor_check(d, &f);
    for (size_t i = f.n; i > 0; i--)
        if (strcmp(f.items[i - 1].kind, kind) == 0)
            snprintf(command, sizeof(command), "%s", f.items[i - 1].command);
    odp_findings_deinit(&f);
    return command;
}

static void test_what_is_gone(void **state)
{
    struct odp_doctor *d = facts_new(INSPECT(ASLEEP, SOUND ",\"NetworkMode\":\"attic\"", ""));
    struct odp_engine_facts *e = &d->engines[0];

    (void)state;
    assert_kinds(d, ""); // the networks are not known
    e->networks = cJSON_Parse("[{\"Name\":\"bridge\",\"Id\":\"1\"}]");
    assert_kinds(d, "network-missing");
    cJSON_Delete(e->networks);
    e->networks = cJSON_Parse("[{\"Name\":\"attic\",\"Id\":\"1\"}]");
    assert_kinds(d, "");
    // It has been started in an earlier one of that name. Docker's own has another id each time.
    cJSON_AddItemToObject(e->containers[0].inspect, "NetworkSettings",
                          cJSON_Parse("{\"Networks\":{\"bridge\":{\"NetworkID\":\"3\"},"
                                      "\"attic\":{\"NetworkID\":\"1\"}}}"));
    assert_kinds(d, "");
    cJSON_ReplaceItemInObject(e->containers[0].inspect, "NetworkSettings",
                              cJSON_Parse("{\"Networks\":{\"attic\":{\"NetworkID\":\"2\"}}}"));
    assert_string_equal(command_of(d, "network-missing"),
                        "docker network inspect attic || docker network create attic; docker "
                        "network disconnect --force attic web; docker network connect attic web");
    cJSON_DeleteItemFromObject(e->containers[0].inspect, "NetworkSettings");
    e->containers[0].image_gone = true;
    assert_kinds(d, "image-gone");
    cJSON_Delete(e->containers[0].inspect);
    e->containers[0] = (struct odp_container){.name = e->containers[0].name, .is_missing = true};
    assert_kinds(d, "container-missing");
    e->error = -1;
    assert_kinds(d, ""); // told once, of the engine
    facts_free(d);
}

#define CHECK(rest) ",\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"]" rest "}"
#define SECONDS(n)  #n "000000000"

static void test_health(void **state)
{
    struct odp_doctor *d;

    (void)state;
    assert_inspect(INSPECT(ASLEEP, SOUND, CHECK("")), "health-slow"); // 30 s
    assert_inspect(INSPECT(AWAKE, SOUND, CHECK(",\"Interval\":" SECONDS(6))), "health-slow");
    assert_inspect(INSPECT(ASLEEP, SOUND, CHECK(",\"Interval\":" SECONDS(5))), "");
    assert_inspect(INSPECT(ASLEEP, SOUND, ",\"Healthcheck\":{\"Test\":[\"NONE\"]}"), "");
    assert_inspect(INSPECT(ASLEEP, SOUND, ",\"Healthcheck\":{\"Test\":[]}"), "");
    assert_inspect(INSPECT(ASLEEP, SOUND, ",\"Healthcheck\":null"), "");

    d = facts_new(INSPECT(ASLEEP, SOUND, CHECK("")));
    d->config.services[0]->probe = ODP_PROBE_TCP;
    assert_kinds(d, "");
    d->config.services[0]->probe = ODP_PROBE_HEALTH;
    assert_kinds(d, "health-slow");
    d->config.services[0]->idle_timeout_usec = ODP_NEVER;
    assert_kinds(d, "");
    facts_free(d);
}

// From Docker 25 on there are checks of their own while a container starts, every 5 s by default.
static void test_health_while_it_starts(void **state)
{
    struct odp_doctor *d = facts_new(INSPECT(ASLEEP, SOUND, CHECK(",\"StartPeriod\":" SECONDS(9))));

    (void)state;
    d->engines[0].api_minor = 43;
    assert_kinds(d, "health-slow");
    d->engines[0].api_minor = 44;
    assert_kinds(d, "");
    facts_free(d);
    d = facts_new(INSPECT(ASLEEP, SOUND,
                          CHECK(",\"StartPeriod\":" SECONDS(9) ",\"StartInterval\":" SECONDS(8))));
    d->engines[0].api_minor = 44;
    assert_kinds(d, "health-slow");
    facts_free(d);
}

// Podman looks at once: only what was not healthy then waits for the next time.
static void test_health_of_podman(void **state)
{
    struct odp_doctor *d = facts_new(INSPECT(ASLEEP, SOUND, CHECK("")));

    (void)state;
    d->engines[0].place.engine = "podman";
    assert_kinds(d, "");
    d->odpd.status.parameters = d->odpd.status.json =
        cJSON_Parse("{\"services\":[{\"name\":\"web\",\"last_wake_seconds\":31.2}]}");
    d->odpd.error = 0;
    assert_kinds(d, "health-slow");
    facts_free(d);
}

#define NETWORK(mode) "\"NetworkMode\":\"" mode "\""
#define IN(networks)                                                                               \
    "{\"State\":{" ASLEEP "},\"HostConfig\":{" NETWORK("attic") "},\"NetworkSettings\":{"          \
                                                                "\"Networks\":{" networks "}}}"

// With target = auto:8080, the port of `listen`.
static void assert_reach(const char *inspect, const char *engine, bool is_rootless,
                         const char *networks, const char *kinds)
{
    struct odp_doctor *d = facts_new(inspect);

    d->config.services[0]->target = (struct odp_address){.kind = ODP_ADDRESS_AUTO, .port = 8080};
    d->engines[0].place.engine = engine;
    d->engines[0].is_rootless = is_rootless;
    d->engines[0].networks = cJSON_Parse(networks);
    assert_kinds(d, kinds);
    facts_free(d);
}

static void test_reach(void **state)
{
    static const char *const cannot = "target-unreachable", *const none = NULL; // not known

    (void)state;
    assert_reach(INSPECT(ASLEEP, NETWORK("default"), ""), "docker", false, none, "");
    assert_reach(INSPECT(ASLEEP, NETWORK("bridge"), ""), "docker", true, none, cannot);
    assert_reach(INSPECT(ASLEEP, NETWORK("slirp4netns:mtu=1400"), ""), "podman", true, none,
                 cannot);
    assert_reach(INSPECT(ASLEEP, NETWORK("pasta"), ""), "podman", false, none, cannot);
    assert_reach(INSPECT(ASLEEP, NETWORK("none"), ""), "docker", false, none, cannot);
    assert_reach(INSPECT(ASLEEP, NETWORK("container:vpn"), ""), "podman", true, none, "");
    assert_reach(INSPECT(ASLEEP, NETWORK("host"), ""), "podman", true, none, cannot); // odp's port
    assert_reach(INSPECT(ASLEEP, NETWORK("host"), ""), "docker", true, none, cannot);
    // By the kinds of its networks, one is enough.
    assert_reach(IN("\"attic\":{}"), "docker", false, none, "");
    assert_reach(IN("\"attic\":{}"), "docker", false,
                 "[{\"Name\":\"attic\",\"Driver\":\"macvlan\"}]", cannot);
    assert_reach(IN("\"attic\":{},\"cellar\":{}"), "docker", false,
                 "[{\"Name\":\"attic\",\"Driver\":\"ipvlan\"},"
                 "{\"Name\":\"cellar\",\"Driver\":\"bridge\"}]",
                 "");
    assert_reach(IN("\"attic\":{}"), "podman", false,
                 "[{\"Name\":\"attic\",\"Driver\":\"bridge\",\"Internal\":true}]", cannot);
    assert_reach(IN("\"attic\":{}"), "docker", false,
                 "[{\"Name\":\"attic\",\"Driver\":\"bridge\",\"Internal\":true}]", "");
    assert_reach(IN(""), "docker", false, none, "");
}

// Line of /proc/net/tcp: 127.0.0.1:18080 as a little-endian machine has it.
#define TCP                                                                                        \
    "   0: 0100007F:46A0 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 7" \
    " 1 0000000000000000 100 0 0 10 0\n"

static void test_orphan(void **state)
{
    struct odp_doctor *d = facts_new(INSPECT(ASLEEP, SOUND, ""));

    (void)state;
    assert_int_equal(odp_ports_add_inet(&d->ports, TCP, false), 0);
    d->ports.holders = calloc(1, sizeof(*d->ports.holders));
    d->ports.n_holders = 1;
    d->ports.holders[0] = (struct odp_holder){.inode = 7, .pid = 99, .program = "docker-proxy"};
    assert_kinds(d, "target-taken"); // it is not known whose it is
    d->engines[0].running = cJSON_Parse("[]");
    assert_kinds(d, "proxy-orphan");
    cJSON_Delete(d->engines[0].running);
    d->engines[0].running = cJSON_Parse("[{\"Ports\":[{\"PublicPort\":18080,\"Type\":\"tcp\"}]}]");
    assert_kinds(d, "target-taken");
    facts_free(d);
}

// ---- prunes -------------------------------------------------------------------------------------

// What is found first: "ENGINE WHAT FILTERS", "" for nothing.
static const char *prune(const char *text)
{
    static char ret[1024];
    struct odp_prune_command p;

    ret[0] = '\0';
    if (odp_prune_next(&text, &p))
        snprintf(ret, sizeof(ret), "%s %s %s", p.engine, p.what, p.filters);
    return ret;
}

static void test_prune_commands(void **state)
{
    (void)state;
    assert_string_equal(prune("/usr/bin/docker system prune -af ; ignore_errors=no"),
                        "docker system ");
    assert_string_equal(prune("0 3 * * * root docker container prune -f\n"), "docker container ");
    assert_string_equal(prune("#!/bin/sh\nset -e\npodman system prune\n"), "podman system ");
    assert_string_equal(prune("x && docker network prune --filter until=24h"),
                        "docker network until=24h ");
    assert_string_equal(
        prune("docker system prune --filter='label!=keep' --filter \"label=a=b\" -f\n"),
        "docker system label!=keep label=a=b ");
    assert_string_equal(prune("# docker system prune\n"), "");
    assert_string_equal(prune("docker image prune -a; docker builder prune; docker volume prune"),
                        "");
    assert_string_equal(prune("docker image ls; prune system"), "");
    assert_string_equal(prune("docker system df\nprune"), "");
    assert_string_equal(prune(""), "");
}

static bool is_endangered(struct odp_doctor *d, const char *text)
{
    struct odp_findings f = {0};

    free(d->prunes->text);
    d->prunes->text = strdup(text);
    odp_doctor_check(d, &f);
    bool ret = odp_findings_has(&f, "prune-scheduled");
    odp_findings_deinit(&f);
    return ret;
}

static void test_prunes(void **state)
{
    struct odp_doctor *d = facts_new(INSPECT(ASLEEP, SOUND, ",\"Labels\":{\"keep\":\"yes\"}"));

    (void)state;
    d->prunes = calloc(1, sizeof(*d->prunes));
    d->n_prunes = 1;
    d->prunes->place = strdup("/etc/crontab");
    assert_true(is_endangered(d, "docker system prune -f"));
    assert_true(is_endangered(d, "docker image prune; docker container prune"));
    assert_false(is_endangered(d, "podman system prune -f"));
    assert_false(is_endangered(d, "docker system prune --filter label!=keep"));
    assert_false(is_endangered(d, "docker system prune --filter label!=keep=yes"));
    assert_true(is_endangered(d, "docker system prune --filter label!=keep=no"));
    assert_true(is_endangered(d, "docker system prune --filter label=keep"));
    assert_false(is_endangered(d, "docker system prune --filter label=old"));
    assert_true(is_endangered(d, "docker system prune --filter until=24h"));
    assert_false(is_endangered(d, "docker network prune")); // it has none of its own
    facts_free(d);
}

// ---- containers that units run ------------------------------------------------------------------

static struct odp_doctor *unit_new(const char *inspect, const char *command)
{
    struct odp_doctor *d = facts_of(FILE_OF_UNIT, inspect);
    char units[512];

    snprintf(units, sizeof(units),
             "Names=web.service\nLoadState=loaded\nActiveState=inactive\n"
             "ExecStart={ path=/usr/bin/docker ; argv[]=/usr/bin/docker %s web ; }\n",
             command);
    d->managers[0].present = d->managers[0].bus = true;
    assert_int_equal(odp_show_parse(units, &d->managers[0].units), 0);
    strcpy(d->engines[0].place.socket, "/run/docker.sock");
    d->engines[0].is_beside = true;
    return d;
}

static void set_state(struct odp_doctor *d, const char *state)
{
    char text[128];

    snprintf(text, sizeof(text), "{\"services\":[{\"name\":\"web\",\"state\":\"%s\"}]}", state);
    cJSON_Delete(d->odpd.status.json);
    d->odpd.status.parameters = d->odpd.status.json = cJSON_Parse(text);
    d->odpd.error = 0;
}

static void assert_unit(const char *inspect, const char *command, const char *kinds)
{
    struct odp_doctor *d = unit_new(inspect, command);

    assert_kinds(d, kinds);
    facts_free(d);
}

static void test_of_units(void **state)
{
    static const char run[] = "run --rm --name", start[] = "start --attach";

    (void)state;
    assert_unit(INSPECT(ASLEEP, SOUND, ""), start, "");
    assert_unit(INSPECT(AWAKE, SOUND ",\"AutoRemove\":true", ""), run, "");
    // What is there while it sleeps is the engine's to start, whose command is not to be seen.
    assert_unit(INSPECT(ASLEEP, SOUND ",\"RestartPolicy\":{\"Name\":\"always\"}", ""), start,
                "container-restarts");
    assert_unit(INSPECT(AWAKE, SOUND ",\"RestartPolicy\":{\"Name\":\"always\"}", ""), start, "");
    assert_unit(INSPECT(ASLEEP, SOUND ",\"RestartPolicy\":{\"Name\":\"always\"}", ""),
                "run --restart=always --name", "container-restarts"); // once
    assert_unit(INSPECT(ASLEEP, PORT("", "8080", "80/tcp"), ""), start, "port-published");
    assert_unit(INSPECT(ASLEEP, PORT("", "8080", "80/tcp"), ""), "run -p 8080:80 --name",
                "port-published");                                                    // once
    assert_unit(INSPECT(ASLEEP, PORT("127.0.0.1", "9090", "80/tcp"), ""), start, ""); // a sidecar's
    assert_unit(INSPECT(AWAKE, PORT("", "18080", "80/tcp"), ""), run, "target-open");
    assert_unit(INSPECT(AWAKE, SOUND, CHECK("")), run, "health-slow");
}

static void test_of_units_that_remove_them(void **state)
{
    struct odp_doctor *d = unit_new("{}", "run --rm --name");
    struct odp_container *c = &d->engines[0].containers[0];

    (void)state;
    cJSON_Delete(c->inspect);
    *c = (struct odp_container){.name = c->name, .is_missing = true};
    assert_kinds(d, ""); // odpd says nothing
    set_state(d, "stopped");
    assert_kinds(d, "");
    set_state(d, "starting"); // its image is pulled, perhaps
    assert_kinds(d, "");
    set_state(d, "ready");
    assert_kinds(d, "container-missing");
    facts_free(d);
}

static void test_prunes_of_units(void **state)
{
    static const char *const commands[] = {"run --name", "start --attach"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct odp_doctor *d = unit_new(INSPECT(ASLEEP, SOUND, ""), commands[i]);
        d->prunes = calloc(1, sizeof(*d->prunes));
        d->n_prunes = 1;
        d->prunes->place = strdup("/etc/crontab");
        assert_int_equal(is_endangered(d, "docker container prune -f"), i == 1);
        facts_free(d);
    }
}

static bool is_told_as_down(struct odp_doctor *d)
{
    struct odp_findings f = {0};

    odp_doctor_check(d, &f);
    bool ret = odp_findings_has(&f, "engine-down");
    odp_findings_deinit(&f);
    return ret;
}

static void test_engine_of_units(void **state)
{
    struct odp_doctor *d = unit_new(INSPECT(ASLEEP, SOUND, ""), "run --name");

    (void)state;
    d->engines[0].error = -ECONNREFUSED;
    assert_false(is_told_as_down(d));
    set_state(d, "stopped"); // the engine may be as well
    assert_false(is_told_as_down(d));
    set_state(d, "ready");
    assert_true(is_told_as_down(d));
    d->engines[0].error = -ENOENT;
    d->config.services[0]->engine = ODP_ENGINE_DEFAULT; // perhaps it is podman that has none
    assert_false(is_told_as_down(d));
    d->engines[0].is_beside = false;
    assert_true(is_told_as_down(d));
    facts_free(d);
}

// No unit of the engine's listens at a path that only the file knows.
static void test_socket_of_the_file(void **state)
{
    struct odp_doctor *d = facts_new(INSPECT(ASLEEP, SOUND, ""));
    struct odp_engine_facts *e = &d->engines[0];

    (void)state;
    e->error = -ENOENT;
    assert_string_equal(command_of(d, "engine-down"),
                        "ls -l /run/x.sock (and start what listens there, or mend socket = in "
                        "/etc/odp/services/web.ini)");
    strcpy(e->place.socket, "/var/run/docker.sock");
    free(d->config.services[0]->engine_socket);
    d->config.services[0]->engine_socket = strdup("/var/run/docker.sock");
    assert_string_equal(command_of(d, "engine-down"), "systemctl enable --now docker.socket");
    facts_free(d);
}

static void test_compose_file_that_is_not_there(void **state)
{
    struct odp_doctor *d =
        facts_of("[service]\nlisten = 8080\ntarget = 127.0.0.1:18080\n"
                 "[backend]\nproject = wiki\nfile = /srv/wiki.yaml\nsocket = /run/x.sock\n",
                 "{}");
    struct odp_place *place = calloc(1, sizeof(*place));

    (void)state;
    place->path = strdup("/srv/wiki.yaml");
    d->places = (struct odp_places){.items = place, .n = 1};
    assert_kinds(d, "");
    place->error = -EACCES;
    assert_kinds(d, "");
    place->error = -ENOENT;
    assert_string_equal(command_of(d, "container-missing"),
                        "ls -l /srv/wiki.yaml (and mend file = in /etc/odp/services/web.ini)");
    facts_free(d);
}

static void test_shared(void **state)
{
    static const char project[] = "[service]\nlisten = 8081\ntarget = 127.0.0.1:18081\n"
                                  "[backend]\nproject = web\n";
    struct odp_doctor *d;
    char other[256];

    (void)state;
    snprintf(other, sizeof(other), "%ssocket = /run/x.sock\n", project);
    d = facts_of_two(FILE_OF_WEB, other, INSPECT(ASLEEP, SOUND, LABELS("/srv", "a.yml")));
    assert_kinds(d, "container-shared");
    assert_string_equal(command_of(d, "container-shared"),
                        "docker ps --all --filter "
                        "label=com.docker.compose.project=web (and in /etc/odp/services/web.ini "
                        "write type = none in place of container =, and service = wiki in "
                        "[requires])");
    facts_free(d);
    snprintf(other, sizeof(other), "%ssocket = /run/y.sock\n", project); // another engine's
    d = facts_of_two(FILE_OF_WEB, other, INSPECT(ASLEEP, SOUND, LABELS("/srv", "a.yml")));
    assert_kinds(d, "");
    facts_free(d);
    d = facts_of_two(FILE_OF_WEB, other, INSPECT(ASLEEP, SOUND, ""));
    assert_kinds(d, "");
    facts_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_files_of_a_project),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_what_is_gone),
        cmocka_unit_test(test_orphan),
        cmocka_unit_test(test_prune_commands),
        cmocka_unit_test(test_prunes),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_health_while_it_starts),
        cmocka_unit_test(test_health_of_podman),
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_of_units),
        cmocka_unit_test(test_of_units_that_remove_them),
        cmocka_unit_test(test_prunes_of_units),
        cmocka_unit_test(test_engine_of_units),
        cmocka_unit_test(test_socket_of_the_file),
        cmocka_unit_test(test_compose_file_that_is_not_there),
        cmocka_unit_test(test_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
