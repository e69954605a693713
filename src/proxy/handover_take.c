// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The odpd that starts goes on with what the one before has left: finds each service among its own,
// and gives it its state and its clients. What cannot be gone on with is closed and counted.

#include "handover_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/index.h"
#include "odp/base/log.h"
#include "odp/core/plan.h"
#include "odp/proxy/ledger_file.h"
#include "odp/proxy/reload.h"
#include "odp/proxy/target.h"
#include "visit_internal.h"

// ---- whose it is -------------------------------------------------------------------------------

// By the same signs as in a reload: the files may have changed in between.
static void pair(struct odp_handover *h, struct odp_config_service **before, size_t *pairs)
{
    const struct odp_manager *mgr = h->manager;
    struct odp_config_service **files = before + h->n_left;
    size_t n_before = 0;

    for (size_t i = 0; i < h->n_left; i++)
        if (h->left[i].service.name[0])
            before[n_before++] = h->left[i].config;
    for (size_t i = 0; i < mgr->n_services; i++)
        files[i] = mgr->services[i]->config;
    odp_plan_pair(before, n_before, files, mgr->n_services, pairs);
    n_before = 0;
    for (size_t i = 0; i < h->n_left; i++) {
        struct left *left = &h->left[i];
        size_t file = left->service.name[0] ? pairs[n_before++] : SIZE_MAX;
        left->m = file == SIZE_MAX ? NULL : mgr->services[file];
        if (left->m)
            h->left_of[file] = left;
    }
}

// A departed one may bear the name of a service, which comes before it. `names` has those so far.
static bool is_first(const struct odp_handover *h, struct odp_index *names, size_t i)
{
    const char *name = h->left[i].service.name;
    uint64_t key = odp_index_key_of_text(0, name);

    for (size_t e = odp_index_first(names, key); e != ODP_INDEX_END; e = odp_index_next(names, e))
        if (strcmp(h->left[names->entries[e].value].service.name, name) == 0)
            return false;
    odp_index_add(names, key, i);
    return true;
}

static size_t find_renames(const struct odp_handover *h, struct odp_index *names,
                           struct odp_link_rename *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n_left; i++) {
        const struct left *left = &h->left[i];
        if (!is_first(h, names, i) || !left->m ||
            strcmp(left->m->config->name, left->service.name) == 0)
            continue;
        memcpy(ret[n].from, left->service.name, sizeof(ret[n].from));
        memcpy(ret[n].to, left->m->config->name, sizeof(ret[n].to));
        n++;
    }
    return n;
}

// The launcher finds out by itself.
static void follow_names(struct odp_handover *h)
{
    struct odp_manager *mgr = h->manager;
    struct odp_link_rename *renames = calloc(h->n_left + 1, sizeof(*renames));
    struct odp_index names;
    size_t n = 0;

    if (odp_index_init(&names, h->n_left) == 0 && renames)
        n = find_renames(h, &names, renames);
    odp_index_deinit(&names);
    if (n > 0) {
        odp_reload_move_logs(mgr, renames, n);
        odp_ledger_file_follow(mgr->ledger_file, renames, n);
    }
    for (size_t i = 0; i < n; i++) // the log has its new name by now
        odp_log(ODP_LOG_NOTICE, renames[i].to, "was called %s before", renames[i].from);
    free(renames);
}

void odp_handover_match(struct odp_handover *h)
{
    if (!h)
        return;
    size_t n = h->n_left + h->manager->n_services + 1;
    struct odp_config_service **configs = calloc(n, sizeof(struct odp_config_service *));
    size_t *pairs = calloc(n, sizeof(*pairs));
    h->left_of = calloc(n, sizeof(struct left *));
    if (configs && pairs && h->left_of)
        pair(h, configs, pairs);
    free(configs);
    free(pairs);
    follow_names(h);
}

// ---- services ----------------------------------------------------------------------------------

static void set_text(char **ret, const char *text)
{
    *ret = text[0] ? strdup(text) : NULL; // without memory the story has a gap
}

static void resume_story(struct odp_story *story, const struct odp_handover_service *left)
{
    *story = (struct odp_story){
        .woken_usec = left->woken_usec,
        .stopped_usec = left->stopped_usec,
        .direct_usec = left->direct_usec,
        .failed_usec = left->failed_usec,
    };
    set_text(&story->woken_by, left->woken_by);
    set_text(&story->woken_from, left->woken_from);
    set_text(&story->stopped_reason, left->stopped_reason);
    set_text(&story->failed_reason, left->failed_reason);
}

bool odp_handover_resume(struct odp_handover *h, size_t i)
{
    struct left *left = h && h->left_of ? h->left_of[i] : NULL;

    if (!left || !left->service.active)
        return false;
    struct odp_managed *m = left->m;
    resume_story(&m->story, &left->service);
    m->ledger.wake_since_usec = left->service.wake_since_usec;
    // Without a target it is nothing that could be connected to.
    bool is_whole = left->config->target.kind != ODP_ADDRESS_NONE;
    odp_managed_resume(m, &left->service.machine, is_whole ? left->config : NULL);
    odp_target_resume(m, left->service.address);
    if (is_whole)
        left->config = NULL;
    return true;
}

// ---- those without a file ----------------------------------------------------------------------

static const char *why_gone(const struct odp_manager *mgr, const char *name)
{
    for (size_t i = 0; i < mgr->files.n_invalid; i++)
        if (strcmp(mgr->files.invalid[i], name) == 0)
            return "its file has a fault";
    return "its file was removed";
}

// Kept as long as it has clients.
static struct odp_managed *depart(struct odp_handover *h, struct left *left)
{
    struct odp_manager *mgr = h->manager;
    struct odp_managed **more =
        reallocarray(mgr->departed, mgr->n_departed + 1, sizeof(struct odp_managed *));
    struct odp_config_service *config = left->config;

    if (!more)
        return NULL;
    mgr->departed = more;
    if (!config)
        return NULL;
    config->enabled = false;
    left->config = NULL;
    struct odp_managed *m = odp_managed_new(mgr, config);
    if (!m)
        return NULL;
    more[mgr->n_departed++] = m;
    odp_ledger_file_join(mgr->ledger_file, m);
    m->is_departed = true;
    snprintf(m->fault, sizeof(m->fault), "%s", why_gone(mgr, config->name));
    return m;
}

// ---- clients -----------------------------------------------------------------------------------

static void take_flow(struct odp_handover *h, int flow, const struct odp_handover_flow *record,
                      struct visit_left *ret)
{
    ret->pipes[flow][0] = ret->pipes[flow][1] = -1;
    ret->bytes[flow] = NULL;
    if (record->n_held == 0)
        return;
    if (record->read_fd != ODP_HANDOVER_NO_FD) {
        ret->pipes[flow][0] = odp_carried_take(&h->carried, record->read_fd);
        ret->pipes[flow][1] = odp_carried_take(&h->carried, record->write_fd);
        return;
    }
    size_t n_bytes = h->bytes ? (size_t)(h->text + h->n_bytes - h->bytes) : 0;
    if (record->n_held <= ODP_RELAY_BUFFER_BYTES && record->at <= n_bytes &&
        record->n_held <= n_bytes - record->at)
        ret->bytes[flow] = h->bytes + record->at;
}

static void take_visit(struct odp_handover *h, struct left *left,
                       const struct odp_handover_visit *record)
{
    struct visit_left visit = {
        .record = record,
        .ends = {odp_carried_take(&h->carried, record->client),
                 odp_carried_take(&h->carried, record->upstream)},
    };

    take_flow(h, ODP_RELAY_CLIENT, &record->in, &visit);
    take_flow(h, ODP_RELAY_UPSTREAM, &record->out, &visit);
    if (!left->m)
        left->m = depart(h, left);
    h->n_visits++;
    if (!visit_resume(left->m, &visit))
        h->n_lost++;
}

void odp_handover_take_clients(struct odp_handover *h)
{
    struct odp_handover_record r;
    size_t n_services = 0;

    if (!h)
        return;
    h->manager->is_reloading = true; // services without clients are not freed meanwhile
    while (odp_handover_next(&h->records, &r) == 1) {
        if (r.kind == ODP_HANDOVER_SERVICE)
            n_services++;
        else if (r.kind == ODP_HANDOVER_VISIT && n_services > 0)
            take_visit(h, &h->left[n_services - 1], &r.visit);
    }
    h->manager->is_reloading = false;
}

// ---- who is told -------------------------------------------------------------------------------

static void tell(struct odp_managed *m)
{
    if (!m->active) {
        if (m->fault[0] == '\0')
            snprintf(m->fault, sizeof(m->fault), "it was disabled");
        odp_visits_deny(m);
        odp_managed_arm(m); // for those that were leaving already
        return;
    }
    odp_managed_event(m, ODP_EVENT_COUNTS, NULL);
    if (m->machine.state == ODP_SERVICE_READY)
        odp_visits_queue(m);
    else if (m->n_waiting > 0)
        odp_managed_event(m, ODP_EVENT_DEMAND, "woken by a connection");
    odp_visits_pace(m);
    odp_managed_arm(m);
}

void odp_handover_go_on(struct odp_handover *h)
{
    if (!h)
        return;
    struct odp_manager *mgr = h->manager;
    odp_log(h->n_lost > 0 ? ODP_LOG_WARNING : ODP_LOG_NOTICE, NULL,
            "taken over from the odpd before: %zu services, %u connections; %u end", h->n_left,
            h->n_visits - h->n_lost, h->n_lost);
    for (size_t i = 0; i < mgr->n_services; i++)
        tell(mgr->services[i]);
    mgr->is_reloading = true;
    for (size_t i = 0; i < mgr->n_departed; i++)
        tell(mgr->departed[i]);
    mgr->is_reloading = false;
    for (size_t i = mgr->n_departed; i > 0; i--)
        odp_managed_client_gone(mgr->departed[i - 1]);
    odp_visits_release_soon(mgr);
}
