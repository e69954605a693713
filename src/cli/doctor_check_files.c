// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Checks on the files of the services and on what they name: faults, owners and modes, mounts and
// paths. Pure.

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor_internal.h"

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

// The service of that file.
static void stem(const char *file, char *name)
{
    const char *base = file_name(file);
    size_t n = strlen(base) - strlen(ODP_CONFIG_SUFFIX);

    snprintf(name, ODP_NAME_MAX + 1, "%.*s", n > ODP_NAME_MAX ? ODP_NAME_MAX : (int)n, base);
}

// One line for each file, with its first fault.
static void check_faults(const struct odp_doctor *d, struct odp_findings *f)
{
    const struct odp_config_faults *faults = &d->config.faults;
    char name[ODP_NAME_MAX + 1], more[40];

    for (size_t i = 0, next; i < faults->n; i = next) {
        const struct odp_config_fault *fault = &faults->items[i];

        for (next = i + 1; next < faults->n; next++)
            if (strcmp(faults->items[next].file, fault->file) != 0)
                break;
        // What only others may read is theirs to check.
        if (!d->is_root && strstr(fault->message, strerror(EACCES)))
            continue;
        more[0] = '\0';
        if (next > i + 1)
            snprintf(more, sizeof(more), " (and %zu more)", next - i - 1);
        stem(fault->file, name);
        odp_finding_add(f, "file-faulty", name, "%s:%u: %s%s", fault->file, fault->line,
                        fault->message, more);
        odp_finding_command(f, "odp check %s", QUOTED(fault->file));
    }
}

static void check_directory(const struct odp_doctor *d, struct odp_findings *f)
{
    if (d->config_error == -EACCES || d->config_error == 0)
        return;
    odp_finding_add(f, "no-services", ODP_DOCTOR_ALL, "%s/" ODP_CONFIG_SERVICES_DIR ": %s",
                    d->config_dir, strerror(-d->config_error));
    odp_finding_command(f, "mkdir -p %s/" ODP_CONFIG_SERVICES_DIR, QUOTED(d->config_dir));
}

// odpd runs as user odp: it must be able to read what it serves.
static bool may_odp_read(const struct odp_doctor *d, const struct odp_place *p)
{
    uid_t uid = d->odpd.pid ? d->odpd.uid : d->user;

    return uid == 0 || (p->uid == uid && p->mode & 0400) ||
           (d->has_group && p->gid == d->group && p->mode & 0040) || p->mode & 0004;
}

// Commands and units stand in these files: who may change one has what root may do.
static void check_owner(const struct odp_doctor *d, const struct odp_place *p, const char *name,
                        struct odp_findings *f)
{
    const char *path = QUOTED(p->path);

    odp_finding_add(f, "file-owner", name, "others than %s may change %s, and so what is started",
                    d->is_user ? "you" : "root", p->path);
    if (d->is_user)
        odp_finding_command(f, "chmod go-w %s", path);
    else if (d->has_group)
        odp_finding_command(f, "chown root:odp %s && chmod %s %s", path,
                            S_ISDIR(p->mode) ? "0750" : "0640", path);
    else
        odp_finding_command(f, "chown root:root %s && chmod %s %s", path,
                            S_ISDIR(p->mode) ? "0755" : "0644", path);
}

// A group of the user's own has nobody else in it.
static bool may_others_change(const struct odp_doctor *d, const struct odp_place *p)
{
    bool is_own_group = d->is_user && d->has_own_group && p->gid == d->own_group;

    return p->uid != (d->is_user ? d->uid : 0) || p->mode & (is_own_group ? 0002 : 0022);
}

// Who may write to the directory may put files of their own there.
static void check_directories(const struct odp_doctor *d, struct odp_findings *f)
{
    char path[sizeof(d->config_dir) + sizeof("/" ODP_CONFIG_SERVICES_DIR)];

    snprintf(path, sizeof(path), "%s/" ODP_CONFIG_SERVICES_DIR, d->config_dir);
    const char *const directories[] = {d->config_dir, path};
    for (size_t i = 0; i < 2; i++) {
        const struct odp_place *p = odp_doctor_place(d, directories[i]);
        if (p && p->error == 0 && may_others_change(d, p))
            check_owner(d, p, ODP_DOCTOR_ALL, f);
    }
}

static void check_service_file(const struct odp_doctor *d, const char *file, struct odp_findings *f)
{
    const struct odp_place *p = odp_doctor_place(d, file);
    char name[ODP_NAME_MAX + 1];

    if (!p || p->error < 0)
        return;
    stem(file, name);
    if (may_others_change(d, p)) {
        check_owner(d, p, name, f);
    } else if (!d->is_user && (d->odpd.pid || d->has_user) && !may_odp_read(d, p)) {
        odp_finding_add(f, "file-unreadable", name, "odpd may not read %s", file);
        if (d->has_group)
            odp_finding_command(f, "chgrp odp %s && chmod 0640 %s", QUOTED(file), QUOTED(file));
        else
            odp_finding_command(f, "chmod 0644 %s", QUOTED(file));
    }
}

static void check_modes(const struct odp_doctor *d, struct odp_findings *f)
{
    const struct odp_config_faults *faults = &d->config.faults;

    for (size_t i = 0; i < d->config.n_services; i++)
        check_service_file(d, d->config.services[i]->file, f);
    for (size_t i = 0; i < faults->n; i++)
        if (i == 0 || strcmp(faults->items[i].file, faults->items[i - 1].file) != 0)
            check_service_file(d, faults->items[i].file, f);
}

void doctor_check_files(const struct odp_doctor *d, struct odp_findings *f)
{
    check_directory(d, f);
    check_directories(d, f);
    check_faults(d, f);
    check_modes(d, f);
}

// ---- what a service names -----------------------------------------------------------------------

static bool is_secret(const char *assignment)
{
    static const char *const words[] = {"PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY"};
    size_t n = strcspn(assignment, "=");

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const char *found = strcasestr(assignment, words[i]);
        if (found && found < assignment + n && assignment[n] && assignment[n + 1])
            return true;
    }
    return false;
}

static void check_secrets(const struct odp_doctor *d, const struct odp_config_service *s,
                          struct odp_findings *f)
{
    const struct odp_place *p = odp_doctor_place(d, s->file);

    for (char **e = s->environment; e && *e && p && p->error == 0 && p->mode & 0004; e++)
        if (is_secret(*e)) {
            odp_finding_add(f, "secret-readable", s->name,
                            "everybody may read %.*s in %s (better: environment_file)",
                            (int)strcspn(*e, "="), *e, s->file);
            if (!d->is_user && d->has_group)
                odp_finding_command(f, "chgrp odp %s && chmod 0640 %s", QUOTED(s->file),
                                    QUOTED(s->file));
            else
                odp_finding_command(f, "chmod o-r %s", QUOTED(s->file));
            return;
        }
}

static void check_environment_file(const struct odp_doctor *d, const struct odp_config_service *s,
                                   struct odp_findings *f)
{
    const struct odp_place *p =
        s->environment_file ? odp_doctor_place(d, s->environment_file) : NULL;

    if (!p || p->error == -EACCES)
        return;
    const char *quoted = QUOTED(p->path);
    if (p->error < 0) {
        odp_finding_add(f, "environment-file", s->name, "environment_file %s: %s", p->path,
                        strerror(-p->error));
        odp_finding_command(f, "install -m 0600 /dev/null %s", quoted);
    } else if (p->uid != (d->is_user ? d->uid : 0)) {
        odp_finding_add(f, "environment-file", s->name, "environment_file %s is not %s", p->path,
                        d->is_user ? "yours" : "root's");
        odp_finding_command(f, "chown %s %s && chmod 0600 %s", d->is_user ? d->user_name : "root",
                            quoted, quoted);
    } else if (p->mode & 0077) {
        odp_finding_add(f, "environment-file", s->name,
                        "others may read or change environment_file %s", p->path);
        odp_finding_command(f, "chmod 0600 %s", quoted);
    }
}

static bool is_below(const char *path, const char *directory)
{
    size_t n = strlen(directory);

    return strncmp(path, directory, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool is_below_missing_mount(const struct odp_doctor *d, const struct odp_config_service *s,
                                   const char *path)
{
    for (char **m = s->required_mounts; m && *m; m++) {
        const struct odp_place *p = odp_doctor_place(d, *m);
        if (p && !p->is_mount && is_below(path, *m))
            return true;
    }
    return false;
}

static void add_dead(const struct odp_config_service *s, const char *path, struct odp_findings *f)
{
    odp_finding_add(f, "path-dead", s->name, "%s does not answer: its disk or server may be gone",
                    path);
    odp_finding_command(f, "findmnt"); // with --target it would wait for the disk itself
}

static void check_mount(const struct odp_doctor *d, const struct odp_config_service *s,
                        const char *mount, struct odp_findings *f)
{
    const struct odp_place *p = odp_doctor_place(d, mount);

    if (!p || p->error == -EACCES || (p->error == 0 && p->is_mount))
        return;
    if (p->error == -ETIMEDOUT) {
        add_dead(s, mount, f);
        return;
    }
    odp_finding_add(f, "mount-missing", s->name, "%s is not mounted ([requires] mount)", mount);
    odp_finding_command(f, "mount %s", QUOTED(mount));
}

static void check_path(const struct odp_doctor *d, const struct odp_config_service *s,
                       const char *path, struct odp_findings *f)
{
    const struct odp_place *p = odp_doctor_place(d, path);

    if (!p || p->error == 0 || p->error == -EACCES || is_below_missing_mount(d, s, path))
        return;
    if (p->error == -ETIMEDOUT) {
        add_dead(s, path, f);
        return;
    }
    odp_finding_add(f, "path-missing", s->name, "%s: %s ([requires] path)", path,
                    strerror(-p->error));
    if (strcmp(file_name(path), "docker.sock") == 0)
        odp_finding_command(f, "systemctl start docker.socket");
    else
        odp_finding_command(f, "mkdir -p %s", QUOTED(path));
}

void doctor_check_places(const struct odp_doctor *d, const struct odp_config_service *s,
                         struct odp_findings *f)
{
    check_secrets(d, s, f);
    check_environment_file(d, s, f);
    for (char **m = s->required_mounts; m && *m; m++)
        check_mount(d, s, *m, f);
    for (char **p = s->required_paths; p && *p; p++)
        check_path(d, s, *p, f);
}
