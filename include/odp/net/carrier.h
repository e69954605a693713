// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Any number of descriptors in one: a socketpair whose queue holds them, SCM_RIGHTS, while its
// other end lies in the service manager's descriptor store. One descriptor stored for each
// connection would be quadratic there, and 12,000 of them more than LISTEN_FDNAMES can name.
//
// Descriptors are told apart by their number: 0 for the first that was put in. While they are in
// flight they count against RLIMIT_NOFILE of the user, unix(7): what does not go in is an error of
// the put, and what went in before stays.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ODP_CARRIER_NAME  "odp-carrier" // FDNAME=
#define ODP_CARRIER_BATCH 253           // descriptors of one message, the kernel's SCM_MAX_FD

// The sending side.
struct odp_carrier {
    int fd;                       // owned; -1: closed
    int batch[ODP_CARRIER_BATCH]; // borrowed until they are sent
    unsigned n_batch;
    uint32_t n_put;
    int error; // of the first message that could not be sent: nothing more goes in
};

// *ret_store is the end to be stored, the caller's. Returns 0 or a negative errno.
int odp_carrier_open(struct odp_carrier *c, int *ret_store);

// Puts a descriptor in; it stays the caller's, who keeps it open until the flush. Returns 0 and its
// number, or a negative errno.
int odp_carrier_put(struct odp_carrier *c, int fd, uint32_t *ret_number);

// Sends what has gathered. Returns 0 or a negative errno.
int odp_carrier_flush(struct odp_carrier *c);

// True where somebody has the other end, be it the service manager alone.
bool odp_carrier_is_kept(const struct odp_carrier *c);

void odp_carrier_close(struct odp_carrier *c);

// What came out of a carrier, by number; -1 where one did not arrive, or was taken.
struct odp_carried {
    int *fds; // owned array
    uint32_t n;
};

// Takes all out of the end that was stored, which stays the caller's. Returns 0, or a negative
// errno where some may be lost; *ret is to be deinitialised in both cases.
int odp_carried_receive(int store, struct odp_carried *ret);

// Gives one away: its descriptor, or -1.
int odp_carried_take(struct odp_carried *c, uint32_t number);

// Closes what nobody took.
void odp_carried_deinit(struct odp_carried *c);
