/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the load generator's measures share (load.c names them). All calls block, all functions
 * return 0 or a negative errno. Whoever opens a descriptor closes it; what is still open at the
 * program's end the kernel closes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#define BENCH_MAX_CLIENTS 1024

uint64_t bench_now_nsec(void);

/* A blocking connect: on loopback the kernel completes it without the proxy. Returns the descriptor
 * or a negative errno. */
int bench_connect(uint16_t port);

int bench_send_all(int fd, const void *bytes, size_t n_bytes);

/* An EOF before the frame is complete is -EPIPE. */
int bench_receive_frame(int fd, struct bench_frame *ret);

/* Connects and sends the frame that names the job. Returns the descriptor, the caller's from here
 * on. */
int bench_begin(uint16_t port, const struct bench_frame *job);

/* Sorts them and prints the percentiles as a JSON object's members, in microseconds. */
void bench_print_percentiles(uint64_t *nsec, size_t n);

/* The measures. Each prints one line of JSON. */
int bench_bulk(uint16_t port, uint64_t n_bytes, bool up, unsigned n_streams);
int bench_short(uint16_t port, uint64_t n_connections, uint64_t n_clients);
int bench_pingpong(uint16_t port, uint64_t n_trips);
int bench_slow(uint16_t port, unsigned n_streams, unsigned n_msec);
int bench_idle(uint16_t port, uint64_t n_connections);
int bench_half_close(uint16_t port, uint64_t n_bytes);
int bench_half_close_service(uint16_t port, uint64_t n_bytes);
