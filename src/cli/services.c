// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reading the files of all services; see the header.

#include "odp/cli/services.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/cli/text.h"

static int out_of_memory(void)
{
    odp_complain("out of memory: free some and try again");
    return ODP_EXIT_FAILED;
}

const char *odp_services_hint(void)
{
    return geteuid() != 0 && access(ODP_SYSTEM_CONFIG, F_OK) == 0
               ? " (as root: the system's files in " ODP_SYSTEM_CONFIG ")"
               : "";
}

// Units and messages name files by paths that hold anywhere.
static int find_directory(const struct odp_cli *cli, char *ret, size_t size)
{
    char *config = realpath(cli->paths.config, NULL);
    int n = -1;

    if (config)
        n = snprintf(ret, size, "%s/" ODP_CONFIG_SERVICES_DIR, config);
    free(config);
    if (n >= 0 && (size_t)n < size)
        return ODP_EXIT_DONE;
    if (n >= 0)
        odp_complain("%s: the path is too long", cli->paths.config);
    else if (errno == ENOENT)
        odp_complain("there is no directory %s: make it, or name another with --config%s",
                     cli->paths.config, cli->config_named ? "" : odp_services_hint());
    else
        odp_complain("%s cannot be read: %s", cli->paths.config, strerror(errno));
    return ODP_EXIT_FAILED;
}

int odp_services_read(const struct odp_cli *cli, struct odp_services *ret)
{
    *ret = (struct odp_services){0};
    int code = find_directory(cli, ret->directory, sizeof(ret->directory));
    if (code != ODP_EXIT_DONE)
        return code;
    int r = odp_files_read(ret->directory, ODP_CONFIG_SUFFIX, ODP_CONFIG_FILE_MAX, &ret->files);
    if (r == -ENOMEM)
        return out_of_memory();
    if (r < 0) {
        odp_complain("%s cannot be read: %s", ret->directory, strerror(-r));
        return ODP_EXIT_FAILED;
    }
    return ODP_EXIT_DONE;
}

int odp_services_load(struct odp_services *s)
{
    return odp_config_load(&s->files, &s->config) < 0 ? out_of_memory() : ODP_EXIT_DONE;
}

void odp_services_deinit(struct odp_services *s)
{
    odp_files_deinit(&s->files);
    odp_config_deinit(&s->config);
}

void odp_fault_add(struct odp_buf *b, const struct odp_config_fault *fault)
{
    odp_text_add(b, fault->file);
    odp_buf_printf(b, ":%u: ", fault->line);
    odp_text_add(b, fault->message);
    odp_buf_add(b, "\n", 1);
}
