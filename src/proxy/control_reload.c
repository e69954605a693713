// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `odp reload` prints: what has changed, what is wrong with the files, what could not be done.

#include "control_internal.h"
#include "odp/proxy/reload.h"

#define FAULTS_MAX 500 // a reply is bounded; odp check tells all of them

static cJSON *describe_row(const struct odp_reload_row *row)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "kind", odp_reload_kind_to_string(row->kind));
    cJSON_AddStringToObject(o, "name", row->name);
    if (row->was[0])
        cJSON_AddStringToObject(o, "was", row->was);
    else
        cJSON_AddNullToObject(o, "was");
    return o;
}

static cJSON *describe_fault(const struct odp_config_fault *fault)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "file", fault->file);
    cJSON_AddNumberToObject(o, "line", fault->line);
    cJSON_AddStringToObject(o, "message", fault->message);
    return o;
}

static void add_note(cJSON *notes, const struct odp_managed *m)
{
    const char *text = m->listen_note                     ? m->listen_note
                       : !m->active && m->config->enabled ? m->fault
                                                          : NULL;

    if (!text)
        return;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", m->config->name);
    cJSON_AddStringToObject(o, "text", text);
    control_append(notes, o);
}

cJSON *control_reloaded(const struct odp_manager *mgr, const struct odp_reload *done)
{
    const struct odp_config_faults *faults = &mgr->files.faults;
    cJSON *o = cJSON_CreateObject();
    cJSON *changes = cJSON_AddArrayToObject(o, "changes");
    cJSON *array = cJSON_AddArrayToObject(o, "faults");

    for (size_t i = 0; i < done->n_rows; i++)
        control_append(changes, describe_row(&done->rows[i]));
    for (size_t i = 0; i < faults->n && i < FAULTS_MAX; i++)
        control_append(array, describe_fault(&faults->items[i]));
    cJSON_AddNumberToObject(o, "n_faults", (double)faults->n);
    cJSON_AddNumberToObject(o, "n_faulty", (double)mgr->files.n_invalid);
    cJSON *notes = cJSON_AddArrayToObject(o, "notes");
    for (size_t i = 0; i < mgr->n_services; i++)
        add_note(notes, mgr->services[i]);
    return o;
}
