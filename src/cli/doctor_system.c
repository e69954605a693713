// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What there is to know of the machine and of who asks: addresses, groups, the control groups'
// controllers, and where the generator is installed.

#include <errno.h>
#include <grp.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "doctor_internal.h"
#include "odp/base/fd.h"

#define STATE_BYTES_MIN (1u << 20) // free, for the ledger to be written anew

static int add_address(struct odp_words *w, const struct sockaddr *sa)
{
    struct odp_address a = {0};
    char text[ODP_ADDRESS_TEXT_MAX];

    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        a.kind = ODP_ADDRESS_INET;
        memcpy(a.ip, &in.sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        a.kind = ODP_ADDRESS_INET6;
        memcpy(a.ip, &in6.sin6_addr, 16);
    } else {
        return 0;
    }
    odp_words_add(w, "%s", odp_address_format(&a, text, sizeof(text)));
    return w->failed ? -ENOMEM : 0;
}

// As odp_address_format() has them, with port 0.
static int gather_addresses(struct odp_doctor *d)
{
    struct odp_words w = {0};
    struct ifaddrs *all;
    int r = 0;

    if (getifaddrs(&all) < 0)
        return 0;
    for (const struct ifaddrs *i = all; i && r == 0; i = i->ifa_next)
        if (i->ifa_addr)
            r = add_address(&w, i->ifa_addr);
    freeifaddrs(all);
    d->addresses = w.items;
    return r;
}

static bool is_member(gid_t group)
{
    int n = getgroups(0, NULL);
    gid_t *groups = n > 0 ? calloc((size_t)n, sizeof(*groups)) : NULL;
    bool is = getegid() == group;

    if (groups)
        n = getgroups(n, groups);
    for (int i = 0; groups && i < n; i++)
        is |= groups[i] == group;
    free(groups);
    return is;
}

static void gather_accounts(struct odp_doctor *d)
{
    const struct passwd *me = getpwuid(geteuid());

    if (me)
        snprintf(d->user_name, sizeof(d->user_name), "%s", me->pw_name);
    const struct group *own = me ? getgrgid(me->pw_gid) : NULL;
    d->has_own_group = own && strcmp(own->gr_name, d->user_name) == 0;
    if (own)
        d->own_group = own->gr_gid;
    const struct group *group = getgrnam("odp");
    d->has_group = group != NULL;
    if (group)
        d->group = group->gr_gid;
    d->in_group = d->is_root || (group && is_member(group->gr_gid));
    const struct passwd *user = getpwnam("odp");
    d->has_user = user != NULL;
    if (user)
        d->user = user->pw_uid;
}

static void gather_linger(struct odp_doctor *d)
{
    char path[128];

    snprintf(path, sizeof(path), "/var/lib/systemd/linger/%s", d->user_name);
    d->lingers = access(path, F_OK) == 0;
}

static void gather_state(struct odp_doctor *d)
{
    struct statvfs fs;

    if (statvfs(d->state_dir, &fs) < 0)
        return;
    d->state_read_only = fs.f_flag & ST_RDONLY;
    d->state_full = (uint64_t)fs.f_bavail * fs.f_frsize < STATE_BYTES_MIN;
}

static void gather_memory(struct odp_doctor *d)
{
    static const char *const files[] = {"/boot/firmware/cmdline.txt", "/boot/cmdline.txt"};
    char *text = NULL;
    size_t n_bytes;

    if (odp_file_read("/sys/fs/cgroup/cgroup.controllers", 4096, &text, &n_bytes) == 0)
        d->memory_controller = odp_words_have(text, "memory");
    free(text);
    d->container = access("/run/systemd/container", F_OK) == 0;
    for (size_t i = 0; i < 2 && !d->cmdline_file[0]; i++)
        if (access(files[i], F_OK) == 0)
            snprintf(d->cmdline_file, sizeof(d->cmdline_file), "%s", files[i]);
}

// The first directory that has it decides, systemd.generator(7).
static void gather_generator(struct odp_doctor *d)
{
    static const char *const directories[] = {"/run/systemd", "/etc/systemd",
                                              "/usr/local/lib/systemd", "/usr/lib/systemd",
                                              "/lib/systemd"};
    char path[128], target[64];

    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s-generators/odp-generator", directories[i],
                 d->is_user ? "user" : "system");
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        d->generator_masked = strcmp(target, "/dev/null") == 0;
        if (!d->generator_masked && access(path, X_OK) < 0)
            continue;
        snprintf(d->generator, sizeof(d->generator), "%s", path);
        return;
    }
}

int doctor_gather_system(struct odp_doctor *d)
{
    gather_accounts(d);
    gather_linger(d);
    gather_state(d);
    gather_memory(d);
    gather_generator(d);
    return gather_addresses(d);
}
