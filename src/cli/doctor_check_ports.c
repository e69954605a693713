// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Checks on the addresses of a service: who else has its port, does somebody listen on its target,
// is its address one of this machine. Pure.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_internal.h"
#include "odp/base/time.h"
#include "odp/core/units.h"

struct context {
    const struct odp_doctor *d;
    const struct odp_config_service *s;
    struct odp_findings *f;
};

static bool is_manager(const struct odp_holder *h)
{
    return strcmp(h->program, "systemd") == 0;
}

bool doctor_is_wildcard(const struct odp_address *a)
{
    static const uint8_t none[16] = {0};

    return a->kind == ODP_ADDRESS_PORT ||
           (a->kind == ODP_ADDRESS_INET && !memcmp(a->ip, none, 4)) ||
           (a->kind == ODP_ADDRESS_INET6 && !memcmp(a->ip, none, 16));
}

// ---- the socket units that systemd listens for --------------------------------------------------

// "[::]:80 (Stream)", "/run/x.sock (Stream)"
bool doctor_read_listen(const char *value, struct odp_address *ret)
{
    char text[ODP_ADDRESS_TEXT_MAX + 8], why[256];
    const char *end = strstr(value, " (Stream)");

    if (!end)
        return false;
    snprintf(text, sizeof(text), "%.*s", (int)(end - value), value);
    return odp_address_parse(text, ret, why, sizeof(why)) == 0;
}

static bool listens_on(const char *block, const struct odp_address *address)
{
    for (const char *v = NULL; (v = odp_show_next(block, "Listen", v));) {
        struct odp_address own;

        if (doctor_read_listen(v, &own) &&
            (odp_address_covers(&own, address) || odp_address_covers(address, &own)))
            return true;
    }
    return false;
}

// A socket unit that is not odp's on the address; NULL for none.
static const char *other_socket(const struct context *x, const struct odp_address *address)
{
    const struct odp_service_manager *m = &x->d->managers[x->d->is_user];

    for (size_t i = 0; i < m->units.n; i++) {
        const char *block = m->units.blocks[i], *id = odp_show_value(block, "Id");
        const char *dot = strrchr(id, '.');

        if (dot && strcmp(dot, ".socket") == 0 && strncmp(id, "odp-", 4) != 0 &&
            (odp_show_is(block, "ActiveState", "active") || odp_words_have(m->at_boot, id)) &&
            listens_on(block, address))
            return id;
    }
    return NULL;
}

// ---- the port that odp is to have ---------------------------------------------------------------

static bool is_odp(const struct context *x, unsigned long inode)
{
    for (const struct odp_holder *h = NULL; (h = odp_ports_holder(&x->d->ports, inode, h));)
        if (strcmp(h->program, "odpd") == 0 || strcmp(h->unit, ODP_UNITS_ODPD) == 0)
            return true;
    return false;
}

// The process to name: not systemd where it has passed the socket on.
static const struct odp_holder *holder_of(const struct context *x, unsigned long inode)
{
    const struct odp_holder *best = NULL;

    for (const struct odp_holder *h = NULL; (h = odp_ports_holder(&x->d->ports, inode, h));)
        if (!best || is_manager(best))
            best = h;
    return best;
}

static bool is_odps_socket(const struct context *x)
{
    char unit[ODP_UNITS_NAME_MAX + 1];

    odp_units_name(x->s->name, unit, sizeof(unit));
    return odp_show_is(odp_doctor_unit(x->d, unit), "ActiveState", "active");
}

static void add_taken(const struct context *x, const struct odp_config_listen *l,
                      const struct odp_holder *h)
{
    const char *engine = doctor_publisher(h);

    odp_finding_add(x->f, "port-taken", x->s->name,
                    "%s, where odp is to listen, is taken by %s%s%s%s (pid %d)%s%s", l->text,
                    engine ? "a port that " : "", engine ? engine : "",
                    engine ? " publishes, " : "", h->program, h->pid, h->unit[0] ? " of " : "",
                    h->unit);
    doctor_command_end(x->f, x->d, h, l->address.port);
}

static void add_unseen(const struct context *x, const struct odp_config_listen *l)
{
    odp_finding_add(x->f, "port-taken", x->s->name,
                    "%s, where odp is to listen, is taken by a program of another container",
                    l->text);
    odp_finding_command(x->f, "ss -ltn 'sport = :%u'", l->address.port);
}

// True once it is told.
static bool check_taken(const struct context *x, const struct odp_config_listen *l)
{
    const char *socket = other_socket(x, &l->address);
    const struct odp_holder *other = NULL;
    bool is_unseen = false;

    if (socket) {
        odp_finding_add(x->f, "old-socket", x->s->name,
                        "%s listens on %s, too, or will after the next boot", socket, l->text);
        odp_finding_command(x->f, "systemctl %sdisable --now %s", odp_doctor_option(x->d->is_user),
                            QUOTED(socket));
        return true;
    }
    for (const struct odp_port *p = NULL; (p = odp_ports_next(&x->d->ports, &l->address, p));) {
        const struct odp_holder *h = holder_of(x, p->inode);

        if (is_odp(x, p->inode) || (h && is_manager(h) && is_odps_socket(x)))
            return false;
        // A socket unit that systemd has not read anew: the checks on sockets tell.
        if (h && is_manager(h))
            continue;
        other = h ? h : other;
        is_unseen |= !h;
    }
    if (other)
        add_taken(x, l, other);
    else if (is_unseen && !x->d->ports.blind)
        add_unseen(x, l);
    return other || is_unseen;
}

static void check_address(const struct context *x, const struct odp_config_listen *l)
{
    struct odp_address a = l->address;
    char text[ODP_ADDRESS_TEXT_MAX];

    if ((a.kind != ODP_ADDRESS_INET && a.kind != ODP_ADDRESS_INET6) || doctor_is_wildcard(&a) ||
        odp_address_is_loopback(&a) || !x->d->addresses)
        return;
    a.port = 0;
    odp_address_format(&a, text, sizeof(text));
    for (char **own = x->d->addresses; *own; own++)
        if (strcmp(*own, text) == 0)
            return;
    text[strlen(text) - strlen(":0")] = '\0';
    odp_finding_add(x->f, "no-address", x->s->name,
                    "no interface of this machine has %s, where it is to listen", text);
    // Tailscale gives addresses of 100.64.0.0/10.
    if (a.kind == ODP_ADDRESS_INET && a.ip[0] == 100 && (a.ip[1] & 0xc0) == 64)
        odp_finding_command(x->f, "tailscale up");
    else
        odp_finding_command(x->f, "ip address (and mend listen = in %s)", QUOTED(x->s->file));
}

// ---- the target ---------------------------------------------------------------------------------

static const char *unit_block(const struct context *x, size_t i)
{
    return odp_show_find(&odp_doctor_manager(x->d, x->s)->units, x->s->units[i].text);
}

static bool all_units_are(const struct context *x, const char *state, const char *or_state)
{
    if (x->s->backend != ODP_BACKEND_SYSTEMD)
        return false;
    for (size_t i = 0; i < x->s->n_units; i++)
        if (!odp_show_is(unit_block(x, i), "ActiveState", state) &&
            !odp_show_is(unit_block(x, i), "ActiveState", or_state))
            return false;
    return true;
}

// For longer than it has to become ready.
static bool are_active_for_long(const struct context *x, uint64_t now_usec)
{
    for (size_t i = 0; i < x->s->n_units; i++) {
        uint64_t since =
            strtoull(odp_show_value(unit_block(x, i), "ActiveEnterTimestampMonotonic"), NULL, 10);
        if (odp_usec_add(since, x->s->ready_timeout_usec) > now_usec)
            return false;
    }
    return true;
}

static bool is_local(const struct context *x, const struct odp_address *target)
{
    struct odp_address a = *target;
    char text[ODP_ADDRESS_TEXT_MAX];

    if (a.kind == ODP_ADDRESS_UNIX || odp_address_is_loopback(&a))
        return true;
    a.port = 0;
    odp_address_format(&a, text, sizeof(text));
    for (char **own = x->d->addresses; own && *own; own++)
        if (strcmp(*own, text) == 0)
            return true;
    return false;
}

static void check_silent(const struct context *x)
{
    const char *unit = x->s->units[x->s->n_units - 1].text;

    odp_finding_add(x->f, "target-silent", x->s->name,
                    "%s is active, but nobody listens on its target %s%s", unit, x->s->target_text,
                    are_active_for_long(x, x->d->now_usec) ? "" : " yet");
    odp_finding_command(x->f, "journalctl %s-n 20 -u %s (and mend target = in %s)",
                        odp_doctor_option(odp_doctor_is_user_scope(x->d, x->s)), QUOTED(unit),
                        QUOTED(x->s->file));
}

// Whose network it is may well run, and have the target for it.
static bool has_guest(const struct context *x)
{
    const struct odp_container *c;

    for (size_t i = 0; (c = odp_doctor_container(x->d, x->s, i)); i++)
        if (odp_container_is_guest(c))
            return true;
    return false;
}

static bool is_asleep(const struct context *x)
{
    if (x->s->backend == ODP_BACKEND_SYSTEMD)
        return all_units_are(x, "inactive", "failed");
    if (doctor_is_of_engine(x->s))
        return doctor_containers_sleep(x->d, x->s) && !has_guest(x);
    return x->s->backend == ODP_BACKEND_PROCESS &&
           strcmp(odp_doctor_state(x->d, x->s->name), "stopped") == 0;
}

// It has only just been stopped, or is about to be up.
static bool is_own(const struct context *x, const struct odp_holder *h)
{
    for (size_t i = 0; i < x->s->n_units; i++)
        if (strcmp(x->s->units[i].text, h->unit) == 0)
            return true;
    return false;
}

static void check_other(const struct context *x, const struct odp_holder *h)
{
    odp_finding_add(x->f, "target-taken", x->s->name,
                    "its target %s is that of %s (pid %d)%s%s, while the service itself is asleep",
                    x->s->target_text, h->program, h->pid, h->unit[0] ? " of " : "", h->unit);
    doctor_command_end(x->f, x->d, h, x->s->target.port);
}

static void check_open(const struct context *x, const struct odp_port *p,
                       const struct odp_holder *h)
{
    char text[ODP_ADDRESS_TEXT_MAX];

    odp_finding_add(
        x->f, "target-open", x->s->name,
        "%s listens on %s, so that others reach it past odp: have it listen on %s alone",
        h ? h->program : "it", odp_address_format(&p->address, text, sizeof(text)),
        x->s->target_text);
    odp_finding_command(x->f, "ss -ltnp 'sport = :%u'", x->s->target.port);
}

static void check_target(const struct context *x)
{
    const struct odp_port *p = odp_ports_next(&x->d->ports, &x->s->target, NULL);
    const struct odp_holder *h = p ? holder_of(x, p->inode) : NULL;

    if (!is_local(x, &x->s->target))
        return;
    if (!p) {
        // One that ends again and again is told as that.
        if (all_units_are(x, "active", "active") &&
            !odp_findings_has_of(x->f, "unit-loops", x->s->name))
            check_silent(x);
    } else if (is_asleep(x)) {
        if (h && !is_manager(h) && strcmp(h->program, "odpd") != 0 && !is_own(x, h) &&
            !odp_findings_has_of(x->f, "proxy-orphan", x->s->name))
            check_other(x, h);
    } else if (doctor_is_wildcard(&p->address) && odp_address_is_loopback(&x->s->target) &&
               !(h && strcmp(h->program, "odpd") == 0) &&
               !odp_findings_has_of(x->f, "target-open", x->s->name)) {
        check_open(x, p, h);
    }
}

void doctor_check_ports(const struct odp_doctor *d, const struct odp_config_service *s,
                        struct odp_findings *f)
{
    struct context x = {.d = d, .s = s, .f = f};

    for (size_t i = 0; i < s->n_listen; i++) {
        check_address(&x, &s->listen[i]);
        if (check_taken(&x, &s->listen[i]))
            break;
    }
    check_target(&x);
}
