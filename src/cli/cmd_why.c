// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp why: the story of one service, as a few lines for people or as JSON for programs.

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "odp/base/time.h"
#include "odp/cli/cli.h"
#include "odp/cli/containers.h"
#include "odp/cli/text.h"

static const cJSON *at(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

static const char *text_at(const cJSON *o, const char *key)
{
    const char *s = cJSON_GetStringValue(at(o, key));

    return s ? s : "";
}

static double number_at(const cJSON *o, const char *key)
{
    const cJSON *n = at(o, key);

    return cJSON_IsNumber(n) ? n->valuedouble : (double)NAN;
}

// Whole seconds: nobody plans by milliseconds.
static void add_span(struct odp_buf *b, double seconds)
{
    char span[ODP_SPAN_MAX];
    uint64_t n = seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds + 0.5) : 0;

    odp_buf_printf(b, "%s",
                   n == 0 ? "0s" : odp_span_format(n * ODP_USEC_PER_SEC, span, sizeof(span)));
}

static void add_moment(struct odp_buf *b, double seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    char text[32] = "?";

    if (localtime_r(&t, &tm))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    odp_buf_printf(b, "%s", text);
}

static void begin_line(struct odp_buf *b, const char *label)
{
    odp_buf_printf(b, "  %-9s", label);
}

static void add_woken(struct odp_buf *b, const cJSON *why)
{
    double when = number_at(why, "woken_at");
    const char *from = text_at(why, "woken_from");

    if (isnan(when))
        return;
    begin_line(b, "woken");
    add_moment(b, when);
    odp_buf_printf(b, " by ");
    odp_text_add(b, text_at(why, "woken_by"));
    if (*from) {
        odp_buf_printf(b, " at ");
        odp_text_add(b, from);
    }
    odp_buf_printf(b, "\n");
}

static void add_client(struct odp_buf *b, const cJSON *client)
{
    const char *from = text_at(client, "from");

    odp_buf_printf(b, "%13s", "");
    odp_text_add(b, *from ? from : "a client");
    odp_buf_printf(b, ", ");
    odp_text_add(b, text_at(client, "state"));
    odp_buf_printf(b, " for ");
    add_span(b, number_at(client, "seconds"));
    odp_buf_printf(b, ", %.0f bytes in, %.0f out\n", number_at(client, "bytes_in"),
                   number_at(client, "bytes_out"));
}

static void add_clients(struct odp_buf *b, const cJSON *why)
{
    double n = number_at(why, "connections"), n_waiting = number_at(why, "waiting");
    const cJSON *client;

    if (!(n > 0) && !(n_waiting > 0))
        return;
    begin_line(b, "clients");
    odp_buf_printf(b, "%.0f connected, %.0f waiting\n", n, n_waiting);
    if (n >= number_at(why, "max_connections"))
        odp_buf_printf(b, "%13sfull: more are served as these end ([client] max_connections)\n",
                       "");
    cJSON_ArrayForEach(client, at(why, "clients")) add_client(b, client);
}

// What keeps it awake beside its clients.
static void add_required_by(struct odp_buf *b, const cJSON *why)
{
    const cJSON *user;

    cJSON_ArrayForEach(user, at(why, "required_by"))
    {
        begin_line(b, "required");
        odp_buf_printf(b, "by ");
        odp_text_add(b, text_at(user, "name"));
        if (cJSON_IsTrue(at(user, "waits")))
            odp_buf_printf(b, ", which waits for it\n");
        else if (strcmp(text_at(user, "state"), "unknown") == 0)
            odp_buf_printf(b, ", which may be awake\n");
        else
            odp_buf_printf(b, ", which is awake\n");
    }
}

static void add_requires(struct odp_buf *b, const cJSON *why)
{
    const cJSON *required;

    cJSON_ArrayForEach(required, at(why, "requires"))
    {
        begin_line(b, "requires");
        odp_text_add(b, text_at(required, "name"));
        odp_buf_printf(b, ", which is ");
        odp_text_add(b, text_at(required, "state"));
        odp_buf_printf(b, "\n");
    }
}

static void add_sleep(struct odp_buf *b, const cJSON *why)
{
    double in = number_at(why, "sleeps_in_seconds"), window = number_at(why, "window_seconds");

    bool is_ready = strcmp(text_at(why, "state"), "ready") == 0;

    if (!is_ready && isnan(in))
        return;
    begin_line(b, "sleeps");
    if (!isnan(in)) {
        odp_buf_printf(b, "in ");
        add_span(b, in);
        odp_buf_printf(b, "%s\n", is_ready ? "" : ": a part of it still runs");
    } else if (isnan(window)) {
        odp_buf_printf(b, "never\n");
    } else {
        add_span(b, window);
        odp_buf_printf(b, " after the last connection has closed%s\n",
                       cJSON_GetArraySize(at(why, "required_by")) > 0 ? " and nobody requires it"
                                                                      : "");
    }
}

static void add_direct(struct odp_buf *b, const cJSON *why)
{
    double n = number_at(why, "direct_connections"), when = number_at(why, "direct_at");

    if (!(n > 0) || isnan(when))
        return;
    begin_line(b, "direct");
    odp_buf_printf(b, "%.0f direct connection%s to ", n, n > 1 ? "s" : "");
    odp_text_add(b, *text_at(why, "address") ? text_at(why, "address") : text_at(why, "target"));
    odp_buf_printf(b, " keep%s it awake, seen at ", n > 1 ? "" : "s");
    add_moment(b, when);
    odp_buf_printf(b, " ([idle] count_direct)\n");
}

// Where a container is that nobody has written down.
static void add_address(struct odp_buf *b, const cJSON *why)
{
    if (!*text_at(why, "address"))
        return;
    begin_line(b, "target");
    odp_text_add(b, text_at(why, "target"));
    odp_buf_printf(b, ", which is ");
    odp_text_add(b, text_at(why, "address"));
    odp_buf_printf(b, "\n");
}

// What it uses now, or else what its sleep gives back.
static void add_memory(struct odp_buf *b, const cJSON *why)
{
    double bytes = number_at(why, "memory_bytes"), used = number_at(why, "memory_used_bytes");
    const char *reason = text_at(why, "memory_reason");

    if (isnan(bytes) && isnan(used) && !*reason)
        return;
    begin_line(b, "memory");
    if (!isnan(bytes)) {
        odp_text_add_bytes(b, bytes);
        odp_buf_printf(b, ", at most ");
        odp_text_add_bytes(b, number_at(why, "memory_peak_bytes"));
        odp_buf_printf(b, " so far");
    } else if (*reason) {
        odp_buf_printf(b, "not known: ");
        odp_text_add(b, reason);
    } else {
        odp_buf_printf(b, "was ");
        odp_text_add_bytes(b, used);
        odp_buf_printf(b, " when it was last stopped");
    }
    odp_buf_printf(b, "\n");
}

static void add_containers(struct odp_buf *b, const cJSON *why)
{
    struct odp_buf project = {0};
    const cJSON *container;

    if (odp_containers_add_project(&project, why)) {
        begin_line(b, "runs as");
        odp_buf_printf(b, "%s\n", project.s ? project.s : "");
    }
    odp_buf_deinit(&project);
    cJSON_ArrayForEach(container, at(why, "containers"))
    {
        begin_line(b, "runs as");
        odp_containers_add(b, container);
        odp_buf_printf(b, "\n");
    }
}

static void add_past(struct odp_buf *b, const cJSON *why, const char *label, const char *at_key,
                     const char *reason_key)
{
    double when = number_at(why, at_key);

    if (isnan(when))
        return;
    begin_line(b, label);
    add_moment(b, when);
    odp_buf_printf(b, ": ");
    odp_text_add(b, text_at(why, reason_key));
    odp_buf_printf(b, "\n");
}

static void add_retry(struct odp_buf *b, const cJSON *why)
{
    double in = number_at(why, "retry_in_seconds");

    if (isnan(in))
        return;
    begin_line(b, "retries");
    if (in > 0) {
        odp_buf_printf(b, "with the next visitor in ");
        add_span(b, in);
        odp_buf_printf(b, " or later\n");
    } else {
        odp_buf_printf(b, "with the next visitor\n");
    }
}

static void add_story(struct odp_buf *b, const cJSON *why)
{
    const char *reason = text_at(why, "reason");

    odp_text_add(b, text_at(why, "name"));
    odp_buf_printf(b, " is ");
    odp_text_add(b, text_at(why, "state"));
    if (*reason) {
        odp_buf_printf(b, ": ");
        odp_text_add(b, reason);
    }
    odp_buf_printf(b, "\n");
    add_woken(b, why);
    add_clients(b, why);
    add_required_by(b, why);
    add_requires(b, why);
    add_sleep(b, why);
    add_direct(b, why);
    add_address(b, why);
    add_memory(b, why);
    add_containers(b, why);
    add_past(b, why, "stopped", "stopped_at", "stopped_reason");
    add_past(b, why, "failed", "failed_at", "failed_reason");
    add_retry(b, why);
}

static int ask(struct odp_client *client, const char *name, struct odp_reply *ret)
{
    cJSON *parameters = cJSON_CreateObject();
    int r = cJSON_AddStringToObject(parameters, "name", name) ? 0 : -ENOMEM;

    if (r == 0)
        r = odp_client_call(client, ODP_VARLINK_WHY, parameters, ret);
    cJSON_Delete(parameters);
    return r;
}

int odp_cmd_why(const struct odp_cli *cli, int argc, char **argv)
{
    struct odp_client client = {.fd = -1};
    struct odp_reply reply = {0};
    struct odp_buf out = {0};
    size_t n_names;
    bool json;
    const struct odp_flag flags[] = {{"--json", &json}, {0}};
    int code = odp_names(argc, argv, flags, &n_names);

    if (code != ODP_EXIT_DONE)
        return code;
    if (n_names != 1) {
        odp_complain("why wants one name (odp help why)");
        return ODP_EXIT_USAGE;
    }
    int r = odp_client_connect(cli->socket, &client);
    if (r == 0)
        r = ask(&client, argv[1], &reply);
    if (r < 0) {
        code = odp_complain_lost(cli, r);
    } else if (reply.error) {
        code = odp_complain_refused(&client, "see", &reply);
    } else {
        odp_containers_ask(reply.parameters);
        if (json) {
            odp_json_add(&out, reply.parameters);
            odp_buf_printf(&out, "\n");
        } else {
            add_story(&out, reply.parameters);
        }
        code = odp_print(&out);
    }
    odp_reply_deinit(&reply);
    odp_client_deinit(&client);
    return code;
}
