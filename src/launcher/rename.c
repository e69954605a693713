// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The files of renamed services. Each goes aside under its new name first, then all go where they
// belong: so no file meets another one that has yet to leave. Both steps can be taken again from
// the start, and the name of the note says which one it is.

#include "odp/launcher/rename.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/buf.h"
#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/core/paths.h"

#define NOTE_ASIDE     "renames.aside" // step 1 is not over
#define NOTE_BACK      "renames.back"  // step 1 is over, step 2 is not
#define ASIDE          ".aside"
#define NOTE_MAX_BYTES (4 * 1024 * 1024)

// All that stands under a service's name.
static const char *const suffixes[] = {".pid", ".up", ".out", ".ini", ".old", ".label"};

static void move(const char *directory, const char *from, const char *to)
{
    char old[ODP_PATH_MAX], new[ODP_PATH_MAX];

    snprintf(old, sizeof(old), "%s/%s", directory, from);
    snprintf(new, sizeof(new), "%s/%s", directory, to);
    if (rename(old, new) < 0 && errno != ENOENT)
        odp_log(ODP_LOG_ERR, NULL, "cannot rename %s to %s: %s", old, new, strerror(errno));
}

static void move_one(const char *directory, const struct odp_rename *r, bool back)
{
    char from[ODP_NAME_MAX + 16], to[ODP_NAME_MAX + 16];

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        snprintf(from, sizeof(from), "%s%s%s", back ? r->to : r->from, suffixes[i],
                 back ? ASIDE : "");
        snprintf(to, sizeof(to), "%s%s%s", r->to, suffixes[i], back ? "" : ASIDE);
        move(directory, from, to);
    }
}

static void carry_out(const char *directory, const struct odp_rename *renames, size_t n,
                      bool is_aside_over)
{
    char note[ODP_PATH_MAX];

    for (size_t i = 0; i < n && !is_aside_over; i++)
        move_one(directory, &renames[i], false);
    if (!is_aside_over)
        move(directory, NOTE_ASIDE, NOTE_BACK);
    for (size_t i = 0; i < n; i++)
        move_one(directory, &renames[i], true);
    snprintf(note, sizeof(note), "%s/" NOTE_BACK, directory);
    (void)unlink(note);
}

void odp_rename_files(const char *directory, const struct odp_rename *renames, size_t n)
{
    char note[ODP_PATH_MAX];
    struct odp_buf b = {0};

    for (size_t i = 0; i < n; i++)
        odp_buf_printf(&b, "%s %s\n", renames[i].from, renames[i].to);
    snprintf(note, sizeof(note), "%s/" NOTE_ASIDE, directory);
    int r = b.failed ? -ENOMEM : odp_file_replace(note, b.s, b.n_bytes);
    if (r < 0) // without it a launcher that is killed in the next moment loses track; no other does
        odp_log(ODP_LOG_WARNING, NULL, "cannot write %s: %s", note, strerror(-r));
    odp_buf_deinit(&b);
    carry_out(directory, renames, n, false);
}

static int parse(const char *text, struct odp_rename **ret, size_t *ret_n)
{
    size_t n_lines = 0, n = 0;
    int n_bytes;

    for (const char *s = text; *s; s++)
        n_lines += *s == '\n';
    *ret = calloc(n_lines + 1, sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    for (const char *s = text; n < n_lines; s += n_bytes, n++) {
        struct odp_rename *r = &(*ret)[n];
        if (sscanf(s, "%63s %63s%n", r->from, r->to, &n_bytes) != 2 ||
            !odp_name_is_valid(r->from) || !odp_name_is_valid(r->to))
            return -EBADMSG;
    }
    *ret_n = n;
    return 0;
}

static void finish(const char *directory, const char *name, bool is_aside_over)
{
    ODP_CLEANUP_FREE struct odp_rename *renames = NULL;
    ODP_CLEANUP_FREE char *text = NULL;
    char note[ODP_PATH_MAX];
    size_t n_bytes, n = 0;

    snprintf(note, sizeof(note), "%s/%s", directory, name);
    int r = odp_file_read_own(note, NOTE_MAX_BYTES, &text, &n_bytes);
    if (r == -ENOENT)
        return;
    if (r == 0)
        r = parse(text, &renames, &n);
    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot go by %s: %s", note, strerror(-r));
        return;
    }
    odp_log(ODP_LOG_NOTICE, NULL, "%zu services are still to be renamed", n);
    carry_out(directory, renames, n, is_aside_over);
}

void odp_rename_finish(const char *directory)
{
    finish(directory, NOTE_BACK, true);
    finish(directory, NOTE_ASIDE, false);
}
