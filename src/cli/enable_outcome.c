// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What came of odp enable and odp disable under a service manager: a line for each service, and for
// one that nobody listens for the reason.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enable_internal.h"

static bool is_manager(const struct odp_holder *h)
{
    return strcmp(h->program, "systemd") == 0;
}

bool enable_is_lost(const struct odp_ports *ports, const struct odp_address *a)
{
    bool is_heard = false;

    for (const struct odp_port *p = NULL; (p = odp_ports_next(ports, a, p));) {
        is_heard = true;
        for (const struct odp_holder *h = NULL; (h = odp_ports_holder(ports, p->inode, h));)
            if (is_manager(h))
                return false;
    }
    return !is_heard || !ports->blind;
}

static void complain_taken(const struct odp_config_service *s, const char *listen,
                           const struct odp_holder *h)
{
    char holder[ODP_UNIT_NAME_MAX + 64] = "another program (ss -ltnp shows it)";

    if (h && is_manager(h))
        snprintf(holder, sizeof(holder), "another socket unit (systemctl list-sockets shows it)");
    else if (h)
        snprintf(holder, sizeof(holder), "%s (pid %d%s%s)", h->program, h->pid,
                 h->unit[0] ? ", " : "", h->unit);
    odp_complain("%s: %s is taken by %s: end that, or change listen, then odp enable %s", s->name,
                 listen, holder, s->name);
}

// A unix socket that is in the way the service manager replaces.
static bool tell_taken(const struct odp_config_service *s)
{
    struct odp_ports ports;
    const struct odp_port *p = NULL;

    if (odp_ports_read(&ports) == 0)
        for (size_t i = 0; i < s->n_listen && !p; i++) {
            if (s->listen[i].address.kind != ODP_ADDRESS_UNIX)
                p = odp_ports_next(&ports, &s->listen[i].address, NULL);
            if (p)
                complain_taken(s, s->listen[i].text, odp_ports_holder(&ports, p->inode, NULL));
        }
    odp_ports_deinit(&ports);
    return p != NULL;
}

static int tell_failed(const struct odp_enable *e, const struct odp_config_service *s,
                       const struct odp_socket_unit *u)
{
    if (!s || !tell_taken(s))
        odp_complain("%s: %s is %s (%s): systemctl %sstatus %s tells why", s ? s->name : u->name,
                     u->name, u->active, u->result, e->is_user ? "--user " : "", u->name);
    return ODP_EXIT_FAILED;
}

static int tell_absent(const struct odp_enable *e, const char *name, const char *unit,
                       const char *load)
{
    const char *option = e->is_user ? " --user" : "";

    if (strcmp(load, "masked") == 0)
        odp_complain("%s: %s is masked: systemctl%s unmask %s", name, unit, option, unit);
    else
        odp_complain("%s: the service manager has no %s: is odp-generator installed? "
                     "(journalctl%s -t odp-generator)",
                     name, unit, option);
    return ODP_EXIT_FAILED;
}

static int tell_one(const struct odp_enable *e, const struct odp_socket_units *now,
                    const char *name)
{
    char unit[ODP_UNITS_NAME_MAX + 1];
    const struct odp_socket_unit *u =
        odp_socket_units_find(now, odp_units_name(name, unit, sizeof(unit)));

    if (odp_socket_unit_is_active(u) == e->enables)
        return enable_tell(e, name);
    if (!e->enables) {
        odp_complain("%s: %s is up all the same: a unit file of that name starts it (systemctl %s"
                     "cat %s)",
                     name, unit, e->is_user ? "--user " : "", unit);
        return ODP_EXIT_FAILED;
    }
    if (!u || strcmp(u->load, "loaded") != 0)
        return tell_absent(e, name, unit, u ? u->load : "");
    return tell_failed(e, enable_service(e, name), u);
}

int enable_units_tell(const struct odp_enable *e, const struct odp_socket_units *now)
{
    int code = ODP_EXIT_DONE;

    for (size_t i = 0; i < e->n_names; i++) {
        int told = tell_one(e, now, e->names[i]);
        code = told > code ? told : code;
    }
    return code;
}
