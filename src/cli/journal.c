// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is asked of journalctl; see the header. The units come from the service's file, for those
// who may read it: whoever may not sees the lines of odp alone.

#include "odp/cli/journal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/cli/run.h"
#include "odp/core/command.h"
#include "odp/core/config.h"
#include "odp/core/message.h"
#include "odp/core/paths.h"

// What it prints, and what the service manager says about it (which is process 1, so that nobody
// else can). `+` is journalctl's `or`.
static void add_unit(struct odp_words *w, const char *unit, bool user)
{
    odp_words_add(w, "+");
    odp_words_add(w, user ? "_SYSTEMD_USER_UNIT=%s" : "_SYSTEMD_UNIT=%s", unit);
    odp_words_add(w, "+");
    odp_words_add(w, user ? "USER_UNIT=%s" : "UNIT=%s", unit);
    if (!user)
        odp_words_add(w, "_PID=1");
}

static struct odp_config_service *read_settings(const struct odp_journal_query *q)
{
    char path[ODP_PATH_MAX + ODP_NAME_MAX + 32];
    struct odp_config_faults faults = {0};
    struct odp_config_service *settings = NULL;
    char *text;
    size_t n_bytes;

    snprintf(path, sizeof(path), "%s/" ODP_CONFIG_SERVICES_DIR "/%s" ODP_CONFIG_SUFFIX,
             q->config_dir, q->name);
    if (odp_file_read(path, ODP_CONFIG_FILE_MAX, &text, &n_bytes) < 0)
        return NULL;
    (void)odp_config_service_parse(q->name, path, text, n_bytes, &settings, &faults);
    odp_config_faults_deinit(&faults);
    free(text);
    return settings;
}

static void add_units(struct odp_words *w, const struct odp_journal_query *q)
{
    struct odp_config_service *s = read_settings(q);
    char unit[ODP_COMMAND_UNIT_MAX + 1];

    if (!s)
        return;
    bool user = s->scope == ODP_SCOPE_DEFAULT ? q->user : s->scope == ODP_SCOPE_USER;
    for (size_t i = 0; i < s->n_units; i++)
        add_unit(w, s->units[i].text, user);
    if (s->backend == ODP_BACKEND_PROCESS)
        add_unit(w, odp_command_unit(q->name, ODP_ROLE_SERVICE, 1, unit), user);
    if (s->backend == ODP_BACKEND_EXEC) {
        add_unit(w, odp_command_unit(q->name, ODP_ROLE_START, 1, unit), user);
        add_unit(w, odp_command_unit(q->name, ODP_ROLE_STOP, 1, unit), user);
    }
    odp_config_service_free(s);
}

char **odp_journal_argv(const struct odp_journal_query *q)
{
    struct odp_words w = {0};

    odp_words_add(&w, "journalctl");
    odp_words_add(&w, "--output=short-iso");
    odp_words_add(&w, "--quiet");
    if (q->user)
        odp_words_add(&w, "--user");
    if (q->follow)
        odp_words_add(&w, "--follow");
    if (q->n_lines != ODP_JOURNAL_ALL_LINES)
        odp_words_add(&w, "--lines=%zu", q->n_lines);
    else if (q->follow) // or it would show ten
        odp_words_add(&w, "--lines=all");
    odp_words_add(&w, ODP_FIELD_SERVICE "=%s", q->name);
    add_units(&w, q);
    if (!w.failed)
        return w.items;
    odp_journal_argv_free(w.items);
    return NULL;
}

void odp_journal_argv_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        free(argv[i]);
    free(argv);
}

int odp_journal_show(const struct odp_journal_query *q)
{
    char **argv = odp_journal_argv(q);

    if (!argv)
        return -ENOMEM;
    execvp(argv[0], argv);
    int r = -errno;
    odp_journal_argv_free(argv);
    return r;
}
