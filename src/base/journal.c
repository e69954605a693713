// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The datagram to the journal. Without libsystemd, whose sd_journal_send() does the same at the
// price of its library in memory.

#include "odp/base/journal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ENTRY_MAX_BYTES 3072

struct entry {
    char bytes[ENTRY_MAX_BYTES];
    size_t n;
};

static int journal_fd = -1; // kept open: a socket for each line would double its cost

// `NAME=value` and a newline is all the protocol there is for values without a newline.
static void add(struct entry *e, const struct odp_journal_field *f)
{
    size_t n_name = strlen(f->name), n = e->n;

    if (n + n_name + 2 >= sizeof(e->bytes))
        return;
    memcpy(e->bytes + n, f->name, n_name);
    n += n_name;
    e->bytes[n++] = '=';
    for (const char *s = f->value; *s && n < sizeof(e->bytes) - 1; s++) {
        bool is_control = (unsigned char)*s < 0x20 || *s == 0x7f;
        e->bytes[n++] = (char)(is_control ? '?' : *s);
    }
    e->bytes[n++] = '\n';
    e->n = n;
}

bool odp_journal_send(const struct odp_journal_field *fields, size_t n)
{
    static const struct sockaddr_un sa = {.sun_family = AF_UNIX,
                                          .sun_path = "/run/systemd/journal/socket"};
    struct entry e;
    ssize_t sent;

    e.n = 0;
    for (size_t i = 0; i < n; i++)
        if (fields[i].name && fields[i].value)
            add(&e, &fields[i]);
    if (journal_fd < 0)
        journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    do
        sent = sendto(journal_fd, e.bytes, e.n, MSG_NOSIGNAL, (const struct sockaddr *)&sa,
                      sizeof(sa));
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}
