// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs probe commands by the means of process.h, in a directory of their own, so that their records
// are never taken for those of services. Whether a service is ready is odpd's to decide.

#include "odp/launcher/probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp/base/log.h"
#include "odp/launcher/process.h"
#include "odp/launcher/reason.h"

#define LIMIT_USEC       (10 * ODP_USEC_PER_SEC)
#define KILL_AFTER_USEC  (2 * ODP_USEC_PER_SEC) // from SIGTERM, for one that is late
#define RECORD_MAX_BYTES 512

struct probe {
    struct odp_list node;
    struct odp_probes *probes;
    char name[ODP_NAME_MAX + 1];
    uint32_t id; // of the request that it will answer, 0: nobody asks any more
    struct odp_process *process;
    struct odp_output *output;
};

static const struct odp_process_observer observer;

__attribute__((format(printf, 5, 6))) static void report(struct odp_probes *p, const char *name,
                                                         uint32_t id, enum odp_proto_state state,
                                                         const char *format, ...)
{
    struct odp_proto_message m = {.op = ODP_PROTO_REPORT, .state = state, .id = id};
    va_list args;

    if (id == 0)
        return;
    memcpy(m.name, name, strlen(name));
    va_start(args, format);
    odp_reason_vformat(m.reason, sizeof(m.reason), format, args);
    va_end(args);
    p->host->on_report(p->host, &m);
}

static struct odp_process_home home_of(struct probe *b)
{
    struct odp_backend_host *host = b->probes->host;

    return (struct odp_process_home){.loop = host->loop,
                                     .directory = b->probes->directory,
                                     .name = b->name,
                                     .observer = &observer,
                                     .userdata = b,
                                     .output = b->output,
                                     .units = host->uses_units ? host : NULL,
                                     .label = b->name,
                                     .number = 1};
}

static struct probe *probe_new(struct odp_probes *p, const char *name, uint32_t id)
{
    struct probe *b = calloc(1, sizeof(*b));

    if (!b)
        return NULL;
    b->probes = p;
    b->id = id;
    memcpy(b->name, name, strnlen(name, ODP_NAME_MAX));
    odp_list_append(&p->running, &b->node);
    return b;
}

static void probe_free(struct probe *b)
{
    odp_list_remove(&b->node);
    odp_output_free(b->output);
    odp_output_remove(b->probes->directory, b->name);
    free(b);
}

static struct probe *find(struct odp_probes *p, const char *name)
{
    odp_list_foreach (it, &p->running) {
        struct probe *b = ODP_CONTAINER_OF(it, struct probe, node);
        if (strcmp(b->name, name) == 0)
            return b;
    }
    return NULL;
}

// ---- its end -----------------------------------------------------------------------------------

static void describe(const struct odp_process_end *end, char *ret, size_t size)
{
    char span[ODP_SPAN_MAX], what[80];

    if (end->error[0] != '\0') {
        odp_reason_format(ret, size, "%s", end->error);
        return;
    }
    if (end->was_late) {
        snprintf(what, sizeof(what), "its command did not end within %s and was killed",
                 odp_span_format(LIMIT_USEC, span, sizeof(span)));
    } else if (end->code == CLD_EXITED) {
        snprintf(what, sizeof(what), "exit status %d", end->status);
    } else {
        const char *name = sigabbrev_np(end->status);
        snprintf(what, sizeof(what), "its command was killed by signal %d (%s)", end->status,
                 name ? name : "?");
    }
    odp_reason_format(ret, size, "%s%s%s", what, end->last_words[0] ? ": " : "", end->last_words);
}

static void on_gone(void *userdata, const struct odp_process_end *end)
{
    struct probe *b = userdata;
    bool passed = end->status_is_known && end->code == CLD_EXITED && end->status == 0 &&
                  !end->was_late && !end->error[0];
    char why[ODP_REASON_MAX + 1] = "";

    struct probe asked = *b; // by the time it is answered, nothing of it is left

    probe_free(b);
    if (!passed)
        describe(end, why, sizeof(why));
    report(asked.probes, asked.name, asked.id, passed ? ODP_PROTO_ANSWERS : ODP_PROTO_SILENT, "%s",
           why);
}

// Whether the command could be run is told by its end.
static void on_running(void *userdata)
{
    (void)userdata;
}

static void on_stuck(void *userdata)
{
    static const char reason[] = "not even SIGKILL has ended all of its probe command's processes";
    struct probe *b = userdata;

    odp_log(ODP_LOG_ERR, b->name, "%s", reason);
    report(b->probes, b->name, b->id, ODP_PROTO_SILENT, "%s", reason);
    b->id = 0;
}

static const struct odp_process_observer observer = {
    .on_running = on_running,
    .on_stuck = on_stuck,
    .on_gone = on_gone,
};

// ---- the bus -----------------------------------------------------------------------------------

// Stays joined, so that the connection stands when the next one is asked for.
static void on_nothing(struct odp_systemd_client *c)
{
    (void)c;
}

static void join(struct odp_probes *p)
{
    if (!p->host->uses_units || p->bus)
        return;
    p->client.on_connected = p->client.on_lost = on_nothing;
    p->bus = odp_systemd_bus_join(p->host, geteuid() != 0, &p->client);
}

// ---- requests ----------------------------------------------------------------------------------

static int run(struct probe *b, const struct odp_config_service *settings, char *why, size_t size)
{
    const struct odp_probes *p = b->probes;
    int r = odp_mkdir_p(p->directory, 0700);

    if (r == 0)
        r = odp_output_new(p->host->loop, p->directory, b->name, false, &b->output);
    if (r < 0) {
        odp_reason_format(why, size, "cannot make a FIFO for the probe's output in %s: %s",
                          p->directory, strerror(-r));
        return r;
    }
    odp_output_hush(b->output); // four lines a second would tell nobody anything
    struct odp_process_home home = home_of(b);
    r = odp_process_start(&home, ODP_ROLE_PROBE, settings->ready_command, settings, KILL_AFTER_USEC,
                          &b->process, why, size);
    if (r == 0)
        odp_process_limit(b->process, LIMIT_USEC);
    return r;
}

static void begin(struct odp_probes *p, const struct odp_config_service *settings, uint32_t id)
{
    join(p);

    struct probe *b = probe_new(p, settings->name, id);
    char why[ODP_REASON_MAX + 1];

    if (!b) {
        report(p, settings->name, id, ODP_PROTO_SILENT, "the launcher is out of memory");
    } else if (run(b, settings, why, sizeof(why)) < 0) {
        report(p, b->name, id, ODP_PROTO_SILENT, "%s", why);
        probe_free(b);
    }
}

// Without its engine, or without its container, such a service is nothing; a unit may be all that
// counts, and the container a word about its memory.
static bool is_strict(const struct odp_config_service *settings,
                      const struct odp_config_service *running)
{
    return settings->probe == ODP_PROBE_HEALTH || running->backend == ODP_BACKEND_CONTAINER ||
           running->backend == ODP_BACKEND_COMPOSE;
}

void odp_probes_request(struct odp_probes *p, const struct odp_config_service *settings,
                        struct odp_backend *backend, uint32_t id)
{
    struct probe *b = find(p, settings->name);

    if (settings->probe == ODP_PROBE_HEALTH || settings->probe == ODP_PROBE_AUTO) {
        odp_healths_request(&p->healths, backend, is_strict(settings, backend->settings), id);
    } else if (settings->probe != ODP_PROBE_EXEC) {
        report(p, settings->name, id, ODP_PROTO_SILENT, "its probe is not the launcher's to make");
    } else if (!b) {
        begin(p, settings, id);
    } else if (odp_process_state(b->process) == ODP_PROCESS_ENDING) {
        report(p, b->name, id, ODP_PROTO_SILENT, "the probe before is still being ended");
    } else {
        report(p, b->name, b->id, ODP_PROTO_SILENT, "asked anew");
        b->id = id;
    }
}

void odp_probes_end(struct odp_probes *p, const char *name)
{
    struct probe *b = find(p, name);

    odp_healths_end(&p->healths, name);
    if (!b)
        return;
    report(p, b->name, b->id, ODP_PROTO_SILENT, "the service is started or stopped");
    b->id = 0;
    odp_process_terminate(b->process);
}

// ---- the life of all ---------------------------------------------------------------------------

// Nobody knows how one that outlived its launcher will end, and odpd asks again anyhow.
static void end_leftover(struct odp_probes *p, const char *name)
{
    struct probe *b = odp_name_is_valid(name) ? probe_new(p, name, 0) : NULL;

    if (!b)
        return;
    struct odp_process_home home = home_of(b);
    int r = odp_process_adopt(&home, true, &b->process);
    if (r == 0) {
        odp_log(ODP_LOG_INFO, name, "its probe command runs since before; it is ended");
        odp_process_terminate(b->process);
        return;
    }
    if (r != -ENOENT)
        odp_log(ODP_LOG_ERR, name, "cannot tell whether its probe command runs: %s", strerror(-r));
    probe_free(b);
}

void odp_probes_init(struct odp_probes *p, struct odp_backend_host *host)
{
    struct odp_files records;

    p->host = host;
    odp_list_init(&p->running);
    odp_healths_init(&p->healths, host);
    snprintf(p->directory, sizeof(p->directory), "%s/probe", host->directory);
    if (odp_files_read(p->directory, ".pid", RECORD_MAX_BYTES, &records) < 0)
        return; // none was ever made, or nothing can be known
    for (size_t i = 0; i < records.n; i++)
        end_leftover(p, records.items[i].stem);
    odp_files_deinit(&records);
}

void odp_probes_deinit(struct odp_probes *p)
{
    if (!p->host)
        return;
    odp_healths_deinit(&p->healths);
    odp_list_foreach_safe (it, &p->running) {
        struct probe *b = ODP_CONTAINER_OF(it, struct probe, node);
        odp_process_kill(b->process); // its record stays: what survives this is the next one's
        odp_process_free(b->process);
        probe_free(b);
    }
    if (p->bus)
        odp_systemd_bus_leave(p->bus, &p->client);
    p->bus = NULL;
    p->host = NULL;
}
