// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The methods of the control interface. Asking never wakes a service and never counts as activity.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_internal.h"
#include "odp/core/varlink.h"
#include "odp/proxy/reload.h"

static cJSON *one_string(const char *key, const char *value)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, key, value);
    return o;
}

static void reply_about(struct control_client *client, const char *error,
                        const struct odp_managed *m, const char *reason)
{
    cJSON *o = one_string("name", m->config->name);

    cJSON_AddStringToObject(o, "reason", reason);
    control_reply_error(client, error, o);
}

// ---- org.varlink.service -----------------------------------------------------------------------

static void call_get_info(struct control_client *client, const cJSON *parameters)
{
    cJSON *o = cJSON_CreateObject();

    (void)parameters;
    cJSON_AddStringToObject(o, "vendor", "odp");
    cJSON_AddStringToObject(o, "product", "odpd");
    cJSON_AddStringToObject(o, "version", ODP_VERSION);
    cJSON_AddStringToObject(o, "url", "");
    cJSON *interfaces = cJSON_AddArrayToObject(o, "interfaces");
    control_append(interfaces, cJSON_CreateString("org.varlink.service"));
    control_append(interfaces, cJSON_CreateString(ODP_VARLINK_INTERFACE));
    control_reply(client, o);
}

static void call_get_description(struct control_client *client, const cJSON *parameters)
{
    const char *name =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(parameters, "interface"));

    if (!name)
        control_reply_error(client, ODP_VARLINK_E_INVALID, one_string("parameter", "interface"));
    else if (strcmp(name, ODP_VARLINK_INTERFACE) == 0)
        control_reply(client, one_string("description", odp_varlink_description));
    else
        control_reply_error(client, ODP_VARLINK_E_NO_INTERFACE, one_string("interface", name));
}

// ---- io.odp.Control ----------------------------------------------------------------------------

static void call_status(struct control_client *client, const cJSON *parameters)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(parameters, "names");
    const char *unknown = NULL;

    if (names && !cJSON_IsNull(names) && !cJSON_IsArray(names)) {
        control_reply_error(client, ODP_VARLINK_E_INVALID, one_string("parameter", "names"));
        return;
    }
    cJSON *o =
        control_status(client->control->manager, cJSON_IsArray(names) ? names : NULL, &unknown);
    if (o)
        control_reply(client, o);
    else
        control_reply_error(client, ODP_VARLINK_E_NO_SUCH_SERVICE,
                            one_string("name", unknown ? unknown : ""));
}

static void call_why(struct control_client *client, const cJSON *parameters)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(parameters, "name"));
    const struct odp_managed *m = name ? odp_manager_find(client->control->manager, name) : NULL;

    if (!name)
        control_reply_error(client, ODP_VARLINK_E_INVALID, one_string("parameter", "name"));
    else if (m)
        control_reply(client, control_why(m, control_may_change(client)));
    else if (control_is_invalid(client->control->manager, name))
        control_reply(client, control_why_invalid(client->control->manager, name));
    else
        control_reply_error(client, ODP_VARLINK_E_NO_SUCH_SERVICE, one_string("name", name));
}

static void reply_unserved(struct control_client *client, const char *name)
{
    const struct odp_manager *mgr = client->control->manager;
    bool is_invalid = control_is_invalid(mgr, name);
    cJSON *o = one_string("name", name);

    if (is_invalid)
        control_add_fault(o, mgr, name);
    control_reply_error(client,
                        is_invalid ? ODP_VARLINK_E_NOT_POSSIBLE : ODP_VARLINK_E_NO_SUCH_SERVICE, o);
}

// Finds the service that a changing call names and checks that the call is allowed and possible.
// NULL: the error was answered.
static struct odp_managed *service_to_change(struct control_client *client, const cJSON *parameters)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(parameters, "name"));

    if (!name) {
        control_reply_error(client, ODP_VARLINK_E_INVALID, one_string("parameter", "name"));
        return NULL;
    }
    if (!control_may_change(client)) {
        control_reply_error(client, ODP_VARLINK_E_PERMISSION, NULL);
        return NULL;
    }
    struct odp_managed *m = odp_manager_find(client->control->manager, name);
    if (!m) {
        reply_unserved(client, name);
        return NULL;
    }
    if (!m->active) {
        reply_about(client, ODP_VARLINK_E_NOT_POSSIBLE, m,
                    m->config->enabled ? m->fault : "it is disabled (enabled = no in its file)");
        return NULL;
    }
    return m;
}

// Begins to wait, or answers at once: where the caller does not want to wait, or nothing is left
// to wait for.
static void await(struct control_client *client, struct odp_managed *m, enum control_wait wait,
                  const cJSON *parameters)
{
    if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(parameters, "wait"))) {
        control_reply(client, one_string("state", odp_managed_state(m)));
        return;
    }
    client->wait = wait;
    client->waits_for = m;
    control_check_wait(client);
}

static void call_start(struct control_client *client, const cJSON *parameters)
{
    struct odp_managed *m = service_to_change(client, parameters);

    if (!m)
        return;
    odp_managed_event(m, ODP_EVENT_START, "started by odp start");
    await(client, m, CONTROL_WAIT_START, parameters);
}

static void call_stop(struct control_client *client, const cJSON *parameters)
{
    struct odp_managed *m = service_to_change(client, parameters);

    if (!m)
        return;
    if (!m->machine.settings.can_stop) {
        reply_about(client, ODP_VARLINK_E_NOT_POSSIBLE, m,
                    "it has no backend (type = none): there is nothing for odp to stop");
        return;
    }
    odp_managed_event(m, ODP_EVENT_STOP, "stopped by odp stop");
    await(client, m, CONTROL_WAIT_STOP, parameters);
}

void control_check_wait(struct control_client *client)
{
    struct odp_managed *m = client->waits_for;
    enum odp_service_state s = m->machine.state;
    bool start = client->wait == CONTROL_WAIT_START;

    // A start that was called off ends in stopped; a stop whose service failed is at rest, too.
    bool done = s == ODP_SERVICE_STOPPED || s == ODP_SERVICE_FAILED ||
                (s == ODP_SERVICE_READY && start) || (s == ODP_SERVICE_FROZEN && !start);
    // A restart that was asked for behind the stop: the stop itself is over.
    if (!start && (s == ODP_SERVICE_REQUIRING || s == ODP_SERVICE_STARTING))
        done = true;
    // Back from stopping: it could not be stopped.
    bool runs_on = !start && (s == ODP_SERVICE_PROBING || s == ODP_SERVICE_READY);
    if (!done && !runs_on)
        return;
    bool failed = start ? s != ODP_SERVICE_READY : runs_on || s == ODP_SERVICE_FAILED;
    client->wait = CONTROL_WAIT_NONE;
    if (failed)
        reply_about(client, ODP_VARLINK_E_JOB_FAILED, m, m->machine.reason);
    else
        control_reply(client, one_string("state", odp_managed_state(m)));
}

void control_end_wait(struct control_client *client)
{
    client->wait = CONTROL_WAIT_NONE;
    reply_about(client, ODP_VARLINK_E_JOB_FAILED, client->waits_for, client->waits_for->fault);
}

static void call_reload(struct control_client *client, const cJSON *parameters)
{
    struct odp_control *control = client->control;
    struct odp_reload done;
    char why[ODP_PATH_MAX + ODP_REASON_MAX];

    (void)parameters;
    if (!control_may_change(client)) {
        control_reply_error(client, ODP_VARLINK_E_PERMISSION, NULL);
        return;
    }
    if (odp_manager_reload(control->manager, &done, why, sizeof(why)) < 0)
        control_reply_error(client, ODP_VARLINK_E_RELOAD_FAILED, one_string("reason", why));
    else
        control_reply(client, control_reloaded(control->manager, &done));
    odp_reload_deinit(&done);
    odp_control_resume(control);
}

// ---- dispatch ----------------------------------------------------------------------------------

static const struct {
    const char *name;
    void (*call)(struct control_client *client, const cJSON *parameters);
} methods[] = {
    {"org.varlink.service.GetInfo", call_get_info},
    {"org.varlink.service.GetInterfaceDescription", call_get_description},
    {ODP_VARLINK_STATUS, call_status},
    {ODP_VARLINK_WHY, call_why},
    {ODP_VARLINK_START, call_start},
    {ODP_VARLINK_STOP, call_stop},
    {ODP_VARLINK_RELOAD, call_reload},
};

void control_dispatch(struct control_client *client, const cJSON *call)
{
    const char *method = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "method"));
    const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(call, "parameters");

    for (size_t i = 0; method && i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(method, methods[i].name) == 0) {
            methods[i].call(client, parameters);
            return;
        }
    }
    control_reply_error(client, ODP_VARLINK_E_NO_METHOD,
                        one_string("method", method ? method : ""));
}
