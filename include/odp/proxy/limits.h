// SPDX-License-Identifier: LGPL-2.1-or-later
//
// RLIMIT_NOFILE: odpd needs two descriptors for each connection, so it takes all it may have. What
// it starts gets the soft limit that odpd was given: programs that use select(2) rely on it.

#pragma once

void odp_limits_raise(void); // the first call remembers what was given
void odp_limits_restore(void);
