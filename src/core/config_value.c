// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Values as such: characters, booleans, command lines. Knows no key and adds no fault.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_internal.h"

// The smallest code point that needs this many bytes: less is an overlong form.
static const unsigned long smallest[] = {0, 0, 0x80, 0x800, 0x10000};

size_t odp_config_character(const char *s, size_t n_bytes)
{
    unsigned char lead = (unsigned char)s[0];
    unsigned long c;
    size_t n;

    if (lead < 0x80)
        return (lead < 0x20 && lead != '\t') || lead == 0x7f ? 0 : 1;
    if (lead < 0xc0 || lead > 0xf4)
        return 0;
    n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (n > n_bytes)
        return 0;
    c = lead & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | ((unsigned char)s[i] & 0x3f);
    }
    if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || (c >= 0x80 && c < 0xa0))
        return 0;
    // Noncharacters: systemd does not load a unit that has one.
    if ((c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe)
        return 0;
    return n;
}

bool odp_config_bool(const char *s, bool *ret)
{
    static const char *const words[2][6] = {
        {"no", "false", "off", "0", "n", "f"},
        {"yes", "true", "on", "1", "y", "t"},
    };

    for (size_t i = 0; i < 6; i++) {
        for (int value = 0; value < 2; value++) {
            if (strcasecmp(s, words[value][i]) == 0) {
                *ret = value == 1;
                return true;
            }
        }
    }
    return false;
}

void odp_config_strv_free(char **v)
{
    if (!v)
        return;
    for (char **s = v; *s; s++)
        free(*s);
    free(v);
}

int odp_config_strv_add(char ***v, char *s)
{
    size_t n = 0;

    while (*v && (*v)[n])
        n++;
    char **more = s ? reallocarray(*v, n + 2, sizeof(*more)) : NULL;
    if (!more) {
        free(s);
        return -ENOMEM;
    }
    more[n] = s;
    more[n + 1] = NULL;
    *v = more;
    return 0;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

// n_digits digits of this base at s as one byte; 0 where they are none, or stand for no byte.
static unsigned number_at(const char *s, int base, int n_digits)
{
    int sum = 0;

    for (int i = 0; i < n_digits; i++) {
        int d = digit_of(s[i]);
        if (d >= base)
            return 0;
        sum = sum * base + d;
    }
    return sum <= 255 ? (unsigned)sum : 0;
}

// What the escape behind a backslash stands for, *s moved behind it. Returns -EINVAL for none.
static int take_escape(const char **s, char *ret)
{
    static const char names[] = "abfnrtvs\\\"' ";
    static const char meant[] = "\a\b\f\n\r\t\v \\\"' ";
    const char *found = **s ? strchr(names, **s) : NULL;
    unsigned byte;

    if (found) {
        *ret = meant[found - names];
        *s += 1;
        return 0;
    }
    if (**s == 'x' && (byte = number_at(*s + 1, 16, 2)) > 0)
        *s += 3;
    else if ((byte = number_at(*s, 8, 3)) > 0)
        *s += 3;
    else
        return -EINVAL;
    *ret = (char)byte;
    return 0;
}

static int refuse_escape(const char *s, char *why, size_t why_size)
{
    if (*s)
        snprintf(why, why_size, "`\\%.*s` is no escape: a backslash itself is written `\\\\`",
                 (int)odp_config_character(s, strlen(s)), s);
    else
        snprintf(why, why_size, "a backslash at the end escapes nothing: write `\\\\`");
    return -EINVAL;
}

// One word into `out`, which is large enough: no escape is shorter than what it stands for.
static int take_word(const char **s, char *out, char *why, size_t why_size)
{
    char quote = '\0';

    for (; **s;) {
        char c = *(*s)++;
        if (c == '\\') {
            if (take_escape(s, &c) < 0)
                return refuse_escape(*s, why, why_size);
            *out++ = c;
        } else if (quote ? c == quote : c == '"' || c == '\'') {
            quote = (char)(quote ? '\0' : c);
        } else if (!quote && (c == ' ' || c == '\t')) {
            break;
        } else {
            *out++ = c;
        }
    }
    *out = '\0';
    if (!quote)
        return 0;
    snprintf(why, why_size, "a quote (%c) is opened and not closed", quote);
    return -EINVAL;
}

int odp_config_split(const char *s, char ***ret, char *why, size_t why_size)
{
    char *word = malloc(strlen(s) + 1);
    char **argv = NULL;
    int r = word ? 0 : -ENOMEM;

    while (r == 0) {
        s += strspn(s, " \t");
        if (!*s)
            break;
        r = take_word(&s, word, why, why_size);
        if (r == 0)
            r = odp_config_strv_add(&argv, strdup(word));
    }
    free(word);
    if (r < 0) {
        odp_config_strv_free(argv);
        return r;
    }
    *ret = argv;
    return 0;
}
