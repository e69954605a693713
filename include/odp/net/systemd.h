// SPDX-License-Identifier: LGPL-2.1-or-later
//
// libsystemd's sd-daemon, loaded for the moment a service manager has something for us or wants to
// hear from us, and unloaded again. Linked, it and the six libraries it needs would keep 140 KiB of
// private memory dirty for good (4 KiB pages; three times that with 16 KiB pages).

#pragma once

#include <stdbool.h>

// sd_listen_fds_with_names(3); the environment variables are unset. Returns the number of passed
// descriptors from SD_LISTEN_FDS_START on, 0 without any, or a negative errno. *ret_names and its
// strings are the caller's.
int odp_systemd_listen_fds(char ***ret_names);

// sd_notify(3), one assignment a line. Nothing where no service manager listens. False: its queue
// is full, as it is busy, and it was told nothing; another failure is logged. Never waits. Without
// the library, unlike the rest: the datagram is sent at each change of a service's state, and
// loading the library for it would take 1.5 ms each time, in which nothing is relayed, and leave 28
// KiB dirty.
bool odp_systemd_notify(const char *state);

// True for a process of the unit of that name, as its control group tells.
bool odp_systemd_unit_is(const char *unit);

// True where a service manager listens that may keep descriptors.
bool odp_systemd_may_store(void);

// Leaves a descriptor in the service manager's store under that name, sd_pid_notify_with_fds(3):
// whoever is started next finds it among the passed ones. Waits until the service manager has seen
// to it, for 5 s at most; whether it keeps descriptors at all the other end of a socket tells.
// Returns 0 or a negative errno (-ETIMEDOUT: it has not said).
int odp_systemd_store(int fd, const char *name);

// The library itself, for who needs more of it. Returns NULL and why in *ret_why, which is good
// until the next call.
void *odp_systemd_library_open(const char **ret_why);
void odp_systemd_library_close(void *library);

// Puts the function's address into *ret_function, a pointer to a function pointer. False where
// there is no such function.
bool odp_systemd_library_find(void *library, const char *function, void *ret_function);
