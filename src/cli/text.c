// SPDX-License-Identifier: LGPL-2.1-or-later
//
// UTF-8, control characters and JSON on their way out. Names and reasons come from files, clients
// and programs: none of them may steer the terminal of who asks for the status.

#include "odp/cli/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_INTEGER_MAX 9007199254740992.0 // 2^53: up to here a double counts without gaps

static size_t sequence_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first < 0xE0)
        return 2;
    if (first >= 0xE0 && first < 0xF0)
        return 3;
    if (first >= 0xF0 && first < 0xF5)
        return 4;
    return 0;
}

int32_t odp_text_next(const char **s)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    const unsigned char *p = (const unsigned char *)*s;
    size_t n = sequence_length(p[0]);
    int32_t c = p[0] & mask[n];

    (*s)++;
    // A NUL is no continuation byte, so this never reads past the end.
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return -1;
        c = c << 6 | (p[i] & 0x3F);
    }
    if (n == 0 || c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return -1;
    *s += n - 1;
    return c;
}

bool odp_text_is_control(int32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x200E || c == 0x200F;
}

void odp_text_add(struct odp_buf *b, const char *s)
{
    while (*s) {
        const char *start = s;

        if (odp_text_is_control(odp_text_next(&s)))
            odp_buf_add(b, "?", 1);
        else
            odp_buf_add(b, start, (size_t)(s - start));
    }
}

void odp_text_add_bytes(struct odp_buf *b, double bytes)
{
    double mib = bytes / (1 << 20);

    if (mib < 1)
        odp_buf_printf(b, "%.0fK", bytes / (1 << 10));
    else if (mib < 1023.5)
        odp_buf_printf(b, "%.0fM", mib);
    else
        odp_buf_printf(b, "%.1fG", mib / 1024);
}

size_t odp_text_width(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static void add_string(struct odp_buf *b, const char *s)
{
    odp_buf_add(b, "\"", 1);
    while (*s) {
        const char *start = s;
        int32_t c = odp_text_next(&s);

        if (c < 0)
            odp_buf_printf(b, "\\ufffd");
        else if (c == '\n')
            odp_buf_printf(b, "\\n");
        else if (c == '\t')
            odp_buf_printf(b, "\\t");
        else if (odp_text_is_control(c))
            odp_buf_printf(b, "\\u%04x", (unsigned)c);
        else
            odp_buf_printf(b, "%s%.*s", c == '"' || c == '\\' ? "\\" : "", (int)(s - start), start);
    }
    odp_buf_add(b, "\"", 1);
}

static void add_number(struct odp_buf *b, double d)
{
    char text[32];

    if (!isfinite(d)) {
        odp_buf_printf(b, "null");
    } else if (fabs(d) <= EXACT_INTEGER_MAX && fabs(d - (double)(int64_t)d) <= 0) {
        odp_buf_printf(b, "%.0f", d);
    } else {
        snprintf(text, sizeof(text), "%.15g", d);
        if (fabs(strtod(text, NULL) - d) > 0)
            snprintf(text, sizeof(text), "%.17g", d);
        odp_buf_printf(b, "%s", text);
    }
}

static void add_value(struct odp_buf *b, const cJSON *json, int depth);

static void add_children(struct odp_buf *b, const cJSON *json, int depth)
{
    for (const cJSON *child = json->child; child; child = child->next) {
        odp_buf_printf(b, "%s\n%*s", child == json->child ? "" : ",", (depth + 1) * 2, "");
        if (cJSON_IsObject(json)) {
            add_string(b, child->string);
            odp_buf_printf(b, ": ");
        }
        add_value(b, child, depth + 1);
    }
    if (json->child)
        odp_buf_printf(b, "\n%*s", depth * 2, "");
}

static void add_value(struct odp_buf *b, const cJSON *json, int depth)
{
    if (cJSON_IsObject(json) || cJSON_IsArray(json)) {
        odp_buf_printf(b, cJSON_IsObject(json) ? "{" : "[");
        add_children(b, json, depth);
        odp_buf_printf(b, cJSON_IsObject(json) ? "}" : "]");
    } else if (cJSON_IsString(json)) {
        add_string(b, json->valuestring);
    } else if (cJSON_IsNumber(json)) {
        add_number(b, json->valuedouble);
    } else if (cJSON_IsBool(json)) {
        odp_buf_printf(b, "%s", cJSON_IsTrue(json) ? "true" : "false");
    } else {
        odp_buf_printf(b, "null");
    }
}

void odp_json_add(struct odp_buf *b, const cJSON *json)
{
    add_value(b, json, 0);
}
