// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Records over a SOCK_SEQPACKET socket. Knows the codec, and nothing of what messages mean.

#include "odp/launcher/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"

#define UNSENT_MAX 1024

struct record {
    struct odp_list node;
    size_t n_bytes;
    uint8_t bytes[];
};

static void on_link_event(uv_poll_t *poll_handle, int status, int events);

static void watch(struct odp_link *link)
{
    if (!link->is_closed)
        uv_poll_start(&link->poll, odp_list_empty(&link->unsent) ? UV_READABLE : UV_WRITABLE,
                      on_link_event);
}

static void end(struct odp_link *link)
{
    if (link->is_closed)
        return;
    odp_link_close(link);
    link->on_end(link);
}

// Returns false where the record has to wait.
static bool send_record(struct odp_link *link, const uint8_t *bytes, size_t n_bytes)
{
    ssize_t n;

    do
        n = send(link->fd, bytes, n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return false;
    // That odpd is gone shows when reading, where its last requests come first.
    if (n < 0 && errno != EPIPE && errno != ECONNRESET)
        odp_log(ODP_LOG_ERR, NULL, "cannot send to odpd: %s", strerror(errno));
    return true;
}

static void send_unsent(struct odp_link *link)
{
    odp_list_foreach_safe (node, &link->unsent) {
        struct record *record = ODP_CONTAINER_OF(node, struct record, node);

        if (!send_record(link, record->bytes, record->n_bytes))
            break;
        odp_list_remove(node);
        link->n_unsent--;
        free(record);
    }
}

static void keep_unsent(struct odp_link *link, const uint8_t *bytes, size_t n_bytes)
{
    struct record *record = NULL;

    if (link->n_unsent < UNSENT_MAX)
        record = malloc(sizeof(*record) + n_bytes);
    if (!record) {
        odp_log(ODP_LOG_ERR, NULL, "odpd takes no reports: one is dropped");
        return;
    }
    record->n_bytes = n_bytes;
    memcpy(record->bytes, bytes, n_bytes);
    odp_list_append(&link->unsent, &record->node);
    link->n_unsent++;
    watch(link);
}

void odp_link_send(struct odp_link *link, const struct odp_proto_message *m)
{
    uint8_t bytes[ODP_PROTO_MAX_BYTES];
    int n = odp_proto_encode(m, bytes, sizeof(bytes));

    if (link->is_closed)
        return;
    if (n < 0) {
        odp_log(ODP_LOG_ERR, m->name, "a report breaks the protocol and is dropped");
        return;
    }
    if (!odp_list_empty(&link->unsent) || !send_record(link, bytes, (size_t)n))
        keep_unsent(link, bytes, (size_t)n);
}

// An empty record reads as 0 bytes too, recv(2).
static bool peer_is_gone(const struct odp_link *link)
{
    struct pollfd pfd = {.fd = link->fd, .events = POLLRDHUP};

    return poll(&pfd, 1, 0) != 0;
}

static void receive(struct odp_link *link)
{
    uint8_t bytes[ODP_PROTO_MAX_BYTES];
    struct odp_proto_message m;
    ssize_t n = recv(link->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 || (n == 0 && peer_is_gone(link))) {
        end(link);
        return;
    }
    if ((size_t)n > sizeof(bytes) || odp_proto_decode(bytes, (size_t)n, &m) < 0)
        odp_log(ODP_LOG_WARNING, NULL, "a record of %zd bytes from odpd is no message: dropped", n);
    else
        link->on_message(link, &m);
}

static void on_link_event(uv_poll_t *poll_handle, int status, int events)
{
    struct odp_link *link = poll_handle->data;

    if (status == 0 && (events & UV_WRITABLE)) {
        send_unsent(link);
        watch(link);
        return;
    }
    // libuv reports EPOLLERR as a status and stops watching; recv(2) has the rest of it.
    receive(link);
    if (status < 0)
        watch(link);
}

bool odp_link_is_idle(const struct odp_link *link)
{
    struct pollfd pfd = {.fd = link->fd, .events = POLLIN | POLLRDHUP};

    return !link->is_closed && odp_list_empty(&link->unsent) && poll(&pfd, 1, 0) == 0;
}

bool odp_link_refuse(const struct odp_link *link)
{
    uint8_t byte;

    // With the receiving side shut, recv(2) says 0 where nothing is left.
    return shutdown(link->fd, SHUT_RD) == 0 &&
           recv(link->fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_PEEK) == 0;
}

int odp_link_init(struct odp_link *link, uv_loop_t *loop, int fd)
{
    socklen_t size = sizeof(int);
    int type, domain, r;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
        return -errno;
    if (type != SOCK_SEQPACKET || domain != AF_UNIX)
        return -EPROTOTYPE;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    memset(link, 0, sizeof(*link));
    r = uv_poll_init(loop, &link->poll, fd);
    if (r < 0)
        return r;
    link->fd = fd;
    link->poll.data = link;
    odp_list_init(&link->unsent);
    watch(link);
    return 0;
}

void odp_link_close(struct odp_link *link)
{
    if (link->is_closed)
        return;
    link->is_closed = true;
    odp_list_foreach_safe (node, &link->unsent) {
        odp_list_remove(node);
        free(ODP_CONTAINER_OF(node, struct record, node));
    }
    uv_close((uv_handle_t *)&link->poll, NULL);
    link->fd = odp_close(link->fd);
}
