// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Checks on the units of a service: are they there, can they be started, does something else start
// or stop them. Pure.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_internal.h"
#include "odp/base/time.h"

// A unit may well take longer to stop than odp waits; beyond this it means to.
#define LONG_STOP_USEC (2 * ODP_USEC_PER_MIN)

#define LOOP_RESTARTS 3
#define LOOP_USEC     (10 * ODP_USEC_PER_SEC)

struct context {
    const struct odp_doctor *d;
    const struct odp_config_service *s;
    const struct odp_service_manager *m;
    struct odp_findings *f;
    const char *option; // of systemctl
    bool is_user;
};

static void check_not_found(const struct context *x, const char *unit)
{
    const char *file = QUOTED(x->s->file);

    if (!x->is_user && odp_show_find(&x->d->managers[1].units, unit) && x->d->is_user) {
        odp_finding_add(x->f, "unit-missing", x->s->name,
                        "there is no %s of the system ([backend] scope)", unit);
        odp_finding_command(x->f, "sed -i '/^scope/d' %s && odp reload", file);
        return;
    }
    odp_finding_add(x->f, "unit-missing", x->s->name, "there is no %s%s", unit,
                    x->is_user ? " of yours" : "");
    odp_finding_command(x->f,
                        "systemctl %sdaemon-reload (after a new unit file), or mend unit = in "
                        "%s",
                        x->option, file);
}

// Returns whether the unit can be started at all.
static bool check_loaded(const struct context *x, const char *unit, const char *block)
{
    const char *state = odp_show_value(block, "LoadState");

    if (strcmp(state, "not-found") == 0) {
        check_not_found(x, unit);
    } else if (strcmp(state, "masked") == 0) {
        odp_finding_add(x->f, "unit-masked", x->s->name, "%s is masked: it cannot be started",
                        unit);
        odp_finding_command(x->f, "systemctl %sunmask %s", x->option, QUOTED(unit));
    } else if (strcmp(state, "loaded") != 0) {
        odp_finding_add(x->f, "unit-faulty", x->s->name, "the file of %s has a fault (%s)", unit,
                        state);
        odp_finding_command(x->f, "systemd-analyze %sverify %s", x->option, QUOTED(unit));
    } else {
        return true;
    }
    return false;
}

static void check_failed(const struct context *x, const char *unit, const char *block)
{
    const char *result = odp_show_value(block, "Result");

    if (!odp_show_is(block, "ActiveState", "failed"))
        return;
    odp_finding_add(x->f, "unit-failed", x->s->name, "%s has failed: %s", unit, result);
    // A unit at its start limit starts no more; others are started again by the next visitor.
    if (strcmp(result, "start-limit-hit") == 0)
        odp_finding_command(x->f, "systemctl %sreset-failed %s", x->option, QUOTED(unit));
    else
        odp_finding_command(x->f, "journalctl %s-n 20 -u %s", x->option, QUOTED(unit));
}

// Such a unit never becomes `failed`: it comes and goes, whether anybody visits or not.
static void check_loop(const struct context *x, const char *unit, const char *block)
{
    uint64_t since = strtoull(odp_show_value(block, "ActiveEnterTimestampMonotonic"), NULL, 10);
    bool is_fresh = since > 0 && odp_usec_add(since, LOOP_USEC) > x->d->now_usec;
    bool is_again = atoi(odp_show_value(block, "NRestarts")) >= LOOP_RESTARTS;

    if (!odp_show_is(block, "SubState", "auto-restart") &&
        !(is_again && is_fresh && odp_show_is(block, "ActiveState", "active")) &&
        !(is_again && odp_show_is(block, "ActiveState", "activating")))
        return;
    odp_finding_add(x->f, "unit-loops", x->s->name,
                    "%s ends, and its Restart= starts it again, over and over", unit);
    odp_finding_command(x->f, "systemctl %sstop %s; journalctl %s-n 20 -u %s", x->option,
                        QUOTED(unit), x->option, QUOTED(unit));
}

// What is started at boot has this among its causes.
static bool is_general(const char *unit)
{
    static const char *const names[] = {
        "default.target", "multi-user.target", "graphical.target",     "basic.target",
        "sysinit.target", "network.target",    "network-online.target"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(unit, names[i]) == 0)
            return true;
    return false;
}

// The unit whose `disable` keeps this one from being started at boot.
static void find_cause(const struct context *x, const char *unit, const char *block, char *ret,
                       size_t size)
{
    static const char *const keys[] = {"WantedBy", "RequiredBy", "BoundBy", "UpheldBy"};
    char other[ODP_UNIT_NAME_MAX];

    snprintf(ret, size, "%s", unit);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *list = odp_show_value(block, keys[i]);
        while (odp_words_next(&list, other, sizeof(other))) {
            if (!odp_words_have(x->m->at_boot, other))
                continue;
            snprintf(ret, size, "%s", is_general(other) ? unit : other);
            if (is_general(other))
                return;
        }
    }
}

static void check_boot(const struct context *x, const char *unit, const char *block)
{
    char cause[ODP_UNIT_NAME_MAX];

    if (x->s->idle_timeout_usec == ODP_NEVER || !odp_words_have(x->m->at_boot, unit))
        return;
    find_cause(x, unit, block, cause, sizeof(cause));
    odp_finding_add(x->f, "unit-at-boot", x->s->name,
                    "%s is started at boot%s%s, not when somebody comes", unit,
                    strcmp(cause, unit) == 0 ? "" : " by ", strcmp(cause, unit) == 0 ? "" : cause);
    odp_finding_command(x->f, "systemctl %sdisable %s", x->option, QUOTED(cause));
}

static void check_fights(const struct context *x, const char *unit, const char *block)
{
    char by[ODP_UNIT_NAME_MAX];
    const char *list = odp_show_value(block, "UpheldBy");

    if (odp_show_is(block, "StopWhenUnneeded", "yes")) {
        odp_finding_add(x->f, "unit-unneeded", x->s->name,
                        "%s has StopWhenUnneeded=yes, by which systemd stops it at once when odp "
                        "starts it",
                        unit);
        doctor_command_dropin(x->f, x->is_user, unit, "Unit", "StopWhenUnneeded", "no", "");
    }
    if (odp_words_next(&list, by, sizeof(by))) {
        odp_finding_add(x->f, "unit-upheld", x->s->name,
                        "%s has Upholds=%s, by which systemd starts again what odp stops", by,
                        unit);
        odp_finding_command(x->f, "systemctl %sedit --full %s", x->option, QUOTED(by));
    }
    if (odp_show_is(block, "Type", "oneshot") && odp_show_is(block, "RemainAfterExit", "no")) {
        odp_finding_add(x->f, "unit-oneshot", x->s->name,
                        "%s is of Type=oneshot: once it has run it is inactive, and counts as "
                        "asleep",
                        unit);
        doctor_command_dropin(x->f, x->is_user, unit, "Service", "RemainAfterExit", "yes", "");
    }
}

static void check_stop_time(const struct context *x, const char *unit, const char *block)
{
    uint64_t usec;
    const char *text = odp_show_value(block, "TimeoutStopUSec");

    if (odp_span_parse(text, &usec) < 0 || usec <= x->s->stop_timeout_usec ||
        usec <= x->m->stop_timeout_usec || usec <= LONG_STOP_USEC)
        return;
    odp_finding_add(x->f, "unit-slow-stop", x->s->name,
                    "%s may take %s to stop, but odp waits no longer than its stop_timeout", unit,
                    text);
    odp_finding_command(
        x->f, "sed -i '/^stop_timeout/d; s/^\\[backend\\]/&\\nstop_timeout = %s/' %s && odp reload",
        text, QUOTED(x->s->file));
}

static void check_unit(const struct context *x, const char *unit)
{
    const char *block = odp_show_find(&x->m->units, unit);

    if (!block || !check_loaded(x, unit, block))
        return;
    check_failed(x, unit, block);
    check_loop(x, unit, block);
    check_boot(x, unit, block);
    check_fights(x, unit, block);
    check_stop_time(x, unit, block);
}

// ---- what is stopped ----------------------------------------------------------------------------

static bool has_in(const char *block, const char *const *keys, const char *unit)
{
    for (; *keys; keys++)
        if (odp_words_have(odp_show_value(block, *keys), unit))
            return true;
    return false;
}

// Asked of both: systemd forgets what leads to a unit that is not loaded.
static bool is_stopped_by(const char *block, const char *unit, const char *stop_block,
                          const char *stop)
{
    static const char *const from[] = {"PartOf",    "Requires",           "BindsTo",
                                       "Requisite", "StopPropagatedFrom", NULL};
    static const char *const to[] = {"ConsistsOf", "RequiredBy", "BoundBy", "PropagatesStopTo",
                                     NULL};

    return has_in(block, from, stop) || has_in(stop_block, to, unit);
}

// It may be stopped by way of another unit, which is not looked into.
static bool is_part_of_others(const char *block)
{
    return *odp_show_value(block, "PartOf") || *odp_show_value(block, "BindsTo") ||
           *odp_show_value(block, "StopPropagatedFrom");
}

// True unless the stop units leave this one running for certain. Only a target has no commands of
// its own that might stop it.
static bool may_be_stopped(const struct context *x, const char *unit, const char *unit_block)
{
    if (is_part_of_others(unit_block))
        return true;
    for (size_t i = 0; i < x->s->n_stop_units; i++) {
        const char *stop = x->s->stop_units[i].text;
        const char *block = odp_show_find(&x->m->units, stop);

        if (strcmp(stop, unit) == 0 || !strstr(stop, ".target") ||
            !odp_show_is(block, "LoadState", "loaded") ||
            is_stopped_by(unit_block, unit, block, stop))
            return true;
    }
    return x->s->n_stop_units == 0;
}

static void check_stop(const struct context *x)
{
    for (size_t i = 0; i < x->s->n_stop_units; i++) {
        const char *stop = x->s->stop_units[i].text;
        const char *block = odp_show_find(&x->m->units, stop);

        if (block && !odp_show_is(block, "LoadState", "loaded"))
            (void)check_loaded(x, stop, block);
    }
    for (size_t i = 0; i < x->s->n_units; i++) {
        const char *unit = x->s->units[i].text;
        const char *block = odp_show_find(&x->m->units, unit);

        if (!odp_show_is(block, "LoadState", "loaded") || may_be_stopped(x, unit, block))
            continue;
        odp_finding_add(x->f, "stop-unit", x->s->name,
                        "stopping %s leaves %s running: it is not PartOf= it",
                        x->s->stop_units[0].text, unit);
        doctor_command_dropin(x->f, x->is_user, unit, "Unit", "PartOf", x->s->stop_units[0].text,
                              "");
    }
}

static void check_reload(const struct context *x)
{
    for (size_t i = 0; i < x->s->n_units; i++) {
        const char *unit = x->s->units[i].text;

        if (!odp_show_is(odp_show_find(&x->m->units, unit), "NeedDaemonReload", "yes"))
            continue;
        odp_finding_add(x->f, "unit-changed", x->s->name,
                        "the file of %s has changed since systemd read it", unit);
        odp_finding_command(x->f, "systemctl %sdaemon-reload", x->option);
    }
}

void doctor_check_units(const struct odp_doctor *d, const struct odp_config_service *s,
                        struct odp_findings *f)
{
    bool is_user = odp_doctor_is_user_scope(d, s);
    struct context x = {.d = d,
                        .s = s,
                        .m = odp_doctor_manager(d, s),
                        .f = f,
                        .option = odp_doctor_option(is_user),
                        .is_user = is_user};

    if (s->backend != ODP_BACKEND_SYSTEMD && !doctor_is_of_engine(s))
        return;
    if (is_user && !d->is_user) {
        odp_finding_add(f, "wrong-scope", s->name,
                        "scope = user, but this odpd serves the system and has no such %s",
                        s->backend == ODP_BACKEND_SYSTEMD ? "units" : "containers");
        odp_finding_command(f, "sed -i '/^scope/d' %s && odp reload", QUOTED(s->file));
        return;
    }
    for (size_t i = 0; i < s->n_units; i++)
        check_unit(&x, s->units[i].text);
    check_stop(&x);
    check_reload(&x);
}
