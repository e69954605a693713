// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Asks the service managers, by way of systemctl: one call for all units of a scope. Which of them
// is started at boot is another one.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor_internal.h"
#include "odp/base/fd.h"
#include "odp/base/time.h"
#include "odp/core/units.h"

#define PROPERTIES                                                                                 \
    "Id,Names,LoadState,ActiveState,SubState,Result,UnitFileState,FragmentPath,SourcePath,"        \
    "NeedDaemonReload,Restart,RemainAfterExit,Type,StopWhenUnneeded,ExecStart,TimeoutStopUSec,"    \
    "ActiveEnterTimestampMonotonic,UpheldBy,ConsistsOf,RequiredBy,BoundBy,PropagatesStopTo,"       \
    "PartOf,Requires,BindsTo,Requisite,StopPropagatedFrom,"                                        \
    "WantedBy,Listen,TriggeredBy,NRestarts"

static bool is_of(const struct odp_doctor *d, const struct odp_config_service *s, bool is_user)
{
    return s->backend == ODP_BACKEND_SYSTEMD && odp_doctor_is_user_scope(d, s) == is_user;
}

static void add_units(const struct odp_doctor *d, bool is_user, struct odp_words *w)
{
    for (size_t i = 0; i < d->config.n_services; i++) {
        const struct odp_config_service *s = d->config.services[i];

        for (size_t k = 0; is_of(d, s, is_user) && k < s->n_units; k++)
            odp_words_add(w, "%s", s->units[k].text);
        for (size_t k = 0; is_of(d, s, is_user) && k < s->n_stop_units; k++)
            odp_words_add(w, "%s", s->stop_units[k].text);
    }
}

// Of odpd's own manager: what odp has installed there, and who else listens.
static void add_own(const struct odp_doctor *d, struct odp_words *w)
{
    static const char *const own[] = {ODP_UNITS_ODPD, "odp-launcher.service", "odp-launcher.socket",
                                      "odp.target"};
    char unit[ODP_UNITS_NAME_MAX + 1];

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        odp_words_add(w, "%s", own[i]);
    for (size_t i = 0; i < d->config.n_services; i++)
        odp_words_add(w, "%s", odp_units_name(d->config.services[i]->name, unit, sizeof(unit)));
    odp_words_add(w, "*.socket");
}

static void begin(struct odp_words *w, bool is_user)
{
    odp_words_add(w, "systemctl");
    odp_words_add(w, is_user ? "--user" : "--system");
    odp_words_add(w, "--no-pager");
}

// Runs and frees the words. Returns 0 or -ENOMEM; *ret_out is NULL where it failed, and then the
// manager knows why.
static int ask(struct odp_words *w, struct odp_service_manager *m, char **ret_out)
{
    char *err = NULL;

    *ret_out = NULL;
    m->error = w->failed ? -ENOMEM : odp_run(w->items, DOCTOR_PATIENCE_SEC, ret_out, &err);
    odp_words_deinit(w);
    if (m->error == 0) {
        free(err);
        return 0;
    }
    free(*ret_out);
    *ret_out = NULL;
    free(m->why);
    m->why = err;
    if (err)
        err[strcspn(err, "\n")] = '\0';
    return m->error == -ENOMEM ? -ENOMEM : 0;
}

// Those that will listen after the next boot need not be loaded now.
static void add_boot_sockets(const struct odp_service_manager *m, struct odp_words *w)
{
    char unit[ODP_UNIT_NAME_MAX];
    const char *rest = m->at_boot ? m->at_boot : "";

    while (odp_words_next(&rest, unit, sizeof(unit)))
        if (strstr(unit, ".socket"))
            odp_words_add(w, "%s", unit);
}

static int show(struct odp_doctor *d, bool is_user, struct odp_service_manager *m)
{
    struct odp_words w = {0};
    char *out;

    begin(&w, is_user);
    odp_words_add(&w, "--property=" PROPERTIES);
    odp_words_add(&w, "show");
    odp_words_add(&w, "--");
    add_units(d, is_user, &w);
    if (is_user == d->is_user) {
        add_own(d, &w);
        add_boot_sockets(m, &w);
    }
    int r = ask(&w, m, &out);
    if (r == 0 && out)
        r = odp_show_parse(out, &m->units);
    free(out);
    return r;
}

static int show_manager(bool is_user, struct odp_service_manager *m)
{
    struct odp_words w = {0};
    char *out;

    begin(&w, is_user);
    odp_words_add(&w, "--property=DefaultTimeoutStopUSec");
    odp_words_add(&w, "--value");
    odp_words_add(&w, "show");
    int r = ask(&w, m, &out);
    if (out)
        out[strcspn(out, "\n")] = '\0';
    m->stop_timeout_usec = ODP_NEVER;
    if (out)
        (void)odp_span_parse(out, &m->stop_timeout_usec);
    free(out);
    return r;
}

static int list_boot(bool is_user, struct odp_service_manager *m)
{
    struct odp_words w = {0};

    begin(&w, is_user);
    odp_words_add(&w, "--plain");
    odp_words_add(&w, "list-dependencies");
    odp_words_add(&w, "default.target");
    return ask(&w, m, &m->at_boot);
}

static bool has_listener(const struct odp_ports *p, const char *path)
{
    char why[256];
    struct odp_address address;

    return odp_address_parse(path, &address, why, sizeof(why)) == 0 &&
           odp_ports_next(p, &address, NULL);
}

static void look_at_bus(const struct odp_doctor *d, bool is_user, struct odp_service_manager *m)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char path[ODP_ADDRESS_PATH_MAX + 1];

    if (!is_user)
        m->bus = has_listener(&d->ports, "/run/dbus/system_bus_socket") ||
                 has_listener(&d->ports, "/var/run/dbus/system_bus_socket");
    else if (runtime && snprintf(path, sizeof(path), "%s/bus", runtime) < (int)sizeof(path))
        m->bus = has_listener(&d->ports, path);
}

static bool is_present(bool is_user)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char path[ODP_PATH_MAX];

    // As sd_booted(3) has it; a user's manager has a directory of its own.
    if (!is_user)
        return access("/run/systemd/system", F_OK) == 0;
    snprintf(path, sizeof(path), "%s/systemd", runtime ? runtime : "/nowhere");
    return runtime && access(path, F_OK) == 0;
}

static bool is_wanted(const struct odp_doctor *d, bool is_user)
{
    bool wanted = is_user == d->is_user;

    for (size_t i = 0; i < d->config.n_services; i++)
        wanted |= is_of(d, d->config.services[i], is_user);
    return wanted;
}

static int gather(struct odp_doctor *d, bool is_user)
{
    struct odp_service_manager *m = &d->managers[is_user];
    int r;

    if (!is_wanted(d, is_user))
        return 0;
    m->present = is_present(is_user);
    if (!m->present)
        return 0;
    look_at_bus(d, is_user, m);
    r = list_boot(is_user, m);
    if (r == 0 && m->error == 0)
        r = show_manager(is_user, m);
    return r == 0 && m->error == 0 ? show(d, is_user, m) : r;
}

int doctor_gather_managers(struct odp_doctor *d)
{
    int r = gather(d, false);

    return r == 0 ? gather(d, true) : r;
}

const char *odp_doctor_unit(const struct odp_doctor *d, const char *name)
{
    return d->is_standard ? odp_show_find(&d->managers[d->is_user].units, name) : NULL;
}

bool odp_doctor_is_installed(const struct odp_doctor *d)
{
    return odp_show_is(odp_doctor_unit(d, ODP_UNITS_ODPD), "LoadState", "loaded");
}

bool odp_doctor_is_user_scope(const struct odp_doctor *d, const struct odp_config_service *s)
{
    return s->scope == ODP_SCOPE_DEFAULT ? d->is_user : s->scope == ODP_SCOPE_USER;
}

const struct odp_service_manager *odp_doctor_manager(const struct odp_doctor *d,
                                                     const struct odp_config_service *s)
{
    return &d->managers[odp_doctor_is_user_scope(d, s)];
}

const char *odp_doctor_option(bool is_user)
{
    return is_user ? "--user " : "";
}
