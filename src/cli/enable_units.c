// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Socket units follow the files. The service manager reads them anew; it refuses to start a socket
// while its service is active, so odpd is restarted in the same transaction: its descriptor store
// carries the connections across. A socket whose addresses have changed has lost them by reading
// alone, and one whose file is gone goes on: both are stopped first, without waiting, or the
// restart would come after a moment without any of the two.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enable_internal.h"

#define WHY_MAX 256

// Units as words of a command.
struct words {
    const char **items; // owned; NULL terminated, room for all there may be
    size_t n;
};

struct follow {
    struct odp_enable *e;
    struct odp_socket_units now;
    struct odp_ports ports; // as decisions are made
    struct words stop, start;
    bool odpd_runs;
};

static int out_of_memory(void)
{
    odp_complain("out of memory: free some and try again");
    return ODP_EXIT_FAILED;
}

static int complain(const struct follow *f, const char *what, int r, const char *why)
{
    if (r == -ENOMEM)
        return out_of_memory();
    odp_complain("systemctl%s %s: %s", f->e->is_user ? " --user" : "", what,
                 r < 0  ? strerror(-r)
                 : *why ? why
                        : "it failed");
    return ODP_EXIT_FAILED;
}

// ---- who listens for this odpd -----------------------------------------------------------------

static bool has_manager(const struct odp_enable *e)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char path[ODP_PATH_MAX];

    if (!e->is_user)
        return access("/run/systemd/system", F_OK) == 0; // as sd_booted(3) has it
    snprintf(path, sizeof(path), "%s/systemd", runtime ? runtime : "/nowhere");
    return access(path, F_OK) == 0;
}

static bool runs(const struct odp_socket_units *u)
{
    return strcmp(u->odpd_active, "inactive") != 0 && strcmp(u->odpd_active, "failed") != 0;
}

static bool somebody_answers(const struct odp_enable *e)
{
    struct odp_client client = {.fd = -1};
    int r = odp_client_connect(e->cli->socket, &client);

    odp_client_deinit(&client);
    return r == 0;
}

bool enable_is_by_units(struct odp_enable *e)
{
    char why[WHY_MAX];

    // An odpd with directories of its own was started by hand.
    if (!e->cli->is_standard || !has_manager(e) ||
        odp_socket_units_ask(e->is_user, NULL, 0, &e->units, why, sizeof(why)) != 0 ||
        strcmp(e->units.odpd_load, "loaded") != 0)
        return false;
    return runs(&e->units) || !somebody_answers(e);
}

// ---- what is to be done ------------------------------------------------------------------------

static bool is_named(const struct follow *f, const char *unit)
{
    char name[ODP_UNITS_NAME_MAX + 1];

    for (size_t i = 0; i < f->e->n_names; i++)
        if (strcmp(odp_units_name(f->e->names[i], name, sizeof(name)), unit) == 0)
            return true;
    return false;
}

// The manager has read a changed unit before, and closed what it had.
static bool has_lost(const struct follow *f, const char *unit)
{
    char name[ODP_UNITS_NAME_MAX + 1];

    for (size_t i = 0; i < f->e->n_names; i++) {
        const struct odp_config_service *s = enable_service(f->e, f->e->names[i]);
        if (!s || strcmp(odp_units_name(s->name, name, sizeof(name)), unit) != 0)
            continue;
        for (size_t k = 0; k < s->n_listen; k++)
            if (enable_is_lost(&f->ports, &s->listen[k].address))
                return true;
    }
    return false;
}

static bool has_changed(const struct follow *f, const struct odp_socket_unit *u)
{
    const struct odp_socket_unit *before = odp_socket_units_find(&f->e->units, u->name);
    const char *now = u->listen.s ? u->listen.s : "";

    if (before && strcmp(before->listen.s ? before->listen.s : "", now) != 0)
        return true;
    return has_lost(f, u->name);
}

static void decide_one(struct follow *f, const struct odp_socket_unit *u)
{
    bool is_active = odp_socket_unit_is_active(u), is_loaded = strcmp(u->load, "loaded") == 0;
    bool named = is_named(f, u->name);

    if (!is_loaded || (named && !f->e->enables)) {
        if (is_active)
            f->stop.items[f->stop.n++] = u->name;
    } else if (is_active && has_changed(f, u)) {
        f->stop.items[f->stop.n++] = u->name;
        f->start.items[f->start.n++] = u->name;
    } else if (!is_active && named) {
        f->start.items[f->start.n++] = u->name;
    }
}

static int decide(struct follow *f)
{
    f->stop.items = calloc(f->now.n + 1, sizeof(*f->stop.items));
    f->start.items = calloc(f->now.n + 1, sizeof(*f->start.items));
    if (!f->stop.items || !f->start.items)
        return out_of_memory();
    int r = odp_ports_read(&f->ports);
    f->odpd_runs = runs(&f->now);
    for (size_t i = 0; i < f->now.n && r == 0; i++)
        decide_one(f, &f->now.items[i]);
    odp_ports_deinit(&f->ports);
    return r == 0 ? ODP_EXIT_DONE : out_of_memory();
}

// ---- doing it ----------------------------------------------------------------------------------

// VERB [OPTION] UNIT...; nothing without units. Returns as odp_systemctl().
static int change(const struct follow *f, const char *verb, const char *option,
                  const struct words *units, char *why)
{
    const char **words = calloc(units->n + 3, sizeof(*words));
    size_t n = 0;

    if (!words)
        return -ENOMEM;
    words[n++] = verb;
    if (option)
        words[n++] = option;
    for (size_t i = 0; i < units->n; i++)
        words[n++] = units->items[i];
    int r = units->n > 0 ? odp_systemctl(f->e->is_user, words, NULL, why, WHY_MAX) : 0;
    free(words);
    return r;
}

static int restart_odpd(const struct follow *f)
{
    static const char *odpd[] = {ODP_UNITS_ODPD, NULL};
    const struct words units = {.items = odpd, .n = 1};
    char why[WHY_MAX] = "";
    int r = change(f, "stop", "--no-block", &f->stop, why);

    if (r != 0)
        return complain(f, "stop", r, why);
    r = change(f, "restart", NULL, &units, why);
    return r == 0 ? ODP_EXIT_DONE : complain(f, "restart " ODP_UNITS_ODPD, r, why);
}

static int carry_out(const struct follow *f)
{
    char why[WHY_MAX] = "";

    if (f->odpd_runs)
        return f->stop.n + f->start.n > 0 ? restart_odpd(f) : enable_reload_odpd(f->e);
    int r = change(f, "stop", NULL, &f->stop, why);
    if (r != 0)
        return complain(f, "stop", r, why);
    // What does not start is told with its reason, one by one.
    r = change(f, "start", NULL, &f->start, why);
    return r < 0 ? complain(f, "start", r, why) : ODP_EXIT_DONE;
}

// ---- all of it ---------------------------------------------------------------------------------

static int ask(struct follow *f)
{
    char why[WHY_MAX] = "";
    int r =
        odp_socket_units_ask(f->e->is_user, f->e->names, f->e->n_names, &f->now, why, sizeof(why));

    return r == 0 ? ODP_EXIT_DONE : complain(f, "show", r, why);
}

// What was decided names units of the answer that `now` was.
static void forget(struct follow *f)
{
    free(f->stop.items);
    free(f->start.items);
    f->stop = f->start = (struct words){0};
    odp_socket_units_deinit(&f->now);
}

static int step(struct follow *f, bool *ret_again)
{
    int code = decide(f);

    if (code != ODP_EXIT_DONE)
        return code;
    size_t n_started = f->start.n;
    bool ran = f->odpd_runs;
    code = carry_out(f);
    forget(f);
    int asked = ask(f);
    // Somebody's connection has started odpd meanwhile, and no socket after that.
    *ret_again = asked == ODP_EXIT_DONE && n_started > 0 && !ran && runs(&f->now);
    return code == ODP_EXIT_DONE ? asked : code;
}

int enable_by_units(struct odp_enable *e)
{
    static const char *const words[] = {"daemon-reload", NULL};
    struct follow f = {.e = e};
    char why[WHY_MAX] = "";
    bool again = false;
    int r = odp_systemctl(e->is_user, words, NULL, why, sizeof(why));
    int code = r == 0 ? ask(&f) : complain(&f, words[0], r, why);
    bool is_asked = code == ODP_EXIT_DONE;

    if (is_asked)
        code = step(&f, &again);
    if (again)
        code = step(&f, &again);
    if (is_asked) {
        int told = enable_units_tell(e, &f.now);
        code = told > code ? told : code;
    }
    forget(&f);
    return code;
}
