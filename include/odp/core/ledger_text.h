// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The ledger as a text that outlives odpd. One line says the format, one the boot it was written
// in, then comes one for each service, and last a checksum of all before it:
//
//     odp-ledger 1
//     boot 3e0fb1a4-...
//     navidrome 2 0 20480 734003200 5400000000 81000000000 41200 39800,41200 230686720 222298112 90
//     checksum 9ae16a3b2f90404f
//
// A service's fields are wakes, failed wakes, bytes in and out, microseconds awake and asleep, the
// last wake's microseconds (- for none), the kept wakes' microseconds, oldest first (- for none);
// then the bytes that it used at the most, those that it used when it was last stopped (0: not
// known), and what was saved, in KiB times seconds. An earlier odp's line ends before these three.
// What follows them is a later odp's and passed over. Pure: the caller reads and writes the file.

#pragma once

#include "odp/base/buf.h"
#include "odp/core/config.h"
#include "odp/core/ledger.h"

#define ODP_LEDGER_BOOT_ID_MAX  36                  // bytes of a UUID
#define ODP_LEDGER_SERVICES_MAX 4096                // lines that are read
#define ODP_LEDGER_TEXT_MAX     (4 * 1024 * 1024)   // bytes; that many lines fit
#define ODP_LEDGER_SUM_MAX      (UINT64_C(1) << 53) // of each sum; exact in JSON, 285 years

struct odp_ledger_entry {
    char name[ODP_NAME_MAX + 1];
    struct odp_ledger ledger; // its phase is unknown
};

struct odp_ledger_text {
    char boot_id[ODP_LEDGER_BOOT_ID_MAX + 1]; // empty: the writer did not know
    struct odp_ledger_entry *entries;         // owned array, no name twice
    size_t n_entries;
    size_t n_skipped; // lines that made no sense, or were too many
};

// Writes: begin, add each service, end. `boot_id` may be empty. Sums above ODP_LEDGER_SUM_MAX are
// written as that.
void odp_ledger_text_begin(struct odp_buf *b, const char *boot_id);
void odp_ledger_text_add(struct odp_buf *b, const char *name, const struct odp_ledger *l);
void odp_ledger_text_end(struct odp_buf *b);

// Reads. Returns 0 and *ret the caller's, -EBADMSG where the text is not whole (another format,
// torn, changed, longer than ODP_LEDGER_TEXT_MAX), -ENOMEM.
int odp_ledger_text_parse(const char *text, size_t n_bytes, struct odp_ledger_text *ret);

// The entry of that name, NULL if there is none.
struct odp_ledger_entry *odp_ledger_text_find(const struct odp_ledger_text *t, const char *name);

void odp_ledger_text_deinit(struct odp_ledger_text *t);
