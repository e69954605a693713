// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where odpd listens itself: it reads its files again, and says what has become of the services.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "enable_internal.h"

static const char *string_at(const cJSON *o, const char *key)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

    return s ? s : "";
}

// The object of that name in the reply's array; NULL for none.
static const cJSON *find(const struct odp_reply *reply, const char *array, const char *name)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(reply->parameters, array))
    {
        if (strcmp(string_at(item, "name"), name) == 0)
            return item;
    }
    return NULL;
}

static int complain_other_files(const struct odp_enable *e, const char *name)
{
    odp_complain("%s: odpd at %s does not read %s: name its files' directory with --config", name,
                 e->cli->socket, e->services.directory);
    return ODP_EXIT_FAILED;
}

static int tell_one(const struct odp_enable *e, const struct odp_reply *reload,
                    const struct odp_reply *status, const char *name)
{
    const cJSON *service = find(status, "services", name), *note = find(reload, "notes", name);
    bool is_enabled = service && strcmp(string_at(service, "state"), "disabled") != 0;

    if (is_enabled != e->enables)
        return complain_other_files(e, name);
    if (!note || !e->enables)
        return enable_tell(e, name);
    odp_complain("%s: %s", name, string_at(note, "text"));
    return ODP_EXIT_FAILED;
}

int enable_by_reload(struct odp_enable *e)
{
    struct odp_client client = {.fd = -1};
    struct odp_reply reload = {0}, status = {0};
    int code = ODP_EXIT_DONE;
    int r = odp_client_connect(e->cli->socket, &client);

    if (r == 0)
        r = odp_client_call(&client, ODP_VARLINK_RELOAD, NULL, &reload);
    if (r == 0 && reload.error)
        code = odp_complain_refused(&client, e->verb, &reload);
    else if (r == 0)
        r = odp_client_call(&client, ODP_VARLINK_STATUS, NULL, &status);
    if (r < 0)
        code = odp_complain_lost(e->cli, r);
    for (size_t i = 0; i < e->n_names && status.json; i++) {
        int told = tell_one(e, &reload, &status, e->names[i]);
        code = told > code ? told : code;
    }
    odp_reply_deinit(&reload);
    odp_reply_deinit(&status);
    odp_client_deinit(&client);
    return code;
}
