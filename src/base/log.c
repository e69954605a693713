// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Log lines on stderr, each with a single write so that lines of several processes never mix; or
// entries of the journal. Keeps the one piece of global state in base: who is writing, and how
// loudly.

#include "odp/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "odp/base/buf.h"
#include "odp/base/fd.h"
#include "odp/base/journal.h"
#include "odp/base/keep.h"

#define LINE_MAX_BYTES 1024

static const char *log_program = "odp";
static enum odp_log_level log_level = ODP_LOG_INFO;
static bool log_to_journal;
static const char *service_field;  // NULL: no entries, lines alone
static const char *keep_directory; // NULL: nothing is kept
static bool keep_failed;           // it was said
static bool keep_gathers;          // lines wait in keep_lines, to be written together
static struct odp_buf keep_lines;

// JOURNAL_STREAM is inherited by programs whose stderr leads elsewhere by now; systemd.exec(5)
// has its device and inode to tell.
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat st;

    if (!stream || sscanf(stream, "%ju:%ju", &device, &inode) != 2)
        return false;
    return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void odp_log_fields_on(const char *field)
{
    service_field = log_to_journal ? field : NULL;
}

void odp_log_init(const char *program, enum odp_log_level level)
{
    log_program = program;
    log_level = level;
    log_to_journal = stderr_is_journal();
}

bool odp_log_level_from_string(const char *s, enum odp_log_level *ret)
{
    static const struct {
        const char *name;
        enum odp_log_level level;
    } names[] = {
        {"err", ODP_LOG_ERR},       {"error", ODP_LOG_ERR}, {"warning", ODP_LOG_WARNING},
        {"notice", ODP_LOG_NOTICE}, {"info", ODP_LOG_INFO}, {"debug", ODP_LOG_DEBUG},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(s, names[i].name) == 0) {
            *ret = names[i].level;
            return true;
        }
    }
    return false;
}

// Also the C1 controls of UTF-8 (0xC2 0x80 to 0xC2 0x9F): some terminals obey them.
static void replace_controls(char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)s[0], next = (unsigned char)s[1];
        if (c < 0x20 || c == 0x7f)
            *s = '?';
        else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
            s[0] = s[1] = '?';
    }
}

// Takes off the last character where the cut went through the middle of it.
static size_t end_on_character(const char *s, size_t n)
{
    size_t start = n;

    while (start > 0 && n - start < 3 && ((unsigned char)s[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0 || (unsigned char)s[start - 1] < 0xc0)
        return n;
    unsigned char lead = (unsigned char)s[start - 1];
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    return n - start + 1 < need ? start - 1 : n;
}

static size_t add_prefix(char *line, size_t size, enum odp_log_level level, const char *service)
{
    int n;

    if (log_to_journal)
        n = snprintf(line, size, "<%d>", (int)level);
    else
        n = snprintf(line, size, "%s: ", log_program);
    size_t used = n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
    if (service) {
        n = snprintf(line + used, size - used, "%s: ", service);
        used += n < 0 ? 0 : (size_t)n < size - used ? (size_t)n : size - used - 1;
    }
    return used;
}

// "2026-11-21T04:17:10.123+01:00 ", RFC 3339 in local time.
static size_t add_time(char *s, size_t size)
{
    struct timespec now;
    struct tm tm;
    char zone[8] = "";

    clock_gettime(CLOCK_REALTIME, &now);
    if (!localtime_r(&now.tv_sec, &tm) || strftime(zone, sizeof(zone), "%z", &tm) != 5)
        return 0;
    size_t n = strftime(s, size, "%FT%T", &tm);
    n += (size_t)snprintf(s + n, size - n, ".%03ld%.3s:%.2s ", now.tv_nsec / 1000000, zone,
                          zone + 3);
    return n;
}

static void append(const char *service, const char *lines, size_t n_bytes)
{
    int r = odp_keep_append(keep_directory, service, lines, n_bytes);

    if (r == 0 || keep_failed)
        return;
    keep_failed = true;
    odp_log(ODP_LOG_WARNING, NULL, "lines of services cannot be kept in %s: %s", keep_directory,
            strerror(-r));
}

static void append_gathered(const char *service)
{
    if (keep_lines.n_bytes > 0)
        append(service, keep_lines.s, keep_lines.n_bytes);
    odp_buf_deinit(&keep_lines);
}

// `text` is a whole line, its newline included, without control characters.
static void keep(enum odp_log_level level, const char *service, const char *who, const char *text)
{
    char line[LINE_MAX_BYTES + 64];

    if (!keep_directory || log_to_journal || level > ODP_LOG_INFO)
        return;
    size_t n = add_time(line, sizeof(line));
    n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", who, text);
    if (!keep_gathers) {
        append(service, line, n);
        return;
    }
    odp_buf_add(&keep_lines, line, n);
    if (keep_lines.n_bytes > ODP_KEEP_BYTES / 2) // very short lines: their times are most of it
        append_gathered(service);
}

void odp_log_gather(void)
{
    keep_gathers = true;
}

void odp_log_gathered(const char *service)
{
    keep_gathers = false;
    append_gathered(service);
}

void odp_log_keep(const char *directory)
{
    if (log_to_journal)
        return;
    keep_directory = directory;
    (void)odp_mkdir_p(directory, 0750); // the first line tells
}

struct line {
    enum odp_log_level level;
    const char *service; // or NULL
    bool is_output;      // of the service itself
    const struct odp_journal_field *fields;
    size_t n_fields;
    char text[LINE_MAX_BYTES + 2]; // with the prefix and a newline
    size_t n_prefix, n;
};

// What a service prints bears its name as the program's.
static bool enter_journal(struct line *l)
{
    const char priority[] = {(char)('0' + (int)l->level), '\0'};
    const char *message = l->text + (l->is_output ? l->n_prefix : strlen("<6>"));
    struct odp_journal_field fields[4 + ODP_LOG_FIELDS_MAX] = {
        {"MESSAGE", message},
        {"PRIORITY", priority},
        {"SYSLOG_IDENTIFIER", l->is_output ? l->service : log_program},
        {service_field, l->service},
    };

    for (size_t i = 0; i < l->n_fields && i < ODP_LOG_FIELDS_MAX; i++)
        fields[4 + i] = l->fields[i];
    l->text[l->n] = '\0';
    bool taken = odp_journal_send(fields, sizeof(fields) / sizeof(fields[0]));
    l->text[l->n] = '\n';
    return taken;
}

__attribute__((format(printf, 2, 0))) static void write_line(struct line *l, const char *format,
                                                             va_list args)
{
    int saved = errno;
    size_t n = l->n_prefix = add_prefix(l->text, LINE_MAX_BYTES, l->level, l->service);
    int more = vsnprintf(l->text + n, LINE_MAX_BYTES - n, format, args);

    if (more > 0) {
        bool cut = (size_t)more >= LINE_MAX_BYTES - n;
        n = cut ? end_on_character(l->text, LINE_MAX_BYTES - 1) : n + (size_t)more;
    }
    l->text[n] = '\0';
    replace_controls(l->text);
    l->text[n] = '\n';
    l->text[n + 1] = '\0';
    l->n = n;
    if (l->level <= log_level && !(service_field && enter_journal(l)))
        while (write(STDERR_FILENO, l->text, n + 1) < 0 && errno == EINTR) {
        } // nowhere to report a log line that cannot be written
    if (l->service)
        keep(l->level, l->service, l->is_output ? "" : "odp: ", l->text + l->n_prefix);
    errno = saved;
}

void odp_log(enum odp_log_level level, const char *service, const char *format, ...)
{
    struct line l = {.level = level, .service = service};
    va_list args;

    if (level > log_level)
        return;
    va_start(args, format);
    write_line(&l, format, args);
    va_end(args);
}

void odp_log_event(enum odp_log_level level, const char *service,
                   const struct odp_journal_field *fields, size_t n_fields, const char *format, ...)
{
    struct line l = {.level = level, .service = service, .fields = fields, .n_fields = n_fields};
    va_list args;

    if (level > log_level)
        return;
    va_start(args, format);
    write_line(&l, format, args);
    va_end(args);
}

__attribute__((format(printf, 2, 3))) static void log_output(const char *service,
                                                             const char *format, ...)
{
    struct line l = {.level = ODP_LOG_INFO, .service = service, .is_output = true};
    va_list args;

    va_start(args, format);
    write_line(&l, format, args);
    va_end(args);
}

void odp_log_output(const char *service, const char *line)
{
    log_output(service, "%s", line);
}
