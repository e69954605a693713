// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp check: reads files as odpd would and says what is wrong with them. Decides nothing itself:
// every judgement on a file's text is core/config's.

#include "odp/cli/cmd_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/cli/cli.h"
#include "odp/cli/services.h"

#define OWN_FILE "/odp.ini" // of odpd itself, below the configuration directory

struct reading {
    struct odp_files files; // of services
    struct odp_files own;   // of odpd
};

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void complain(const char *path, int r)
{
    odp_complain("%s cannot be read: %s", path, strerror(-r));
}

static int add_file(struct odp_files *files, const char *path)
{
    for (size_t i = 0; i < files->n; i++) {
        if (strcmp(files->items[i].path, path) == 0)
            return 0;
    }
    return odp_files_add(files, path, ODP_CONFIG_FILE_MAX);
}

static int add_directory(struct odp_files *files, const char *path)
{
    struct odp_files found = {0};
    int r = odp_files_read(path, ODP_CONFIG_SUFFIX, ODP_CONFIG_FILE_MAX, &found);

    if (r < 0 && r != -ENOMEM)
        complain(path, r);
    // Read again one by one: a file may have been named on the command line as well.
    for (size_t i = 0; r == 0 && i < found.n; i++)
        r = add_file(files, found.items[i].path);
    odp_files_deinit(&found);
    return r;
}

// There need not be one.
static int add_own(struct reading *reading, const char *config_dir)
{
    char path[ODP_PATH_MAX + sizeof(OWN_FILE)];

    snprintf(path, sizeof(path), "%s" OWN_FILE, config_dir);
    return access(path, F_OK) == 0 ? add_file(&reading->own, path) : 0;
}

// `path` may end in slashes; messages do not.
static int add_services(struct reading *reading, const char *path, bool must_have_services)
{
    char *services = NULL;
    size_t n = strlen(path);
    int r;

    while (n > 1 && path[n - 1] == '/')
        n--;
    if (asprintf(&services, "%.*s/" ODP_CONFIG_SERVICES_DIR, (int)n, path) < 0)
        return -ENOMEM;
    bool is_config = must_have_services || is_directory(services);
    if (!is_config)
        services[n] = '\0';
    r = add_directory(&reading->files, services);
    services[n] = '\0';
    if (is_config && r != -ENOMEM && add_own(reading, services) == -ENOMEM)
        r = -ENOMEM;
    free(services);
    return r;
}

static bool has_suffix(const char *path)
{
    size_t n = strlen(path), n_suffix = strlen(ODP_CONFIG_SUFFIX);

    return n > n_suffix && strcmp(path + n - n_suffix, ODP_CONFIG_SUFFIX) == 0;
}

static int add_path(struct reading *reading, const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        int r = -errno;
        complain(path, r);
        return r;
    }
    // A directory that is named like a service's file is a fault, and load says so.
    if (S_ISDIR(st.st_mode) && !has_suffix(path))
        return add_services(reading, path, false);
    if (has_suffix(path))
        return add_file(&reading->files, path);
    odp_complain("%s is not read by odpd: rename it to NAME" ODP_CONFIG_SUFFIX, path);
    return -EINVAL;
}

static int add_default(struct reading *reading, const char *config_dir)
{
    if (is_directory(config_dir))
        return add_services(reading, config_dir, true);
    odp_complain("there is no directory %s: make it, or name another with --config or as PATH%s",
                 config_dir, odp_services_hint());
    return -ENOENT;
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static int print_faults(const struct odp_config *config, size_t n_files)
{
    const struct odp_config_faults *faults = &config->faults;
    size_t n_faulty = 0; // files; the faults are sorted by file
    struct odp_buf text = {0};

    for (size_t i = 0; i < faults->n; i++) {
        n_faulty += i == 0 || strcmp(faults->items[i].file, faults->items[i - 1].file) != 0;
        odp_fault_add(&text, &faults->items[i]);
    }
    if (odp_print(&text) != ODP_EXIT_DONE)
        return ODP_EXIT_FAILED;
    // The count stands below the faults also where both streams lead to one place.
    fflush(stdout);
    odp_complain("%zu fault%s in %zu of %zu file%s: mend the lines above and check again",
                 faults->n, plural(faults->n), n_faulty, n_files, plural(n_files));
    return ODP_EXIT_FAILED;
}

static int out_of_memory(void)
{
    odp_complain("out of memory: free some and try again");
    return ODP_EXIT_FAILED;
}

// Of those that say something; 0 for none.
static unsigned first_line(const char *text)
{
    unsigned line = 1;

    for (const char *s = text; *s; s++) {
        if (*s == '#' || *s == ';')
            s += strcspn(s, "\n");
        else if (!strchr(" \t\r\n", *s))
            return line;
        if (!*s)
            break;
        line += *s == '\n';
    }
    return 0;
}

// Whoever wrote a line there expects it to do something. Returns how many such files there are.
static size_t refuse_own(const struct odp_files *own, struct odp_config_faults *faults)
{
    size_t n = 0;

    for (size_t i = 0; i < own->n; i++) {
        const struct odp_file *f = &own->items[i];
        unsigned line = f->error ? 1 : first_line(f->text);
        if (line == 0)
            continue;
        odp_config_fault_add(faults, f->path, line,
                             "odp.ini is not built yet in odp %s: it is not read, remove it",
                             ODP_VERSION);
        n++;
    }
    return n;
}

static int check(const struct reading *reading)
{
    const struct odp_files *files = &reading->files;
    struct odp_config config;
    struct odp_buf text = {0};
    int r = odp_config_load(files, &config), code;
    size_t n_own = refuse_own(&reading->own, &config.faults);

    if (r < 0 || config.faults.failed) {
        code = out_of_memory();
    } else if (config.faults.n > 0) {
        code = print_faults(&config, files->n + n_own);
    } else {
        odp_buf_printf(&text, "%zu file%s, no faults\n", files->n, plural(files->n));
        code = odp_print(&text);
    }
    odp_config_deinit(&config);
    return code;
}

// Adds what the arguments name. Returns 0, or the first negative errno; all but -ENOMEM are told.
static int add_all(struct reading *reading, int n_paths, char **paths, const char *config_dir)
{
    int first_error = n_paths == 0 ? add_default(reading, config_dir) : 0;

    for (int i = 0; i < n_paths && first_error != -ENOMEM; i++) {
        int r = add_path(reading, paths[i]);
        if (first_error == 0 || r == -ENOMEM)
            first_error = r;
    }
    return first_error;
}

int odp_cmd_check(int argc, char **argv, const char *config_dir)
{
    struct reading reading = {0};
    int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;

    if (first == 1 && argc > 1 && argv[1][0] == '-') {
        odp_complain("check has no option %s (odp help check)", argv[1]);
        return ODP_EXIT_USAGE;
    }
    int r = add_all(&reading, argc > first ? argc - first : 0, argv + first, config_dir);
    int code = r == 0 ? ODP_EXIT_DONE : ODP_EXIT_FAILED;
    // What can be read is checked even where something else cannot.
    if (r == -ENOMEM) {
        code = out_of_memory();
    } else if (reading.files.n > 0 || reading.own.n > 0 || r == 0) {
        int checked = check(&reading);
        code = checked == ODP_EXIT_DONE ? code : checked;
    }
    odp_files_deinit(&reading.files);
    odp_files_deinit(&reading.own);
    return code;
}
