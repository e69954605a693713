// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads the scripts that units run: the command that counts may stand in there.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_internal.h"
#include "odp/base/fd.h"

#define SCRIPT_BYTES_MAX 65536

// "{ path=/usr/bin/x ; argv[]=..." Returns false for what is no path.
static bool read_program(const char *block, char *path, size_t size)
{
    const char *command = odp_show_value(block, "ExecStart");
    const char *start = strstr(command, "path=/");
    size_t n = start ? strcspn(start + strlen("path="), " ;") : 0;

    if (n == 0 || n >= size)
        return false;
    memcpy(path, start + strlen("path="), n);
    path[n] = '\0';
    return true;
}

static int add_script(struct odp_doctor *d, const char *unit, char *text)
{
    struct odp_script *scripts = reallocarray(d->scripts, d->n_scripts + 1, sizeof(*scripts));

    if (!scripts) {
        free(text);
        return -ENOMEM;
    }
    d->scripts = scripts;
    scripts[d->n_scripts] = (struct odp_script){.unit = strdup(unit), .text = text};
    return scripts[d->n_scripts++].unit ? 0 : -ENOMEM;
}

static int look_at(struct odp_doctor *d, const char *unit, const char *block)
{
    char path[ODP_PATH_MAX];
    char *text;
    size_t n_bytes;

    // A program is longer, or begins otherwise.
    if (!read_program(block, path, sizeof(path)) ||
        odp_file_read(path, SCRIPT_BYTES_MAX, &text, &n_bytes) < 0)
        return 0;
    if (strncmp(text, "#!", 2) == 0)
        return add_script(d, unit, text);
    free(text);
    return 0;
}

int doctor_gather_scripts(struct odp_doctor *d)
{
    int r = 0;

    for (size_t i = 0; i < d->config.n_services; i++) {
        const struct odp_config_service *s = d->config.services[i];
        const struct odp_show *units = &odp_doctor_manager(d, s)->units;

        for (size_t k = 0; k < s->n_units && r == 0; k++)
            r = look_at(d, s->units[k].text, odp_show_find(units, s->units[k].text));
    }
    return r;
}
