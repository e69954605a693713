// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp reload: has odpd read the files again, and tells what came of it.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "odp/cli/cli.h"
#include "odp/cli/text.h"

static const char *string_at(const cJSON *o, const char *key)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

    return s ? s : "";
}

static double number_at(const cJSON *o, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);

    return cJSON_IsNumber(item) && item->valuedouble > 0 ? item->valuedouble : 0;
}

static const cJSON *array_at(const struct odp_reply *reply, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(reply->parameters, key);
}

static void add_change(struct odp_buf *b, const cJSON *change)
{
    const char *kind = string_at(change, "kind"), *was = string_at(change, "was");

    odp_text_add(b, kind);
    odp_buf_printf(b, "%*s", strlen(kind) < 9 ? (int)(9 - strlen(kind)) : 1, "");
    if (*was) {
        odp_text_add(b, was);
        odp_buf_printf(b, " -> ");
    }
    odp_text_add(b, string_at(change, "name"));
    odp_buf_printf(b, "\n");
}

static void add_fault(struct odp_buf *b, const cJSON *fault)
{
    odp_text_add(b, string_at(fault, "file"));
    odp_buf_printf(b, ":%.0f: ", number_at(fault, "line"));
    odp_text_add(b, string_at(fault, "message"));
    odp_buf_printf(b, "\n");
}

static void add_note(struct odp_buf *b, const cJSON *note)
{
    odp_text_add(b, string_at(note, "name"));
    odp_buf_printf(b, ": ");
    odp_text_add(b, string_at(note, "text"));
    odp_buf_printf(b, "\n");
}

// The last line stands below the rows also where both streams lead to one place.
static int complain_faults(const struct odp_reply *reply, double n_faulty)
{
    double n_faults = number_at(reply->parameters, "n_faults");

    fflush(stdout);
    odp_complain("%.0f fault%s in %.0f file%s: a service whose file is faulty stays as it was; "
                 "mend the lines above and reload again",
                 n_faults, n_faults == 1 ? "" : "s", n_faulty, n_faulty == 1 ? "" : "s");
    return ODP_EXIT_FAILED;
}

static int show(const struct odp_cli *cli, const struct odp_reply *reply)
{
    const cJSON *changes = array_at(reply, "changes"), *faults = array_at(reply, "faults");
    const cJSON *notes = array_at(reply, "notes"), *item;
    double n_faulty = number_at(reply->parameters, "n_faulty");
    struct odp_buf out = {0};

    if (!cJSON_IsArray(changes) || !cJSON_IsArray(faults))
        return odp_complain_lost(cli, -EBADMSG);
    cJSON_ArrayForEach(item, changes) add_change(&out, item);
    cJSON_ArrayForEach(item, faults) add_fault(&out, item);
    if (number_at(reply->parameters, "n_faults") > cJSON_GetArraySize(faults))
        odp_buf_printf(&out, "... and more: odp check tells all of them\n");
    cJSON_ArrayForEach(item, notes) add_note(&out, item);
    if (out.n_bytes == 0)
        odp_buf_printf(&out, "nothing has changed\n");
    int code = odp_print(&out);
    return code == ODP_EXIT_DONE && n_faulty > 0 ? complain_faults(reply, n_faulty) : code;
}

int odp_cmd_reload(const struct odp_cli *cli, int argc, char **argv)
{
    struct odp_client client = {.fd = -1};
    struct odp_reply reply = {0};
    size_t n_names;
    const struct odp_flag flags[] = {{0}};
    int code = odp_names(argc, argv, flags, &n_names);

    if (code != ODP_EXIT_DONE)
        return code;
    if (n_names > 0) {
        odp_complain("reload takes no names: it reads all files (odp help reload)");
        return ODP_EXIT_USAGE;
    }
    int r = odp_client_connect(cli->socket, &client);
    if (r == 0)
        r = odp_client_call(&client, ODP_VARLINK_RELOAD, NULL, &reply);
    if (r < 0)
        code = odp_complain_lost(cli, r);
    else if (reply.error)
        code = odp_complain_refused(&client, "reload", &reply);
    else
        code = show(cli, &reply);
    odp_reply_deinit(&reply);
    odp_client_deinit(&client);
    return code;
}
