// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Checks on targets of auto:PORT: is there a way from this machine to the container's own address.
// Pure, on what the engine has said; what a network's kind is it tells while all are asleep, too.

#include <stdio.h>
#include <string.h>

#include "doctor_internal.h"
#include "odp/core/container_way.h"

struct context {
    const struct odp_doctor *d;
    const struct odp_config_service *s;
    const struct odp_engine_facts *e;
    struct odp_findings *f;
};

// ---- which container, and which way -------------------------------------------------------------

static bool exposes(const struct context *x, const struct odp_container *c)
{
    char port[sizeof("65535/tcp")];

    snprintf(port, sizeof(port), "%u/tcp", x->s->target.port);
    return odp_container_has(c, "Config.ExposedPorts", port);
}

// As the launcher has it: the one that exposes the port, else the last line's. NULL: it depends on
// more, or is not known.
static const struct odp_container *find_meant(const struct context *x)
{
    const struct odp_container *c, *last = NULL, *only = NULL;
    size_t n_containers = 0, n_exposing = 0;

    for (; (c = odp_doctor_container(x->d, x->s, n_containers)); n_containers++) {
        last = c;
        if (!c->inspect)
            return NULL;
        if (exposes(x, c)) {
            only = c;
            n_exposing++;
        }
    }
    if (n_exposing == 1)
        return only;
    return n_containers == 1 || x->s->backend != ODP_BACKEND_COMPOSE ? last : NULL;
}

// The network that has no way in, where all that the container is in have none.
static const char *find_beside(const struct context *x, const struct odp_container *c)
{
    const char *ret = NULL, *network;

    for (size_t i = 0; (network = odp_container_network(c, i)); i++) {
        if (!odp_engine_network_is_beside(x->e, network))
            return NULL;
        ret = network;
    }
    return ret;
}

// ---- what is told -------------------------------------------------------------------------------

static void add(const struct context *x, const struct odp_container *c, const char *why,
                const char *what)
{
    odp_finding_add(x->f, "target-unreachable", x->s->name,
                    "its target %s cannot be reached: %s %s%s", x->s->target_text, c->name, why,
                    what);
}

// A port that is published already needs no new container.
static void tell_private(const struct context *x, const struct odp_container *c)
{
    char change[ODP_PATH_MAX + 128];
    unsigned port = x->s->target.port;
    struct odp_published p;

    add(x, c, "is in a network of its engine's user, which this machine has no way into", "");
    for (size_t n = 0; odp_container_published(c, n, &p); n++) {
        if (p.inside != x->s->target.port || p.address.port == 0 ||
            !(doctor_is_wildcard(&p.address) || odp_address_is_loopback(&p.address)))
            continue;
        odp_finding_command(x->f,
                            "%s inspect --format '{{.HostConfig.PortBindings}}' %s (and "
                            "write target = 127.0.0.1:%u in %s)",
                            odp_engine_program(x->e), c->name, p.address.port, QUOTED(x->s->file));
        return;
    }
    snprintf(change, sizeof(change),
             "with the port 127.0.0.1:1%04u:%u, and write target = 127.0.0.1:1%04u in %s",
             port % 10000, port, port % 10000, x->s->file);
    doctor_command_recreate(x->f, x->e, x->s, c, change);
}

static void tell_none(const struct context *x, const struct odp_container *c)
{
    char change[64];

    add(x, c, "is in no network", "");
    snprintf(change, sizeof(change), "with --network %s", odp_network_bridge(x->e->place.engine));
    doctor_command_recreate(x->f, x->e, x->s, c, change);
}

static void tell_beside(const struct context *x, const struct odp_container *c)
{
    const char *network = find_beside(x, c);

    if (!network)
        return;
    add(x, c, "is in a network that this machine has no way into, ", network);
    odp_finding_command(x->f, "%s network connect %s %s", odp_engine_program(x->e),
                        odp_network_bridge(x->e->place.engine), c->name);
}

static void tell_host(const struct context *x, const struct odp_container *c)
{
    for (size_t i = 0; i < x->s->n_listen; i++) {
        const struct odp_address *a = &x->s->listen[i].address;

        if (a->kind == ODP_ADDRESS_UNIX || a->port != x->s->target.port)
            continue;
        add(x, c, "has this machine's network, where odp itself listens on that port", "");
        odp_finding_command(x->f,
                            "%s inspect %s (and have it listen on another port, or mend "
                            "listen = in %s)",
                            odp_engine_program(x->e), c->name, QUOTED(x->s->file));
        return;
    }
}

void doctor_check_reach(const struct odp_doctor *d, const struct odp_config_service *s,
                        struct odp_findings *f)
{
    struct context x = {.d = d, .s = s, .e = odp_doctor_engine(d, s), .f = f};
    const struct odp_container *c;

    if (s->target.kind != ODP_ADDRESS_AUTO || !x.e || !(c = find_meant(&x)))
        return;
    switch (odp_container_way(odp_container_text(c, "HostConfig.NetworkMode"), x.e->place.engine,
                              x.e->is_rootless)) {
    case ODP_WAY_PRIVATE: tell_private(&x, c); break;
    case ODP_WAY_NONE: tell_none(&x, c); break;
    case ODP_WAY_HOST: tell_host(&x, c); break;
    case ODP_WAY_NETWORKS: tell_beside(&x, c); break;
    case ODP_WAY_GUEST: break; // it has that one's, which need not be one of the service's
    }
}
