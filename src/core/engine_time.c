// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Moments in the JSON of container engines; see the header.

#include "odp/core/engine_time.h"

#include <stdio.h>
#include <time.h>

#include "odp/base/time.h"

uint64_t odp_engine_time_read(const char *s)
{
    struct tm tm = {0};
    const char *at = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
    time_t sec = at ? timegm(&tm) : 0;
    uint64_t usec = 0, unit = 100000;
    int hours, minutes;

    if (at && *at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++, unit /= 10)
            usec += unit * (uint64_t)(*at - '0');
    if (at && sscanf(at, "%3d:%2d", &hours, &minutes) == 2)
        sec -= (hours * 60 + (hours < 0 || *at == '-' ? -minutes : minutes)) * 60;
    return sec > 0 ? (uint64_t)sec * ODP_USEC_PER_SEC + usec : 0;
}
