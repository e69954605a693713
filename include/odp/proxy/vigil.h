// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the service manager is told of odpd: its status line, and that it is alive. The watchdog is
// armed only while something is awake: asleep odpd makes no system call, and nobody would miss it.
// WatchdogSec= of the unit says how long it may be silent; without it there is no watchdog.

#pragma once

struct odp_manager;
struct odp_vigil;

// Takes WATCHDOG_USEC out of the environment. Returns 0 or -ENOMEM.
int odp_vigil_new(struct odp_manager *mgr, struct odp_vigil **ret);

// odpd serves, or has reloaded: says READY. What a busy service manager does not take is told
// again. NULL is fine.
void odp_vigil_ready(struct odp_vigil *v);

// A service has changed its state, came or went: the manager hears of it once this turn of the loop
// is over, if its status is another one. NULL is fine.
void odp_vigil_changed(struct odp_vigil *v);

// odpd is about to end: says STOPPING and disarms. NULL is fine.
void odp_vigil_leave(struct odp_vigil *v);

// NULL is fine.
void odp_vigil_free(struct odp_vigil *v);
