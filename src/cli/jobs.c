// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What odp start and odp stop have in common: one job a name, all under way at the same time, each
// on its own connection because a varlink connection answers one call after the other.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/cli/cli.h"
#include "odp/cli/text.h"

struct job {
    const char *name;
    struct odp_client client;
    int r; // of connecting and sending
};

struct jobs {
    const struct odp_cli *cli;
    const char *verb, *method;
    bool no_wait;
    // Said already: they are the same for every name.
    bool forbidden, lost;
    int code;
};

static int job_send(struct job *job, const struct jobs *jobs)
{
    cJSON *parameters = cJSON_CreateObject();
    int r = -ENOMEM;

    if (cJSON_AddStringToObject(parameters, "name", job->name) &&
        cJSON_AddBoolToObject(parameters, "wait", !jobs->no_wait))
        r = odp_client_connect(jobs->cli->socket, &job->client);
    if (r == 0)
        r = odp_client_send(&job->client, jobs->method, parameters);
    cJSON_Delete(parameters);
    return r;
}

static int job_done(const struct jobs *jobs, const struct job *job, const struct odp_reply *reply)
{
    const char *state = odp_reply_string(reply, "state");
    struct odp_buf out = {0};
    int code;

    if (!state)
        return odp_complain_lost(jobs->cli, -EBADMSG);
    odp_text_add(&out, job->name);
    odp_buf_add(&out, ": ", 2);
    odp_text_add(&out, state);
    odp_buf_add(&out, "\n", 1);
    code = odp_print(&out);
    fflush(stdout); // the next reply may take a minute
    return code;
}

static int job_refused(struct jobs *jobs, struct job *job, const struct odp_reply *reply)
{
    bool forbidden = strcmp(reply->error, ODP_VARLINK_E_PERMISSION) == 0;

    if (forbidden && jobs->forbidden)
        return ODP_EXIT_FAILED;
    jobs->forbidden |= forbidden;
    return odp_complain_refused(&job->client, jobs->verb, reply);
}

static int job_lost(struct jobs *jobs, int r)
{
    int code = jobs->lost ? ODP_EXIT_FAILED : odp_complain_lost(jobs->cli, r);

    jobs->lost = true;
    return code;
}

static int job_await(struct jobs *jobs, struct job *job)
{
    struct odp_reply reply = {0};
    int r = job->r, code;

    if (r == 0)
        r = odp_client_receive(
            &job->client, jobs->no_wait ? ODP_CLIENT_PATIENCE_SEC : ODP_CLIENT_FOR_EVER, &reply);
    if (r < 0)
        return job_lost(jobs, r);
    code = reply.error ? job_refused(jobs, job, &reply) : job_done(jobs, job, &reply);
    odp_reply_deinit(&reply);
    return code;
}

static void jobs_run(struct jobs *jobs, struct job *list, char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        list[i] = (struct job){.name = names[i], .client.fd = -1};
        list[i].r = job_send(&list[i], jobs);
        // Without odpd the rest would only repeat the complaint.
        if (list[i].r < 0)
            n = i + 1;
    }
    for (size_t i = 0; i < n; i++) {
        int code = job_await(jobs, &list[i]);

        jobs->code = code > jobs->code ? code : jobs->code;
        odp_client_deinit(&list[i].client);
    }
}

int odp_cli_jobs(const struct odp_cli *cli, int argc, char **argv, const char *method)
{
    struct jobs jobs = {.cli = cli, .verb = argv[0], .method = method};
    struct job *list;
    size_t n;
    const struct odp_flag flags[] = {{"--no-wait", &jobs.no_wait}, {0}};
    int code = odp_names(argc, argv, flags, &n);

    if (code != ODP_EXIT_DONE)
        return code;
    if (n == 0) {
        odp_complain("which service? odp %s NAME... (odp status lists them)", jobs.verb);
        return ODP_EXIT_USAGE;
    }
    list = calloc(n, sizeof(*list));
    if (!list)
        return odp_complain_lost(cli, -ENOMEM);
    jobs_run(&jobs, list, argv + 1, n);
    free(list);
    return jobs.code;
}
