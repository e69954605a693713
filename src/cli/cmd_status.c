// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp status: what every service is doing, as a table for people or as JSON for programs.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/cli/cli.h"
#include "odp/cli/table.h"
#include "odp/cli/text.h"

// https://no-color.org: set and not empty means no colour.
static bool wants_colour(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

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

static int show(const struct odp_cli *cli, const struct odp_reply *reply, bool json)
{
    const cJSON *services = cJSON_GetObjectItemCaseSensitive(reply->parameters, "services");
    struct odp_buf out = {0};

    if (!cJSON_IsArray(services))
        return odp_complain_lost(cli, -EBADMSG);
    if (json) {
        odp_json_add(&out, reply->parameters);
        odp_buf_add(&out, "\n", 1);
    } else {
        odp_table_status(services, wants_colour(), &out);
    }
    return odp_print(&out);
}

int odp_cmd_status(const struct odp_cli *cli, int argc, char **argv)
{
    struct odp_client client = {.fd = -1};
    struct odp_reply reply = {0};
    size_t n_names;
    bool json;
    int r, code;

    code = odp_names(argc, argv, "--json", &json, &n_names);
    if (code != ODP_EXIT_DONE)
        return code;
    r = odp_client_connect(cli->socket, &client);
    if (r == 0)
        r = ask(&client, argv + 1, n_names, &reply);

    if (r < 0)
        code = odp_complain_lost(cli, r);
    else if (reply.error)
        code = odp_complain_refused(&client, "see", &reply);
    else
        code = show(cli, &reply, json);
    odp_reply_deinit(&reply);
    odp_client_deinit(&client);
    return code;
}
