// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Checks on odp's own socket units, and on what odpd says of a service. Pure.

#include <stdio.h>
#include <string.h>

#include "doctor_internal.h"

static bool is_odpd_on(const struct odp_doctor *d)
{
    return odp_show_is(odp_show_find(&d->managers[d->is_user].units, "odpd.service"), "ActiveState",
                       "active");
}

static bool is_installed(const struct odp_doctor *d)
{
    return odp_show_is(odp_show_find(&d->managers[d->is_user].units, "odpd.service"), "LoadState",
                       "loaded");
}

static bool has_listener(const struct odp_doctor *d, const struct odp_config_service *s)
{
    return odp_ports_next(&d->ports, &s->listen[0].address, NULL) != NULL;
}

// systemd starts no socket while its service is active, but both together.
static void command_rearm(const struct odp_doctor *d, const char *unit, struct odp_findings *f)
{
    const char *option = odp_doctor_option(d->is_user);

    if (is_odpd_on(d))
        odp_finding_command(f, "systemctl %sreset-failed %s; systemctl %srestart odpd.service",
                            option, unit, option);
    else
        odp_finding_command(f, "systemctl %sreset-failed %s; systemctl %sstart %s", option, unit,
                            option, unit);
}

static void check_missing(const struct odp_doctor *d, const struct odp_config_service *s,
                          const char *unit, struct odp_findings *f)
{
    if (has_listener(d, s) || odp_findings_has(f, "no-generator"))
        return;
    if (d->generator_masked) {
        odp_finding_add(f, "no-generator", ODP_DOCTOR_ALL,
                        "%s is masked or cannot be run: no service has a socket", d->generator);
        odp_finding_command(f, "rm %s && systemctl %sdaemon-reload", d->generator,
                            odp_doctor_option(d->is_user));
    } else if (!d->generator[0]) {
        odp_finding_add(f, "no-generator", ODP_DOCTOR_ALL,
                        "odp-generator is not installed: no service has a socket");
        odp_finding_command(f, "odp generate /etc/systemd/system && systemctl daemon-reload");
    } else {
        odp_finding_add(f, "socket-missing", s->name, "there is no %s: nobody listens on %s", unit,
                        s->listen[0].text);
        odp_finding_command(f, "odp enable %s", s->name);
    }
}

void doctor_check_sockets(const struct odp_doctor *d, const struct odp_config_service *s,
                          struct odp_findings *f)
{
    char unit[ODP_UNIT_NAME_MAX];
    const char *option = odp_doctor_option(d->is_user);

    snprintf(unit, sizeof(unit), "odp-%s.socket", s->name);
    const char *block = odp_show_find(&d->managers[d->is_user].units, unit);
    const char *load = odp_show_value(block, "LoadState");
    if (!is_installed(d) || !block || odp_findings_has(f, "odpd-off"))
        return;
    if (strcmp(load, "masked") == 0) {
        odp_finding_add(f, "socket-masked", s->name, "%s is masked", unit);
        odp_finding_command(f, "systemctl %sunmask %s && odp enable %s", option, unit, s->name);
    } else if (strcmp(load, "loaded") != 0) {
        check_missing(d, s, unit, f);
    } else if (odp_show_is(block, "ActiveState", "failed")) {
        odp_finding_add(f, "socket-failed", s->name, "%s has failed (%s): nobody listens on %s",
                        unit, odp_show_value(block, "Result"), s->listen[0].text);
        command_rearm(d, unit, f);
    } else if (odp_show_is(block, "ActiveState", "inactive") && !has_listener(d, s)) {
        odp_finding_add(f, "socket-inactive", s->name, "%s is not started: nobody listens on %s",
                        unit, s->listen[0].text);
        command_rearm(d, unit, f);
    }
}

// ---- what odpd says -----------------------------------------------------------------------------

static const char *text_of(const cJSON *status, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(status, key));

    return text ? text : "";
}

static void check_launcher(const char *reason, struct odp_findings *f)
{
    if (odp_findings_has(f, "launcher-off"))
        return;
    odp_finding_add(f, "launcher-off", ODP_DOCTOR_ALL, "odpd cannot ask its launcher: %s", reason);
    odp_finding_command(f, "journalctl -n 20 -u odpd.service -u odp-launcher.service");
}

// A failure that nothing is left of, since its units are looked at here: the next visitor tries
// anew.
static bool is_over(const struct odp_config_service *s, const char *reason)
{
    return s->backend == ODP_BACKEND_SYSTEMD &&
           (strstr(reason, "(not-found)") || strstr(reason, ": masked") ||
            strstr(reason, " over D-Bus"));
}

// Other findings about the service tell more than its state does.
void doctor_check_state(const struct odp_doctor *d, const struct odp_config_service *s,
                        struct odp_findings *f)
{
    const cJSON *status = odp_doctor_status(d, s->name);
    const char *state = text_of(status, "state"), *note = text_of(status, "note");

    if (d->odpd.error < 0 || odp_findings_about(f, s->name))
        return;
    if (!status) {
        odp_finding_add(f, "not-loaded", s->name, "odpd does not know %s yet", s->file);
        odp_finding_command(f, is_installed(d) ? "odp enable %s" : "odp reload # %s", s->name);
    } else if (strcmp(state, "invalid") == 0 || strcmp(state, "disabled") == 0) {
        odp_finding_add(f, "not-loaded", s->name, "odpd has not read %s since it was mended",
                        s->file);
        odp_finding_command(f, "odp reload");
    } else if (strcmp(state, "failed") == 0) {
        if (is_over(s, text_of(status, "reason")))
            return;
        odp_finding_add(f, "service-failed", s->name, "its last start failed: %s",
                        text_of(status, "reason"));
        odp_finding_command(f, "odp start %s", s->name);
    } else if (strcmp(state, "unknown") == 0 && strstr(text_of(status, "reason"), "odp-launcher")) {
        check_launcher(text_of(status, "reason"), f);
    } else if (*note && (strstr(note, "; ") || !strstr(note, "applies when it is next stopped"))) {
        odp_finding_add(f, "not-followed", s->name, "%s", note);
        odp_finding_command(f, "odp reload");
    }
}
