// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `odp doctor`: gathers all facts, and runs all checks on them.

#include "odp/cli/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor_internal.h"
#include "odp/base/time.h"

// Which odpd this is about, and where it keeps its things: what its own command line says counts
// for more than the defaults.
static void find_paths(const struct odp_cli *cli, struct odp_doctor *d)
{
    struct odp_paths_env env = {.home = getenv("HOME"), .state_home = getenv("XDG_STATE_HOME")};
    struct odp_paths paths = {.config = "/", .runtime = "/"};
    char why[256];

    snprintf(d->config_dir, sizeof(d->config_dir), "%s",
             d->odpd.config[0] && !cli->config_named ? d->odpd.config : cli->paths.config);
    snprintf(d->runtime_dir, sizeof(d->runtime_dir), "%.*s",
             (int)(strrchr(cli->socket, '/') - cli->socket), cli->socket);
    env.system = !d->is_user;
    if (d->odpd.state[0])
        snprintf(d->state_dir, sizeof(d->state_dir), "%s", d->odpd.state);
    else if (odp_paths_complete(&paths, &env, why, sizeof(why)) == 0)
        memcpy(d->state_dir, paths.state, sizeof(d->state_dir));
    else
        snprintf(d->state_dir, sizeof(d->state_dir), "/");
}

static int load_files(struct odp_doctor *d)
{
    char path[ODP_PATH_MAX + sizeof("/" ODP_CONFIG_SERVICES_DIR)];
    struct odp_files files = {0};
    int r;

    snprintf(path, sizeof(path), "%s/" ODP_CONFIG_SERVICES_DIR, d->config_dir);
    d->config_error = odp_files_read(path, ODP_CONFIG_SUFFIX, ODP_CONFIG_FILE_MAX, &files);
    r = odp_config_load(&files, &d->config);
    odp_files_deinit(&files);
    return r == 0 && d->config_error == -ENOMEM ? -ENOMEM : r;
}

// A user without an odpd of their own asks about the system's.
static bool is_user(const struct odp_cli *cli)
{
    return geteuid() != 0 && strncmp(cli->socket, "/run/odp/", strlen("/run/odp/")) != 0;
}

int odp_doctor_gather(const struct odp_cli *cli, struct odp_doctor *ret)
{
    int r;

    *ret = (struct odp_doctor){.is_standard = cli->is_standard,
                               .is_user = is_user(cli),
                               .is_root = geteuid() == 0,
                               .uid = geteuid(),
                               .now_usec = odp_now_usec(),
                               .now = time(NULL)};
    r = doctor_gather_odpd(ret, cli->socket);
    find_paths(cli, ret);
    if (r == 0)
        r = load_files(ret);
    if (r == 0)
        r = doctor_gather_ports(ret);
    if (r == 0)
        r = doctor_gather_system(ret);
    if (r == 0)
        r = doctor_gather_places(ret);
    if (r == 0)
        r = doctor_gather_managers(ret);
    if (r == 0)
        r = doctor_gather_engines(ret);
    if (r == 0)
        r = doctor_gather_prunes(ret);
    return r == 0 ? doctor_gather_scripts(ret) : r;
}

void odp_doctor_deinit(struct odp_doctor *d)
{
    odp_config_deinit(&d->config);
    odp_ports_deinit(&d->ports);
    for (size_t i = 0; i < d->places.n; i++)
        free(d->places.items[i].path);
    free(d->places.items);
    for (size_t i = 0; i < d->n_scripts; i++) {
        free(d->scripts[i].unit);
        free(d->scripts[i].text);
    }
    free(d->scripts);
    for (size_t i = 0; i < 2; i++) {
        free(d->managers[i].why);
        free(d->managers[i].at_boot);
        odp_show_deinit(&d->managers[i].units);
    }
    for (char **a = d->addresses; a && *a; a++)
        free(*a);
    free(d->addresses);
    doctor_engines_deinit(d);
    for (size_t i = 0; i < d->n_prunes; i++) {
        free(d->prunes[i].place);
        free(d->prunes[i].text);
    }
    free(d->prunes);
    odp_reply_deinit(&d->odpd.status);
}

void odp_doctor_check(const struct odp_doctor *d, struct odp_findings *ret)
{
    static void (*const checks[])(const struct odp_doctor *, const struct odp_config_service *,
                                  struct odp_findings *) = {
        doctor_check_sockets, doctor_check_units, doctor_check_docker,    doctor_check_containers,
        doctor_check_health,  doctor_check_reach, doctor_check_published, doctor_check_ports,
        doctor_check_places,  doctor_check_state,
    };

    doctor_check_system(d, ret);
    doctor_check_generator(d, ret);
    doctor_check_odpd(d, ret);
    doctor_check_strays(d, ret);
    doctor_check_files(d, ret);
    doctor_check_engines(d, ret);
    doctor_check_prunes(d, ret);
    for (size_t i = 0; i < d->config.n_services; i++)
        for (size_t k = 0; k < sizeof(checks) / sizeof(checks[0]); k++)
            if (d->config.services[i]->enabled)
                checks[k](d, d->config.services[i], ret);
}
