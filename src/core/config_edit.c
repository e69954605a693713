// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Finds `enabled` in a file's text by the rules of config_ini.c, and replaces its value.

#include "odp/core/config_edit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config_internal.h"

#define SECTION "service"
#define KEY     "enabled"

// A part of the text.
struct span {
    const char *s;
    size_t n;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span p)
{
    while (p.n > 0 && is_blank(p.s[0])) {
        p.s++;
        p.n--;
    }
    while (p.n > 0 && is_blank(p.s[p.n - 1]))
        p.n--;
    return p;
}

static bool is(struct span p, const char *word)
{
    return p.n == strlen(word) && memcmp(p.s, word, p.n) == 0;
}

// The line that begins at *s, without its newline; *s moves behind that. False at the end.
static bool next_line(const char **s, const char *end, struct span *ret)
{
    if (*s >= end)
        return false;
    const char *newline = memchr(*s, '\n', (size_t)(end - *s));
    *ret = (struct span){*s, (size_t)((newline ? newline : end) - *s)};
    *s = newline ? newline + 1 : end;
    return true;
}

static bool is_header(struct span line, bool *ret_is_service)
{
    if (line.n == 0 || line.s[0] != '[')
        return false;
    line = trim(line);
    *ret_is_service = line.n >= 2 && line.s[line.n - 1] == ']' &&
                      is(trim((struct span){line.s + 1, line.n - 2}), SECTION);
    return true;
}

// The value of the line, where it is one of the key.
static bool is_key(struct span line, struct span *ret_value)
{
    const char *equals = line.n > 0 ? memchr(line.s, '=', line.n) : NULL;

    if (!equals || !is(trim((struct span){line.s, (size_t)(equals - line.s)}), KEY) ||
        is_blank(line.s[0]))
        return false;
    *ret_value = trim((struct span){equals + 1, line.n - (size_t)(equals + 1 - line.s)});
    return true;
}

// What stands between two parts of the text is replaced.
static int put(const char *text, size_t n_bytes, struct span old, const char *new,
               struct odp_buf *ret)
{
    size_t at = (size_t)(old.s - text);

    *ret = (struct odp_buf){0};
    odp_buf_add(ret, text, at);
    odp_buf_add(ret, new, strlen(new));
    odp_buf_add(ret, old.s + old.n, n_bytes - at - old.n);
    if (!ret->failed)
        return 1;
    odp_buf_deinit(ret);
    return -ENOMEM;
}

static bool says(struct span value, bool enabled)
{
    char word[16];
    bool is_enabled;

    snprintf(word, sizeof(word), "%.*s", (int)(value.n < sizeof(word) ? value.n : 0), value.s);
    return odp_config_bool(word, &is_enabled) && is_enabled == enabled;
}

int odp_config_edit_enabled(const char *text, size_t n_bytes, bool enabled, struct odp_buf *ret)
{
    const char *s = text, *end = text + n_bytes;
    struct span line, value, header = {0};
    bool is_service = false;

    if (n_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) // config_ini.c passes it over, too
        s += 3;
    while (next_line(&s, end, &line)) {
        if (is_header(line, &is_service)) {
            if (is_service && !header.s)
                header = line;
        } else if (is_service && is_key(line, &value)) {
            return says(value, enabled) ? 0
                                        : put(text, n_bytes, value, enabled ? "yes" : "no", ret);
        }
    }
    if (!header.s)
        return -ENOENT;
    if (enabled)
        return 0;
    return put(text, n_bytes, (struct span){header.s + header.n, 0}, "\n" KEY " = no", ret);
}
