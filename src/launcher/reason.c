// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes texts fit to be shown: no control characters, no broken UTF-8. Pure.

#include "odp/launcher/reason.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// Bytes of the sound UTF-8 sequence at s (Unicode 15, table 3-7), 0 where there is none. The NUL at
// the end of the text is no continuation byte, so nothing is read behind it.
static size_t utf8_length(const unsigned char *s)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t n;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        n = 2;
    else if ((s[0] & 0xf0) == 0xe0)
        n = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        n = 4;
    else
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

// True where only continuation bytes follow the lead byte at s: the text was cut here.
static bool is_cut_character(const unsigned char *s)
{
    if (s[0] < 0xc2)
        return false;
    for (s++; *s != '\0'; s++)
        if ((*s & 0xc0) != 0x80)
            return false;
    return true;
}

void odp_reason_clean(char *s)
{
    unsigned char *at = (unsigned char *)s;

    while (*at != '\0') {
        size_t n = utf8_length(at);

        if (n == 0 && is_cut_character(at)) {
            *at = '\0';
            return;
        }
        if (n == 0)
            *at = '?';
        else if (*at < ' ' || *at == 0x7f)
            *at = ' ';
        at += n == 0 ? 1 : n;
    }
}

const char *odp_reason_cause(const char *message, size_t n_max_bytes)
{
    const char *at = message, *next;

    while (strlen(at) > n_max_bytes && (next = strstr(at, ": ")))
        at = next + 2;
    return at;
}

void odp_reason_vformat(char *s, size_t size, const char *format, va_list args)
{
    if (vsnprintf(s, size, format, args) < 0)
        s[0] = '\0';
    odp_reason_clean(s);
}

void odp_reason_format(char *s, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    odp_reason_vformat(s, size, format, args);
    va_end(args);
}
