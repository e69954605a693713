// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Time is uint64_t microseconds. ODP_NEVER stands for no deadline and for infinite spans.

#pragma once

#include <stddef.h>
#include <stdint.h>

#define ODP_NEVER        UINT64_MAX
#define ODP_USEC_PER_MS  UINT64_C(1000)
#define ODP_USEC_PER_SEC UINT64_C(1000000)
#define ODP_USEC_PER_MIN (60 * ODP_USEC_PER_SEC)
#define ODP_SPAN_MAX     64 // bytes that odp_span_format() needs at most

// CLOCK_MONOTONIC now.
uint64_t odp_now_usec(void);

// CLOCK_BOOTTIME now: goes on while the machine is suspended.
uint64_t odp_boottime_usec(void);

// CLOCK_REALTIME now: for what people read, never for deadlines.
uint64_t odp_realtime_usec(void);

// a + b, ODP_NEVER when either is or when it would overflow.
static inline uint64_t odp_usec_add(uint64_t a, uint64_t b)
{
    return a > ODP_NEVER - b ? ODP_NEVER : a + b;
}

static inline uint64_t odp_usec_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// A time span as systemd.time(7) writes it: "10min", "1h 30s", "250ms", "90" (seconds), "1.5s",
// "infinity". Units: usec us ms msec s sec second(s) m min minute(s) h hr hour(s) d day(s) w
// week(s) M month(s) y year(s). Returns 0, or -EINVAL, or -ERANGE where it overflows.
int odp_span_parse(const char *s, uint64_t *ret_usec);

// The shortest exact text down to milliseconds, at most two units: "10min", "1h 30min", "2s",
// "250ms", "infinity", "0". Returns buf.
const char *odp_span_format(uint64_t usec, char *buf, size_t size);
