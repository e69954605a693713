// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The table of `odp status`. Pure: JSON in, text out. It must not trust what odpd sent: a missing
// or odd value shows as `-`.

#pragma once

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "odp/base/buf.h"

// Appends the table of a Status reply's `services`, then a line for each service that failed, whose
// file is invalid, or of which there is a note. Without services: a line on what to do.
void odp_table_status(const cJSON *services, bool colour, struct odp_buf *ret);
