// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which way leads from this machine to a container's own address, by how the container was created:
// one rule for who seeks the address and for who looks beforehand whether there can be one. Pure.

#pragma once

#include <stdbool.h>

enum odp_container_way {
    ODP_WAY_NETWORKS, // by its address in one of its networks, if that has a way in
    ODP_WAY_HOST,     // it has this machine's network
    ODP_WAY_GUEST,    // that of the container whose name or id odp_container_way_guest() is
    ODP_WAY_NONE,     // it is in no network
    ODP_WAY_PRIVATE,  // its network is one of its user's, which this machine has no way into
};

// `mode` is HostConfig.NetworkMode in the JSON of its engine, docker or podman. `is_rootless`: the
// engine runs as a user.
enum odp_container_way odp_container_way(const char *mode, const char *engine, bool is_rootless);

// "vpn" of "container:vpn".
const char *odp_container_way_guest(const char *mode);

// Networks of this driver give a container a place beside this machine, which is not connected to
// it. Of a driver that nobody knows the best is hoped.
bool odp_network_is_beside(const char *driver);

// The network of this engine that a container can be connected to while it runs.
const char *odp_network_bridge(const char *engine);
