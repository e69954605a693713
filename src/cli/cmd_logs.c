// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp logs: what a service has printed, and odp's own words on it. Where odpd runs without the
// journal these lines stand in files, which are read without asking anybody; else journalctl shows
// them. What containers print stands with their engine.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp/base/keep.h"
#include "odp/cli/cli.h"
#include "odp/cli/container_logs.h"
#include "odp/cli/containers.h"
#include "odp/cli/journal.h"
#include "odp/cli/kept_logs.h"
#include "odp/core/config.h"

#define JOURNAL       "/run/systemd/journal/socket"
#define NUMBER_DIGITS 9

struct logs {
    const struct odp_cli *cli;
    const char *name;
    char directory[ODP_PATH_MAX + sizeof(ODP_LOGS_DIR) + 1];
    bool follow;
    size_t n_lines;
};

// Becomes journalctl.
static int show_journal(const struct logs *l)
{
    const struct odp_journal_query query = {
        .name = l->name,
        .config_dir = l->cli->paths.config,
        .user = geteuid() != 0 && strncmp(l->cli->socket, "/run/user/", 10) == 0,
        .follow = l->follow,
        .n_lines = l->n_lines,
    };
    int r = odp_journal_show(&query);

    odp_complain("journalctl cannot be run: %s", strerror(-r));
    return ODP_EXIT_FAILED;
}

// ---- whose -------------------------------------------------------------------------------------

static bool has_lines(const struct logs *l)
{
    char path[sizeof(l->directory) + ODP_NAME_MAX + 16];

    return access(odp_keep_path(l->directory, l->name, 0, path, sizeof(path)), F_OK) == 0;
}

// odpd knows its containers. Without lines it may be a name that nobody has, too; else odpd need
// not be there. Returns an exit code.
static int ask(const struct logs *l, bool is_known, struct odp_reply *ret)
{
    struct odp_client client = {.fd = -1};
    cJSON *parameters = cJSON_CreateObject();
    int code = ODP_EXIT_DONE;

    cJSON_AddStringToObject(parameters, "name", l->name);
    int r = odp_client_connect(l->cli->socket, &client);
    if (r == 0)
        r = odp_client_call(&client, ODP_VARLINK_WHY, parameters, ret);
    if (r < 0 && !is_known)
        code = odp_complain_lost(l->cli, r);
    else if (r == 0 && ret->error && !is_known)
        code = odp_complain_refused(&client, "logs", ret);
    cJSON_Delete(parameters);
    odp_client_deinit(&client);
    return code;
}

// What a unit's containers print stands in the journal, as what the unit prints.
static bool has_containers(const struct odp_reply *why)
{
    const cJSON *o = why->error ? NULL : why->parameters;
    const char *backend = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "backend"));

    return backend && strcmp(backend, "systemd") != 0 && odp_containers_are_known(o);
}

static int show_own(struct logs *l)
{
    bool kept = access(l->directory, F_OK) == 0;

    return !kept && access(JOURNAL, F_OK) == 0
               ? show_journal(l)
               : odp_kept_logs_show(l->directory, l->name, l->follow, l->n_lines);
}

// odp's own words first, in a process of their own, since they become another program's.
static int show_both(struct logs *l, cJSON *why)
{
    if (l->follow) {
        int code = odp_container_logs_follow(why, l->n_lines);
        return code == ODP_EXIT_DONE ? show_own(l) : code;
    }
    pid_t pid = fork();
    int status = 1;
    if (pid == 0) {
        int code = show_own(l);
        _exit(fflush(stdout) == 0 ? code : ODP_EXIT_FAILED);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    int code = odp_container_logs_show(why, l->n_lines);
    return status == 0 ? code : ODP_EXIT_FAILED;
}

static int read_count(const char *s, size_t *ret)
{
    if (!*s || strspn(s, "0123456789") != strlen(s) || strlen(s) > NUMBER_DIGITS) {
        odp_complain("-n wants a number of lines%s%s", *s ? ": " : "", s);
        return ODP_EXIT_USAGE;
    }
    *ret = (size_t)strtoul(s, NULL, 10);
    return ODP_EXIT_DONE;
}

static int read_arguments(struct logs *l, int argc, char **argv)
{
    int code = ODP_EXIT_DONE;

    for (int i = 1; i < argc && code == ODP_EXIT_DONE; i++) {
        if (strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--follow") == 0) {
            l->follow = true;
        } else if (strcmp(argv[i], "-n") == 0) {
            code = read_count(i + 1 < argc ? argv[++i] : "", &l->n_lines);
        } else if (argv[i][0] == '-') {
            odp_complain("logs has no option %s (odp help logs)", argv[i]);
            code = ODP_EXIT_USAGE;
        } else if (l->name) {
            odp_complain("logs of one service at a time: odp logs %s", l->name);
            code = ODP_EXIT_USAGE;
        } else {
            l->name = argv[i];
        }
    }
    if (code == ODP_EXIT_DONE && !l->name) {
        odp_complain("which service? odp logs NAME (odp status lists them)");
        code = ODP_EXIT_USAGE;
    }
    return code;
}

int odp_cmd_logs(const struct odp_cli *cli, int argc, char **argv)
{
    struct logs l = {.cli = cli, .n_lines = ODP_JOURNAL_ALL_LINES};
    int code = read_arguments(&l, argc, argv);

    if (code != ODP_EXIT_DONE)
        return code;
    // The socket's directory is the runtime directory of the odpd that would be asked.
    snprintf(l.directory, sizeof(l.directory), "%.*s/" ODP_LOGS_DIR,
             (int)(strlen(cli->socket) - strlen("/" ODP_CONTROL_SOCKET)), cli->socket);
    struct odp_reply why = {0};
    code = ask(&l, odp_name_is_valid(l.name) && has_lines(&l), &why);
    if (code == ODP_EXIT_DONE)
        code = has_containers(&why) ? show_both(&l, why.parameters) : show_own(&l);
    odp_reply_deinit(&why);
    return code;
}
