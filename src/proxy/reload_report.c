// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a reload has done: row by row, for who asked for it and for the log.

#include "reload_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"

const char *odp_reload_kind_to_string(enum odp_reload_kind kind)
{
    switch (kind) {
    case ODP_RELOAD_ADDED: return "added";
    case ODP_RELOAD_CHANGED: return "changed";
    case ODP_RELOAD_RENAMED: return "renamed";
    case ODP_RELOAD_REMOVED: return "removed";
    case ODP_RELOAD_LISTENS: return "listens";
    }
    return "unknown";
}

void reload_add_row(struct reloading *r, enum odp_reload_kind kind, const char *name,
                    const char *was)
{
    struct odp_reload_row *rows =
        reallocarray(r->report->rows, r->report->n_rows + 1, sizeof(*rows));

    odp_log(ODP_LOG_NOTICE, name, "reload: %s%s%s", odp_reload_kind_to_string(kind),
            was ? ", before: " : "", was ? was : "");
    if (!rows)
        return; // it is in the log
    r->report->rows = rows;
    struct odp_reload_row *row = &rows[r->report->n_rows++];
    *row = (struct odp_reload_row){.kind = kind};
    snprintf(row->name, sizeof(row->name), "%s", name);
    snprintf(row->was, sizeof(row->was), "%s", was ? was : "");
}

static int compare_rows(const void *a, const void *b)
{
    const struct odp_reload_row *ra = a, *rb = b;

    return ra->kind != rb->kind ? (ra->kind > rb->kind) - (ra->kind < rb->kind)
                                : strcmp(ra->name, rb->name);
}

void reload_report_end(struct reloading *r, const char *why_not)
{
    struct odp_reload *report = r->report;

    if (report->n_rows > 0)
        qsort(report->rows, report->n_rows, sizeof(*report->rows), compare_rows);
    odp_log(why_not ? ODP_LOG_ERR : ODP_LOG_NOTICE, NULL, "reload: %s",
            why_not                       ? why_not
            : r->mgr->files.n_invalid > 0 ? "done, but for the faulty files"
            : report->n_rows > 0          ? "done"
                                          : "nothing has changed");
}

void odp_reload_deinit(struct odp_reload *r)
{
    free(r->rows);
    *r = (struct odp_reload){0};
}
