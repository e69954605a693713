// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Names of the units that commands run in.

#include "odp/core/command.h"

#include <stdio.h>

const char *odp_command_unit(const char *label, enum odp_role role, unsigned number,
                             char ret[ODP_COMMAND_UNIT_MAX + 1])
{
    const char *kind = "exec", *word = "";
    char count[16] = "";

    switch (role) {
    case ODP_ROLE_SERVICE: kind = "run"; break;
    case ODP_ROLE_PROBE: kind = "probe"; break;
    case ODP_ROLE_COMPOSE: kind = "compose"; break;
    case ODP_ROLE_START: word = "-start"; break;
    case ODP_ROLE_STOP: word = "-stop"; break;
    case ODP_ROLE_STATUS: word = "-status"; break;
    }
    if (number > 1)
        snprintf(count, sizeof(count), ":%u", number);
    snprintf(ret, ODP_COMMAND_UNIT_MAX + 1, "odp-%s-%s%s%s.service", kind, label, word, count);
    return ret;
}
