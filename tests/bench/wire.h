/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the benchmark's client (load.c) and its service (serve.c) say to each other. Every
 * connection starts with one frame of 64 bytes that names the job, so a proxy under test needs a
 * single target port for all measures. The echo job sends the frame itself back, which makes a
 * short connection exactly 64 bytes each way. Both ends run on one machine: host byte order.
 */

#include <stddef.h>
#include <stdint.h>

enum {
    BENCH_ECHO = 'E',       /* send back whatever arrives */
    BENCH_DOWN = 'D',       /* service sends n_bytes */
    BENCH_UP = 'U',         /* client sends n_bytes, service then answers with one frame */
    BENCH_HALF_CLOSE = 'H', /* client sends n_bytes and EOF; all of it comes back, then one frame */
    BENCH_ENDS_FIRST =
        'S', /* service sends n_bytes made of `digest` and EOF, then receives as much */
    BENCH_VERDICT =
        'V', /* what ENDS_FIRST of that `digest` received: LAST_WORDS, or the same back */
    BENCH_LAST_WORDS = 'L', /* the frame that ends UP and HALF_CLOSE */
};

struct bench_frame {
    uint8_t op;
    uint8_t pad[7];
    uint64_t n_bytes;
    uint64_t digest;
    uint8_t fill[40];
};

_Static_assert(sizeof(struct bench_frame) == 64, "a frame is the 64 bytes of a short connection");

#define BENCH_DIGEST_INIT UINT64_C(0xcbf29ce484222325)

/* FNV-1a: finds a lost, doubled or swapped byte; nobody attacks it here. Feed it in pieces. */
static inline uint64_t bench_digest(uint64_t digest, const uint8_t *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
    return digest;
}

/* Fills bytes that have no period, so that a doubled or skipped block shows in the digest. */
static inline void bench_fill(uint8_t *bytes, size_t n_bytes, uint64_t seed)
{
    for (size_t i = 0; i < n_bytes; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (uint8_t)(seed >> 56);
    }
}

/* The service: listens on 127.0.0.1 at each port and serves until killed. Returns negative errno.
 */
int bench_serve(const uint16_t *ports, size_t n_ports);
