// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Conversions of addresses; see the header.

#include "odp/net/sockaddr.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

socklen_t odp_sockaddr_from_address(const struct odp_address *a, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (a->kind == ODP_ADDRESS_UNIX) {
        struct sockaddr_un *un = (struct sockaddr_un *)ret;
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, a->path, sizeof(a->path));
        return sizeof(*un);
    }
    if (a->kind == ODP_ADDRESS_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret;
        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->ip, 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    if (a->kind == ODP_ADDRESS_INET6)
        memcpy(&in6->sin6_addr, a->ip, 16);
    return sizeof(*in6);
}

void odp_sockaddr_to_address(const struct sockaddr_storage *sa, struct odp_address *ret)
{
    *ret = (struct odp_address){.kind = ODP_ADDRESS_NONE};
    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        ret->kind = ODP_ADDRESS_INET;
        ret->port = ntohs(in->sin_port);
        memcpy(ret->ip, &in->sin_addr, 4);
    } else if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
        ret->kind = ODP_ADDRESS_INET6;
        ret->port = ntohs(in6->sin6_port);
        memcpy(ret->ip, &in6->sin6_addr, 16);
    } else if (sa->ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)sa;
        ret->kind = ODP_ADDRESS_UNIX;
        snprintf(ret->path, sizeof(ret->path), "%.*s", (int)sizeof(ret->path) - 1, un->sun_path);
    }
}
