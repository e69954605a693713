// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Finds the functions of libsystemd; see the header for why it is not linked.

#include "odp/launcher/systemd_library.h"

#include <stdbool.h>
#include <stddef.h>

#include "odp/net/systemd.h"

#define X(name) {"sd_bus_" #name, offsetof(struct odp_sd_bus, name)},
static const struct {
    const char *symbol;
    size_t offset;
} functions[] = {ODP_SD_BUS_FUNCTIONS(X)};
#undef X

const struct odp_sd_bus *odp_sd_bus_load(const char **ret_why)
{
    static struct odp_sd_bus loaded;
    static bool is_loaded;
    void *library;

    if (is_loaded)
        return &loaded;
    library = odp_systemd_library_open(ret_why);
    if (!library)
        return NULL;
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (odp_systemd_library_find(library, functions[i].symbol,
                                     (char *)&loaded + functions[i].offset))
            continue;
        *ret_why = functions[i].symbol;
        odp_systemd_library_close(library);
        return NULL;
    }
    is_loaded = true;
    return &loaded;
}
