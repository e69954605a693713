// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looks for what prunes containers by the clock: units that timers start, and cron's files. To a
// prune a container that sleeps is one that nobody needs.

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_internal.h"
#include "odp/base/fd.h"

#define TEXT_BYTES_MAX 65536

static int add(struct odp_doctor *d, const char *place, const char *text, bool is_unit,
               bool is_user)
{
    struct odp_prune_command command;
    const char *rest = text;

    if (!odp_prune_next(&rest, &command))
        return 0;
    struct odp_prune *prunes = reallocarray(d->prunes, d->n_prunes + 1, sizeof(*prunes));
    if (!prunes)
        return -ENOMEM;
    d->prunes = prunes;
    struct odp_prune *p = &prunes[d->n_prunes++];
    *p = (struct odp_prune){
        .place = strdup(place), .text = strdup(text), .is_unit = is_unit, .is_user = is_user};
    return p->place && p->text ? 0 : -ENOMEM;
}

// ---- cron ---------------------------------------------------------------------------------------

static int look_at_file(struct odp_doctor *d, const char *path)
{
    char *text;
    size_t n_bytes;

    if (odp_file_read(path, TEXT_BYTES_MAX, &text, &n_bytes) < 0)
        return 0;
    int r = add(d, path, text, false, false);
    free(text);
    return r;
}

static int look_at_cron(struct odp_doctor *d)
{
    static const char *const directories[] = {
        "/etc/cron.d",       "/etc/cron.hourly",         "/etc/cron.daily", "/etc/cron.weekly",
        "/etc/cron.monthly", "/var/spool/cron/crontabs", "/var/spool/cron",
    };
    char path[ODP_PATH_MAX];
    int r = look_at_file(d, "/etc/crontab");

    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        DIR *dir = opendir(directories[i]);

        for (struct dirent *e; dir && r == 0 && (e = readdir(dir));)
            if (e->d_name[0] != '.' && snprintf(path, sizeof(path), "%s/%s", directories[i],
                                                e->d_name) < (int)sizeof(path))
                r = look_at_file(d, path);
        if (dir)
            closedir(dir);
    }
    return r;
}

// ---- timers -------------------------------------------------------------------------------------

// Asks systemctl of all in `w`, which is freed. Where it fails there is nothing in *ret.
static int show(struct odp_words *w, struct odp_show *ret)
{
    char *out = NULL, *err = NULL;
    int r = w->failed ? -ENOMEM : odp_run(w->items, DOCTOR_PATIENCE_SEC, &out, &err);

    *ret = (struct odp_show){0};
    odp_words_deinit(w);
    if (r == 0)
        r = odp_show_parse(out ? out : "", ret);
    free(out);
    free(err);
    return r == -ENOMEM ? r : 0;
}

static void begin(struct odp_words *w, bool is_user, const char *properties)
{
    odp_words_add(w, "systemctl");
    odp_words_add(w, is_user ? "--user" : "--system");
    odp_words_add(w, "--property=%s", properties);
    odp_words_add(w, "show");
    odp_words_add(w, "--");
}

static int look_at_command(struct odp_doctor *d, const char *unit, const char *command,
                           bool is_user)
{
    const char *words = strstr(command, "argv[]=");
    const char *path = strstr(command, "path=/");
    char program[ODP_PATH_MAX];
    char *text = NULL;
    size_t n_bytes;
    int r = words ? add(d, unit, words + strlen("argv[]="), true, is_user) : 0;

    if (r < 0 || !path)
        return r;
    snprintf(program, sizeof(program), "%.*s", (int)strcspn(path + strlen("path="), " ;"),
             path + strlen("path="));
    if (odp_file_read(program, TEXT_BYTES_MAX, &text, &n_bytes) == 0 && strncmp(text, "#!", 2) == 0)
        r = add(d, unit, text, true, is_user);
    free(text);
    return r;
}

static int look_at_units(struct odp_doctor *d, const struct odp_show *units, bool is_user)
{
    int r = 0;

    for (size_t i = 0; i < units->n; i++) {
        const char *block = units->blocks[i];

        for (const char *v = NULL; r == 0 && (v = odp_show_next(block, "ExecStart", v));)
            r = look_at_command(d, odp_show_value(block, "Id"), v, is_user);
    }
    return r;
}

static int look_at_timers(struct odp_doctor *d, bool is_user)
{
    struct odp_words w = {0};
    struct odp_show timers, units = {0};
    size_t n = 0;

    if (!d->managers[is_user].present || d->managers[is_user].error != 0)
        return 0;
    begin(&w, is_user, "Id,Unit,ActiveState");
    odp_words_add(&w, "*.timer");
    int r = show(&w, &timers);
    begin(&w, is_user, "Id,ExecStart");
    for (size_t i = 0; i < timers.n; i++)
        if (odp_show_is(timers.blocks[i], "ActiveState", "active")) {
            odp_words_add(&w, "%s", odp_show_value(timers.blocks[i], "Unit"));
            n++;
        }
    if (r == 0 && n > 0)
        r = show(&w, &units);
    odp_words_deinit(&w);
    if (r == 0)
        r = look_at_units(d, &units, is_user);
    odp_show_deinit(&timers);
    odp_show_deinit(&units);
    return r;
}

int doctor_gather_prunes(struct odp_doctor *d)
{
    int r = 0;

    if (d->n_engines == 0)
        return 0;
    r = look_at_cron(d);
    if (r == 0)
        r = look_at_timers(d, false);
    return r == 0 ? look_at_timers(d, true) : r;
}
