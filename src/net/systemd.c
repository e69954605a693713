// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The borrowed sd-daemon; see the header for why it is not linked.

#include "odp/net/systemd.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"

#define LIBRARY          "libsystemd.so.0"
#define CGROUP_MAX_BYTES 65536

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

void odp_systemd_notify(const char *state)
{
    int (*notify)(int, const char *);

    if (!getenv("NOTIFY_SOCKET"))
        return;
    void *library = open_library();
    if (!library)
        return;
    if (odp_systemd_library_find(library, "sd_notify", &notify))
        (void)notify(0, state);
    dlclose(library);
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
