// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What ends the program that has a port which a service needs. Pure. Where an engine's helper has
// it for a container, that is the one to find: without its helper it would run on.

#include <stdio.h>
#include <string.h>

#include "doctor_internal.h"

const char *doctor_publisher(const struct odp_holder *h)
{
    // Rootful Podman's; its users' with slirp4netns, and with pasta or pasta.avx2.
    static const char *const podman[] = {"conmon", "rootlessport", "slirp4netns", "pasta"};

    if (strcmp(h->program, "docker-proxy") == 0)
        return "docker";
    for (size_t i = 0; i < sizeof(podman) / sizeof(podman[0]); i++) {
        size_t n = strlen(podman[i]);
        if (strncmp(h->program, podman[i], n) == 0 &&
            (h->program[n] == '\0' || h->program[n] == '.'))
            return "podman";
    }
    return NULL;
}

static bool is_other_users(const struct odp_doctor *d, const struct odp_holder *h)
{
    return h->is_users && !(d->is_user && h->uid == d->uid);
}

void doctor_command_end(struct odp_findings *f, const struct odp_doctor *d,
                        const struct odp_holder *h, unsigned port)
{
    const char *dot = strrchr(h->unit, '.'), *engine = doctor_publisher(h);
    const char *verb = h->is_made ? "stop" : "disable --now";

    if (doctor_is_orphan(d, h, port))
        odp_finding_command(f, "kill %d", h->pid);
    else if (engine && strcmp(engine, "docker") == 0)
        odp_finding_command(f, "docker ps --filter publish=%u", port);
    else if (engine && is_other_users(d, h))
        odp_finding_command(f, "sudo -iu '#%u' podman port --all", (unsigned)h->uid);
    else if (engine)
        odp_finding_command(f, "podman port --all");
    else if (!dot || strcmp(dot, ".service") != 0)
        odp_finding_command(f, "kill %d", h->pid);
    else if (!h->is_users)
        odp_finding_command(f, "systemctl %s %s", verb, QUOTED(h->unit));
    else if (!is_other_users(d, h))
        odp_finding_command(f, "systemctl --user %s %s", verb, QUOTED(h->unit));
    else
        odp_finding_command(f, "sudo -u '#%u' XDG_RUNTIME_DIR=/run/user/%u systemctl --user %s %s",
                            (unsigned)h->uid, (unsigned)h->uid, verb, QUOTED(h->unit));
}
