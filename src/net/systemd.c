// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The borrowed sd-daemon; see the header for why it is not linked.

#include "odp/net/systemd.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/base/time.h"

#define LIBRARY          "libsystemd.so.0"
#define CGROUP_MAX_BYTES 65536
#define BARRIER_USEC     (5 * ODP_USEC_PER_SEC)

void *odp_systemd_library_open(const char **ret_why)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (!library)
        *ret_why = dlerror();
    return library;
}

void odp_systemd_library_close(void *library)
{
    dlclose(library);
}

// A function pointer out of a data pointer, the one way ISO C allows: POSIX vouches, dlsym(3).
bool odp_systemd_library_find(void *library, const char *function, void *ret_function)
{
    void *symbol = dlsym(library, function);

    memcpy(ret_function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

static void *open_library(void)
{
    const char *why;
    void *library = odp_systemd_library_open(&why);

    if (!library)
        odp_log(ODP_LOG_ERR, NULL, "started by a service manager, but without its library: %s",
                why);
    return library;
}

int odp_systemd_listen_fds(char ***ret_names)
{
    int (*listen_fds)(int, char ***);
    int r = -ENOSYS;

    *ret_names = NULL;
    if (!getenv("LISTEN_FDS"))
        return 0;
    void *library = open_library();
    if (!library)
        return -ENOENT;
    if (odp_systemd_library_find(library, "sd_listen_fds_with_names", &listen_fds))
        r = listen_fds(1, ret_names);
    dlclose(library);
    return r;
}

// One line for each hierarchy, each ending in the path of the group, cgroups(7).
bool odp_systemd_unit_is(const char *unit)
{
    ODP_CLEANUP_FREE char *text = NULL;
    size_t n_bytes, n_unit = strlen(unit);

    if (odp_file_read("/proc/self/cgroup", CGROUP_MAX_BYTES, &text, &n_bytes) < 0)
        return false;
    for (const char *s = text; (s = strchr(s, '/')); s++)
        if (strncmp(s + 1, unit, n_unit) == 0 && (s[1 + n_unit] == '\n' || s[1 + n_unit] == '\0'))
            return true;
    return false;
}

static int store(void *library, int fd, const char *name)
{
    int (*notify_with_fds)(pid_t, int, const char *, const int *, unsigned);
    int (*barrier)(int, uint64_t);
    char state[128];

    if (!odp_systemd_library_find(library, "sd_pid_notify_with_fds", &notify_with_fds) ||
        !odp_systemd_library_find(library, "sd_notify_barrier", &barrier))
        return -ENOSYS;
    // FDPOLL=0, or what looks closed is dropped: nobody else has the other end soon.
    snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
    int r = notify_with_fds(0, 0, state, &fd, 1);
    if (r > 0)
        r = barrier(0, BARRIER_USEC);
    return r < 0 ? r : 0;
}

bool odp_systemd_may_store(void)
{
    const char *n_most = getenv("FDSTORE"); // since systemd 254; before it one has to try

    return getenv("NOTIFY_SOCKET") && !(n_most && strcmp(n_most, "0") == 0);
}

int odp_systemd_store(int fd, const char *name)
{
    void *library = open_library();

    if (!library)
        return -ENOSYS;
    int r = store(library, fd, name);
    dlclose(library);
    return r;
}
