// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How a service comes, gets other settings, and goes. What happens to it while it is there is
// managed.c's.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"
#include "odp/proxy/control.h"
#include "odp/proxy/ledger_file.h"
#include "odp/proxy/link.h"
#include "odp/proxy/memory.h"
#include "odp/proxy/probe.h"
#include "odp/proxy/requires.h"
#include "odp/proxy/target.h"
#include "odp/proxy/vigil.h"
#include "odp/proxy/visit.h"

// ---- coming ------------------------------------------------------------------------------------

struct odp_managed *odp_managed_new(struct odp_manager *mgr, struct odp_config_service *config)
{
    struct odp_managed *m = calloc(1, sizeof(*m));

    if (!m) {
        odp_config_service_free(config);
        return NULL;
    }
    m->manager = mgr;
    m->config = config;
    m->machine.deadline_usec = ODP_NEVER;
    odp_list_init(&m->waiting);
    odp_list_init(&m->relayed);
    odp_list_init(&m->leaving);
    odp_list_init(&m->release_node);
    odp_ledger_init(&m->ledger, odp_boottime_usec());
    odp_tries_init(&m->tries, config);
    m->armed_usec = ODP_NEVER;
    uv_timer_init(odp_io_loop_uv(mgr->loop), &m->timer);
    m->timer.data = m;
    return m;
}

// What the launcher does by the settings that it started with, it does until it is stopped: until
// then it is given the time that both say.
static struct odp_service_settings settings_of(const struct odp_managed *m)
{
    const struct odp_config_service *config = m->config, *previous = m->previous;
    struct odp_service_settings settings = {
        .start_timeout_usec = config->start_timeout_usec,
        .ready_timeout_usec = config->ready_timeout_usec,
        .stop_timeout_usec = config->stop_timeout_usec,
        .drain_timeout_usec = config->drain_timeout_usec,
        .stop_after_usec = ODP_NEVER,
        // A plain proxy that requires others sleeps, so that they can.
        .can_stop =
            config->backend != ODP_BACKEND_NONE || config->n_required_services > 0 || previous,
        .requires_timeout_usec =
            m->machine.settings.requires_timeout_usec, // proxy/requires sees to it
    };

    if (previous && previous->stop_timeout_usec > settings.stop_timeout_usec)
        settings.stop_timeout_usec = previous->stop_timeout_usec;
    return settings;
}

void odp_managed_begin(struct odp_managed *m)
{
    const struct odp_service_settings settings = settings_of(m);
    struct odp_service_effects fx;

    m->active = true;
    odp_service_init(&m->machine, &settings, m->config->idle_timeout_usec, odp_now_usec(), &fx);
    odp_tries_begin(&m->tries, odp_now_usec());
    odp_link_request(m->manager->link, m, fx.op, fx.request_id);
    odp_visits_pace(m);
    odp_managed_arm(m);
}

// ---- other settings ----------------------------------------------------------------------------

static void set_machine(struct odp_managed *m)
{
    const struct odp_service_settings settings = settings_of(m);

    odp_service_set(&m->machine, &settings, m->config->idle_timeout_usec, odp_now_usec());
    odp_managed_arm(m);
}

static bool is_at_rest(const struct odp_managed *m)
{
    return m->machine.state == ODP_SERVICE_STOPPED || m->machine.state == ODP_SERVICE_FAILED;
}

// Keeps the settings by which what runs was started, if it has to go on by them.
static void keep_previous(struct odp_managed *m, struct odp_config_service *before)
{
    const struct odp_config_service *started_by = m->previous ? m->previous : before;
    bool goes_on = m->active && !is_at_rest(m) && started_by->backend != ODP_BACKEND_NONE &&
                   started_by->backend_digest != m->config->backend_digest;

    if (goes_on && !m->previous) {
        m->previous = before;
        return;
    }
    odp_config_service_free(before);
    if (goes_on)
        return;
    odp_config_service_free(m->previous);
    m->previous = NULL;
}

void odp_managed_resume(struct odp_managed *m, const struct odp_service *machine,
                        struct odp_config_service *before)
{
    struct odp_service_effects fx;

    m->active = true;
    m->machine = *machine;
    if (before)
        keep_previous(m, before);
    const struct odp_service_settings settings = settings_of(m);
    odp_service_resume(&m->machine, &settings, m->config->idle_timeout_usec, odp_now_usec(), &fx);
    odp_managed_keep_ledger(m);
    if (odp_service_is_trying(&m->machine))
        odp_tries_begin(&m->tries, odp_now_usec());
    if (fx.request)
        odp_link_request(m->manager->link, m, fx.op, fx.request_id);
}

// [ready] may say other things than when the probe under way was begun.
static void probe_anew(struct odp_managed *m)
{
    odp_probe_end(m);
    if (m->probe)
        odp_visit_event(m->probe, ODP_CONN_EV_CUT);
    odp_tries_set(&m->tries, m->config);
    if (m->active && odp_service_is_trying(&m->machine))
        odp_tries_begin(&m->tries, odp_now_usec());
}

void odp_managed_configure(struct odp_managed *m, struct odp_config_service *config)
{
    struct odp_config_service *before = m->config;
    bool begins_to_start =
        before->backend == ODP_BACKEND_NONE && config->backend != ODP_BACKEND_NONE;
    bool needs_no_probe = before->probe != ODP_PROBE_NONE && config->probe == ODP_PROBE_NONE;
    bool shows_page = before->wait_mode != ODP_WAIT_PAGE && config->wait_mode == ODP_WAIT_PAGE;
    bool is_probed_anew = before->digest != config->digest;

    m->config = config;
    keep_previous(m, before);
    odp_target_on_settings(m);
    if (is_probed_anew) {
        probe_anew(m);
        m->machine.retry_usec = 0; // its failures were those of other settings
    }
    if (!m->active)
        return;
    set_machine(m);
    if (begins_to_start) // a plain proxy counted as running
        odp_managed_event(m, ODP_EVENT_LOST, "its new [backend] is looked at");
    if (needs_no_probe && m->machine.state == ODP_SERVICE_PROBING)
        odp_managed_event(m, ODP_EVENT_ANSWERS, NULL);
    if (shows_page)
        odp_visits_page(m);
    odp_visits_queue(m); // there may be more places
    odp_visits_release_soon(m->manager);
    odp_visits_pace(m);
}

void odp_managed_settle(struct odp_managed *m)
{
    odp_config_service_free(m->previous);
    m->previous = NULL;
    odp_target_on_settings(m);
    set_machine(m);
}

// ---- going -------------------------------------------------------------------------------------

void odp_managed_end(struct odp_managed *m, const char *why)
{
    snprintf(m->fault, sizeof(m->fault), "%s", why);
    if (!m->active)
        return;
    m->active = false;
    odp_control_on_end(m->manager->control, m);
    odp_tries_stop(&m->tries);
    odp_probe_end(m);
    odp_visits_dismiss(m);
    m->machine = (struct odp_service){.deadline_usec = ODP_NEVER};
    odp_config_service_free(m->previous);
    m->previous = NULL;
    odp_memory_free(m->memory);
    m->memory = NULL;
    odp_ledger_enter(&m->ledger, ODP_LEDGER_UNKNOWN, odp_boottime_usec());
    m->ledger.wake_since_usec = ODP_NEVER;
    odp_managed_arm(m);
}

static bool is_deserted(const struct odp_managed *m)
{
    return odp_list_empty(&m->waiting) && odp_list_empty(&m->relayed) &&
           odp_list_empty(&m->leaving) && !m->probe;
}

static void on_timer_closed(uv_handle_t *timer)
{
    odp_managed_free(timer->data);
}

void odp_managed_client_gone(struct odp_managed *m)
{
    struct odp_manager *mgr = m->manager;

    if (!m->is_departed || mgr->is_reloading || !is_deserted(m))
        return;
    for (size_t i = mgr->n_departed; i-- > 0;) { // who looks at all of them begins with the last
        if (mgr->departed[i] != m)
            continue;
        mgr->departed[i] = mgr->departed[--mgr->n_departed];
        odp_ledger_file_part(mgr->ledger_file, m);
        odp_vigil_changed(mgr->vigil);
        odp_gates_close(m);
        odp_list_remove(&m->release_node);
        // Whoever noticed the last client's end may still have a word with the service.
        odp_io_kick(mgr->loop);
        uv_close((uv_handle_t *)&m->timer, on_timer_closed);
        return;
    }
}

void odp_managed_close(struct odp_managed *m)
{
    m->active = false;
    odp_gates_close(m);
    odp_visits_drop(m);
    odp_probe_end(m);
    uv_close((uv_handle_t *)&m->timer, NULL);
}

void odp_managed_free(struct odp_managed *m)
{
    odp_story_deinit(&m->story);
    odp_target_deinit(&m->found);
    odp_ledger_deinit(&m->ledger);
    odp_memory_free(m->memory);
    odp_requires_forget_users(m);
    odp_config_service_free(m->config);
    odp_config_service_free(m->previous);
    free(m->file_note);
    free(m->listen_note);
    free(m->gates);
    free(m);
}
