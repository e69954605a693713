// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Carries a plan of core/plan out. The order matters: first the services that go give up what they
// have, then all have their new settings, then the listening sockets find their new owners, and
// last what is new begins.

#include "reload_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"
#include "odp/net/systemd.h"
#include "odp/proxy/ledger_file.h"
#include "odp/proxy/link.h"
#include "odp/proxy/requires.h"
#include "odp/proxy/vigil.h"
#include "odp/proxy/visit.h"

// ---- the plan ----------------------------------------------------------------------------------

// All services, the departed ones behind the others: a file may bring one of them back.
static int collect(struct reloading *r, struct odp_config_service ***ret_before)
{
    const struct odp_manager *mgr = r->mgr;
    size_t n = mgr->n_services + mgr->n_departed;
    struct odp_config_service **before = calloc(n + 1, sizeof(struct odp_config_service *));

    *ret_before = before;
    r->all = calloc(n + 1, sizeof(struct odp_managed *));
    if (!before || !r->all)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        r->all[i] = i < mgr->n_services ? mgr->services[i] : mgr->departed[i - mgr->n_services];
        before[i] = r->all[i]->config;
    }
    r->n_before = n;
    return 0;
}

static int make_plan(struct reloading *r, struct odp_config *config)
{
    struct odp_config_service **before = NULL;
    int result = collect(r, &before);

    if (result == 0)
        result = odp_plan_make(before, r->n_before, config, &r->plan);
    free(before);
    if (result < 0)
        return result;
    struct odp_managed **all =
        reallocarray(r->all, r->plan.n_items + 1, sizeof(struct odp_managed *));
    if (all)
        r->all = all;
    r->is_told = calloc(r->plan.n_items + 1, sizeof(*r->is_told));
    if (!all || !r->is_told)
        return -ENOMEM;
    for (size_t i = r->n_before; i < r->plan.n_items; i++)
        all[i] = NULL;
    return 0;
}

static int read_plan(struct reloading *r, struct odp_config *ret_config)
{
    struct odp_files files = {0};
    int result = odp_manager_read(r->mgr, &files);

    if (result < 0)
        return result;
    result = odp_config_read(&files, ret_config);
    odp_files_deinit(&files);
    return result < 0 ? result : make_plan(r, ret_config);
}

static bool is_followed(const struct odp_plan_item *it)
{
    return it->action == ODP_PLAN_KEEP || it->action == ODP_PLAN_CHANGE;
}

// ---- going -------------------------------------------------------------------------------------

static void depart(struct reloading *r, struct odp_managed *m)
{
    reload_add_row(r, ODP_RELOAD_REMOVED, m->config->name, NULL);
    odp_link_forget(r->mgr->link, m->config->name);
    odp_managed_end(m, "its file was removed");
    odp_gates_let_go(m);
    m->is_departed = true;
    m->config->enabled = false; // for the next plan: nothing is its own any more
}

static void disable(struct reloading *r, struct odp_managed *m)
{
    odp_link_forget(r->mgr->link, m->config->name);
    odp_managed_end(m, "it was disabled");
    odp_gates_let_go(m);
}

static void end_all(struct reloading *r)
{
    for (size_t i = 0; i < r->n_before; i++) {
        const struct odp_plan_item *it = &r->plan.items[i];
        struct odp_managed *m = r->all[i];
        if (it->action == ODP_PLAN_REMOVE && !m->is_departed)
            depart(r, m);
        else if (is_followed(it) && it->before->enabled && !it->after->enabled)
            disable(r, m);
    }
}

// ---- settings ----------------------------------------------------------------------------------

static void note_fault(struct reloading *r, size_t item)
{
    const struct odp_config_faults *faults = &r->mgr->files.faults;
    const struct odp_plan_item *it = &r->plan.items[item];
    const char *file = it->faulty_file ? it->faulty_file
                       : it->after     ? it->after->file
                                       : it->before->file;
    const char *slash = strrchr(file, '/');
    char text[2 * ODP_REASON_MAX];

    for (size_t i = 0; i < faults->n; i++) {
        if (strcmp(faults->items[i].file, file) != 0)
            continue;
        snprintf(text, sizeof(text), "%s has a fault, so it stays as it was: line %u: %s",
                 slash ? slash + 1 : file, faults->items[i].line, faults->items[i].message);
        odp_managed_set_note(&r->all[item]->file_note, text);
        return;
    }
}

static void follow(struct reloading *r, size_t item)
{
    struct odp_plan_item *it = &r->plan.items[item];
    struct odp_managed *m = r->all[item];
    bool is_back = m->is_departed, is_renamed = it->renamed;
    bool is_changed = it->action == ODP_PLAN_CHANGE;

    if (is_back)
        reload_add_row(r, ODP_RELOAD_ADDED, it->after->name, NULL);
    else if (is_changed)
        reload_add_row(r, ODP_RELOAD_CHANGED, it->after->name, NULL);
    m->is_departed = false;
    odp_managed_configure(m, odp_plan_take(it));
    if (is_renamed)
        odp_ledger_file_rename(r->mgr->ledger_file, m);
    r->is_told[item] = m->config->enabled && (is_back || is_changed || is_renamed);
}

static void add(struct reloading *r, size_t item)
{
    struct odp_managed *m = odp_managed_new(r->mgr, odp_plan_take(&r->plan.items[item]));

    r->all[item] = m;
    if (!m) {
        odp_log(ODP_LOG_ERR, NULL, "out of memory: a new service is left out");
        return;
    }
    odp_ledger_file_join(r->mgr->ledger_file, m);
    reload_add_row(r, ODP_RELOAD_ADDED, m->config->name, NULL);
    r->is_told[item] = m->config->enabled;
}

static void configure_all(struct reloading *r)
{
    for (size_t i = 0; i < r->plan.n_items; i++) {
        const struct odp_plan_item *it = &r->plan.items[i];
        if (r->all[i])
            odp_managed_set_note(&r->all[i]->file_note, NULL);
        if (is_followed(it) && r->all[i])
            follow(r, i);
        else if (it->action == ODP_PLAN_ADD)
            add(r, i);
        else if (it->action == ODP_PLAN_FAULTY && r->all[i])
            note_fault(r, i);
    }
}

// ---- the services as they are now --------------------------------------------------------------

static int compare_services(const void *a, const void *b)
{
    const struct odp_managed *const *ma = a, *const *mb = b;

    return strcmp((*ma)->config->name, (*mb)->config->name);
}

// The arrays were made before anything was changed: nothing can fail here.
static void rebuild(struct reloading *r, struct odp_managed **services,
                    struct odp_managed **departed)
{
    struct odp_manager *mgr = r->mgr;

    free(mgr->services);
    free(mgr->departed);
    mgr->services = services;
    mgr->departed = departed;
    mgr->n_services = mgr->n_departed = 0;
    for (size_t i = 0; i < r->plan.n_items; i++) {
        if (!r->all[i])
            continue;
        if (r->all[i]->is_departed)
            departed[mgr->n_departed++] = r->all[i];
        else
            services[mgr->n_services++] = r->all[i];
    }
    qsort(services, mgr->n_services, sizeof(struct odp_managed *), compare_services);
    mgr->is_out_of_order = false;
}

static bool has_row(const struct odp_reload *report, const char *name)
{
    for (size_t i = 0; i < report->n_rows; i++)
        if (strcmp(report->rows[i].name, name) == 0)
            return true;
    return false;
}

// Whoever mended what was in the way wants to know that this was all.
static void settle_gates(struct reloading *r)
{
    struct odp_manager *mgr = r->mgr;

    (void)odp_gates_settle(mgr); // what is not done is told with each service
    for (size_t i = 0; i < mgr->n_services; i++) {
        const struct odp_managed *m = mgr->services[i];
        if (m->was_stuck && !m->is_stuck && m->n_gates > 0 && !has_row(r->report, m->config->name))
            reload_add_row(r, ODP_RELOAD_LISTENS, m->config->name, NULL);
    }
}

static void begin_all(struct reloading *r)
{
    struct odp_manager *mgr = r->mgr;

    for (size_t i = 0; i < r->plan.n_items; i++) {
        struct odp_managed *m = r->all[i];
        if (!m)
            continue;
        if (r->is_told[i])
            odp_link_load(mgr->link, m);
        if (m->config->enabled && !m->is_departed && !m->active && m->n_gates > 0)
            odp_managed_begin(m);
        else
            odp_visits_pace(m);
    }
}

static void sweep_departed(struct odp_manager *mgr)
{
    for (size_t i = mgr->n_departed; i > 0; i--)
        odp_managed_client_gone(mgr->departed[i - 1]);
}

static int carry_out(struct reloading *r, struct odp_config *config)
{
    struct odp_manager *mgr = r->mgr;
    struct odp_managed **services = calloc(r->plan.n_items + 1, sizeof(struct odp_managed *));
    struct odp_managed **departed = calloc(r->plan.n_items + 1, sizeof(struct odp_managed *));

    if (!services || !departed) {
        free(services);
        free(departed);
        return -ENOMEM;
    }
    odp_config_deinit(&mgr->files);
    mgr->files = *config;
    *config = (struct odp_config){0};
    odp_manager_tell_faults(mgr);
    mgr->is_out_of_order = true;
    end_all(r);
    reload_rename(r);
    configure_all(r);
    rebuild(r, services, departed);
    settle_gates(r);
    begin_all(r);
    odp_requires_refresh(mgr);
    odp_ledger_file_changed(mgr->ledger_file);
    odp_vigil_changed(mgr->vigil);
    return 0;
}

// ---- all of it ---------------------------------------------------------------------------------

static void notify_begin(void)
{
    char text[64];

    // Type=notify-reload wants to know when, sd_notify(3).
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, odp_now_usec());
    (void)odp_systemd_notify(text);
}

int odp_manager_reload(struct odp_manager *mgr, struct odp_reload *ret, char *why, size_t why_size)
{
    struct reloading r = {.mgr = mgr, .report = ret};
    struct odp_config config = {0};

    *ret = (struct odp_reload){0};
    notify_begin();
    mgr->is_reloading = true;
    int result = read_plan(&r, &config);
    if (result == 0)
        result = carry_out(&r, &config);
    if (result < 0)
        snprintf(why, why_size,
                 "cannot read %s/" ODP_CONFIG_SERVICES_DIR ": %s: nothing is changed",
                 mgr->paths.config, strerror(-result));
    reload_report_end(&r, result < 0 ? why : NULL);
    odp_plan_deinit(&r.plan);
    odp_config_deinit(&config);
    free(r.all);
    free(r.is_told);
    mgr->is_reloading = false;
    sweep_departed(mgr);
    odp_manager_trim(mgr);
    odp_vigil_ready(mgr->vigil);
    return result;
}
