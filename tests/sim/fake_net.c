// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odpd's side of the fake sockets: what the real listener, relay and visits call. A descriptor is
// never given out twice in a run, so using one after its close shows.

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include "odp/net/connect.h"
#include "odp/net/direct.h"
#include "odp/net/peer.h"
#include "odp/net/spare.h"
#include "sim.h"
#include "wraps.h"

#define CONNS   1024
#define FD_BASE (1024 * 1024)

unsigned fake_descriptors_max;
static struct fake_conn conns[CONNS];
static unsigned n_used; // conns above it are free
static int n_opened;    // descriptors given out so far

void fake_net_reset(void)
{
    for (unsigned i = 0; i < n_used; i++) {
        conns[i].kind = FAKE_FREE;
        conns[i].fd = -1;
    }
    n_used = 0;
    n_opened = 0;
    fake_descriptors_max = 0;
}

// The buffers stay as they are: their lengths say what is in them.
struct fake_conn *fake_conn_new(enum fake_kind kind, struct fake_service *s)
{
    unsigned i = 0;

    while (i < n_used && conns[i].kind != FAKE_FREE)
        i++;
    if (i == CONNS)
        sim_fail("simulation", "too many connections at once");
    if (i == n_used)
        n_used++;
    struct fake_conn *c = &conns[i];
    c->kind = kind;
    c->fd = -1;
    c->io = NULL;
    odp_list_init(&c->node);
    odp_list_append(&s->conns, &c->of_service);
    c->queued = c->paused = false;
    c->service = s;
    c->number = 0;
    c->n_in = c->n_read = c->n_out = c->n_answered = c->pages = 0;
    c->is_http_probe = false;
    c->connected = c->refused = c->resets = c->fin = c->closed = c->reset = false;
    c->remote = c->http = c->linger_zero = c->shut = c->served = c->was_ready = false;
    return c;
}

unsigned fake_conn_n_open(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < n_used; i++)
        n += conns[i].kind != FAKE_FREE && conns[i].fd >= 0;
    return n;
}

static struct fake_conn *find_from(struct odp_list *node, enum fake_kind kind,
                                   struct fake_service *s)
{
    for (; node != &s->conns; node = node->next) {
        struct fake_conn *c = ODP_CONTAINER_OF(node, struct fake_conn, of_service);
        if (c->kind == kind)
            return c;
    }
    return NULL;
}

struct fake_conn *fake_conn_first(enum fake_kind kind, struct fake_service *s)
{
    return find_from(s->conns.next, kind, s);
}

struct fake_conn *fake_conn_next(const struct fake_conn *c)
{
    return find_from(c->of_service.next, c->kind, c->service);
}

// ---- descriptors -------------------------------------------------------------------------------

static bool is_exhausted(void)
{
    return fake_descriptors_max > 0 && fake_conn_n_open() >= fake_descriptors_max;
}

static int give_fd(struct fake_conn *c)
{
    c->fd = FD_BASE + n_opened++ * CONNS + (int)(c - conns);
    return c->fd;
}

static struct fake_conn *conn_of_fd(int fd)
{
    struct fake_conn *c = fd >= FD_BASE ? &conns[(fd - FD_BASE) % CONNS] : NULL;

    if (!c || c->kind == FAKE_FREE || c->fd != fd)
        sim_fail("descriptors", "descriptor %d is used, but not open", fd);
    return c;
}

struct fake_conn *fake_conn_of(const struct odp_io *io)
{
    return conn_of_fd(io->fd);
}

int __wrap_odp_close(int fd)
{
    if (fd < 0)
        return -1;
    struct fake_conn *c = conn_of_fd(fd);
    sim_check_closed(c);
    odp_list_remove(&c->node);
    odp_list_remove(&c->of_service);
    c->queued = false;
    c->fd = -1;
    c->kind = FAKE_FREE;
    return -1;
}

int __wrap_odp_listen_open(const struct odp_address *a, unsigned socket_mode,
                           const char *socket_owner, char *why, size_t why_size)
{
    (void)socket_mode;
    (void)socket_owner;
    (void)why;
    (void)why_size;
    return give_fd(fake_conn_new(FAKE_LISTENER, &fake_services[a->port - 1000]));
}

static struct fake_conn *next_in_queue(struct fake_service *s)
{
    struct fake_conn *c = fake_conn_first(FAKE_CLIENT, s);

    while (c && c->fd >= 0)
        c = fake_conn_next(c);
    return c;
}

bool fake_listener_has_client(const struct fake_conn *listener)
{
    return next_in_queue(listener->service) != NULL;
}

int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    const struct fake_conn *listener = conn_of_fd(fd);
    struct fake_conn *c = next_in_queue(listener->service);

    (void)addr;
    (void)len;
    (void)flags;
    if (!c || is_exhausted()) {
        errno = c ? EMFILE : EAGAIN;
        return -1;
    }
    sim_check_accept(c->service);
    c->was_ready = c->service->managed->machine.state == ODP_SERVICE_READY;
    return give_fd(c);
}

// ---- connecting --------------------------------------------------------------------------------

static struct fake_service *target_of(const struct odp_address *a)
{
    char name[ODP_PATH_MAX];

    if (a->kind != ODP_ADDRESS_UNIX)
        return &fake_services[a->port - 2000];
    snprintf(name, sizeof(name), "%s", a->path + sizeof("/sim/") - 1);
    name[strlen(name) - sizeof(".sock") + 1] = '\0';
    return fake_service_find(name);
}

// Their numbers say nothing here: a run sets by fake_descriptors_max how many there are.
bool odp_spare_has(enum odp_spare kept, int fd)
{
    (void)kept;
    (void)fd;
    return false;
}

bool odp_spare_is_next(int fd)
{
    (void)fd;
    return false;
}

void odp_spare_note(int fd)
{
    (void)fd;
}

// Clients are connected in other states.
static bool is_http_probe(const struct odp_managed *m)
{
    enum odp_service_state state = m->machine.state;

    return m->config->probe == ODP_PROBE_HTTP &&
           (state == ODP_SERVICE_STARTING || state == ODP_SERVICE_PROBING);
}

int odp_connect(const struct odp_address *a, int *ret_fd)
{
    struct fake_service *s = target_of(a);

    if (is_exhausted())
        return -EMFILE;
    if (a->kind == ODP_ADDRESS_UNIX && s->target == FAKE_REFUSES)
        return -ECONNREFUSED;
    struct fake_conn *c = fake_conn_new(FAKE_UPSTREAM, s);
    *ret_fd = give_fd(c);
    c->is_http_probe = is_http_probe(s->managed);
    fake_target_meet(c);
    return 0;
}

int odp_direct_count(const struct odp_address *target, char *buffer, size_t size)
{
    (void)buffer;
    (void)size;
    return (int)target_of(target)->n_direct;
}

bool odp_peer_has_read(int fd, size_t n_sent)
{
    (void)fd, (void)n_sent;
    return true;
}

bool odp_peer_has_left(int fd)
{
    const struct fake_conn *c = conn_of_fd(fd);

    return c->remote ? c->n_read == c->n_in : c->closed;
}

bool odp_peer_format(int fd, char *buf, size_t size)
{
    snprintf(buf, size, "192.0.2.%u", conn_of_fd(fd)->number % 250 + 1);
    return true;
}

// Of odpd's life only: nothing is passed in.
int odp_passed_collect(struct odp_passed **ret)
{
    *ret = NULL;
    return 0;
}

void odp_passed_free(struct odp_passed *p, int n)
{
    (void)p;
    (void)n;
}

// ---- bytes -------------------------------------------------------------------------------------

ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags)
{
    struct fake_conn *c = conn_of_fd(fd);
    size_t n = c->n_in - c->n_read;

    if (n == 0 && (c->reset || c->refused)) {
        errno = ECONNRESET;
        return -1;
    }
    if (n == 0 && !c->fin) {
        errno = EAGAIN;
        return -1;
    }
    if (n > size)
        n = size;
    memcpy(buf, c->in + c->n_read, n);
    if (!(flags & MSG_PEEK))
        c->n_read += (unsigned)n;
    return (ssize_t)n;
}

ssize_t __wrap_send(int fd, const void *buf, size_t n_bytes, int flags)
{
    struct fake_conn *c = conn_of_fd(fd);

    (void)flags;
    if (c->reset || c->refused || c->shut) {
        errno = EPIPE;
        return -1;
    }
    if (c->is_http_probe)
        sim_say(c->service, ": the probe asks \"%.*s\"",
                (int)((const char *)memchr(buf, '\r', n_bytes) - (const char *)buf),
                (const char *)buf);
    else
        sim_check_sent(c, buf, n_bytes);
    if (n_bytes > sizeof(c->out) - c->n_out)
        sim_fail("simulation", "more was sent than fits");
    memcpy(c->out + c->n_out, buf, n_bytes);
    c->n_out += (unsigned)n_bytes;
    if (c->closed) { // nobody takes it: the answer is a reset
        c->reset = true;
        fake_io_news(c);
    } else if (c->kind == FAKE_UPSTREAM) {
        fake_target_react(c);
    }
    return (ssize_t)n_bytes;
}

int __wrap_shutdown(int fd, int how)
{
    struct fake_conn *c = conn_of_fd(fd);

    (void)how;
    c->shut = true;
    fake_io_news(c);
    if (c->kind == FAKE_UPSTREAM)
        fake_target_react(c);
    return 0;
}

// Nobody is TCP: of what was sent everything has arrived.
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    const struct fake_conn *c = conn_of_fd(fd);

    (void)len;
    if (level != SOL_SOCKET || name != SO_ERROR) {
        errno = EOPNOTSUPP;
        return -1;
    }
    *(int *)value = c->refused ? ECONNREFUSED : c->reset ? ECONNRESET : 0;
    return 0;
}

// The relay asks for it before a close that is to be a reset.
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    (void)value;
    (void)len;
    if (level == SOL_SOCKET && name == SO_LINGER)
        conn_of_fd(fd)->linger_zero = true;
    return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list args;

    (void)fd;
    va_start(args, request);
    *va_arg(args, int *) = 0; // nothing is unsent
    va_end(args);
    return 0;
}

int __wrap_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    (void)fd;
    (void)len;
    addr->sa_family = AF_INET;
    return 0;
}
