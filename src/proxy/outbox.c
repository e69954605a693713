// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A queue of whole records; see the header.

#include "outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define RECORDS_MAX 16384 // that wait; far more than one reload of all services makes

struct record {
    struct odp_list node;
    size_t n_bytes;
    uint8_t bytes[];
};

void outbox_init(struct outbox *o)
{
    odp_list_init(&o->records);
    o->n = 0;
}

static void drop_first(struct outbox *o)
{
    struct record *record = ODP_CONTAINER_OF(o->records.next, struct record, node);

    odp_list_remove(&record->node);
    o->n--;
    free(record);
}

void outbox_deinit(struct outbox *o)
{
    while (!odp_list_empty(&o->records))
        drop_first(o);
}

// Returns 0, or a negative errno: -EAGAIN where the record has to wait.
static int send_now(int fd, const uint8_t *bytes, size_t n_bytes)
{
    ssize_t n;

    do
        n = send(fd, bytes, n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static int keep(struct outbox *o, const uint8_t *bytes, size_t n_bytes)
{
    struct record *record = o->n < RECORDS_MAX ? malloc(sizeof(*record) + n_bytes) : NULL;

    if (!record)
        return -ENOBUFS;
    record->n_bytes = n_bytes;
    memcpy(record->bytes, bytes, n_bytes);
    odp_list_append(&o->records, &record->node);
    o->n++;
    return 0;
}

int outbox_send(struct outbox *o, int fd, const uint8_t *bytes, size_t n_bytes)
{
    int r = odp_list_empty(&o->records) ? send_now(fd, bytes, n_bytes) : -EAGAIN;

    return r == -EAGAIN ? keep(o, bytes, n_bytes) : r;
}

void outbox_flush(struct outbox *o, int fd)
{
    while (!odp_list_empty(&o->records)) {
        const struct record *record = ODP_CONTAINER_OF(o->records.next, struct record, node);
        if (send_now(fd, record->bytes, record->n_bytes) == -EAGAIN)
            return;
        drop_first(o); // a launcher that is gone shows when reading
    }
}
