// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When something happened to a container, as its engine writes it.

#pragma once

#include <stdint.h>

// RFC 3339, to the real-time clock's microseconds; 0 for what makes no sense, and for the year 1,
// which means never.
uint64_t odp_engine_time_read(const char *s);
