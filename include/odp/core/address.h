// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A stream address as the files write it: `4533`, `127.0.0.1:4533`, `[fe80::1]:4533`,
// `/run/x.sock`, as a target also `auto:80`. Pure text and bytes; net/ turns it into a sockaddr.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum odp_address_kind {
    ODP_ADDRESS_NONE,
    ODP_ADDRESS_PORT, // a bare port: every address of the machine, IPv6 and IPv4
    ODP_ADDRESS_INET,
    ODP_ADDRESS_INET6,
    ODP_ADDRESS_UNIX,
    ODP_ADDRESS_AUTO, // of a target: this port of a container, whose own address is asked for
};

#define ODP_ADDRESS_PATH_MAX 107 // sun_path less its NUL, unix(7)
#define ODP_ADDRESS_TEXT_MAX 112 // bytes that odp_address_format() needs at most

struct odp_address {
    enum odp_address_kind kind;
    uint16_t port;
    union {
        uint8_t ip[16]; // network order; 4 bytes for INET
        char path[ODP_ADDRESS_PATH_MAX + 1];
    };
};

// Parses a literal address; `localhost:PORT` counts as 127.0.0.1:PORT, and an IPv4 address in IPv6
// dress (::ffff:127.0.0.1) as that IPv4 address. Port 0 is taken: who minds it looks at it.
// Returns 0, or -EINVAL and one line in `why` (what is wrong and what would be right).
int odp_address_parse(const char *s, struct odp_address *ret, char *why, size_t why_size);

// As odp_address_parse(), and takes `auto:PORT`.
int odp_address_parse_target(const char *s, struct odp_address *ret, char *why, size_t why_size);

bool odp_address_equal(const struct odp_address *a, const struct odp_address *b);

// True where a listener on `a` takes what is meant for `b`: the same address, or `a` is a wildcard
// of b's port: a bare port or [::] for both families, 0.0.0.0 for IPv4 (and other wildcards).
bool odp_address_covers(const struct odp_address *a, const struct odp_address *b);

// For searches (base/index.h): equal addresses have equal keys.
uint64_t odp_address_key(unsigned char kind, const struct odp_address *a);

bool odp_address_is_loopback(const struct odp_address *a);

const char *odp_address_format(const struct odp_address *a, char *buf, size_t size);
