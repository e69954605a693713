// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Checks on what all services share: odpd, its launcher, the service manager, accounts, the
// machine. Pure.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor_internal.h"
#include "odp/base/time.h"
#include "odp/core/units.h"

#define DESCRIPTORS_KEPT 64 // of odpd's, for listeners, services' connections in the making, itself

static const struct odp_service_manager *own_manager(const struct odp_doctor *d)
{
    return &d->managers[d->is_user];
}

static bool is_active(const char *block)
{
    return odp_show_is(block, "ActiveState", "active");
}

static bool needs_units(const struct odp_doctor *d, bool is_user)
{
    for (size_t i = 0; i < d->config.n_services; i++) {
        const struct odp_config_service *s = d->config.services[i];
        if (s->enabled && s->backend == ODP_BACKEND_SYSTEMD &&
            odp_doctor_is_user_scope(d, s) == is_user)
            return true;
    }
    return false;
}

// ---- accounts and the machine -------------------------------------------------------------------

static void check_accounts(const struct odp_doctor *d, struct odp_findings *f)
{
    if (d->is_user)
        return;
    if (odp_doctor_is_installed(d) && (!d->has_group || !d->has_user)) {
        odp_finding_add(f, "no-account", ODP_DOCTOR_ALL, "there is no %s odp, as which odpd runs",
                        d->has_group ? "user" : "group");
        odp_finding_command(f, "systemd-sysusers odp.conf");
    } else if (d->has_group && !d->in_group) {
        odp_finding_add(f, "not-in-group", ODP_DOCTOR_ALL,
                        "%s is not in group odp: odp start and odp stop are not for you",
                        d->user_name);
        odp_finding_command(f, "sudo usermod -aG odp %s (and log in again)", d->user_name);
    }
}

static void check_linger(const struct odp_doctor *d, struct odp_findings *f)
{
    if (!d->is_user || !own_manager(d)->present || !odp_doctor_is_installed(d) || d->lingers)
        return;
    odp_finding_add(f, "no-linger", ODP_DOCTOR_ALL,
                    "your services are only there while you are logged in");
    odp_finding_command(f, "loginctl enable-linger %s", d->user_name);
}

// In a container the kernel's command line is the host's business.
static void check_memory(const struct odp_doctor *d, struct odp_findings *f)
{
    if (d->memory_controller || d->container || !(needs_units(d, false) || needs_units(d, true)))
        return;
    odp_finding_add(f, "memory-off", ODP_DOCTOR_ALL,
                    "the kernel does not count memory (its cgroup controller is off), so that odp "
                    "cannot tell what it saves");
    if (d->cmdline_file[0])
        odp_finding_command(f, "sed -i '1s/$/ cgroup_enable=memory cgroup_memory=1/' %s && reboot",
                            d->cmdline_file);
    else
        odp_finding_command(f, "add cgroup_enable=memory systemd.unified_cgroup_hierarchy=1 to the "
                               "kernel's command line and reboot");
}

static void check_state_directory(const struct odp_doctor *d, struct odp_findings *f)
{
    const struct odp_place *p = odp_doctor_place(d, d->state_dir);
    uid_t uid = d->odpd.pid ? d->odpd.uid : d->is_user ? d->uid : d->user;

    if (!p || p->error < 0 || (!d->odpd.pid && !d->is_user && !d->has_user))
        return;
    if (d->state_read_only) {
        odp_finding_add(f, "state-unwritable", ODP_DOCTOR_ALL,
                        "%s is on a read-only file system: the ledger is lost with odpd",
                        d->state_dir);
        odp_finding_command(f, "mount -o remount,rw \"$(findmnt -no TARGET --target %s)\"",
                            d->state_dir);
    } else if (d->state_full) {
        odp_finding_add(f, "state-unwritable", ODP_DOCTOR_ALL,
                        "no space is left for %s: the ledger is lost with odpd", d->state_dir);
        odp_finding_command(f, "df -h %s", d->state_dir);
    } else if (uid != 0 && p->uid != uid && !(p->mode & 0002)) {
        odp_finding_add(f, "state-unwritable", ODP_DOCTOR_ALL,
                        "odpd may not write to %s: the ledger is lost with odpd", d->state_dir);
        odp_finding_command(f, "chown -R %u %s", (unsigned)uid, d->state_dir);
    }
}

void doctor_check_system(const struct odp_doctor *d, struct odp_findings *f)
{
    check_accounts(d, f);
    check_linger(d, f);
    check_memory(d, f);
    check_state_directory(d, f);
}

// ---- the service manager and odpd ---------------------------------------------------------------

static void check_manager(const struct odp_doctor *d, bool is_user, struct odp_findings *f)
{
    const struct odp_service_manager *m = &d->managers[is_user];
    bool is_needed = needs_units(d, is_user);

    if (is_user && !d->is_user) {
        // check_units tells which services have the wrong scope.
    } else if (!m->present && is_needed) {
        odp_finding_add(f, "no-manager", ODP_DOCTOR_ALL,
                        "systemd does not run here, but services are units of it");
        odp_finding_command(f, is_user ? "systemctl start user@$(id -u).service"
                                       : "boot with systemd, or use [backend] command");
    } else if (m->present && m->error != 0 && (is_needed || d->odpd.error < 0)) {
        odp_finding_add(f, "manager-silent", ODP_DOCTOR_ALL, "systemctl%s says: %s",
                        is_user ? " --user" : "",
                        m->why         ? m->why
                        : m->error < 0 ? strerror(-m->error)
                                       : "nothing");
        // systemd(1): it executes itself anew, and listens again. Nothing of what it runs ends.
        if (is_user)
            odp_finding_command(
                f, "sudo systemctl kill --kill-whom=main --signal=RTMIN+25 user@%u.service",
                (unsigned)d->uid);
        else
            odp_finding_command(f, "kill -TERM 1");
    } else if (m->present && is_needed && !m->bus) {
        odp_finding_add(f, "bus-unreachable", ODP_DOCTOR_ALL,
                        "nobody listens on the %s bus, by which odp starts units",
                        is_user ? "user's" : "system");
        odp_finding_command(f, "systemctl %sstart dbus.socket", odp_doctor_option(is_user));
    }
}

static bool has_active_socket(const struct odp_doctor *d)
{
    char unit[ODP_UNITS_NAME_MAX + 1];

    for (size_t i = 0; i < d->config.n_services; i++)
        if (is_active(odp_doctor_unit(
                d, odp_units_name(d->config.services[i]->name, unit, sizeof(unit)))))
            return true;
    return false;
}

// Its states alternate while Restart= is at work.
static bool is_looping(const char *block)
{
    return odp_show_value(block, "NRestarts")[0] && !odp_show_is(block, "NRestarts", "0") &&
           !odp_show_is(block, "ActiveState", "inactive");
}

static bool has_failed(const char *block)
{
    return odp_show_is(block, "ActiveState", "failed") ||
           odp_show_is(block, "SubState", "auto-restart") || is_looping(block);
}

static void add_failed(const struct odp_doctor *d, const char *unit, struct odp_findings *f)
{
    const char *option = odp_doctor_option(d->is_user);
    const char *block = odp_doctor_unit(d, unit);

    if (odp_show_is(block, "ActiveState", "failed"))
        odp_finding_add(f, "odpd-failed", ODP_DOCTOR_ALL, "%s has failed (%s)", unit,
                        odp_show_value(block, "Result"));
    else
        odp_finding_add(f, "odpd-failed", ODP_DOCTOR_ALL,
                        "%s ends and is started again, over and over", unit);
    odp_finding_command(f,
                        "systemctl %sreset-failed %s; systemctl %srestart %s; "
                        "journalctl %s-n 20 -u %s",
                        option, unit, option, unit, option, unit);
}

// odpd is a service of the manager, and does not answer.
static void check_silent_service(const struct odp_doctor *d, struct odp_findings *f)
{
    const char *odpd = odp_doctor_unit(d, "odpd.service");
    const char *option = odp_doctor_option(d->is_user);

    if (has_failed(odpd)) {
        add_failed(d, "odpd.service", f);
    } else if (is_active(odpd) && d->odpd.error != -EACCES) {
        odp_finding_add(f, "odpd-silent", ODP_DOCTOR_ALL, "odpd runs, but does not answer: %s",
                        strerror(-d->odpd.error));
        odp_finding_command(f, "systemctl %srestart odpd.service", option);
    } else if (!is_active(odpd) && !has_active_socket(d) && d->config.n_services > 0 &&
               !odp_findings_has(f, "no-generator")) {
        odp_finding_add(f, "odpd-off", ODP_DOCTOR_ALL,
                        "odp is off: nobody listens for any service");
        odp_finding_command(f, "systemctl %senable --now odp.target", option);
    }
}

static void check_odpd_answers(const struct odp_doctor *d, struct odp_findings *f)
{
    if (d->odpd.error == 0)
        return;
    if (odp_doctor_is_installed(d)) {
        check_silent_service(d, f);
    } else if (odp_show_is(odp_doctor_unit(d, "odpd.service"), "LoadState", "masked")) {
        odp_finding_add(f, "odpd-off", ODP_DOCTOR_ALL, "odpd.service is masked");
        odp_finding_command(f, "systemctl %sunmask odpd.service", odp_doctor_option(d->is_user));
    } else {
        odp_finding_add(f, "odpd-silent", ODP_DOCTOR_ALL, "odpd does not answer at %s: %s",
                        d->runtime_dir, strerror(-d->odpd.error));
        odp_finding_command(f, "odpd --config %s --runtime %s", d->config_dir, d->runtime_dir);
    }
}

static void check_launcher(const struct odp_doctor *d, struct odp_findings *f)
{
    const char *socket = odp_doctor_unit(d, "odp-launcher.socket");
    const char *option = odp_doctor_option(d->is_user);

    if (odp_show_is(socket, "LoadState", "masked")) {
        odp_finding_add(f, "launcher-off", ODP_DOCTOR_ALL,
                        "odp-launcher.socket is masked: nothing can be started");
        odp_finding_command(f,
                            "systemctl %sunmask odp-launcher.socket && systemctl %sstart "
                            "odp-launcher.socket",
                            option, option);
    } else if (odp_show_is(odp_doctor_unit(d, "odp-launcher.service"), "ActiveState", "failed") ||
               odp_show_is(odp_doctor_unit(d, "odp-launcher.service"), "SubState",
                           "auto-restart")) {
        add_failed(d, "odp-launcher.service", f);
    } else if (odp_show_is(socket, "LoadState", "loaded") && !is_active(socket) &&
               is_active(odp_doctor_unit(d, "odpd.service"))) {
        odp_finding_add(f, "launcher-off", ODP_DOCTOR_ALL,
                        "odp-launcher.socket is %s: nothing can be started",
                        odp_show_value(socket, "ActiveState"));
        odp_finding_command(f,
                            "systemctl %sreset-failed odp-launcher.socket; systemctl %sstart "
                            "odp-launcher.socket",
                            option, option);
    } else if (d->odpd.pid && !d->odpd.has_launcher && !d->odpd.has_launcher_option) {
        odp_finding_add(f, "launcher-off", ODP_DOCTOR_ALL,
                        "odpd has no odp-launcher, which it runs from the directory of its own "
                        "program: nothing can be started");
        odp_finding_command(f, "ls -l \"$(dirname \"$(readlink /proc/%d/exe)\")\"/odp-launcher",
                            d->odpd.pid);
    }
}

static void check_version(const struct odp_doctor *d, struct odp_findings *f)
{
    const char *version = odp_reply_string(&d->odpd.status, "version");

    if (d->odpd.error < 0 || !version || strcmp(version, ODP_VERSION) == 0)
        return;
    odp_finding_add(f, "version", ODP_DOCTOR_ALL, "odpd is of version %s, odp of " ODP_VERSION,
                    version);
    odp_finding_command(f, "systemctl %srestart odpd.service", odp_doctor_option(d->is_user));
}

static void check_descriptors(const struct odp_doctor *d, struct odp_findings *f)
{
    for (size_t i = 0; i < d->config.n_services; i++) {
        const struct odp_config_service *s = d->config.services[i];
        char limit[24];
        uint64_t n = 2 * (uint64_t)s->max_connections + s->max_waiting + DESCRIPTORS_KEPT;

        if (!s->enabled || d->odpd.n_files_max == 0 || n <= d->odpd.n_files_max)
            continue;
        snprintf(limit, sizeof(limit), "%llu", (unsigned long long)n);
        odp_finding_add(f, "few-descriptors", s->name,
                        "max_connections = %u takes %s descriptors, but odpd has %llu",
                        s->max_connections, limit, (unsigned long long)d->odpd.n_files_max);
        if (odp_doctor_is_installed(d))
            doctor_command_dropin(f, d->is_user, ODP_UNITS_ODPD, "Service", "LimitNOFILE", limit,
                                  d->is_user ? " && systemctl --user restart " ODP_UNITS_ODPD
                                             : " && systemctl restart " ODP_UNITS_ODPD);
        else
            odp_finding_command(f, "ulimit -n %s (where odpd is started)", limit);
    }
}

void doctor_check_odpd(const struct odp_doctor *d, struct odp_findings *f)
{
    check_manager(d, false, f);
    check_manager(d, true, f);
    check_odpd_answers(d, f);
    check_launcher(d, f);
    check_version(d, f);
    check_descriptors(d, f);
}
