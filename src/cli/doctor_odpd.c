// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What there is to know of odpd: its answer to Status, and its process, which SO_PEERCRED names.

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doctor_internal.h"
#include "odp/base/fd.h"
#include "odp/base/time.h"

#define PROC_BYTES_MAX 65536
#define SETTLE_SEC     2  // in which odpd learns from a launcher that is there what runs
#define SETTLE_MS      50 // between two questions
#define STAT_STATE     3  // number of the field in /proc/PID/stat, proc(5)

static char *read_proc(int pid, const char *name, size_t *ret_n)
{
    char path[64];
    char *text;

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    return odp_file_read(path, PROC_BYTES_MAX, &text, ret_n) < 0 ? NULL : text;
}

// The value of --option VALUE or --option=VALUE.
static void take_option(const char *word, const char *next, const char *option, char *ret)
{
    size_t n = strlen(option);

    if (strncmp(word, option, n) != 0)
        return;
    if (word[n] == '=')
        snprintf(ret, ODP_PATH_MAX, "%s", word + n + 1);
    else if (word[n] == '\0' && next)
        snprintf(ret, ODP_PATH_MAX, "%s", next);
}

static void read_command_line(struct odp_daemon *odpd)
{
    size_t n;
    char *text = read_proc(odpd->pid, "cmdline", &n);

    for (char *word = text; word && word < text + n; word += strlen(word) + 1) {
        const char *next = word + strlen(word) + 1;

        if (next >= text + n)
            next = NULL;
        take_option(word, next, "--config", odpd->config);
        take_option(word, next, "--state", odpd->state);
        odpd->has_launcher_option |=
            strcmp(word, "--launcher") == 0 || strncmp(word, "--launcher=", 11) == 0;
    }
    free(text);
}

static void read_limits(struct odp_daemon *odpd)
{
    static const char label[] = "Max open files";
    size_t n;
    char *text = read_proc(odpd->pid, "limits", &n);
    const char *line = text ? strstr(text, label) : NULL;

    if (line)
        odpd->n_files_max = strtoull(line + strlen(label), NULL, 10);
    free(text);
}

// "PID (NAME) STATE PPID ...": the name may hold anything.
static bool is_launcher_of(int pid, int parent)
{
    size_t n;
    char *text = read_proc(pid, "stat", &n);
    const char *end = text ? strrchr(text, ')') : NULL;
    bool is = end && strstr(text, "(odp-launcher)") && atoi(end + STAT_STATE + 1) == parent;

    free(text);
    return is;
}

static void find_launcher(struct odp_daemon *odpd)
{
    DIR *dir = opendir("/proc");

    for (struct dirent *e; dir && (e = readdir(dir));)
        if (isdigit((unsigned char)e->d_name[0]))
            odpd->has_launcher |= is_launcher_of(atoi(e->d_name), odpd->pid);
    if (dir)
        closedir(dir);
}

static bool is_odpd(int pid)
{
    size_t n;
    char *text = read_proc(pid, "comm", &n);
    bool is = text && strcmp(text, "odpd\n") == 0;

    free(text);
    return is;
}

static void read_process(struct odp_daemon *odpd, const struct odp_client *client)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);

    if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 || !is_odpd(peer.pid))
        return;
    odpd->pid = peer.pid;
    odpd->uid = peer.uid;
    read_command_line(odpd);
    read_limits(odpd);
    find_launcher(odpd);
}

static bool is_settled(const struct odp_daemon *odpd)
{
    const cJSON *service;
    const cJSON *services = cJSON_GetObjectItemCaseSensitive(odpd->status.parameters, "services");

    cJSON_ArrayForEach(service, services)
    {
        const char *state =
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(service, "state"));
        if (state && strcmp(state, "unknown") == 0)
            return false;
    }
    return odpd->pid == 0 || odpd->has_launcher || odpd->has_launcher_option;
}

// An odpd that has just been started, or a launcher that has just been lost, is nothing to report.
static int ask(struct odp_daemon *odpd, struct odp_client *client)
{
    uint64_t deadline_usec = odp_now_usec() + SETTLE_SEC * ODP_USEC_PER_SEC;

    for (;;) {
        int r = odp_client_call(client, ODP_VARLINK_STATUS, NULL, &odpd->status);

        if (r < 0)
            return r;
        read_process(odpd, client);
        if (is_settled(odpd) || odp_now_usec() >= deadline_usec)
            return 0;
        odp_reply_deinit(&odpd->status);
        usleep(SETTLE_MS * 1000);
    }
}

int doctor_gather_odpd(struct odp_doctor *d, const char *socket)
{
    struct odp_client client;

    d->odpd.error = odp_client_connect(socket, &client);
    if (d->odpd.error < 0)
        return 0;
    d->odpd.error = ask(&d->odpd, &client);
    odp_client_deinit(&client);
    return d->odpd.error == -ENOMEM ? -ENOMEM : 0;
}

const cJSON *odp_doctor_status(const struct odp_doctor *d, const char *name)
{
    const cJSON *service;
    const cJSON *services = cJSON_GetObjectItemCaseSensitive(d->odpd.status.parameters, "services");

    cJSON_ArrayForEach(service, services)
    {
        const char *own = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(service, "name"));
        if (own && strcmp(own, name) == 0)
            return service;
    }
    return NULL;
}

const char *odp_doctor_state(const struct odp_doctor *d, const char *name)
{
    const char *state =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(odp_doctor_status(d, name), "state"));

    return state ? state : "";
}
