// SPDX-License-Identifier: LGPL-2.1-or-later
//
// GET /containers/json to names; see the header. What the engine says is not trusted.

#include "odp/cli/compose_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/cli/engine_get.h"
#include "odp/core/compose.h"

#define PATH_BYTES_MAX 512

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// It stands in paths of requests and on command lines.
static bool is_name(const char *s)
{
    return strspn(s, ALNUM) > 0 && s[strspn(s, ALNUM "_.-")] == '\0';
}

// "Names": ["/wiki-db-1"]; a link's has another slash behind. NULL: it has none.
static const char *name_of(const cJSON *container)
{
    const cJSON *name;

    cJSON_ArrayForEach(name, cJSON_GetObjectItemCaseSensitive(container, "Names"))
    {
        const char *s = cJSON_GetStringValue(name);
        if (s && is_name(s + (s[0] == '/')))
            return s + (s[0] == '/');
    }
    return NULL;
}

static bool is_oneoff(const cJSON *container)
{
    const cJSON *labels = cJSON_GetObjectItemCaseSensitive(container, "Labels");
    const char *s =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(labels, ODP_COMPOSE_ONEOFF));

    return s && strcasecmp(s, "true") == 0;
}

static void add_names(struct odp_words *w, const cJSON *list)
{
    const cJSON *container;

    cJSON_ArrayForEach(container, list)
    {
        const char *name = is_oneoff(container) ? NULL : name_of(container);
        if (name)
            odp_words_add(w, "%s", name);
    }
}

static int compare(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

int odp_compose_list(const char *socket, const char *project, unsigned *ret_status,
                     struct odp_words *ret)
{
    char path[PATH_BYTES_MAX];
    cJSON *list = NULL;

    *ret = (struct odp_words){0};
    snprintf(path, sizeof(path), ODP_COMPOSE_LIST, project);
    int r = odp_engine_get(socket, path, ret_status, &list);
    if (r == 0 && *ret_status == 200 && !cJSON_IsArray(list))
        r = -EBADMSG;
    if (r == 0 && *ret_status == 200)
        add_names(ret, list);
    cJSON_Delete(list);
    if (ret->n > 0)
        qsort(ret->items, ret->n, sizeof(ret->items[0]), compare);
    return ret->failed ? -ENOMEM : r;
}
