// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the verbs say: one line on stderr for whatever went wrong, with what to do about it.

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/cli/cli.h"
#include "odp/cli/text.h"
#include "odp/core/config.h"

void odp_complain(const char *format, ...)
{
    struct odp_buf line = {0};
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);

    if (text)
        odp_text_add(&line, text);
    fprintf(stderr, "odp: %s\n", text && !line.failed ? line.s : "out of memory");
    odp_buf_deinit(&line);
    free(text);
}

int odp_print(struct odp_buf *b)
{
    int code = ODP_EXIT_DONE;

    if (b->failed) {
        odp_complain("out of memory: free some and try again");
        code = ODP_EXIT_FAILED;
    } else if (b->n_bytes > 0) {
        fwrite(b->s, 1, b->n_bytes, stdout);
    }
    odp_buf_deinit(b);
    return code;
}

// https://no-color.org: set and not empty means no colour.
bool odp_wants_colour(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

static bool take_flag(const struct odp_flag *flags, const char *word)
{
    for (const struct odp_flag *f = flags; f->name; f++) {
        if (strcmp(word, f->name) == 0) {
            *f->is_set = true;
            return true;
        }
    }
    return false;
}

int odp_names(int argc, char **argv, const struct odp_flag *flags, size_t *ret_n)
{
    bool options = true;

    for (const struct odp_flag *f = flags; f->name; f++)
        *f->is_set = false;
    *ret_n = 0;
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && take_flag(flags, argv[i])) {
            continue;
        } else if (options && argv[i][0] == '-') {
            odp_complain("%s has no option %s (odp help %s)", argv[0], argv[i], argv[0]);
            return ODP_EXIT_USAGE;
        } else {
            argv[++*ret_n] = argv[i];
        }
    }
    return ODP_EXIT_DONE;
}

static int complain_broken(const struct odp_cli *cli, const char *what)
{
    odp_complain("odpd at %s %s: is it odpd, and of this version? (odpd --version)", cli->socket,
                 what);
    return ODP_EXIT_FAILED;
}

int odp_complain_lost(const struct odp_cli *cli, int r)
{
    const char *why = strerror(-r);
    bool is_own = geteuid() != 0 && strncmp(cli->socket, "/run/odp/", strlen("/run/odp/")) != 0;

    switch (r) {
    case -EBADMSG: return complain_broken(cli, "sent a reply that makes no sense");
    case -EMSGSIZE: return complain_broken(cli, "sent a reply of more than 1 MiB");
    case -E2BIG:
        odp_complain("the request is longer than odpd takes: name fewer services at once");
        return ODP_EXIT_FAILED;
    case -ENOMEM: odp_complain("out of memory: free some and try again"); return ODP_EXIT_FAILED;
    case -ENAMETOOLONG:
        odp_complain("cannot reach odpd at %s: a socket's path has at most 107 bytes: "
                     "give odpd and odp a shorter --runtime",
                     cli->socket);
        return ODP_EXIT_UNREACHABLE;
    case -ECONNRESET: why = "it closed the connection before it answered"; break;
    case -ETIMEDOUT: why = "it did not answer in time"; break;
    default: break;
    }
    odp_complain("cannot reach odpd at %s: %s: is it running? (systemctl %sstart odpd; under "
                 "systemd the first visitor starts it, too)",
                 cli->socket, why, is_own ? "--user " : "");
    return ODP_EXIT_UNREACHABLE;
}

static const char **service_names(const cJSON *services)
{
    size_t n = 0;
    const char **names = calloc((size_t)cJSON_GetArraySize(services) + 1, sizeof(*names));
    const cJSON *service;

    if (!names)
        return NULL;
    cJSON_ArrayForEach(service, services)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(service, "name"));

        if (name)
            names[n++] = name;
    }
    return names;
}

static void complain_no_service(struct odp_client *client, const char *name)
{
    struct odp_reply all = {0};
    const char **names = NULL;
    const char *near = NULL;

    // Only a help: where it fails, the complaint goes without.
    if (odp_client_call(client, ODP_VARLINK_STATUS, NULL, &all) == 0)
        names = service_names(cJSON_GetObjectItemCaseSensitive(all.parameters, "services"));
    if (names)
        near = odp_nearest(name, names);
    if (near)
        odp_complain("no service named %s, is it %s? (odp status lists them)", name, near);
    else
        odp_complain("no service named %s (odp status lists them)", name);
    free(names);
    odp_reply_deinit(&all);
}

int odp_complain_refused(struct odp_client *client, const char *verb, const struct odp_reply *reply)
{
    const char *name = odp_reply_string(reply, "name");
    const char *reason = odp_reply_string(reply, "reason");

    if (strcmp(reply->error, ODP_VARLINK_E_NO_SUCH_SERVICE) == 0 && name)
        complain_no_service(client, name);
    else if (strcmp(reply->error, ODP_VARLINK_E_PERMISSION) == 0)
        odp_complain("only root and members of group odp may %s services", verb);
    else if (name && reason)
        odp_complain("%s: %s", name, reason);
    else if (reason)
        odp_complain("%s", reason);
    else
        odp_complain("odpd refused to %s: %s (odp --version and odpd --version should agree)", verb,
                     reply->error);
    return ODP_EXIT_FAILED;
}
