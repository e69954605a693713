// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The ledger's file: read once, replaced whole. Keeps the lines of services that left the files,
// so that they have their sums again when they come back. Decides nothing about services.

#include "odp/proxy/ledger_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"
#include "odp/core/ledger_text.h"
#include "odp/proxy/visit.h"

#define FILE_NAME    "/ledger"
#define DAMAGED_NAME FILE_NAME ".damaged"
#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

struct odp_ledger_file {
    struct odp_manager *manager;
    struct odp_io_turn turn;         // queued: a write is due
    struct odp_ledger_text departed; // services that are not in the files
    bool failing;                    // it was logged, so its end will be
    char boot_id[ODP_LEDGER_BOOT_ID_MAX + 1];
    char path[ODP_PATH_MAX + sizeof(FILE_NAME)];
};

// ---- reading -----------------------------------------------------------------------------------

static void adopt(struct odp_managed *m, const struct odp_ledger_entry *entry)
{
    odp_ledger_deinit(&m->ledger);
    m->ledger = entry->ledger;
    // The time between two odpds counts for neither.
    odp_ledger_enter(&m->ledger, ODP_LEDGER_UNKNOWN, odp_boottime_usec());
}

// Hands the sums of the services over to them. What is left are those that nobody asked for.
static void adopt_all(struct odp_ledger_file *f)
{
    struct odp_ledger_text *t = &f->departed;
    size_t n_left = 0;

    for (size_t i = 0; i < t->n_entries; i++) {
        struct odp_managed *m = odp_manager_find(f->manager, t->entries[i].name);
        if (m)
            adopt(m, &t->entries[i]);
        else
            t->entries[n_left++] = t->entries[i];
    }
    t->n_entries = n_left;
    if (n_left == 0)
        odp_ledger_text_deinit(t);
}

static struct odp_ledger_entry *add_entry(struct odp_ledger_file *f, const char *name)
{
    struct odp_ledger_text *t = &f->departed;
    struct odp_ledger_entry *entries = reallocarray(t->entries, t->n_entries + 1, sizeof(*entries));

    if (!entries)
        return NULL;
    t->entries = entries;
    struct odp_ledger_entry *entry = &entries[t->n_entries++];
    memcpy(entry->name, name, sizeof(entry->name));
    return entry;
}

void odp_ledger_file_join(struct odp_ledger_file *f, struct odp_managed *m)
{
    struct odp_ledger_entry *entry = f ? odp_ledger_text_find(&f->departed, m->config->name) : NULL;

    if (!entry)
        return;
    adopt(m, entry);
    *entry = f->departed.entries[--f->departed.n_entries];
}

void odp_ledger_file_rename(struct odp_ledger_file *f, const struct odp_managed *m)
{
    struct odp_ledger_entry *entry = f ? odp_ledger_text_find(&f->departed, m->config->name) : NULL;

    if (!entry)
        return;
    odp_ledger_deinit(&entry->ledger);
    *entry = f->departed.entries[--f->departed.n_entries];
}

// Whoever got the sums of that name by now: it was another one's.
static void take_sums(struct odp_ledger_file *f, const char *name, struct odp_ledger *ret)
{
    struct odp_ledger_entry *entry = odp_ledger_text_find(&f->departed, name);
    struct odp_managed *m = odp_manager_find(f->manager, name);

    odp_ledger_init(ret, odp_boottime_usec());
    if (m) {
        struct odp_ledger none = *ret;
        *ret = m->ledger;
        m->ledger = none;
    } else if (entry) {
        *ret = entry->ledger;
        *entry = f->departed.entries[--f->departed.n_entries];
    }
    odp_ledger_enter(ret, ODP_LEDGER_UNKNOWN, odp_boottime_usec());
}

void odp_ledger_file_follow(struct odp_ledger_file *f, const struct odp_link_rename *renames,
                            size_t n)
{
    struct odp_ledger *taken = f ? calloc(n + 1, sizeof(*taken)) : NULL;

    if (!taken)
        return;
    for (size_t i = 0; i < n; i++) // they may have exchanged their names
        take_sums(f, renames[i].from, &taken[i]);
    for (size_t i = 0; i < n; i++) {
        struct odp_managed *m = odp_manager_find(f->manager, renames[i].to);
        if (m) {
            odp_ledger_deinit(&m->ledger);
            m->ledger = taken[i];
        } else {
            odp_ledger_deinit(&taken[i]);
        }
    }
    free(taken);
}

void odp_ledger_file_part(struct odp_ledger_file *f, struct odp_managed *m)
{
    struct odp_ledger_entry *entry = NULL;

    if (f && !odp_manager_find(f->manager, m->config->name) &&
        !odp_ledger_text_find(&f->departed, m->config->name))
        entry = add_entry(f, m->config->name);
    if (!entry)
        return;
    entry->ledger = m->ledger; // the kept wakes move, too
    odp_ledger_init(&m->ledger, odp_boottime_usec());
}

static void keep_aside(struct odp_ledger_file *f, const char *why)
{
    char aside[ODP_PATH_MAX + sizeof(DAMAGED_NAME)];

    snprintf(aside, sizeof(aside), "%s" DAMAGED_NAME, f->manager->paths.state);
    if (rename(f->path, aside) == 0)
        odp_log(ODP_LOG_WARNING, NULL, "%s %s: it is kept as %s, the sums begin at zero", f->path,
                why, aside);
    else
        odp_log(ODP_LOG_WARNING, NULL, "%s %s: the sums begin at zero; cannot keep it aside: %s",
                f->path, why, strerror(errno));
}

static int read_file(struct odp_ledger_file *f)
{
    ODP_CLEANUP_FREE char *text = NULL;
    size_t n_bytes;
    int r = odp_file_read(f->path, ODP_LEDGER_TEXT_MAX, &text, &n_bytes);

    if (r == 0)
        r = odp_ledger_text_parse(text, n_bytes, &f->departed);
    if (r == -ENOENT)
        return 0;
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        keep_aside(f, r == -EBADMSG ? "is damaged" : strerror(-r));
    else if (f->departed.n_skipped > 0)
        odp_log(ODP_LOG_WARNING, NULL, "%s: %zu damaged lines are left out", f->path,
                f->departed.n_skipped);
    adopt_all(f);
    return 0;
}

static void read_boot_id(char ret[ODP_LEDGER_BOOT_ID_MAX + 1])
{
    ODP_CLEANUP_FREE char *text = NULL;
    size_t n_bytes;

    if (odp_file_read(BOOT_ID_PATH, 2 * ODP_LEDGER_BOOT_ID_MAX, &text, &n_bytes) == 0 &&
        strcspn(text, "\n") == ODP_LEDGER_BOOT_ID_MAX)
        memcpy(ret, text, ODP_LEDGER_BOOT_ID_MAX);
}

// ---- writing -----------------------------------------------------------------------------------

static void add_service(struct odp_buf *b, struct odp_managed *m, uint64_t now_usec)
{
    odp_ledger_enter(&m->ledger, m->ledger.phase, now_usec);
    struct odp_ledger ledger = m->ledger; // shares the kept wakes
    odp_visits_sum_bytes(m, &ledger.n_bytes_in, &ledger.n_bytes_out);
    odp_ledger_text_add(b, m->config->name, &ledger);
}

static void compose(struct odp_ledger_file *f, struct odp_buf *b)
{
    const struct odp_manager *mgr = f->manager;
    uint64_t now_usec = odp_boottime_usec();

    odp_ledger_text_begin(b, f->boot_id);
    for (size_t i = 0; i < mgr->n_services; i++)
        add_service(b, mgr->services[i], now_usec);
    for (size_t i = 0; i < mgr->n_departed; i++)
        if (!odp_manager_find(mgr, mgr->departed[i]->config->name))
            add_service(b, mgr->departed[i], now_usec);
    for (size_t i = 0; i < f->departed.n_entries; i++)
        odp_ledger_text_add(b, f->departed.entries[i].name, &f->departed.entries[i].ledger);
    odp_ledger_text_end(b);
}

static void say_how_it_went(struct odp_ledger_file *f, int r)
{
    if (r < 0 && !f->failing)
        odp_log(ODP_LOG_WARNING, NULL, "cannot write %s: %s: the sums are kept in memory alone",
                f->path, strerror(-r));
    else if (r == 0 && f->failing)
        odp_log(ODP_LOG_NOTICE, NULL, "%s is written again", f->path);
    f->failing = r < 0;
}

static void write_file(struct odp_ledger_file *f, bool durable)
{
    struct odp_buf b = {0};

    compose(f, &b);
    int r = b.failed  ? -ENOMEM
            : durable ? odp_file_write_atomic(f->path, b.s, b.n_bytes)
                      : odp_file_replace(f->path, b.s, b.n_bytes);
    odp_buf_deinit(&b);
    say_how_it_went(f, r);
}

// A slow card takes its time to be sure of a write: not while somebody may feel it.
static void on_turn(struct odp_io_turn *turn)
{
    struct odp_ledger_file *f = ODP_CONTAINER_OF(turn, struct odp_ledger_file, turn);

    write_file(f, !odp_manager_is_any_awake(f->manager));
    odp_manager_trim(f->manager); // the text of many services is large for a moment
}

// ---- life --------------------------------------------------------------------------------------

int odp_ledger_file_new(struct odp_manager *mgr, struct odp_ledger_file **ret)
{
    struct odp_ledger_file *f = calloc(1, sizeof(*f));

    *ret = f;
    if (!f)
        return -ENOMEM;
    f->manager = mgr;
    f->turn.on_turn = on_turn;
    odp_list_init(&f->turn.node);
    snprintf(f->path, sizeof(f->path), "%s" FILE_NAME, mgr->paths.state);
    read_boot_id(f->boot_id);
    int r = odp_mkdir_p(mgr->paths.state, 0750);
    if (r < 0 && r != -ENOMEM) {
        say_how_it_went(f, r); // nor will it be written: the same warning
        return 0;
    }
    // What could not be read for want of memory would be written over.
    if (r == 0)
        r = read_file(f);
    if (r < 0) {
        free(f);
        *ret = NULL;
    }
    return r;
}

void odp_ledger_file_changed(struct odp_ledger_file *f)
{
    if (f)
        odp_io_turn_add(f->manager->loop, &f->turn);
}

void odp_ledger_file_free(struct odp_ledger_file *f)
{
    if (!f)
        return;
    odp_list_remove(&f->turn.node);
    write_file(f, true);
    odp_ledger_text_deinit(&f->departed);
    free(f);
}
