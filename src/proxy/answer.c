// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Answering clients that are not served; see the header. Owns no socket: they stay the visit's.

#include "odp/proxy/answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "odp/base/log.h"
#include "odp/core/http.h"
#include "odp/core/page.h"

#define LEAVING_MAX     256          // of one service; above it they are closed at once
#define DRAIN_MAX_BYTES (256 * 1024) // of a request that nobody will read

_Static_assert(ODP_HTTP_PEEK_BYTES <= ODP_RELAY_BUFFER_BYTES, "the shared buffer is too small");

struct texts {
    char title[ODP_NAME_MAX + 64];
    char reason[ODP_REASON_MAX + ODP_SPAN_MAX + 64];
};

// ---- by its socket -----------------------------------------------------------------------------

enum odp_http odp_answer_look(struct odp_relays *relays, int fd, bool *ret_is_head)
{
    char *buffer = odp_relays_buffer(relays);
    ssize_t n = recv(fd, buffer, ODP_HTTP_PEEK_BYTES, MSG_PEEK | MSG_DONTWAIT);

    *ret_is_head = false;
    if (n < 0)
        return errno == EAGAIN ? ODP_HTTP_MAYBE : ODP_HTTP_NO;
    return n == 0 ? ODP_HTTP_NO : odp_http_detect(buffer, (size_t)n, ret_is_head);
}

// One send is enough: the page is far smaller than the empty queue of a socket.
void odp_answer_send(int fd, const struct odp_page *page)
{
    struct odp_buf b = {0};

    odp_page_write(page, &b);
    if (!b.failed)
        (void)send(fd, b.s, b.n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    odp_buf_deinit(&b);
    (void)shutdown(fd, SHUT_WR);
}

// Beyond the bound its bytes stay where they are, so that it comes to a halt and reads the page, or
// its time is over.
bool odp_answer_drain(struct odp_relays *relays, const struct odp_io *io, uint32_t *n_drained)
{
    char *buffer = odp_relays_buffer(relays);

    while (*n_drained < DRAIN_MAX_BYTES) {
        ssize_t n = recv(io->fd, buffer, ODP_RELAY_BUFFER_BYTES, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            return true;
        *n_drained += (uint32_t)n;
    }
    return io->ready & EPOLLERR;
}

static enum odp_http look(const struct odp_visit *v, bool *ret_is_head)
{
    return odp_answer_look(v->service->manager->relays, v->relay.ends[ODP_RELAY_CLIENT].fd,
                           ret_is_head);
}

static bool is_drained(struct odp_visit *v)
{
    return odp_answer_drain(v->service->manager->relays, &v->relay.ends[ODP_RELAY_CLIENT],
                            &v->n_copied);
}

// ---- what it is told ---------------------------------------------------------------------------

// As a sentence, which a program's last words may be already.
static void say_reason(struct texts *t, const char *reason)
{
    size_t n = strlen(reason);

    snprintf(t->reason, sizeof(t->reason), "The reason: %s%s", reason,
             n > 0 && reason[n - 1] == '.' ? "" : ".");
}

static void say_failed(const struct odp_managed *m, struct odp_page *page, struct texts *t)
{
    uint64_t now_usec = odp_now_usec();
    uint64_t left_usec = m->machine.retry_usec > now_usec ? m->machine.retry_usec - now_usec : 0;

    snprintf(t->title, sizeof(t->title), "%s %s", m->config->name,
             m->config->backend == ODP_BACKEND_NONE ? "does not answer" : "could not be started");
    say_reason(t, m->machine.reason);
    page->retry_sec = (unsigned)((left_usec + ODP_USEC_PER_SEC - 1) / ODP_USEC_PER_SEC);
}

static void say_starting(const struct odp_managed *m, struct odp_page *page, struct texts *t)
{
    bool is_proxy = m->config->backend == ODP_BACKEND_NONE;

    snprintf(t->title, sizeof(t->title), "%s %s", m->config->name,
             is_proxy ? "does not answer yet" : "is starting");
    if (m->machine.state == ODP_SERVICE_REQUIRING)
        snprintf(t->reason, sizeof(t->reason), "It %s.", m->machine.reason);
    else
        snprintf(t->reason, sizeof(t->reason), "%s",
                 is_proxy ? "Something else starts it. It is tried until it answers."
                          : "It was asleep, and is awake in a moment.");
    page->retry_sec = ODP_PAGE_REFRESH_SEC;
    page->refresh = true;
}

static void say_timeout(const struct odp_managed *m, struct texts *t)
{
    char span[ODP_SPAN_MAX];

    if (m->machine.state == ODP_SERVICE_READY && m->n_taken >= m->config->max_connections) {
        snprintf(t->title, sizeof(t->title), "%s has no place free", m->config->name);
        snprintf(t->reason, sizeof(t->reason),
                 "All that it serves at once, %u, stayed while you waited for %s.",
                 m->config->max_connections,
                 odp_span_format(m->config->wait_timeout_usec, span, sizeof(span)));
        return;
    }
    snprintf(t->title, sizeof(t->title), "%s is not ready yet", m->config->name);
    odp_span_format(m->config->wait_timeout_usec, span, sizeof(span));
    if (m->machine.state == ODP_SERVICE_REQUIRING)
        snprintf(t->reason, sizeof(t->reason), "It %s, while you waited for %s.", m->machine.reason,
                 span);
    else
        snprintf(t->reason, sizeof(t->reason), "It did not answer within %s ([wait] timeout).",
                 span);
}

// By what is true now: a client that spoke late may have missed what it was turned away for.
static void say(const struct odp_managed *m, enum odp_conn_event event, struct odp_page *page,
                struct texts *t)
{
    enum odp_service_state s = m->machine.state;

    page->title = t->title;
    if (strcmp(m->config->description, m->config->name) != 0) // the title has the name
        page->description = m->config->description;
    page->reason = t->reason;
    page->retry_sec = ODP_ANSWER_RETRY_SEC;
    if (!m->active) {
        snprintf(t->title, sizeof(t->title), "%s is not served any more", m->config->name);
        say_reason(t, m->fault);
    } else if (event == ODP_CONN_EV_TIMEOUT) {
        say_timeout(m, t);
    } else if (s == ODP_SERVICE_FAILED) {
        say_failed(m, page, t);
    } else if (event == ODP_CONN_EV_PAGE || s == ODP_SERVICE_READY || s == ODP_SERVICE_REQUIRING ||
               odp_service_is_trying(&m->machine)) {
        say_starting(m, page, t);
    } else {
        snprintf(t->title, sizeof(t->title), "%s was stopped", m->config->name);
        say_reason(t, m->machine.reason);
    }
}

static void send_page(const struct odp_visit *v, enum odp_conn_event event, bool is_head)
{
    struct odp_page page = {.head = is_head};
    struct texts texts;

    say(v->service, event, &page, &texts);
    odp_answer_send(v->relay.ends[ODP_RELAY_CLIENT].fd, &page);
}

// ---- how it leaves -----------------------------------------------------------------------------

static void on_leaving_event(struct odp_io *io, uint32_t events)
{
    struct odp_visit *v = ODP_CONTAINER_OF(io, struct odp_visit, relay.ends[ODP_RELAY_CLIENT]);
    struct odp_managed *m = v->service;
    bool is_head, ends = false;

    (void)events;
    if (!v->answered) {
        enum odp_http is = look(v, &is_head);
        if (is == ODP_HTTP_MAYBE && !(io->ready & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)))
            return;
        ends = is != ODP_HTTP_YES;
        if (!ends) {
            send_page(v, ODP_CONN_EV_DENY, is_head);
            v->answered = true;
            v->leaves_usec = odp_usec_add(odp_now_usec(), ODP_ANSWER_LINGER_USEC);
        }
    }
    if (ends || is_drained(v))
        odp_visit_end(v);
    odp_managed_arm(m);
}

static bool stay(struct odp_visit *v, uint64_t until_usec)
{
    struct odp_managed *m = v->service;

    if (m->n_leaving >= LEAVING_MAX || m->manager->exhausted)
        return false;
    if (v->relay.ends[ODP_RELAY_UPSTREAM].fd >= 0)
        odp_io_close(&v->relay.ends[ODP_RELAY_UPSTREAM]);
    odp_list_remove(&v->node);
    odp_list_append(&m->leaving, &v->node);
    m->n_leaving++;
    v->leaving = true;
    v->leaves_usec = until_usec;
    v->relay.ends[ODP_RELAY_CLIENT].on_event = on_leaving_event;
    return true;
}

void odp_answer_resume(struct odp_visit *v, bool answered, uint64_t until_usec)
{
    struct odp_managed *m = v->service;

    odp_list_append(&m->leaving, &v->node);
    m->n_leaving++;
    v->state = ODP_CONN_ENDED;
    v->leaving = true;
    v->answered = answered;
    v->leaves_usec = odp_usec_min(until_usec, odp_usec_add(odp_now_usec(), ODP_ANSWER_LINGER_USEC));
    v->relay.ends[ODP_RELAY_CLIENT].on_event = on_leaving_event;
}

bool odp_answer_begin(struct odp_visit *v, enum odp_conn_event event)
{
    const struct odp_io *io = &v->relay.ends[ODP_RELAY_CLIENT];
    uint64_t now_usec = odp_now_usec();
    bool is_head;
    enum odp_http is = look(v, &is_head);

    v->n_copied = 0;
    if (is == ODP_HTTP_YES) {
        send_page(v, event, is_head);
        v->answered = true;
        return !is_drained(v) && stay(v, odp_usec_add(now_usec, ODP_ANSWER_LINGER_USEC));
    }
    // A request comes a little after its connection: who was accepted just now may still speak.
    uint64_t until_usec = odp_usec_add(v->since_usec, ODP_ANSWER_GRACE_USEC);
    return is == ODP_HTTP_MAYBE && until_usec > now_usec && !(io->ready & EPOLLRDHUP) &&
           stay(v, until_usec);
}

void odp_answer_page(struct odp_visit *v)
{
    struct odp_managed *m = v->service;
    bool is_held = v->state == ODP_CONN_HELD || v->state == ODP_CONN_TRYING;
    bool is_head;

    if (!m->active || m->config->wait_mode != ODP_WAIT_PAGE || v->is_probe || !is_held ||
        m->machine.state == ODP_SERVICE_READY || m->machine.state == ODP_SERVICE_FAILED)
        return;
    if (look(v, &is_head) != ODP_HTTP_YES)
        return;
    // It will not be waiting when a state is left that starts for those that wait.
    odp_managed_event(m, ODP_EVENT_START, "woken by a connection");
    odp_visit_event(v, ODP_CONN_EV_PAGE);
}
