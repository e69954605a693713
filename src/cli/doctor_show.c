// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads what `systemctl show` prints. Pure: doctor_managers.c asks.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/cli/doctor.h"

int odp_show_parse(const char *text, struct odp_show *ret)
{
    size_t n_bytes = strlen(text);
    bool begins = true;

    // Each line becomes a string; the empty line behind a block becomes the empty string.
    *ret = (struct odp_show){.text = calloc(n_bytes + 2, 1),
                             .blocks = calloc(n_bytes / 2 + 1, sizeof(char *))};
    if (!ret->text || !ret->blocks)
        return -ENOMEM;
    memcpy(ret->text, text, n_bytes);
    for (char *line = ret->text; line < ret->text + n_bytes;) {
        char *end = strchrnul(line, '\n');

        if (end == line) {
            begins = true;
        } else if (begins) {
            ret->blocks[ret->n++] = line;
            begins = false;
        }
        *end = '\0';
        line = end + 1;
    }
    return 0;
}

void odp_show_deinit(struct odp_show *s)
{
    free(s->text);
    free(s->blocks);
    *s = (struct odp_show){0};
}

const char *odp_show_next(const char *block, const char *key, const char *at)
{
    size_t n = strlen(key);

    if (at)
        block = at + strlen(at) + 1;
    for (const char *line = block; line && *line; line += strlen(line) + 1)
        if (strncmp(line, key, n) == 0 && line[n] == '=')
            return line + n + 1;
    return NULL;
}

const char *odp_show_value(const char *block, const char *key)
{
    const char *value = odp_show_next(block, key, NULL);

    return value ? value : "";
}

bool odp_show_is(const char *block, const char *key, const char *value)
{
    return strcmp(odp_show_value(block, key), value) == 0;
}

const char *odp_show_find(const struct odp_show *s, const char *unit)
{
    for (size_t i = 0; i < s->n; i++)
        if (odp_words_have(odp_show_value(s->blocks[i], "Names"), unit))
            return s->blocks[i];
    return NULL;
}

bool odp_words_next(const char **list, char *word, size_t size)
{
    const char *s = *list + strspn(*list, " \t\n");
    size_t n = strcspn(s, " \t\n");

    if (n == 0)
        return false;
    snprintf(word, size, "%.*s", (int)n, s);
    *list = s + n;
    return true;
}

bool odp_words_have(const char *list, const char *word)
{
    char other[ODP_UNIT_NAME_MAX];

    while (list && odp_words_next(&list, other, sizeof(other)))
        if (strcmp(other, word) == 0)
            return true;
    return false;
}
