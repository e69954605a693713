// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Log lines on stderr: `odpd: navidrome: woken by 192.0.2.7`. Under the journal (JOURNAL_STREAM
// names the file that stderr is) each line starts with its syslog priority as sd-daemon(3) defines
// it, and the journal adds time and program; with odp_log_fields_on() it is an entry with fields
// instead. A function either logs an error or returns it, never both.

#pragma once

#include <stdbool.h>

#include "odp/base/journal.h"

// The values are syslog(3) priorities.
enum odp_log_level {
    ODP_LOG_ERR = 3,
    ODP_LOG_WARNING = 4,
    ODP_LOG_NOTICE = 5,
    ODP_LOG_INFO = 6,
    ODP_LOG_DEBUG = 7,
};

// `program` must outlive the process's last line. Lines above `level` are dropped.
void odp_log_init(const char *program, enum odp_log_level level);

// From now on, where stderr is the journal, lines go to it as entries that bear the service's name
// in the field `service_field` (which must outlive the last line). What the journal does not take
// goes to stderr.
void odp_log_fields_on(const char *service_field);

bool odp_log_level_from_string(const char *s, enum odp_log_level *ret);

// From now on lines about a service are kept in DIRECTORY/SERVICE.log, too, with the time before
// them (base/keep.h); not below ODP_LOG_INFO, and not where the journal keeps them. What cannot be
// kept is one warning. The directory is made; `directory` must outlive the process's last line.
void odp_log_keep(const char *directory);

// One line; `service` may be NULL. Newlines and control characters within are replaced, so that
// nobody outside can forge a line. Cut at 1 KiB.
void odp_log(enum odp_log_level level, const char *service, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The same with up to ODP_LOG_FIELDS_MAX further fields for the journal; elsewhere they are lost.
#define ODP_LOG_FIELDS_MAX 4
void odp_log_event(enum odp_log_level level, const char *service,
                   const struct odp_journal_field *fields, size_t n_fields, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

// One line that a service has printed itself: kept whatever the level is.
void odp_log_output(const char *service, const char *line);

// What is logged between the two about one service is kept with one write.
void odp_log_gather(void);
void odp_log_gathered(const char *service);
