// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Checks on odp's own socket units, and on what odpd says of a service. Pure.

#include <stdio.h>
#include <string.h>

#include "doctor_internal.h"
#include "odp/core/units.h"

static bool is_odpd_on(const struct odp_doctor *d)
{
    return odp_show_is(odp_doctor_unit(d, ODP_UNITS_ODPD), "ActiveState", "active");
}

static bool has_listener(const struct odp_doctor *d, const struct odp_config_service *s)
{
    return odp_ports_next(&d->ports, &s->listen[0].address, NULL) != NULL;
}

static const char *socket_block(const struct odp_doctor *d, const struct odp_config_service *s)
{
    char unit[ODP_UNITS_NAME_MAX + 1];

    return odp_doctor_unit(d, odp_units_name(s->name, unit, sizeof(unit)));
}

// ---- the generator ------------------------------------------------------------------------------

static bool is_socket_missing(const struct odp_doctor *d)
{
    for (size_t i = 0; i < d->config.n_services; i++) {
        const struct odp_config_service *s = d->config.services[i];
        if (s->enabled && odp_show_is(socket_block(d, s), "LoadState", "not-found") &&
            !has_listener(d, s))
            return true;
    }
    return false;
}

// One finding, where it would else be one for each service.
void doctor_check_generator(const struct odp_doctor *d, struct odp_findings *f)
{
    if (!odp_doctor_is_installed(d) || !is_socket_missing(d))
        return;
    if (d->generator_masked) {
        odp_finding_add(f, "no-generator", ODP_DOCTOR_ALL, "%s is masked: no service has a socket",
                        d->generator);
        odp_finding_command(
            f, "rm %s && systemctl %sdaemon-reload && systemctl %sstart sockets.target",
            d->generator, odp_doctor_option(d->is_user), odp_doctor_option(d->is_user));
    } else if (!d->generator[0]) {
        odp_finding_add(f, "no-generator", ODP_DOCTOR_ALL,
                        "odp-generator is not installed: no service has a socket");
        odp_finding_command(f,
                            "odp generate %s && systemctl %sdaemon-reload && systemctl %sstart "
                            "sockets.target",
                            d->is_user ? "~/.config/systemd/user" : "/etc/systemd/system",
                            odp_doctor_option(d->is_user), odp_doctor_option(d->is_user));
    }
}

// ---- a service's socket -------------------------------------------------------------------------

// systemd starts no socket while its service is active, but both together.
static void command_rearm(const struct odp_doctor *d, const char *unit, struct odp_findings *f)
{
    const char *option = odp_doctor_option(d->is_user);

    if (is_odpd_on(d))
        odp_finding_command(f, "systemctl %sreset-failed %s; systemctl %srestart " ODP_UNITS_ODPD,
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
    odp_finding_add(f, "socket-missing", s->name, "there is no %s: nobody listens on %s", unit,
                    s->listen[0].text);
    odp_finding_command(f, "odp enable %s", s->name);
}

static bool is_same(const struct odp_address *a, const struct odp_address *b)
{
    return odp_address_covers(a, b) && odp_address_covers(b, a);
}

// 0.0.0.0 stands for a bare port where there is no IPv6.
static bool listens_on(const char *block, const struct odp_address *address)
{
    for (const char *v = NULL; (v = odp_show_next(block, "Listen", v));) {
        struct odp_address own;

        if (doctor_read_listen(v, &own) &&
            (is_same(&own, address) ||
             (address->kind == ODP_ADDRESS_PORT && odp_address_covers(address, &own))))
            return true;
    }
    return false;
}

static void check_addresses(const struct odp_doctor *d, const struct odp_config_service *s,
                            const char *unit, const char *block, struct odp_findings *f)
{
    for (size_t i = 0; i < s->n_listen; i++) {
        // By reading an address that has changed systemd closes the old one, and opens none.
        if (listens_on(block, &s->listen[i].address) &&
            odp_ports_next(&d->ports, &s->listen[i].address, NULL))
            continue;
        odp_finding_add(f, "socket-stale", s->name,
                        "%s does not listen on %s, though its file says so", unit,
                        s->listen[i].text);
        odp_finding_command(f, "odp enable %s", s->name);
        return;
    }
}

void doctor_check_sockets(const struct odp_doctor *d, const struct odp_config_service *s,
                          struct odp_findings *f)
{
    const char *block = socket_block(d, s), *load = odp_show_value(block, "LoadState");
    char unit[ODP_UNITS_NAME_MAX + 1];

    if (!odp_doctor_is_installed(d) || !block || odp_findings_has(f, "odpd-off"))
        return;
    odp_units_name(s->name, unit, sizeof(unit));
    if (strcmp(load, "masked") == 0) {
        odp_finding_add(f, "socket-masked", s->name, "%s is masked", unit);
        odp_finding_command(f, "systemctl %sunmask %s && odp enable %s",
                            odp_doctor_option(d->is_user), unit, s->name);
    } else if (strcmp(load, "loaded") != 0) {
        check_missing(d, s, unit, f);
    } else if (odp_show_is(block, "ActiveState", "failed")) {
        odp_finding_add(f, "socket-failed", s->name, "%s has failed (%s): nobody listens on %s",
                        unit, odp_show_value(block, "Result"), s->listen[0].text);
        command_rearm(d, unit, f);
    } else if (odp_show_is(block, "ActiveState", "inactive")) {
        if (has_listener(d, s))
            return;
        odp_finding_add(f, "socket-inactive", s->name, "%s is not started: nobody listens on %s",
                        unit, s->listen[0].text);
        command_rearm(d, unit, f);
    } else {
        check_addresses(d, s, unit, block, f);
    }
}

// ---- sockets of no service ----------------------------------------------------------------------

static bool has_service(const struct odp_doctor *d, const char *name)
{
    for (char **n = d->config.names; n && *n; n++)
        if (strcmp(*n, name) == 0)
            return true;
    return false;
}

void doctor_check_strays(const struct odp_doctor *d, struct odp_findings *f)
{
    const struct odp_show *units = &d->managers[d->is_user].units;
    const char *option = odp_doctor_option(d->is_user);
    char name[ODP_NAME_MAX + 1];

    for (size_t i = 0; d->config_error == 0 && odp_doctor_is_installed(d) && i < units->n; i++) {
        const char *id = odp_show_value(units->blocks[i], "Id");
        size_t n = strlen(id), n_around = strlen(ODP_UNITS_PREFIX ODP_UNITS_SUFFIX);

        if (n <= n_around || strncmp(id, ODP_UNITS_PREFIX, strlen(ODP_UNITS_PREFIX)) != 0 ||
            strcmp(id + n - strlen(ODP_UNITS_SUFFIX), ODP_UNITS_SUFFIX) != 0 ||
            strcmp(id, "odp-launcher.socket") == 0 ||
            !odp_show_is(units->blocks[i], "ActiveState", "active") ||
            odp_show_find(units, id) != units->blocks[i])
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(n - n_around), id + strlen(ODP_UNITS_PREFIX));
        if (has_service(d, name))
            continue;
        odp_finding_add(f, "socket-stray", name, "%s listens, but there is no file of that name",
                        id);
        // Read anew first, or odpd would take its socket along again.
        if (is_odpd_on(d))
            odp_finding_command(f,
                                "systemctl %sdaemon-reload; systemctl %sstop --no-block %s; "
                                "systemctl %srestart " ODP_UNITS_ODPD,
                                option, option, id, option);
        else
            odp_finding_command(f, "systemctl %sdaemon-reload; systemctl %sstop %s", option, option,
                                id);
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

// A failure that nothing is left of, since units, containers and ports are looked at here: the next
// visitor tries anew.
static bool is_over(const struct odp_config_service *s, const char *reason)
{
    if (doctor_is_of_engine(s))
        return strstr(reason, "cannot reach ") || strstr(reason, " has no container ") ||
               strstr(reason, " not found") || strstr(reason, " is taken");
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
        odp_finding_command(f, odp_doctor_is_installed(d) ? "odp enable %s" : "odp reload # %s",
                            s->name);
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
