// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Checks on the ports that a service's containers publish: who else has them, whom they let past
// odp, is the target one of them. Pure, on what the engine has said.

#include <stdio.h>
#include <string.h>

#include "doctor_internal.h"
#include "odp/base/buf.h"
#include "odp/core/compose.h"

struct context {
    const struct odp_doctor *d;
    const struct odp_config_service *s;
    const struct odp_engine_facts *e;
    struct odp_findings *f;
};

// ---- what is to be done -------------------------------------------------------------------------

static const char *compose_program(const struct odp_engine_facts *e, const struct odp_container *c)
{
    const char *version = odp_container_label(c, ODP_COMPOSE_LABEL("version"));

    if (strcmp(e->place.engine, "podman") == 0)
        return "podman-compose";
    return version && strncmp(version, "1.", 2) == 0 ? "docker-compose" : "docker compose";
}

// " --file X" for each of the project's files. docker-compose 1.29 tells them as it was given them,
// from the project's directory.
static void add_files(struct odp_buf *b, const struct odp_container *c, const char *files)
{
    const char *directory = odp_container_label(c, ODP_COMPOSE_LABEL("project.working_dir"));
    char path[ODP_PATH_MAX];
    size_t n;

    for (; *files; files += n + (files[n] == ',')) {
        n = strcspn(files, ",");
        if (files[0] == '/' || !directory)
            snprintf(path, sizeof(path), "%.*s", (int)n, files);
        else
            snprintf(path, sizeof(path), "%s/%.*s", directory, (int)n, files);
        odp_buf_printf(b, " --file %s", QUOTED(path));
    }
}

void doctor_command_recreate(struct odp_findings *f, const struct odp_engine_facts *e,
                             const struct odp_config_service *s, const struct odp_container *c,
                             const char *change)
{
    const char *files = odp_container_label(c, ODP_COMPOSE_LABEL("project.config_files"));
    const char *project = odp_container_label(c, ODP_COMPOSE_PROJECT);
    struct odp_buf options = {0};

    if (!files || !project) {
        if (!change)
            odp_finding_command(f, "%s inspect %s (and create it anew)", odp_engine_program(e),
                                c->name);
        else if (doctor_is_beside(s))
            odp_finding_command(f, "%s inspect %s; systemctl %scat %s (and make it anew %s)",
                                odp_engine_program(e), c->name, odp_doctor_option(e->is_user),
                                QUOTED(s->units[0].text), change);
        else
            odp_finding_command(f, "%s inspect %s (and create it anew %s)", odp_engine_program(e),
                                c->name, change);
        return;
    }
    add_files(&options, c, files);
    odp_finding_command(f, "%s --project-name %s%s up --no-start%s%s%s", compose_program(e, c),
                        QUOTED(project), options.s ? options.s : "",
                        change ? " (once it is there " : " --force-recreate", change ? change : "",
                        change ? ")" : "");
    odp_buf_deinit(&options);
}

// ---- ports --------------------------------------------------------------------------------------

static bool clashes(const struct odp_address *a, const struct odp_address *b)
{
    return a->port != 0 && (odp_address_covers(a, b) || odp_address_covers(b, a));
}

static void check_clash(const struct context *x, const struct odp_container *c,
                        const struct odp_published *p)
{
    char change[ODP_ADDRESS_TEXT_MAX + 64];

    for (size_t i = 0; i < x->s->n_listen; i++) {
        if (!clashes(&p->address, &x->s->listen[i].address) ||
            odp_findings_has_of(x->f, "port-published", x->s->name))
            continue;
        odp_finding_add(x->f, "port-published", x->s->name,
                        "%s publishes port %u itself, where odp listens: it cannot start", c->name,
                        p->address.port);
        if (odp_address_is_loopback(&x->s->target))
            snprintf(change, sizeof(change), "with the port %s:%u", x->s->target_text, p->inside);
        else
            snprintf(change, sizeof(change), "without that port");
        doctor_command_recreate(x->f, x->e, x->s, c, change);
    }
}

static void check_open(const struct context *x, const struct odp_container *c,
                       const struct odp_published *p)
{
    char change[ODP_ADDRESS_TEXT_MAX + 64];

    if (!doctor_is_wildcard(&p->address) || !odp_address_is_loopback(&x->s->target) ||
        !clashes(&p->address, &x->s->target) ||
        odp_findings_has_of(x->f, "target-open", x->s->name))
        return;
    odp_finding_add(x->f, "target-open", x->s->name,
                    "%s publishes its target, port %u, on all addresses, so that others reach it "
                    "past odp",
                    c->name, p->address.port);
    snprintf(change, sizeof(change), "with the port %s:%u", x->s->target_text, p->inside);
    doctor_command_recreate(x->f, x->e, x->s, c, change);
}

bool doctor_is_orphan(const struct odp_doctor *d, const struct odp_holder *h, unsigned port)
{
    for (size_t i = 0; i < d->n_engines; i++)
        if (strcmp(d->engines[i].place.engine, "docker") == 0)
            return strcmp(h->program, "docker-proxy") == 0 &&
                   !odp_engine_publishes(&d->engines[i], port);
    return false;
}

static const struct odp_holder *orphan_of(const struct context *x,
                                          const struct odp_address *address)
{
    const struct odp_port *port = NULL;

    while ((port = odp_ports_next(&x->d->ports, address, port))) {
        const struct odp_holder *h = odp_ports_holder(&x->d->ports, port->inode, NULL);

        if (h && doctor_is_orphan(x->d, h, address->port))
            return h;
    }
    return NULL;
}

// Docker that is killed while it starts a container leaves the process that has the port.
static void check_orphan(const struct context *x, const struct odp_container *c,
                         const struct odp_published *p)
{
    const struct odp_holder *h = odp_container_runs(c) ? NULL : orphan_of(x, &p->address);

    if (!h || odp_findings_has_of(x->f, "proxy-orphan", x->s->name))
        return;
    odp_finding_add(x->f, "proxy-orphan", x->s->name,
                    "port %u of %s is held by a docker-proxy (pid %d) that docker has left behind: "
                    "it cannot start",
                    p->address.port, c->name, h->pid);
    odp_finding_command(x->f, "kill %d", h->pid);
}

// True where the service's target is one of its containers' ports, or may be.
static bool has_target(const struct context *x)
{
    const struct odp_container *c;
    struct odp_published p;

    for (size_t i = 0; (c = odp_doctor_container(x->d, x->s, i)); i++) {
        if (!c->inspect || odp_container_is_on_host(c) || odp_container_is_guest(c))
            return true;
        for (size_t n = 0; odp_container_published(c, n, &p); n++)
            if (clashes(&p.address, &x->s->target))
                return true;
    }
    return false;
}

static void list_published(const struct context *x, struct odp_buf *b)
{
    const struct odp_container *c;
    char text[ODP_ADDRESS_TEXT_MAX];
    struct odp_published p;

    for (size_t i = 0; (c = odp_doctor_container(x->d, x->s, i)); i++)
        for (size_t n = 0; odp_container_published(c, n, &p); n++)
            odp_buf_printf(b, "%s%s%s", b->n_bytes ? ", " : "",
                           p.address.port ? "" : "a port of the engine's choice at ",
                           odp_address_format(&p.address, text, sizeof(text)));
}

static void check_target(const struct context *x)
{
    const struct odp_container *first = odp_doctor_container(x->d, x->s, 0);
    struct odp_buf ports = {0};

    // Units may run more than the containers that are named.
    if (!first || doctor_is_beside(x->s) || !odp_address_is_loopback(&x->s->target) ||
        has_target(x))
        return;
    list_published(x, &ports);
    odp_finding_add(x->f, "target-unpublished", x->s->name,
                    "its target %s is none of the ports that its container publishes (%s)",
                    x->s->target_text, ports.s ? ports.s : "none");
    odp_finding_command(x->f,
                        "%s inspect --format '{{.HostConfig.PortBindings}}' %s (and mend "
                        "target = in %s)",
                        odp_engine_program(x->e), first->name, QUOTED(x->s->file));
    x->f->failed |= ports.failed;
    odp_buf_deinit(&ports);
}

bool doctor_containers_sleep(const struct odp_doctor *d, const struct odp_config_service *s)
{
    const struct odp_container *c;
    size_t i = 0;

    for (; (c = odp_doctor_container(d, s, i)); i++)
        if (!c->inspect || odp_container_runs(c))
            return false;
    return i > 0;
}

static void check_ports(const struct context *x, const struct odp_container *c)
{
    struct odp_published p;

    for (size_t n = 0; c->inspect && odp_container_published(c, n, &p); n++) {
        check_clash(x, c, &p);
        check_open(x, c, &p);
        check_orphan(x, c, &p);
    }
}

void doctor_check_published(const struct odp_doctor *d, const struct odp_config_service *s,
                            struct odp_findings *f)
{
    struct context x = {.d = d, .s = s, .e = odp_doctor_engine(d, s), .f = f};
    const struct odp_container *c;

    for (size_t i = 0; (c = odp_doctor_container(d, s, i)); i++)
        check_ports(&x, c);
    check_target(&x);
}
