// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Members of JSON that is not trusted: what is not there, or is something else, is as good as
// empty.

#pragma once

#include <cjson/cJSON.h>

// NULL where there is none.
static inline const cJSON *odp_json_member(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

// "" where it is no string.
static inline const char *odp_json_text(const cJSON *json, const char *name)
{
    const char *s = cJSON_GetStringValue(odp_json_member(json, name));

    return s ? s : "";
}
