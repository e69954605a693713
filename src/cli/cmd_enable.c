// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp enable and odp disable: set `enabled` in files of services, all of them or none, and have
// whoever listens follow. Faulty files are not touched.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enable_internal.h"
#include "odp/cli/edit.h"
#include "odp/cli/text.h"
#include "odp/core/config_edit.h"

// The file of one of the names.
struct change {
    struct odp_file *file; // NULL: it has none
    char *before;          // owned; its text, where that is to be changed
    size_t n_before;
    struct odp_edit edit;
};

int enable_tell(const struct odp_enable *e, const char *name)
{
    struct odp_buf out = {0};

    odp_buf_printf(&out, "%s: %s\n", name, e->enables ? "enabled" : "disabled");
    return odp_print(&out);
}

const struct odp_config_service *enable_service(const struct odp_enable *e, const char *name)
{
    const struct odp_config *config = &e->services.config;

    for (size_t i = 0; i < config->n_services; i++)
        if (strcmp(config->services[i]->name, name) == 0)
            return config->services[i];
    return NULL;
}

static int out_of_memory(void)
{
    odp_complain("out of memory: free some and try again");
    return ODP_EXIT_FAILED;
}

// ---- which files -------------------------------------------------------------------------------

static int complain_no_file(const struct odp_enable *e, const char *name)
{
    const struct odp_files *files = &e->services.files;
    const char **stems = calloc(files->n + 1, sizeof(*stems));
    char hint[ODP_NAME_MAX + 32] = "";

    for (size_t i = 0; stems && i < files->n; i++)
        stems[i] = files->items[i].stem;
    const char *near = stems ? odp_nearest(name, stems) : NULL;
    if (near)
        snprintf(hint, sizeof(hint), ", is it %.*s?", ODP_NAME_MAX, near);
    else if (e->is_user && e->cli->is_standard)
        snprintf(hint, sizeof(hint), " (as root: the system's files)");
    odp_complain("there is no file %s/%s" ODP_CONFIG_SUFFIX "%s", e->services.directory, name,
                 hint);
    free(stems);
    return ODP_EXIT_FAILED;
}

// Of a service whose file is gone the service manager may still have the socket.
static bool is_left_over(const struct odp_enable *e, const char *name)
{
    char unit[ODP_UNITS_NAME_MAX + 1];

    return !e->enables && odp_name_is_valid(name) &&
           odp_socket_unit_is_active(
               odp_socket_units_find(&e->units, odp_units_name(name, unit, sizeof(unit))));
}

static int find_file(struct odp_enable *e, const char *name, struct change *ret)
{
    struct odp_files *files = &e->services.files;

    for (size_t i = 0; i < files->n; i++)
        if (strcmp(files->items[i].stem, name) == 0)
            ret->file = &files->items[i];
    return ret->file || is_left_over(e, name) ? ODP_EXIT_DONE : complain_no_file(e, name);
}

static int change_text(struct change *c, bool enabled)
{
    struct odp_file *f = c->file;
    struct odp_buf after;
    int r = f && f->text ? odp_config_edit_enabled(f->text, f->n_bytes, enabled, &after) : 0;

    if (r != 1)
        return r == -ENOMEM ? r : 0; // without [service] it is faulty, which is told
    c->before = f->text;
    c->n_before = f->n_bytes;
    f->text = after.s;
    f->n_bytes = after.n_bytes;
    return 0;
}

// ---- may they be changed -----------------------------------------------------------------------

static bool is_among(const struct odp_enable *e, const struct change *changes, const char *file)
{
    for (size_t i = 0; i < e->n_names; i++)
        if (changes[i].file && strcmp(changes[i].file->path, file) == 0)
            return true;
    return false;
}

static int judge(struct odp_enable *e, const struct change *changes)
{
    const struct odp_config_faults *faults = &e->services.config.faults;
    struct odp_buf out = {0};
    size_t n = 0;

    for (size_t i = 0; i < faults->n; i++) {
        if (!is_among(e, changes, faults->items[i].file))
            continue;
        odp_fault_add(&out, &faults->items[i]);
        n++;
    }
    if (odp_print(&out) != ODP_EXIT_DONE)
        return ODP_EXIT_FAILED;
    if (n == 0)
        return ODP_EXIT_DONE;
    fflush(stdout);
    odp_complain("nothing is changed: mend the line%s above and %s again", n == 1 ? "" : "s",
                 e->verb);
    return ODP_EXIT_FAILED;
}

// ---- the change --------------------------------------------------------------------------------

static int complain_write(const char *path, int r)
{
    const char *what = r == -EROFS ? ": set `enabled` where this machine's files are made from"
                       : r == -EACCES || r == -EPERM ? ": run it as root"
                       : r == -ESTALE                ? ": somebody has just changed it, try again"
                                                     : "";

    odp_complain("%s cannot be changed: %s%s", path,
                 r == -ESTALE ? "it is not as it was read" : strerror(-r), what);
    return ODP_EXIT_FAILED;
}

static int write_all(struct odp_enable *e, struct change *changes)
{
    for (size_t i = 0; i < e->n_names; i++) {
        struct change *c = &changes[i];
        if (!c->before)
            continue;
        int r = odp_edit_stage(c->file->path, c->before, c->n_before, c->file->text,
                               c->file->n_bytes, &c->edit);
        if (r < 0)
            return complain_write(c->file->path, r);
    }
    for (size_t i = 0; i < e->n_names; i++) {
        int r = changes[i].before ? odp_edit_commit(&changes[i].edit) : 0;
        if (r < 0)
            return complain_write(changes[i].file->path, r);
    }
    return ODP_EXIT_DONE;
}

static int change_all(struct odp_enable *e, struct change *changes)
{
    int code = ODP_EXIT_DONE;

    for (size_t i = 0; i < e->n_names && code == ODP_EXIT_DONE; i++)
        code = find_file(e, e->names[i], &changes[i]);
    for (size_t i = 0; i < e->n_names && code == ODP_EXIT_DONE; i++)
        if (change_text(&changes[i], e->enables) < 0)
            code = out_of_memory();
    if (code == ODP_EXIT_DONE)
        code = odp_services_load(&e->services);
    if (code == ODP_EXIT_DONE)
        code = judge(e, changes);
    return code == ODP_EXIT_DONE ? write_all(e, changes) : code;
}

static int run(struct odp_enable *e)
{
    bool by_units = enable_is_by_units(e);
    struct change *changes = calloc(e->n_names, sizeof(*changes));
    int code = changes ? odp_services_read(e->cli, &e->services) : out_of_memory();

    if (code == ODP_EXIT_DONE)
        code = change_all(e, changes);
    for (size_t i = 0; changes && i < e->n_names; i++) {
        odp_edit_discard(&changes[i].edit);
        free(changes[i].before);
    }
    free(changes);
    if (code == ODP_EXIT_DONE)
        code = by_units ? enable_by_units(e) : enable_by_reload(e);
    odp_services_deinit(&e->services);
    odp_socket_units_deinit(&e->units);
    return code;
}

// Named twice is named once.
static void drop_repeated(struct odp_enable *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n_names; i++) {
        bool again = false;
        for (size_t k = 0; k < n; k++)
            again |= strcmp(e->names[k], e->names[i]) == 0;
        if (!again)
            e->names[n++] = e->names[i];
    }
    e->n_names = n;
}

static int set_enabled(const struct odp_cli *cli, int argc, char **argv, bool enables)
{
    struct odp_enable e = {.cli = cli, .verb = argv[0], .enables = enables};
    const struct odp_flag flags[] = {{0}};
    int code = odp_names(argc, argv, flags, &e.n_names);

    if (code != ODP_EXIT_DONE)
        return code;
    if (e.n_names == 0) {
        odp_complain("which service? odp %s NAME... (NAME is its file's, without " ODP_CONFIG_SUFFIX
                     ")",
                     e.verb);
        return ODP_EXIT_USAGE;
    }
    e.names = argv + 1;
    e.is_user = geteuid() != 0;
    drop_repeated(&e);
    return run(&e);
}

int odp_cmd_enable(const struct odp_cli *cli, int argc, char **argv)
{
    return set_enabled(cli, argc, argv, true);
}

int odp_cmd_disable(const struct odp_cli *cli, int argc, char **argv)
{
    return set_enabled(cli, argc, argv, false);
}
