// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Ways to containers; see the header.

#include "odp/core/container_way.h"

#include <string.h>

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

const char *odp_container_way_guest(const char *mode)
{
    static const char prefix[] = "container:";

    return begins(mode, prefix) ? mode + strlen(prefix) : "";
}

enum odp_container_way odp_container_way(const char *mode, const char *engine, bool is_rootless)
{
    if (*odp_container_way_guest(mode))
        return ODP_WAY_GUEST;
    if (strcmp(mode, "none") == 0)
        return ODP_WAY_NONE;
    // Rootless Docker has a network of its own, and that is the host's to its containers.
    if (strcmp(mode, "host") == 0 && !(is_rootless && strcmp(engine, "docker") == 0))
        return ODP_WAY_HOST;
    if (is_rootless || begins(mode, "slirp4netns") || begins(mode, "pasta"))
        return ODP_WAY_PRIVATE;
    return ODP_WAY_NETWORKS;
}

bool odp_network_is_beside(const char *driver)
{
    static const char *const drivers[] = {"macvlan", "ipvlan", "overlay"};

    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
        if (strcmp(driver, drivers[i]) == 0)
            return true;
    return false;
}

const char *odp_network_bridge(const char *engine)
{
    return strcmp(engine, "podman") == 0 ? "podman" : "bridge";
}
