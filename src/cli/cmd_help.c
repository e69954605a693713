// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp help: made from the verb table, so that no verb goes undescribed.

#include <stdio.h>
#include <string.h>

#include "odp/cli/cli.h"

#define USAGE_WIDTH 28

static void help_all(struct odp_buf *out)
{
    odp_buf_printf(out, "Usage: odp [--runtime DIR] VERB ...\n\n");
    for (const struct odp_verb *v = odp_verbs; v->name; v++) {
        char usage[64];

        snprintf(usage, sizeof(usage), "%s %s", v->name, v->arguments);
        odp_buf_printf(out, "  %-*s", USAGE_WIDTH, usage);
        if (strlen(usage) > USAGE_WIDTH)
            odp_buf_printf(out, "\n  %-*s", USAGE_WIDTH, "");
        odp_buf_printf(out, " %s\n", v->summary);
    }
    odp_buf_printf(out,
                   "\n"
                   "  --runtime DIR  where odpd has its " ODP_CONTROL_SOCKET
                   " (else ODP_RUNTIME, XDG_RUNTIME_DIR/odp,\n"
                   "                 /run/odp)\n"
                   "  --config DIR   where the files are (else XDG_CONFIG_HOME/odp, /etc/odp)\n"
                   "  --help         this text; after a verb, more on that verb\n"
                   "  --version      the version of odp\n\n"
                   "Exit codes: 0 done, 1 it failed, 2 wrong usage, 3 odpd cannot be "
                   "reached.\n");
}

int odp_cmd_help(const struct odp_cli *cli, int argc, char **argv)
{
    struct odp_buf out = {0};
    const struct odp_verb *verb;

    (void)cli;
    if (argc > 2) {
        odp_complain("help takes one verb (odp help)");
        return ODP_EXIT_USAGE;
    }
    if (argc < 2) {
        help_all(&out);
        return odp_print(&out);
    }
    verb = odp_verb_find(argv[1]);
    if (!verb)
        return ODP_EXIT_USAGE;
    odp_buf_printf(&out, "Usage: odp %s%s%s\n\n%s", verb->name, *verb->arguments ? " " : "",
                   verb->arguments, verb->help);
    return odp_print(&out);
}
