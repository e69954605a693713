// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one setting that odp changes in somebody's file, as they would: every other byte stays.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "odp/base/buf.h"

// Makes [service] enabled say so in a service's file. Returns 1 and the new text in *ret, 0 where
// nothing is to be changed (a file without the key is enabled), -ENOENT for a text without
// [service], or -ENOMEM. *ret is to be deinitialised after 1.
int odp_config_edit_enabled(const char *text, size_t n_bytes, bool enabled, struct odp_buf *ret);
