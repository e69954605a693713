// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The borrowed sd-daemon; see the header for why it is not linked.

#include "odp/net/systemd.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "odp/base/log.h"

#define LIBRARY "libsystemd.so.0"

// A function pointer out of a data pointer, the one way ISO C allows: POSIX vouches, dlsym(3).
#define LOAD(library, name, ret)                                                                   \
    do {                                                                                           \
        void *symbol = dlsym((library), (name));                                                   \
        memcpy((ret), &symbol, sizeof(symbol));                                                    \
    } while (0)

static void *open_library(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (!library)
        odp_log(ODP_LOG_ERR, NULL, "started by a service manager, but without its library: %s",
                dlerror());
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
    LOAD(library, "sd_listen_fds_with_names", &listen_fds);
    if (listen_fds)
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
    LOAD(library, "sd_notify", &notify);
    if (notify)
        (void)notify(0, state);
    dlclose(library);
}
