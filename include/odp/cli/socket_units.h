// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp's socket units as the service manager has them, asked for by systemctl.

#pragma once

#include "odp/base/buf.h"
#include "odp/core/units.h"

struct odp_socket_unit {
    char name[ODP_UNITS_NAME_MAX + 1];
    char load[24], active[24], result[32]; // as LoadState=, ActiveState= and Result= have it
    struct odp_buf listen;                 // its addresses, and who may connect, a line each
};

struct odp_socket_units {
    struct odp_socket_unit *items; // owned
    size_t n;
    char odpd_load[24], odpd_active[24]; // of odpd.service
};

// Runs `systemctl [--user] WORD...` to its end; the words end with NULL. Returns 0, its exit status
// or a negative errno. What it prints is put into *ret_out, which is the caller's and may be NULL
// for nothing (ret_out NULL: thrown away), and with a status other than 0 its last word on stderr
// into `why`.
int odp_systemctl(bool is_user, const char *const *words, char **ret_out, char *why,
                  size_t why_size);

// Asks for all that are loaded, for those of these services and for odpd. Returns as
// odp_systemctl(); *ret is to be deinitialised in any case.
int odp_socket_units_ask(bool is_user, char *const *services, size_t n_services,
                         struct odp_socket_units *ret, char *why, size_t why_size);

// Reads what `systemctl show` has printed. Returns 0 or -ENOMEM. Pure.
int odp_socket_units_parse(const char *text, struct odp_socket_units *ret);

const struct odp_socket_unit *odp_socket_units_find(const struct odp_socket_units *u,
                                                    const char *name);

bool odp_socket_unit_is_active(const struct odp_socket_unit *u);

void odp_socket_units_deinit(struct odp_socket_units *u);
