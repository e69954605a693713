// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What engines say, as facts and in plain words. The texts are those of Docker 20.10 and Podman
// 4.3.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/launcher/container_facts.h"

static const struct odp_container_id wiki = {.name = "wiki", .engine = "docker", .asked = "wiki"};

#define STATE(word, running, paused, restarting, code)                                             \
    "{\"State\":{\"Status\":\"" word "\",\"Running\":" running ",\"Paused\":" paused               \
    ",\"Restarting\":" restarting ",\"OOMKilled\":false,\"Dead\":false,\"ExitCode\":" code         \
    "},\"RestartCount\":3,\"Config\":{\"Tty\":true}}"

static struct odp_container_facts read_facts(const char *s)
{
    struct odp_container_facts f;

    assert_true(odp_container_facts_read(s, strlen(s), &f));
    return f;
}

static void test_states(void **state)
{
    struct odp_container_facts f = read_facts(STATE("running", "true", "false", "false", "0"));

    (void)state;
    assert_int_equal(f.status, ODP_CONTAINER_RUNNING);
    assert_true(f.has_tty);
    assert_false(odp_container_is_down(&f));
    // Docker: what is paused, or restarting, is running as well.
    f = read_facts(STATE("paused", "true", "true", "false", "0"));
    assert_int_equal(f.status, ODP_CONTAINER_PAUSED);
    f = read_facts(STATE("restarting", "true", "false", "true", "3"));
    assert_int_equal(f.status, ODP_CONTAINER_RESTARTING);
    assert_true(odp_container_is_looping(&f));
    assert_false(odp_container_has_crashed(&f));
    assert_int_equal(read_facts(STATE("created", "false", "false", "false", "0")).status,
                     ODP_CONTAINER_CREATED);
    assert_int_equal(read_facts(STATE("configured", "false", "false", "false", "0")).status,
                     ODP_CONTAINER_CREATED);
    assert_int_equal(read_facts(STATE("removing", "false", "false", "false", "0")).status,
                     ODP_CONTAINER_REMOVING);
    assert_int_equal(
        read_facts("{\"State\":{\"Status\":\"removing\",\"Running\":false,\"Dead\":true}}").status,
        ODP_CONTAINER_REMOVING);
    f = read_facts(STATE("stopping", "false", "false", "false", "0"));
    assert_int_equal(f.status, ODP_CONTAINER_STOPPING);
    assert_false(odp_container_is_down(&f));
    assert_int_equal(read_facts(STATE("stopped", "false", "false", "false", "0")).status,
                     ODP_CONTAINER_EXITED);
}

#define CHECK ",\"Config\":{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"true\"]}}"
#define RUNS  "{\"State\":{\"Status\":\"running\",\"Running\":true"

static void expect_health(const char *s, enum odp_container_health health, const char *said)
{
    struct odp_container_facts f = read_facts(s);

    assert_int_equal(f.health, health);
    assert_string_equal(f.health_said, said);
}

static void test_health(void **state)
{
    (void)state;
    expect_health(RUNS "}}", ODP_CONTAINER_UNCHECKED, "");
    // Podman has a State.Health for those without a check, too.
    expect_health(RUNS ",\"Health\":{\"Status\":\"\",\"FailingStreak\":0,\"Log\":null}}}",
                  ODP_CONTAINER_UNCHECKED, "");
    expect_health(RUNS "},\"Config\":{\"Healthcheck\":{\"Test\":[\"NONE\"]}}}",
                  ODP_CONTAINER_UNCHECKED, "");
    expect_health(RUNS "},\"Config\":{\"Healthcheck\":{}}}", ODP_CONTAINER_UNCHECKED, "");
    expect_health(RUNS "}" CHECK "}", ODP_CONTAINER_STARTING, "");
    expect_health(RUNS ",\"Health\":{\"Status\":\"starting\",\"Log\":[]}}" CHECK "}",
                  ODP_CONTAINER_STARTING, "");
    expect_health(RUNS ",\"Health\":{\"Status\":\"healthy\",\"Log\":[{\"Output\":\"\"}]}}" CHECK
                       "}",
                  ODP_CONTAINER_HEALTHY, "");
    expect_health(RUNS ",\"Health\":{\"Status\":\"unhealthy\",\"Log\":[{\"Output\":\"old\"},"
                       "{\"Output\":\"curl:\\nno \\u0007route\\n\\n\"}]}}" CHECK "}",
                  ODP_CONTAINER_UNHEALTHY, "no  route");
    // What is said of the past tells nothing of the next start.
    expect_health("{\"State\":{\"Status\":\"exited\",\"Running\":false,\"Health\":{\"Status\":"
                  "\"healthy\",\"Log\":[{\"Output\":\"ok\"}]}}" CHECK "}",
                  ODP_CONTAINER_STARTING, "ok");
}

static void test_events_path(void **state)
{
    char *path =
        odp_engine_events_path("/v1.41", ODP_ENGINE_EVENTS_HEALTH, 7, "%22container%22:[%22a%22]");

    (void)state;
    assert_string_equal(path, "/v1.41/events?since=7&filters={%22type%22:[%22container%22],"
                              "%22event%22:[%22health_status%22],%22container%22:[%22a%22]}");
    free(path);
    // Health checks are to wake nobody who does not wait for one.
    path = odp_engine_events_path("/v1.41", ODP_ENGINE_EVENTS_LIFE, 7, "%22label%22:[%22a=b%22]");
    assert_non_null(strstr(path, ",%22label%22:[%22a=b%22]}"));
    assert_non_null(strstr(path, "%22die%22"));
    assert_null(strstr(path, "health_status"));
    free(path);
}

static void expect_times(const char *started, const char *ended, uint64_t started_usec,
                         uint64_t ended_usec)
{
    struct odp_container_facts f;
    char *s;

    assert_true(asprintf(&s,
                         "{\"State\":{\"Running\":false,\"StartedAt\":\"%s\",\"FinishedAt\":"
                         "\"%s\"}}",
                         started, ended) > 0);
    f = read_facts(s);
    assert_int_equal(f.started_usec, started_usec);
    assert_int_equal(f.ended_usec, ended_usec);
    free(s);
}

static void test_times(void **state)
{
    (void)state;
    expect_times("1970-01-01T00:00:07Z", "0001-01-01T00:00:00Z", 7000000, 0);
    expect_times("1970-01-02T00:00:00.5Z", "1970-01-02T00:00:00.123456789Z", 86400500000,
                 86400123456);
    // Podman: in the time zone of the machine.
    expect_times("1970-01-01T01:00:07.25+01:00", "1969-12-31T18:30:09-05:30", 7250000, 9000000);
    expect_times("yesterday", "", 0, 0);
}

#define MADE(host, config)                                                                         \
    "{\"State\":{\"Running\":false},\"HostConfig\":{" host "},\"Config\":{" config "}}"

static void test_jobs(void **state)
{
    (void)state;
    assert_true(
        read_facts(MADE("\"PortBindings\":{},\"RestartPolicy\":{\"Name\":\"no\"}", "")).is_job);
    assert_true(read_facts(MADE("\"RestartPolicy\":{\"Name\":\"on-failure\"}", "")).is_job);
    assert_false(read_facts(MADE("\"RestartPolicy\":{\"Name\":\"unless-stopped\"}", "")).is_job);
    assert_false(read_facts(MADE("\"RestartPolicy\":{\"Name\":\"always\"}", "")).is_job);
    assert_false(read_facts(MADE("\"PortBindings\":{\"80/tcp\":[]}", "")).is_job);
    assert_false(read_facts(MADE("", "\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"]}")).is_job);
}

#define OOM(code) "{\"State\":{\"Running\":false,\"OOMKilled\":true,\"ExitCode\":" code "}}"

static bool has_crashed(const char *s)
{
    struct odp_container_facts f = read_facts(s);

    assert_true(odp_container_is_down(&f));
    return odp_container_has_crashed(&f);
}

// The count of restarts goes on for months. What has run in between does not go round.
static void test_loops(void **state)
{
    struct odp_container_facts f = {.status = ODP_CONTAINER_RESTARTING, .n_restarts = 3};

    (void)state;
    f.started_usec = ODP_USEC_PER_SEC;
    f.ended_usec = 60 * ODP_USEC_PER_SEC;
    assert_true(odp_container_is_looping(&f));
    f.ended_usec = 61 * ODP_USEC_PER_SEC;
    assert_false(odp_container_is_looping(&f));
    f.ended_usec = 0; // not known
    assert_true(odp_container_is_looping(&f));
    f.n_restarts = 2;
    assert_false(odp_container_is_looping(&f));
}

static void test_ends(void **state)
{
    (void)state;
    assert_false(has_crashed(STATE("exited", "false", "false", "false", "0")));
    assert_false(has_crashed(STATE("exited", "false", "false", "false", "143")));
    assert_false(has_crashed(STATE("exited", "false", "false", "false", "137")));
    assert_true(has_crashed(STATE("exited", "false", "false", "false", "1")));
    assert_true(has_crashed(STATE("exited", "false", "false", "false", "139")));
    // What the kernel has killed may have been a child, and stopped long since: Docker keeps that.
    assert_true(has_crashed(OOM("137")));
    assert_true(has_crashed(OOM("1")));
    assert_false(has_crashed(OOM("143")));
    assert_false(has_crashed(OOM("0")));
}

static void test_nonsense(void **state)
{
    static const char *const texts[] = {"", "[]", "{", "{\"State\":7}", "{\"State\":{}}"};
    struct odp_container_facts f;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(odp_container_facts_read(texts[i], strlen(texts[i]), &f));
}

static void expect_version(const char *s, const char *prefix)
{
    char ret[ODP_ENGINE_PREFIX_MAX];

    assert_int_equal(odp_engine_version_read(s, strlen(s), ret), prefix != NULL);
    if (prefix)
        assert_string_equal(ret, prefix);
}

static void test_versions(void **state)
{
    (void)state;
    expect_version("{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}", "/v1.41");
    expect_version("{\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}", "/v1.44");
    expect_version("{\"ApiVersion\":\"1.43\"}", "/v1.41");
    expect_version("{\"ApiVersion\":\"1.40\",\"MinAPIVersion\":\"1.12\"}", NULL);
    expect_version("{\"ApiVersion\":\"2.0\"}", NULL);
    expect_version("{\"ApiVersion\":\"1.41x\"}", NULL);
    expect_version("", NULL);
}

static void test_events(void **state)
{
    static const char line[] = "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":"
                               "\"7c45b01d9e9bde775b\",\"Attributes\":{\"name\":\"wiki\"}}}";
    struct odp_engine_event e;

    (void)state;
    assert_true(odp_engine_event_read(line, strlen(line), &e));
    assert_string_equal(e.action, "die");
    assert_true(odp_engine_event_is_of(&e, "wiki"));
    assert_true(odp_engine_event_is_of(&e, "7c45b01d9e9b"));
    assert_false(odp_engine_event_is_of(&e, "7c45"));
    assert_false(odp_engine_event_is_of(&e, "wik"));
    assert_false(odp_engine_event_read("{}", 2, &e));
}

static void expect_log(const char *body, size_t n_bytes, bool has_tty, const char *line)
{
    char ret[16];

    odp_container_log_read(body, n_bytes, has_tty, ret, sizeof(ret));
    assert_string_equal(ret, line);
}

#define LOG(s, has_tty, line) expect_log(s, sizeof(s) - 1, has_tty, line)

static void test_logs(void **state)
{
    (void)state;
    LOG("\2\0\0\0\0\0\0\6oh no\n", false, "oh no");
    LOG("\1\0\0\0\0\0\0\4one\n\2\0\0\0\0\0\0\4two\n", false, "two");
    LOG("\1\0\0\0\0\0\0\2on\1\0\0\0\0\0\0\2e\n", false, "one");
    LOG("one\r\ntwo\r\n\r\n", true, "two");
    LOG("\1\0\0\0\0\0\0\377cut", false, "cut");
    LOG("\1\0\0\0", false, "");
    LOG("", false, "");
    LOG("\1\0\0\0\0\0\0\24far too long a line\n", false, "far too long a ");
}

static void expect_refusal(unsigned status, const char *body, const char *reason)
{
    char message[1024], ret[ODP_REASON_MAX + 1];

    odp_engine_message_read(body, strlen(body), message, sizeof(message));
    odp_container_why_refused(&wiki, status, message, ret, sizeof(ret));
    assert_string_equal(ret, reason);
}

static void test_refusals(void **state)
{
    (void)state;
    expect_refusal(404, "{\"message\":\"No such container: wiki\"}",
                   "docker has no container wiki: create it, see docker ps -a");
    // Docker knows it, but not the one in whose network it is.
    expect_refusal(404, "{\"message\":\"No such container: 2f29e09b65a0\"}",
                   "container wiki: the container in whose network it is has gone: create it anew "
                   "(No such container: 2f29e09b65a0)");
    expect_refusal(
        409,
        "{\"message\":\"cannot join network of a non running container: "
        "2f29e09b65a0\"}",
        "container wiki: the container in whose network it is does not run: start it, or "
        "name it in a `container` line before (cannot join network of a non running "
        "container: 2f29e09b65a0)");
    expect_refusal(500, "{\"message\":\"mounting storage for container 2311: layer not known\"}",
                   "container wiki: its image is gone: create it anew (mounting storage for "
                   "container 2311: layer not known)");
    expect_refusal(404, "{\"message\":\"No such image: wiki:latest\"}",
                   "container wiki: its image is gone: create it anew (No such image: "
                   "wiki:latest)");
    expect_refusal(404, "{\"message\":\"network 3fc442ec18e1 not found\"}",
                   "container wiki: its network is gone: create it anew, as one of a Compose "
                   "project by up -d --force-recreate (network 3fc442ec18e1 not found)");
    expect_refusal(500,
                   "{\"message\":\"driver failed programming external connectivity on endpoint zz "
                   "(5270972048a2b3904f1796580edc132e1e149f8758c9da47fbb1c95f0cf98a5c): Bind for "
                   "127.0.0.1:7777 failed: port is already allocated\"}",
                   "container wiki: a port that it publishes is taken: give it another, or end "
                   "what has it (docker ps); where nothing has: systemctl restart docker (Bind for "
                   "127.0.0.1:7777 failed: port is already allocated)");
    expect_refusal(500,
                   "{\"message\":\"failed to start shim: mkdir /run/containerd/"
                   "io.containerd.runtime.v2.task/moby/5270972048a2: file exists: unknown\"}",
                   "container wiki: docker or containerd was killed while it started this, and "
                   "containerd still has it: create it anew, or restart the machine");
    expect_refusal(500, "{\"message\":\"task 5270972048a2: already exists\"}",
                   "container wiki: docker or containerd was killed while it started this, and "
                   "containerd still has it: create it anew, or restart the machine");
    expect_refusal(500, "{\"message\":\"connection closed: unavailable\"}",
                   "container wiki: containerd does not answer, by which docker runs it: systemctl "
                   "restart containerd (connection closed: unavailable)");
    expect_refusal(500,
                   "{\"message\":\"connection error: desc = \\\"transport: Error while dialing "
                   "dial unix /run/containerd/containerd.sock: connect: connection refused\\\": "
                   "unavailable\"}",
                   "container wiki: containerd does not answer, by which docker runs it: systemctl "
                   "restart containerd (desc = \"transport: Error while dialing dial unix "
                   "/run/containerd/containerd.sock: connect: connection refused\": unavailable)");
    expect_refusal(500,
                   "{\"message\":\"driver failed: Error starting userland proxy: listen tcp4 "
                   "127.0.0.1:7777: bind: address already in use\"}",
                   "container wiki: a port that it publishes is taken: give it another, or end "
                   "what listens there (driver failed: Error starting userland proxy: listen tcp4 "
                   "127.0.0.1:7777: bind: address already in use)");
    expect_refusal(500, "not JSON", "container wiki: docker answers status 500");
    expect_refusal(500, "{\"message\":\"a\\nb\"}", "container wiki: a b");
}

static void expect_down(struct odp_container_facts f, const char *reason)
{
    char ret[ODP_REASON_MAX + 1];

    odp_container_why_down(&wiki, &f, ret, sizeof(ret));
    assert_string_equal(ret, reason);
}

static void test_reasons(void **state)
{
    (void)state;
    expect_down((struct odp_container_facts){.status = ODP_CONTAINER_EXITED,
                                             .exit_code = 3,
                                             .last_line = "no disk"},
                "container wiki: has exited with status 3: no disk");
    expect_down((struct odp_container_facts){.status = ODP_CONTAINER_EXITED, .exit_code = 139},
                "container wiki: was ended by signal 11");
    expect_down((struct odp_container_facts){.status = ODP_CONTAINER_EXITED,
                                             .exit_code = 137,
                                             .had_oom = true},
                "container wiki: was killed for want of memory: give it more, or see docker logs "
                "wiki");
    expect_down((struct odp_container_facts){.status = ODP_CONTAINER_EXITED,
                                             .exit_code = 1,
                                             .had_oom = true,
                                             .last_line = "no workers"},
                "container wiki: has exited with status 1 (something in it was killed for want of "
                "memory): no workers");
    expect_down((struct odp_container_facts){.status = ODP_CONTAINER_EXITED, .had_oom = true},
                "container wiki: has exited with status 0");
    expect_down((struct odp_container_facts){.status = ODP_CONTAINER_DEAD},
                "container wiki: is dead, docker could not remove it: docker rm --force wiki");
    expect_down(
        (struct odp_container_facts){.status = ODP_CONTAINER_ILL, .last_line = "layer not known"},
        "container wiki: docker cannot tell how it is: create it anew (layer not known)");
}

static void expect_never(struct odp_container_facts f, enum odp_condition condition,
                         const char *reason)
{
    char ret[ODP_REASON_MAX + 1] = "";

    odp_container_why_never(&wiki, &f, condition, "app", ret, sizeof(ret));
    assert_string_equal(ret, reason);
}

// What others wait for, and what cannot come.
static void test_never(void **state)
{
    struct odp_container_facts f = {.status = ODP_CONTAINER_RUNNING};

    (void)state;
    expect_never(f, ODP_CONDITION_STARTED, "");
    expect_never(f, ODP_CONDITION_COMPLETED, "");
    expect_never(f, ODP_CONDITION_SOUND, "");
    expect_never(f, ODP_CONDITION_HEALTHY,
                 "container wiki: has no health check, and app waits for it to be healthy");
    f.health = ODP_CONTAINER_UNHEALTHY;
    strcpy(f.health_said, "no route");
    expect_never(f, ODP_CONDITION_SOUND,
                 "container wiki: is unhealthy, and app waits for it: no route");
    f.status = ODP_CONTAINER_RESTARTING;
    expect_never(f, ODP_CONDITION_COMPLETED,
                 "container wiki: has run to its end, and docker starts it again, while app waits "
                 "for its end: write `restart: \"no\"` for it in the project's file");
    f.exit_code = 3; // it may end well yet
    expect_never(f, ODP_CONDITION_COMPLETED, "");
}

static void expect_not_healthy(struct odp_container_facts f, const char *reason)
{
    char ret[ODP_REASON_MAX + 1];

    odp_container_why_not_healthy(&wiki, &f, ret, sizeof(ret));
    assert_string_equal(ret, reason);
}

static void test_not_healthy(void **state)
{
    struct odp_container_facts f = {.status = ODP_CONTAINER_MISSING};

    (void)state;
    expect_not_healthy(f, "docker has no container wiki");
    f.status = ODP_CONTAINER_CREATED;
    expect_not_healthy(f, "container wiki: does not run yet");
    f.status = ODP_CONTAINER_RUNNING;
    f.health = ODP_CONTAINER_STARTING;
    expect_not_healthy(f, "container wiki: its first health check has not ended yet: see its "
                          "interval, or write `probe = tcp` in [ready]");
    strcpy(f.health_said, "no route");
    expect_not_healthy(f, "container wiki: is not healthy yet: no route");
    f.health = ODP_CONTAINER_UNHEALTHY;
    expect_not_healthy(f, "container wiki: its health check says unhealthy: no route");
    f.health_said[0] = '\0';
    expect_not_healthy(f, "container wiki: its health check says unhealthy");
}

static bool is_wiki(const void *userdata, const char *id, const char *project)
{
    (void)userdata;
    return strcmp(id, "4") == 0 || strcmp(project, "wiki") == 0;
}

static bool runs_only(const char *body)
{
    return odp_engine_runs_only(body, strlen(body), is_wiki, NULL);
}

static void test_others(void **state)
{
    (void)state;
    assert_true(runs_only("[]\n"));
    assert_true(runs_only("[{\"Id\":\"4\",\"Labels\":{}},"
                          "{\"Id\":\"5\",\"Labels\":{\"com.docker.compose.project\":\"wiki\"}}]"));
    assert_false(runs_only("[{\"Id\":\"4\"},{\"Id\":\"6\",\"Labels\":null}]"));
    assert_false(runs_only("{}"));
    assert_false(runs_only(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),       cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_states),      cmocka_unit_test(test_ends),
        cmocka_unit_test(test_nonsense),    cmocka_unit_test(test_versions),
        cmocka_unit_test(test_events),      cmocka_unit_test(test_logs),
        cmocka_unit_test(test_refusals),    cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_not_healthy), cmocka_unit_test(test_health),
        cmocka_unit_test(test_events_path), cmocka_unit_test(test_others),
        cmocka_unit_test(test_never),       cmocka_unit_test(test_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
