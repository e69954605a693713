// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp status: what every service is doing, as a table for people or as JSON for programs.

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "odp/cli/cli.h"
#include "odp/cli/table.h"
#include "odp/cli/text.h"

#define WATCH_SEC 1

static int ask(struct odp_client *client, char **names, size_t n_names, struct odp_reply *ret)
{
    cJSON *parameters = cJSON_CreateObject();
    cJSON *list = n_names > 0 ? cJSON_AddArrayToObject(parameters, "names") : NULL;
    int r = parameters && (list || n_names == 0) ? 0 : -ENOMEM;

    for (size_t i = 0; i < n_names && r == 0; i++)
        if (!cJSON_AddItemToArray(list, cJSON_CreateString(names[i])))
            r = -ENOMEM;
    if (r == 0)
        r = odp_client_call(client, ODP_VARLINK_STATUS, parameters, ret);
    cJSON_Delete(parameters);
    return r;
}

static int show(const struct odp_cli *cli, const struct odp_reply *reply, bool json,
                struct odp_buf *ret)
{
    const cJSON *services = cJSON_GetObjectItemCaseSensitive(reply->parameters, "services");

    if (!cJSON_IsArray(services))
        return odp_complain_lost(cli, -EBADMSG);
    if (json) {
        odp_json_add(ret, reply->parameters);
        odp_buf_add(ret, "\n", 1);
    } else {
        odp_table_status(services, odp_wants_colour(), ret);
    }
    return ODP_EXIT_DONE;
}

// Asks once and appends what is to be seen. Returns the exit code.
static int look(const struct odp_cli *cli, struct odp_client *client, char **names, size_t n_names,
                bool json, struct odp_buf *ret)
{
    struct odp_reply reply = {0};
    int r = ask(client, names, n_names, &reply);
    int code;

    if (r < 0)
        code = odp_complain_lost(cli, r);
    else if (reply.error)
        code = odp_complain_refused(client, "see", &reply);
    else
        code = show(cli, &reply, json, ret);
    odp_reply_deinit(&reply);
    return code;
}

// On a terminal the picture is drawn anew in its place; elsewhere it is printed when it is another
// one. Ends with a signal, or when odpd or the reader goes.
static int watch(const struct odp_cli *cli, struct odp_client *client, char **names, size_t n_names,
                 bool json)
{
    struct odp_buf last = {0};
    bool redraw = isatty(STDOUT_FILENO);
    int code;

    for (;;) {
        struct odp_buf now = {0};
        code = look(cli, client, names, n_names, json, &now);
        if (code != ODP_EXIT_DONE || ferror(stdout)) {
            odp_buf_deinit(&now);
            break;
        }
        bool same = last.s && now.s && strcmp(last.s, now.s) == 0;
        if (redraw)
            printf("\033[H\033[J%s", now.s ? now.s : "");
        else if (!same)
            printf("%s", now.s ? now.s : "");
        fflush(stdout);
        odp_buf_deinit(&last);
        last = now;
        sleep(WATCH_SEC);
    }
    odp_buf_deinit(&last);
    return code;
}

int odp_cmd_status(const struct odp_cli *cli, int argc, char **argv)
{
    struct odp_client client = {.fd = -1};
    struct odp_buf out = {0};
    size_t n_names;
    bool json, watching;
    const struct odp_flag flags[] = {{"--json", &json}, {"--watch", &watching}, {0}};
    int code = odp_names(argc, argv, flags, &n_names);

    if (code != ODP_EXIT_DONE)
        return code;
    int r = odp_client_connect(cli->socket, &client);
    if (r < 0)
        return odp_complain_lost(cli, r);
    if (watching) {
        code = watch(cli, &client, argv + 1, n_names, json);
    } else {
        code = look(cli, &client, argv + 1, n_names, json, &out);
        if (code == ODP_EXIT_DONE)
            code = odp_print(&out);
        odp_buf_deinit(&out);
    }
    odp_client_deinit(&client);
    return code;
}
