// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Addresses as text. inet_pton() and inet_ntop() are used as the text functions they are; nothing
// here resolves a name or opens a socket.

#include "odp/core/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "odp/base/index.h"

#define HOST_MAX 255

static bool is_port_text(const char *s)
{
    size_t n = strspn(s, "0123456789");

    return n > 0 && !s[n];
}

static int parse_port(const char *s, uint16_t *ret, char *why, size_t why_size)
{
    unsigned port = 0;

    if (!is_port_text(s)) {
        snprintf(why, why_size, "`%.64s` is not a port: write a number from 1 to 65535", s);
        return -EINVAL;
    }
    for (; *s && port <= UINT16_MAX; s++)
        port = port * 10 + (unsigned)(*s - '0');
    if (port > UINT16_MAX) {
        snprintf(why, why_size, "the port is too large: write a number from 1 to 65535");
        return -EINVAL;
    }
    *ret = (uint16_t)port;
    return 0;
}

// Two spellings of one path would be two addresses: only the plain one is taken.
static bool is_plain_path(const char *s)
{
    while (*s == '/') {
        size_t n = strcspn(++s, "/");
        if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
            return false;
        s += n;
    }
    return true;
}

static int parse_unix(const char *s, struct odp_address *a, char *why, size_t why_size)
{
    size_t n = strlen(s);

    if (n > ODP_ADDRESS_PATH_MAX) {
        snprintf(why, why_size, "the path of a unix socket is at most %d bytes long, this has %zu",
                 ODP_ADDRESS_PATH_MAX, n);
        return -EINVAL;
    }
    if (!is_plain_path(s)) {
        snprintf(why, why_size,
                 "`%s` is not the plain path of a socket: leave out `//`, `.`, `..` and a `/` at "
                 "the end",
                 s);
        return -EINVAL;
    }
    a->kind = ODP_ADDRESS_UNIX;
    memcpy(a->path, s, n + 1);
    return 0;
}

static void set_inet6(struct odp_address *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    a->kind = ODP_ADDRESS_INET6;
    if (memcmp(a->ip, mapped, sizeof(mapped)) != 0)
        return;
    // ::ffff:127.0.0.1 is 127.0.0.1 to the kernel; with one form it is so to every comparison.
    a->kind = ODP_ADDRESS_INET;
    memmove(a->ip, a->ip + sizeof(mapped), 4);
    memset(a->ip + 4, 0, sizeof(a->ip) - 4);
}

static int parse_host6(const char *s, size_t n, struct odp_address *a, char *why, size_t why_size)
{
    char host[INET6_ADDRSTRLEN];

    if (n < sizeof(host)) {
        memcpy(host, s, n);
        host[n] = '\0';
        if (inet_pton(AF_INET6, host, a->ip) == 1) {
            set_inet6(a);
            return 0;
        }
    }
    if (memchr(s, '%', n))
        snprintf(why, why_size, "an IPv6 address with a zone (`%%`) is not built yet in odp %s",
                 ODP_VERSION);
    else
        snprintf(why, why_size, "`%.*s` is not an IPv6 address: write for instance `[::1]:8080`",
                 (int)(n < 64 ? n : 64), s);
    return -EINVAL;
}

static bool is_host_name(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");

    // What has no letter is a misspelt IPv4 address.
    return n > 0 && !s[n] && strspn(s, "0123456789.") < n;
}

static int parse_host4(const char *host, struct odp_address *a, char *why, size_t why_size)
{
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    a->kind = ODP_ADDRESS_INET;
    if (inet_pton(AF_INET, host, a->ip) == 1)
        return 0;
    if (strcmp(host, "*") == 0)
        snprintf(why, why_size, "`*` is not an address: the port alone stands for all of them");
    else if (is_host_name(host))
        snprintf(why, why_size,
                 "`%.64s` is a host name, which is not built yet in odp %s: write its address, for "
                 "instance `192.0.2.7:8080`",
                 host, ODP_VERSION);
    else
        snprintf(why, why_size, "`%.64s` is not an address: write for instance `127.0.0.1:8080`",
                 host);
    return -EINVAL;
}

static int parse_inet6(const char *s, struct odp_address *a, char *why, size_t why_size)
{
    const char *end = strchr(s, ']');

    if (!end || end[1] != ':') {
        snprintf(why, why_size, "`%.64s` is not ADDRESS:PORT: write for instance `[::1]:8080`", s);
        return -EINVAL;
    }
    int r = parse_host6(s + 1, (size_t)(end - s - 1), a, why, why_size);
    return r < 0 ? r : parse_port(end + 2, &a->port, why, why_size);
}

static int parse_host_port(const char *s, struct odp_address *a, char *why, size_t why_size)
{
    const char *colon = strrchr(s, ':');
    char host[HOST_MAX + 1];
    size_t n;

    if (!colon) {
        snprintf(why, why_size,
                 "`%.64s` is not an address: write `8080`, `127.0.0.1:8080`, `[::1]:8080` or a "
                 "socket's path, `/run/x.sock`",
                 s);
        return -EINVAL;
    }
    n = (size_t)(colon - s);
    if (memchr(s, ':', n)) {
        snprintf(why, why_size,
                 "`%.64s`: an IPv6 address stands in brackets, for instance `[::1]:8080`", s);
        return -EINVAL;
    }
    if (n > HOST_MAX) {
        snprintf(why, why_size, "the address is too long");
        return -EINVAL;
    }
    memcpy(host, s, n);
    host[n] = '\0';
    int r = parse_host4(host, a, why, why_size);
    return r < 0 ? r : parse_port(colon + 1, &a->port, why, why_size);
}

int odp_address_parse(const char *s, struct odp_address *ret, char *why, size_t why_size)
{
    struct odp_address a = {.kind = ODP_ADDRESS_NONE};
    int r;

    if (is_port_text(s)) {
        a.kind = ODP_ADDRESS_PORT;
        r = parse_port(s, &a.port, why, why_size);
    } else if (s[0] == '/') {
        r = parse_unix(s, &a, why, why_size);
    } else if (s[0] == '[') {
        r = parse_inet6(s, &a, why, why_size);
    } else if (strchr(s, '/')) {
        snprintf(why, why_size,
                 "`%.64s` is not an address: the path of a unix socket begins with `/`", s);
        r = -EINVAL;
    } else {
        r = parse_host_port(s, &a, why, why_size);
    }
    if (r == 0)
        *ret = a;
    return r;
}

int odp_address_parse_target(const char *s, struct odp_address *ret, char *why, size_t why_size)
{
    static const char prefix[] = "auto:";
    struct odp_address a = {.kind = ODP_ADDRESS_AUTO};

    if (!is_port_text(s) && !strpbrk(s, ":/[")) {
        snprintf(why, why_size,
                 "`%.64s` is not an address: write `127.0.0.1:8080`, `[::1]:8080`, a socket's "
                 "path, `/run/x.sock`, or for a container's own address `auto:8080`",
                 s);
        return -EINVAL;
    }
    if (strncmp(s, prefix, strlen(prefix)) != 0)
        return odp_address_parse(s, ret, why, why_size);
    int r = parse_port(s + strlen(prefix), &a.port, why, why_size);
    if (r == 0)
        *ret = a;
    return r;
}

bool odp_address_equal(const struct odp_address *a, const struct odp_address *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case ODP_ADDRESS_NONE: return true;
    case ODP_ADDRESS_PORT:
    case ODP_ADDRESS_AUTO: return a->port == b->port;
    case ODP_ADDRESS_INET: return a->port == b->port && memcmp(a->ip, b->ip, 4) == 0;
    case ODP_ADDRESS_INET6: return a->port == b->port && memcmp(a->ip, b->ip, 16) == 0;
    case ODP_ADDRESS_UNIX: return strcmp(a->path, b->path) == 0;
    }
    return false;
}

uint64_t odp_address_key(unsigned char kind, const struct odp_address *a)
{
    unsigned char bytes[3 + sizeof(a->ip)] = {(unsigned char)a->kind, (unsigned char)(a->port >> 8),
                                              (unsigned char)a->port};

    if (a->kind == ODP_ADDRESS_UNIX)
        return odp_index_key_of_text(kind, a->path);
    if (a->kind == ODP_ADDRESS_INET || a->kind == ODP_ADDRESS_INET6)
        memcpy(bytes + 3, a->ip, a->kind == ODP_ADDRESS_INET ? 4 : sizeof(a->ip));
    return odp_index_key(kind, bytes, sizeof(bytes));
}

static bool is_wildcard(const struct odp_address *a)
{
    static const uint8_t zero[16];

    return a->kind == ODP_ADDRESS_PORT ||
           (a->kind == ODP_ADDRESS_INET && memcmp(a->ip, zero, 4) == 0) ||
           (a->kind == ODP_ADDRESS_INET6 && memcmp(a->ip, zero, 16) == 0);
}

bool odp_address_covers(const struct odp_address *a, const struct odp_address *b)
{
    if (odp_address_equal(a, b))
        return true;
    if (!is_wildcard(a) || a->port != b->port)
        return false;
    if (b->kind == ODP_ADDRESS_NONE || b->kind == ODP_ADDRESS_UNIX || b->kind == ODP_ADDRESS_AUTO)
        return false;
    // [::] takes IPv4 too; 0.0.0.0 leaves IPv6 addresses to others.
    return a->kind != ODP_ADDRESS_INET || b->kind != ODP_ADDRESS_INET6 || is_wildcard(b);
}

bool odp_address_is_loopback(const struct odp_address *a)
{
    static const uint8_t loopback6[16] = {[15] = 1};

    return (a->kind == ODP_ADDRESS_INET && a->ip[0] == 127) ||
           (a->kind == ODP_ADDRESS_INET6 && memcmp(a->ip, loopback6, 16) == 0);
}

const char *odp_address_format(const struct odp_address *a, char *buf, size_t size)
{
    char ip[INET6_ADDRSTRLEN] = "";

    switch (a->kind) {
    case ODP_ADDRESS_NONE: snprintf(buf, size, "-"); break;
    case ODP_ADDRESS_PORT: snprintf(buf, size, "%u", (unsigned)a->port); break;
    case ODP_ADDRESS_INET:
        inet_ntop(AF_INET, a->ip, ip, sizeof(ip));
        snprintf(buf, size, "%s:%u", ip, (unsigned)a->port);
        break;
    case ODP_ADDRESS_INET6:
        inet_ntop(AF_INET6, a->ip, ip, sizeof(ip));
        snprintf(buf, size, "[%s]:%u", ip, (unsigned)a->port);
        break;
    case ODP_ADDRESS_UNIX: snprintf(buf, size, "%s", a->path); break;
    case ODP_ADDRESS_AUTO: snprintf(buf, size, "auto:%u", (unsigned)a->port); break;
    }
    return buf;
}
