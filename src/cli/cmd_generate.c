// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp generate: the socket units that the generator would make, as files in a directory that
// somebody keeps. What odp made there for files that are gone goes, too; what is not odp's stays.

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/cli/cli.h"
#include "odp/cli/services.h"
#include "odp/cli/text.h"
#include "odp/cli/unit_files.h"

struct generate {
    const char *directory;
    bool for_user, for_system, force;
    struct odp_services services;
    struct odp_buf out;
    int code;
};

static void tell(struct generate *g, const char *what, const char *unit)
{
    odp_buf_printf(&g->out, "%-9s%s/%s\n", what, g->directory, unit);
}

// ---- what is written ---------------------------------------------------------------------------

static void write_one(struct generate *g, const struct odp_config_service *s)
{
    char unit[ODP_UNITS_NAME_MAX + 1], why[ODP_PATH_MAX * 2];
    int done = odp_unit_file_write(g->directory, s, g->for_user, g->force, why, sizeof(why));

    if (done == ODP_UNIT_WRITTEN)
        tell(g, "written", odp_units_name(s->name, unit, sizeof(unit)));
    if (done == ODP_UNIT_WRITTEN || done == ODP_UNIT_SAME)
        return;
    odp_complain("%s: %s%s", s->name, why,
                 done == ODP_UNIT_FOREIGN ? " (--force replaces it)" : "");
    g->code = ODP_EXIT_FAILED;
}

static void write_all(struct generate *g)
{
    const struct odp_config *config = &g->services.config;

    for (size_t i = 0; i < config->n_services; i++)
        if (config->services[i]->enabled)
            write_one(g, config->services[i]);
}

// ---- what is removed ---------------------------------------------------------------------------

// A faulty file keeps its service as it was, so its unit stays.
static bool is_needed(const struct odp_config *config, const char *name)
{
    for (size_t i = 0; i < config->n_services; i++)
        if (strcmp(config->services[i]->name, name) == 0)
            return config->services[i]->enabled;
    for (size_t i = 0; i < config->n_invalid; i++)
        if (strcmp(config->invalid[i], name) == 0)
            return true;
    return false;
}

// The service's name in a unit's, into buf.
static bool take_name(const char *unit, char *buf, size_t size)
{
    const size_t n_prefix = strlen(ODP_UNITS_PREFIX), n_suffix = strlen(ODP_UNITS_SUFFIX);
    size_t n = strlen(unit);

    if (n <= n_prefix + n_suffix || n - n_prefix - n_suffix >= size ||
        strncmp(unit, ODP_UNITS_PREFIX, n_prefix) != 0 ||
        strcmp(unit + n - n_suffix, ODP_UNITS_SUFFIX) != 0)
        return false;
    snprintf(buf, size, "%.*s", (int)(n - n_prefix - n_suffix), unit + n_prefix);
    return true;
}

// Others may have units of other files in the same directory.
static bool is_of_our_files(const struct generate *g, const char *unit)
{
    ODP_CLEANUP_FREE char *path = NULL, *text = NULL, *mark = NULL;
    size_t n_bytes;

    if (asprintf(&path, "%s/%s", g->directory, unit) < 0)
        path = NULL;
    if (asprintf(&mark, ODP_UNITS_MARK "%s/", g->services.directory) < 0)
        mark = NULL;
    return path && mark && odp_file_read(path, ODP_UNIT_TEXT_MAX, &text, &n_bytes) == 0 &&
           strncmp(text, mark, strlen(mark)) == 0;
}

static void remove_one(struct generate *g, const char *unit)
{
    char name[ODP_NAME_MAX + 1];

    if (!take_name(unit, name, sizeof(name)) || is_needed(&g->services.config, name) ||
        !is_of_our_files(g, unit))
        return;
    int r = odp_unit_file_remove(g->directory, unit);
    if (r == 0) {
        tell(g, "removed", unit);
        return;
    }
    odp_complain("%s/%s cannot be removed: %s", g->directory, unit, strerror(-r));
    g->code = ODP_EXIT_FAILED;
}

static void remove_stale(struct generate *g)
{
    struct dirent **entries;
    int n = scandir(g->directory, &entries, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        remove_one(g, entries[i]->d_name);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

// ---- all of it ---------------------------------------------------------------------------------

static void tell_faults(struct generate *g)
{
    const struct odp_config_faults *faults = &g->services.config.faults;

    for (size_t i = 0; i < faults->n; i++)
        odp_fault_add(&g->out, &faults->items[i]);
}

static int run(struct generate *g)
{
    size_t n_invalid = g->services.config.n_invalid;
    int r = odp_mkdir_p(g->directory, 0755);

    if (r < 0) {
        odp_complain("%s cannot be made: %s", g->directory, strerror(-r));
        return ODP_EXIT_FAILED;
    }
    write_all(g);
    remove_stale(g);
    if (g->out.n_bytes == 0 && g->code == ODP_EXIT_DONE && n_invalid == 0)
        odp_buf_printf(&g->out, "nothing has changed\n");
    tell_faults(g);
    if (odp_print(&g->out) != ODP_EXIT_DONE)
        return ODP_EXIT_FAILED;
    if (n_invalid == 0)
        return g->code;
    fflush(stdout);
    odp_complain("%zu faulty file%s: no unit is written for %s; mend the lines above", n_invalid,
                 n_invalid == 1 ? "" : "s", n_invalid == 1 ? "it" : "them");
    return ODP_EXIT_FAILED;
}

int odp_cmd_generate(const struct odp_cli *cli, int argc, char **argv)
{
    struct generate g = {0};
    size_t n;
    const struct odp_flag flags[] = {
        {"--user", &g.for_user}, {"--system", &g.for_system}, {"--force", &g.force}, {0}};
    int code = odp_names(argc, argv, flags, &n);

    if (code != ODP_EXIT_DONE)
        return code;
    if (n != 1 || strlen(argv[1]) >= ODP_PATH_MAX || !argv[1][0] || (g.for_user && g.for_system)) {
        odp_complain("generate takes one directory, and --user or --system (odp help generate)");
        return ODP_EXIT_USAGE;
    }
    g.directory = argv[1];
    g.for_user |= !g.for_system && geteuid() != 0;
    code = odp_services_read(cli, &g.services);
    if (code == ODP_EXIT_DONE)
        code = odp_services_load(&g.services);
    if (code == ODP_EXIT_DONE)
        code = run(&g);
    odp_services_deinit(&g.services);
    odp_buf_deinit(&g.out);
    return code;
}
