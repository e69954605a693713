// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The clock, and time spans as people write them.

#include "odp/base/time.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define USEC_PER_HOUR (60 * ODP_USEC_PER_MIN)
#define USEC_PER_DAY  (24 * USEC_PER_HOUR)

static const struct unit {
    const char *name;
    uint64_t usec;
} units[] = {
    {"usec", 1},
    {"us", 1},
    {"\xc2\xb5s", 1}, // micro sign
    {"\xce\xbcs", 1}, // Greek mu
    {"msec", ODP_USEC_PER_MS},
    {"ms", ODP_USEC_PER_MS},
    {"seconds", ODP_USEC_PER_SEC},
    {"second", ODP_USEC_PER_SEC},
    {"sec", ODP_USEC_PER_SEC},
    {"s", ODP_USEC_PER_SEC},
    {"minutes", ODP_USEC_PER_MIN},
    {"minute", ODP_USEC_PER_MIN},
    {"min", ODP_USEC_PER_MIN},
    {"m", ODP_USEC_PER_MIN},
    {"hours", USEC_PER_HOUR},
    {"hour", USEC_PER_HOUR},
    {"hr", USEC_PER_HOUR},
    {"h", USEC_PER_HOUR},
    {"days", USEC_PER_DAY},
    {"day", USEC_PER_DAY},
    {"d", USEC_PER_DAY},
    {"weeks", 7 * USEC_PER_DAY},
    {"week", 7 * USEC_PER_DAY},
    {"w", 7 * USEC_PER_DAY},
    {"months", UINT64_C(2629800) * ODP_USEC_PER_SEC}, // 30.44 days
    {"month", UINT64_C(2629800) * ODP_USEC_PER_SEC},
    {"M", UINT64_C(2629800) * ODP_USEC_PER_SEC},
    {"years", UINT64_C(31557600) * ODP_USEC_PER_SEC}, // 365.25 days
    {"year", UINT64_C(31557600) * ODP_USEC_PER_SEC},
    {"y", UINT64_C(31557600) * ODP_USEC_PER_SEC},
};

static uint64_t read_clock(clockid_t id)
{
    struct timespec ts = {0};

    (void)clock_gettime(id, &ts); // cannot fail for these clocks, clock_gettime(2)
    return (uint64_t)ts.tv_sec * ODP_USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t odp_now_usec(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t odp_realtime_usec(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t odp_boottime_usec(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_space(const char *s)
{
    return s + strspn(s, " \t\n\r");
}

// The unit at *s, whole; seconds where there is none. NULL for a word that is no unit.
static const struct unit *take_unit(const char **s, bool *ret_named)
{
    static const struct unit seconds = {"", ODP_USEC_PER_SEC};
    size_t n = strcspn(*s, " \t\n\r0123456789.+-");

    *ret_named = n > 0;
    if (n == 0)
        return &seconds;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].name) == n && memcmp(units[i].name, *s, n) == 0) {
            *s += n;
            return &units[i];
        }
    }
    return NULL;
}

// Digits behind the point, in units of `usec`; what is below a microsecond is dropped.
static uint64_t fraction_usec(const char *digits, size_t n, uint64_t usec)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += (uint64_t)(digits[i] - '0') * usec / 10;
        usec /= 10;
    }
    return sum;
}

// Adds one "NUMBER[UNIT]" to *sum and moves *s behind it.
static int take_part(const char **s, uint64_t *sum, bool *ret_named)
{
    const char *whole = *s, *fraction = NULL;
    uint64_t n = 0, usec;
    size_t n_fraction = 0;
    bool overflow = false;

    while (is_digit(**s)) {
        overflow |= __builtin_mul_overflow(n, (uint64_t)10, &n);
        overflow |= __builtin_add_overflow(n, (uint64_t)(**s - '0'), &n);
        (*s)++;
    }
    if (**s == '.') {
        fraction = ++*s;
        while (is_digit(**s))
            (*s)++;
        n_fraction = (size_t)(*s - fraction);
    }
    if (fraction ? n_fraction == 0 : *s == whole)
        return -EINVAL;
    *s = skip_space(*s);
    const struct unit *unit = take_unit(s, ret_named);
    if (!unit)
        return -EINVAL;
    overflow |= __builtin_mul_overflow(n, unit->usec, &usec);
    overflow |= __builtin_add_overflow(*sum, usec, sum);
    if (n_fraction > 0)
        overflow |=
            __builtin_add_overflow(*sum, fraction_usec(fraction, n_fraction, unit->usec), sum);
    return overflow || *sum == ODP_NEVER ? -ERANGE : 0;
}

int odp_span_parse(const char *s, uint64_t *ret_usec)
{
    uint64_t sum = 0;
    bool named = true;
    int range = 0;

    s = skip_space(s);
    if (strncmp(s, "infinity", 8) == 0 && !*skip_space(s + 8)) {
        *ret_usec = ODP_NEVER;
        return 0;
    }
    if (!*s)
        return -EINVAL;
    while (*s) {
        if (!named) // "10 20": seconds may go without their unit only at the end
            return -EINVAL;
        int r = take_part(&s, &sum, &named);
        if (r == -EINVAL)
            return r;
        if (r < 0)
            range = r;
        s = skip_space(s);
    }
    if (range < 0)
        return range;
    *ret_usec = sum;
    return 0;
}

const char *odp_span_format(uint64_t usec, char *buf, size_t size)
{
    static const struct unit shown[] = {
        {"d", USEC_PER_DAY},     {"h", USEC_PER_HOUR},    {"min", ODP_USEC_PER_MIN},
        {"s", ODP_USEC_PER_SEC}, {"ms", ODP_USEC_PER_MS},
    };
    size_t n = 0;
    int n_units = 0;

    if (usec == ODP_NEVER || usec < ODP_USEC_PER_MS) {
        snprintf(buf, size, "%s", usec == ODP_NEVER ? "infinity" : "0");
        return buf;
    }
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]) && n_units < 2; i++) {
        uint64_t count = usec / shown[i].usec;
        if (count == 0)
            continue;
        int r = snprintf(buf + n, size - n, "%s%llu%s", n_units > 0 ? " " : "",
                         (unsigned long long)count, shown[i].name);
        if (r < 0 || (size_t)r >= size - n)
            break;
        n += (size_t)r;
        n_units++;
        usec %= shown[i].usec;
    }
    return buf;
}
