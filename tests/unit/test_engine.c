// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where engines are, and which control groups are those of a container, by their names.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "odp/launcher/engine.h"

#define ID "2032b2b2cab44a2a8871b3523f5b60756bac4c0b8f1098a9daafc15565e643ae"

static bool is_group(const char *name)
{
    return odp_engine_is_group_of(name, strlen(name), ID);
}

static void test_names_of_groups(void **state)
{
    (void)state;
    assert_true(is_group("docker-" ID ".scope"));
    assert_true(is_group("libpod-" ID ".scope"));
    assert_true(is_group("libpod-payload-" ID));
    assert_true(is_group("libpod-" ID));
    assert_true(is_group(ID));
    assert_false(is_group("libpod-conmon-" ID ".scope"));
    assert_false(is_group(ID ".service")); // podman's health checks
    assert_false(is_group(ID "-1f.service"));
    assert_false(is_group("docker-" ID "0.scope"));
    assert_false(is_group("docker-0" ID ".scope"));
    assert_false(is_group("docker-2032b2b2cab4.scope"));
    assert_false(is_group("docker.service"));
    assert_false(is_group(""));
    assert_false(odp_engine_is_group_of("docker-" ID ".scope", strlen("docker-" ID) - 1, ID));
}

static const char *there; // the one socket that there is

static bool is_there(const char *path)
{
    return there && strcmp(path, there) == 0;
}

static const char *find(enum odp_engine engine, bool is_user, const char *socket)
{
    static struct odp_engine_place place;
    struct odp_config_service s = {.engine = engine};

    there = socket;
    odp_engine_place_find(&s, is_user, "/run/user/1", is_there, &place);
    return place.socket;
}

static void test_places(void **state)
{
    static const char docker[] = "/run/docker.sock", podman[] = "/run/podman/podman.sock";
    static const char own[] = "/run/user/1/podman/podman.sock";

    (void)state;
    assert_string_equal(find(ODP_ENGINE_DEFAULT, false, NULL), docker);
    assert_string_equal(find(ODP_ENGINE_DEFAULT, false, docker), docker);
    assert_string_equal(find(ODP_ENGINE_DEFAULT, false, podman), podman);
    assert_string_equal(find(ODP_ENGINE_PODMAN, false, docker), podman);
    assert_string_equal(find(ODP_ENGINE_DOCKER, false, podman), docker);
    assert_string_equal(find(ODP_ENGINE_DEFAULT, true, own), own);
    assert_string_equal(find(ODP_ENGINE_DEFAULT, true, podman), docker); // not root's podman
    assert_string_equal(find(ODP_ENGINE_DEFAULT, true, docker), docker);
    assert_string_equal(find(ODP_ENGINE_DOCKER, true, "/run/user/1/docker.sock"),
                        "/run/user/1/docker.sock");
    assert_string_equal(find(ODP_ENGINE_DOCKER, true, NULL), docker);
    assert_string_equal(find(ODP_ENGINE_PODMAN, true, NULL), own);
}

static bool is_usual(enum odp_engine engine, const char *socket)
{
    struct odp_config_service s = {.engine = engine};
    struct odp_engine_place place;
    char path[64];

    if (socket) {
        snprintf(path, sizeof(path), "%s", socket);
        s.engine_socket = path;
    }
    odp_engine_place_find(&s, false, NULL, is_there, &place);
    return odp_engine_place_is_usual_docker(&place);
}

static void test_usual(void **state)
{
    (void)state;
    assert_true(is_usual(ODP_ENGINE_DOCKER, NULL));
    assert_true(is_usual(ODP_ENGINE_DOCKER, "/var/run/docker.sock"));
    assert_false(is_usual(ODP_ENGINE_DOCKER, "/run/user/1/docker.sock"));
    assert_false(is_usual(ODP_ENGINE_PODMAN, "/run/docker.sock"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_groups),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_usual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
