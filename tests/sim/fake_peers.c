// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The far sides of the fake sockets: clients, and the targets' own idea of a connection.

#include <string.h>

#include "sim.h"

// ---- clients -----------------------------------------------------------------------------------

struct fake_conn *fake_client_connect(struct fake_service *s, bool remote)
{
    struct fake_conn *c = fake_conn_new(FAKE_CLIENT, s);
    struct fake_conn *listener = fake_conn_first(FAKE_LISTENER, s);

    c->number = ++s->n_clients;
    c->remote = remote;
    c->connected = true;
    if (listener)
        fake_io_news(listener);
    return c;
}

struct fake_conn *fake_client_find(struct fake_service *s, unsigned number)
{
    struct fake_conn *c = fake_conn_first(FAKE_CLIENT, s);

    while (c && c->number != number)
        c = fake_conn_next(c);
    return c;
}

static void put(struct fake_conn *c, const char *bytes)
{
    size_t n = strlen(bytes);

    if (n > sizeof(c->in) - c->n_in)
        n = sizeof(c->in) - c->n_in;
    memcpy(c->in + c->n_in, bytes, n);
    c->n_in += (unsigned)n;
    fake_io_news(c);
}

void fake_client_say(struct fake_conn *c, const char *bytes)
{
    if (c->fin || c->reset)
        return;
    put(c, bytes);
    c->http = c->n_in > 4 && memcmp(c->in, "GET ", 4) == 0 && memchr(c->in, '\n', c->n_in);
}

void fake_conn_finish(struct fake_conn *c)
{
    c->fin = true;
    fake_io_news(c);
}

// Who has ended its sending side before says no more by its close.
void fake_conn_leave(struct fake_conn *c, bool reset)
{
    bool says = !c->fin || reset;

    c->fin = true;
    c->closed = true;
    c->reset |= reset;
    if (says)
        fake_io_news(c);
}

// ---- targets -----------------------------------------------------------------------------------

void fake_target_meet(struct fake_conn *c)
{
    c->connected = c->service->target != FAKE_REFUSES && c->service->target != FAKE_HANGS;
    c->refused = c->service->target == FAKE_REFUSES;
    c->resets = c->service->target == FAKE_RESETS;
    if (c->service->target == FAKE_GREETS && !c->is_http_probe)
        put(c, "220 hello\n");
}

// Whatever it was sent up to now has one answer; the end of the other side is the end of this one.
void fake_target_react(struct fake_conn *c)
{
    enum fake_target target = c->service->target;

    if (!c->connected || c->fin || c->reset || c->resets ||
        (target != FAKE_ECHOES && target != FAKE_GREETS))
        return;
    if (c->n_out > c->n_answered) {
        c->n_answered = c->n_out;
        put(c, c->is_http_probe ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" : "ok\n");
    }
    if (c->shut)
        fake_conn_finish(c);
}

void fake_target_set(struct fake_service *s, enum fake_target target)
{
    s->target = target;
    for (struct fake_conn *c = fake_conn_first(FAKE_UPSTREAM, s); c; c = fake_conn_next(c)) {
        if (!c->connected && !c->refused && target != FAKE_HANGS) {
            fake_target_meet(c);
            fake_io_news(c);
        }
        fake_target_react(c);
    }
}

void fake_target_drop_all(struct fake_service *s)
{
    for (struct fake_conn *c = fake_conn_first(FAKE_UPSTREAM, s); c; c = fake_conn_next(c))
        if (c->connected)
            fake_conn_leave(c, true);
}
