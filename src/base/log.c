// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Log lines on stderr, each with a single write so that lines of several processes never mix.
// Keeps the one piece of global state in base: who is writing, and how loudly.

#include "odp/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static const char *log_program = "odp";
static enum odp_log_level log_level = ODP_LOG_INFO;
static bool log_to_journal;

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

void odp_log(enum odp_log_level level, const char *service, const char *format, ...)
{
    char line[LINE_MAX_BYTES + 1];
    int saved = errno;

    if (level > log_level)
        return;
    size_t n = add_prefix(line, LINE_MAX_BYTES, level, service);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + n, LINE_MAX_BYTES - n, format, args);
    va_end(args);
    if (more > 0) {
        bool cut = (size_t)more >= LINE_MAX_BYTES - n;
        n = cut ? end_on_character(line, LINE_MAX_BYTES - 1) : n + (size_t)more;
    }
    line[n] = '\0';
    replace_controls(line);
    line[n] = '\n';
    // Nowhere to report a log line that cannot be written.
    while (write(STDERR_FILENO, line, n + 1) < 0 && errno == EINTR) {
    }
    errno = saved;
}
