// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where a container is, by what engines say: the texts are cut from those of Docker 20.10 and
// Podman 4.3.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "odp/launcher/container_address.h"

static const struct odp_container_question docker = {
    .name = "wiki", .engine = "docker", .port = 80};
static const struct odp_container_question podman = {
    .name = "wiki", .engine = "podman", .port = 80};

#define RUNS(mode, networks)                                                                       \
    "{\"State\":{\"Running\":true},\"HostConfig\":{\"NetworkMode\":\"" mode "\"},\"Config\":{"     \
    "\"ExposedPorts\":null},\"NetworkSettings\":{\"IPAddress\":\"\",\"Networks\":{" networks "}}}"
#define NETWORK(name, id, ip4, ip6)                                                                \
    "\"" name "\":{\"NetworkID\":\"" id "\",\"IPAddress\":\"" ip4                                  \
    "\",\"GlobalIPv6Address\":\"" ip6 "\",\"Gateway\":\"172.17.0.1\"}"

static struct odp_container_networks networks;

static void know(const char *name, const char *driver)
{
    char body[256];

    snprintf(body, sizeof(body),
             "{\"Name\":\"%s\",\"Driver\":\"%s\",\"Internal\":false,\"IPAM\":{\"Config\":[{"
             "\"Subnet\":\"172.20.0.0/16\"}]}}",
             name, driver);
    assert_int_equal(odp_container_networks_read(&networks, name, body, strlen(body)), 0);
}

static int forget(void **state)
{
    (void)state;
    odp_container_networks_deinit(&networks);
    return 0;
}

static struct odp_container_address read_address(const struct odp_container_question *q,
                                                 const char *body)
{
    struct odp_container_address a;

    assert_true(odp_container_address_read(q, body, strlen(body), &networks, &a));
    assert_true(a.exists);
    return a;
}

// AT: all of it.
static void expect(const struct odp_container_question *q, const char *body,
                   enum odp_container_place is, const char *words)
{
    struct odp_container_address a = read_address(q, body);

    if (a.is != is || !strstr(a.text, words) || (is == ODP_PLACE_AT && strcmp(a.text, words) != 0))
        fail_msg("%s: %d %s", body, (int)a.is, a.text);
}

static void test_one_network(void **state)
{
    static const char runs[] = RUNS("default", NETWORK("bridge", "0dca", "172.17.0.2", ""));

    (void)state;
    expect(&docker, runs, ODP_PLACE_ASK, "bridge");
    know("bridge", "bridge");
    expect(&docker, runs, ODP_PLACE_AT, "172.17.0.2:80");
    // Podman's id is the name.
    know("podman", "bridge");
    expect(&podman, RUNS("bridge", NETWORK("podman", "podman", "10.88.0.2", "")), ODP_PLACE_AT,
           "10.88.0.2:80");
    expect(&podman, RUNS("bridge", NETWORK("podman", "podman", "", "")), ODP_PLACE_NOT_YET,
           "container wiki: podman tells no address of it");
}

// One that is looked at before its first start has no id yet.
static void test_network_made_anew(void **state)
{
    (void)state;
    know("beta", "bridge");
    expect(&docker, RUNS("beta", NETWORK("beta", "", "172.18.0.2", "")), ODP_PLACE_AT,
           "172.18.0.2:80");
    expect(&docker, RUNS("beta", NETWORK("beta", "e791", "172.18.0.2", "")), ODP_PLACE_AT,
           "172.18.0.2:80");
    expect(&docker, RUNS("beta", NETWORK("beta", "4711", "10.1.1.2", "")), ODP_PLACE_ASK, "beta");
    know("beta", "macvlan");
    expect(&docker, RUNS("beta", NETWORK("beta", "4711", "10.1.1.2", "")), ODP_PLACE_NEVER,
           "container wiki: this machine has no way into its network beta (macvlan): put it into "
           "a bridge network as well, for instance docker network connect bridge wiki");
}

static void test_several_networks(void **state)
{
    (void)state;
    know("alpha", "macvlan");
    know("beta", "bridge");
    know("gamma", "bridge");
    expect(&docker,
           RUNS("gamma",
                NETWORK("gamma", "3", "172.19.0.2", "") "," NETWORK(
                    "alpha", "1", "192.168.1.2", "") "," NETWORK("beta", "2", "172.18.0.2", "")),
           ODP_PLACE_AT, "172.18.0.2:80 172.19.0.2:80");
    // IPv4 before IPv6, whatever the names.
    expect(&docker,
           RUNS("beta", NETWORK("beta", "2", "", "fd00::2") "," NETWORK("gamma", "3", "172.19.0.2",
                                                                        "fd01::2")),
           ODP_PLACE_AT, "172.19.0.2:80 [fd00::2]:80 [fd01::2]:80");
    expect(&docker, RUNS("beta", NETWORK("beta", "2", "", "fd00::2")), ODP_PLACE_AT,
           "[fd00::2]:80");
}

// More than are told, in the wrong order.
static void test_many_networks(void **state)
{
    static const char runs[] = RUNS(
        "n",
        NETWORK("f", "f", "10.0.0.6", "") "," NETWORK("e", "e", "10.0.0.5", "fd00::5") "," NETWORK(
            "d", "d", "10.0.0.4", "") "," NETWORK("c", "c", "10.0.0.3",
                                                  "") "," NETWORK("b", "b", "10.0.0.2", ""));
    static const char *const names[] = {"b", "c", "d", "e", "f"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        know(names[i], "bridge");
    expect(&docker, runs, ODP_PLACE_AT, "10.0.0.2:80 10.0.0.3:80 10.0.0.4:80 10.0.0.5:80");
}

// Docker's bridge of an internal network has an address of this machine, Podman's has none.
static void test_internal(void **state)
{
    static const char of_docker[] =
        "{\"Driver\":\"bridge\",\"Internal\":true,\"IPAM\":{\"Config\":[{\"Gateway\":"
        "\"172.19.0.1\"}]}}";
    static const char of_podman[] = "{\"Driver\":\"bridge\",\"Internal\":true,\"IPAM\":{\"Config\":"
                                    "[{\"Subnet\":\"10.89.1.0/24\",\"Gateway\":\"<nil>\"}]}}";
    static const char runs[] = RUNS("inner", NETWORK("inner", "inner", "172.19.0.3", ""));

    (void)state;
    assert_int_equal(odp_container_networks_read(&networks, "inner", of_docker, strlen(of_docker)),
                     0);
    expect(&docker, runs, ODP_PLACE_AT, "172.19.0.3:80");
    assert_int_equal(odp_container_networks_read(&networks, "inner", of_podman, strlen(of_podman)),
                     0);
    expect(&podman, runs, ODP_PLACE_NEVER,
           "its network inner (internal): put it into a bridge network as well, for instance "
           "podman network connect podman wiki");
}

static void test_modes(void **state)
{
    struct odp_container_question rootless = podman;

    (void)state;
    expect(&docker, RUNS("host", NETWORK("host", "db7a", "", "")), ODP_PLACE_AT, "127.0.0.1:80");
    expect(&podman, RUNS("host", ""), ODP_PLACE_AT, "127.0.0.1:80");
    expect(&docker, RUNS("none", NETWORK("none", "546e", "", "")), ODP_PLACE_NEVER,
           "container wiki is in no network: create it with one, for instance --network bridge");
    expect(&docker, RUNS("container:3cfb", ""), ODP_PLACE_GUEST, "3cfb");
    expect(&podman, RUNS("slirp4netns", ""), ODP_PLACE_NEVER,
           "container wiki: this machine has no way into its network (slirp4netns): publish the "
           "port, for instance --publish 127.0.0.1:10080:80, and write it as target");
    rootless.is_rootless = true;
    expect(&rootless, RUNS("bridge", NETWORK("podman", "podman", "10.88.0.2", "")), ODP_PLACE_NEVER,
           "(of a rootless engine): publish the port");
    expect(&rootless, RUNS("host", ""), ODP_PLACE_AT, "127.0.0.1:80");
    rootless.engine = "docker";
    expect(&rootless, RUNS("host", ""), ODP_PLACE_NEVER, "publish the port");
}

static void test_not_running(void **state)
{
    static const char stopped[] =
        "{\"State\":{\"Running\":false},\"HostConfig\":{\"NetworkMode\":\"default\"},\"Config\":{"
        "\"ExposedPorts\":{\"80/tcp\":{},\"443/tcp\":{}}},\"NetworkSettings\":{\"Networks\":{"
        "\"bridge\":{\"NetworkID\":\"\",\"IPAddress\":\"\"}}}}";
    struct odp_container_address a;

    (void)state;
    expect(&docker, stopped, ODP_PLACE_ASK, "bridge"); // while nobody waits
    know("bridge", "bridge");
    expect(&docker, stopped, ODP_PLACE_NOT_YET, "container wiki does not run");
    assert_true(read_address(&docker, stopped).exposes);
    assert_false(odp_container_address_read(&docker, "{\"message\":\"x\"}", 15, &networks, &a));
    assert_false(a.exists);
    assert_int_equal(odp_container_networks_read(&networks, "x", "[]", 2), -74);
}

// A network that is gone is not asked for again and again.
static void test_network_gone(void **state)
{
    static const char gone[] = "{\"message\":\"network mac not found\"}";

    (void)state;
    assert_int_equal(odp_container_networks_read(&networks, "mac", gone, strlen(gone)), 0);
    expect(&docker, RUNS("mac", NETWORK("mac", "", "", "")), ODP_PLACE_NOT_YET, "no address");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_one_network, forget),
        cmocka_unit_test_teardown(test_network_made_anew, forget),
        cmocka_unit_test_teardown(test_several_networks, forget),
        cmocka_unit_test_teardown(test_many_networks, forget),
        cmocka_unit_test_teardown(test_internal, forget),
        cmocka_unit_test_teardown(test_modes, forget),
        cmocka_unit_test_teardown(test_not_running, forget),
        cmocka_unit_test_teardown(test_network_gone, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
