// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The setters of listen and target: which addresses may stand where.

#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

#define WHY_MAX 256

static char *copy(struct odp_config_parse *p, const char *s)
{
    char *c = strdup(s);

    p->out_of_memory |= !c;
    return c;
}

static bool is_one_address(const struct odp_address *a)
{
    struct odp_address any4 = {.kind = ODP_ADDRESS_INET, .port = a->port};

    return a->kind == ODP_ADDRESS_UNIX || a->kind == ODP_ADDRESS_AUTO ||
           !odp_address_covers(a, &any4);
}

static void refuse_target(struct odp_config_parse *p, unsigned line, const char *value,
                          const struct odp_address *a)
{
    if (a->kind != ODP_ADDRESS_UNIX && a->port == 0)
        odp_config_parse_fault(p, line, "[service] target = %s: a port is from 1 to 65535", value);
    else
        odp_config_parse_fault(p, line,
                               "[service] target = %s is not one address: write for instance "
                               "`127.0.0.1:%u`",
                               value, (unsigned)a->port);
}

void odp_config_set_target(struct odp_config_parse *p, const struct odp_config_key *key,
                           unsigned line, const char *value)
{
    struct odp_config_service *s = p->service;
    struct odp_address a;
    char why[WHY_MAX];

    if (odp_address_parse_target(value, &a, why, sizeof(why)) < 0) {
        odp_config_parse_fault(p, line, "[%s] %s: %s", key->section, key->name, why);
    } else if ((a.kind != ODP_ADDRESS_UNIX && a.port == 0) || !is_one_address(&a)) {
        refuse_target(p, line, value, &a);
    } else {
        s->target = a;
        s->target_line = line;
        free(s->target_text);
        s->target_text = copy(p, value);
    }
}

void odp_config_set_listen(struct odp_config_parse *p, const struct odp_config_key *key,
                           unsigned line, const char *value)
{
    struct odp_config_service *s = p->service;
    struct odp_config_listen l = {.line = line}, *more;
    char why[WHY_MAX];

    if (odp_address_parse(value, &l.address, why, sizeof(why)) < 0) {
        odp_config_parse_fault(p, line, "[%s] %s: %s", key->section, key->name, why);
        return;
    }
    if (l.address.kind != ODP_ADDRESS_UNIX && l.address.port == 0) {
        odp_config_parse_fault(p, line, "[%s] %s = %s: a port is from 1 to 65535", key->section,
                               key->name, value);
        return;
    }
    if (s->n_listen == ODP_CONFIG_LISTENS_MAX) {
        odp_config_parse_fault(p, line, "a service listens on at most %d addresses",
                               ODP_CONFIG_LISTENS_MAX);
        return;
    }
    l.text = copy(p, value);
    more = l.text ? reallocarray(s->listen, s->n_listen + 1, sizeof(*more)) : NULL;
    if (!more) {
        free(l.text);
        p->out_of_memory = true;
        return;
    }
    s->listen = more;
    s->listen[s->n_listen++] = l;
}
