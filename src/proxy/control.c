// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The control socket: accepts clients, cuts their bytes into calls, sends replies. Everything a
// client can make odpd keep is bounded. What a call means is control_calls.c's.

#include "control_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/core/varlink.h"

// Of a reply: what was needed to make it is given back to the system.
#define LARGE_BYTES     8192
#define INPUT_CHUNK     1024
#define ACCEPT_RETRY_MS 1000

struct reply {
    uv_write_t request;
    char *text; // owned
    bool is_large;
};

static void client_close(struct control_client *client);
static void handle_input(struct control_client *client);

// ---- replies -----------------------------------------------------------------------------------

// cJSON leaves out what it finds no memory for and goes on. A reply with a hole in it would be a
// wrong one: better none.
static bool has_holes;

static void *allocate(size_t n_bytes)
{
    void *p = malloc(n_bytes);

    has_holes |= !p;
    return p;
}

static void on_written(uv_write_t *request, int status)
{
    struct reply *reply = ODP_CONTAINER_OF(request, struct reply, request);
    struct control_client *client = request->handle->data;

    odp_io_kick(client->control->manager->loop);
    bool is_large = reply->is_large;
    free(reply->text);
    free(reply);
    if (is_large)
        odp_manager_trim(client->control->manager); // a client may stay for long
    if (status < 0)
        client_close(client);
    else
        handle_input(client); // calls that came before it took the reply
}

void control_append(cJSON *array, cJSON *item)
{
    if (!cJSON_AddItemToArray(array, item))
        cJSON_Delete(item);
}

static void send_message(struct control_client *client, cJSON *message)
{
    struct reply *reply = calloc(1, sizeof(*reply));
    char *text = message ? cJSON_PrintUnformatted(message) : NULL;

    cJSON_Delete(message);
    if (!reply || !text || has_holes) {
        free(reply);
        free(text);
        client_close(client);
        return;
    }
    reply->text = text;
    reply->is_large = strlen(text) >= LARGE_BYTES;
    uv_buf_t buf = uv_buf_init(text, (unsigned)strlen(text) + 1); // the NUL ends the message
    odp_io_kick(client->control->manager->loop);
    if (uv_write(&reply->request, (uv_stream_t *)&client->pipe, &buf, 1, on_written) < 0) {
        free(text);
        free(reply);
        client_close(client);
    }
}

static void reply_with(struct control_client *client, const char *error, cJSON *parameters)
{
    if (client->oneway || client->closing) {
        cJSON_Delete(parameters);
        return;
    }
    cJSON *message = cJSON_CreateObject();
    if (error)
        cJSON_AddStringToObject(message, "error", error);
    if (!parameters)
        parameters = cJSON_CreateObject();
    if (!cJSON_AddItemToObject(message, "parameters", parameters))
        cJSON_Delete(parameters);
    send_message(client, message);
}

void control_reply(struct control_client *client, cJSON *parameters)
{
    reply_with(client, NULL, parameters);
}

void control_reply_error(struct control_client *client, const char *error, cJSON *parameters)
{
    reply_with(client, error, parameters);
}

// ---- input -------------------------------------------------------------------------------------

static void handle_call(struct control_client *client, const char *text)
{
    has_holes = false;
    cJSON *call = cJSON_Parse(text);

    if (!cJSON_IsObject(call)) {
        client_close(client); // not varlink: there is no error to answer with
    } else {
        client->oneway = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(call, "oneway"));
        control_dispatch(client, call);
    }
    cJSON_Delete(call);
}

static void handle_input(struct control_client *client)
{
    // A client that asks without reading is not answered further: replies would pile up here.
    while (!client->closing && client->wait == CONTROL_WAIT_NONE && client->n_input > 0 &&
           !client->control->manager->is_reloading &&
           uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) == 0) {
        char *end = memchr(client->input, '\0', client->n_input);
        if (!end)
            return;
        handle_call(client, client->input);
        size_t n = (size_t)(end - client->input) + 1;
        client->n_input -= n;
        memmove(client->input, end + 1, client->n_input);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct control_client *client = handle->data;

    (void)suggested;
    if (client->input_size - client->n_input < INPUT_CHUNK / 2 &&
        client->input_size < ODP_VARLINK_REQUEST_MAX) {
        size_t size = client->input_size ? client->input_size * 2 : INPUT_CHUNK;
        char *input = realloc(client->input, size);
        if (input) {
            client->input = input;
            client->input_size = size;
        }
    }
    *ret = uv_buf_init(client->input + client->n_input,
                       (unsigned)(client->input_size - client->n_input));
}

// A length of 0 in on_alloc() comes here as UV_ENOBUFS: the call is longer than allowed.
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct control_client *client = stream->data;

    (void)buf;
    odp_io_kick(client->control->manager->loop);
    if (n < 0) {
        client_close(client);
        return;
    }
    client->n_input += (size_t)n;
    handle_input(client);
}

// ---- clients -----------------------------------------------------------------------------------

static void on_client_closed(uv_handle_t *handle)
{
    struct control_client *client = handle->data;
    struct odp_manager *mgr = client->control->manager;

    free(client->input);
    free(client);
    odp_manager_trim(mgr); // a status of all services is large for a moment
}

static void client_close(struct control_client *client)
{
    if (client->closing)
        return;
    client->closing = true;
    client->wait = CONTROL_WAIT_NONE;
    odp_list_remove(&client->node);
    client->control->n_clients--;
    client->control->n_strangers -= client->is_stranger;
    odp_io_kick(client->control->manager->loop);
    uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static void on_connection(uv_stream_t *server, int status);

static void on_accept_timer(uv_timer_t *timer)
{
    struct odp_control *c = timer->data;

    on_connection((uv_stream_t *)&c->server, 0);
}

static void on_connection(uv_stream_t *server, int status)
{
    struct odp_control *c = server->data;

    odp_io_kick(c->manager->loop);
    if (status < 0)
        return;
    struct control_client *client = calloc(1, sizeof(*client));
    if (!client) { // libuv calls no more before this one is accepted
        uv_timer_start(&c->accept_timer, on_accept_timer, ACCEPT_RETRY_MS, 0);
        return;
    }
    client->control = c;
    client->pipe.data = client;
    uv_pipe_init(server->loop, &client->pipe, 0);
    odp_list_append(&c->clients, &client->node);
    c->n_clients++;
    bool accepted = uv_accept(server, (uv_stream_t *)&client->pipe) == 0;
    client->is_stranger = accepted && !control_is_owner(client);
    c->n_strangers += client->is_stranger;
    if (!accepted || c->n_clients > CONTROL_CLIENTS_MAX || c->n_strangers > CONTROL_STRANGERS_MAX ||
        uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read) < 0)
        client_close(client);
}

static void on_resume(struct odp_io_turn *turn)
{
    struct odp_control *c = ODP_CONTAINER_OF(turn, struct odp_control, resume);

    odp_list_foreach_safe (it, &c->clients) {
        handle_input(ODP_CONTAINER_OF(it, struct control_client, node));
    }
}

void odp_control_resume(struct odp_control *c)
{
    if (c)
        odp_io_turn_add(c->manager->loop, &c->resume);
}

// ---- server ------------------------------------------------------------------------------------

// A socket file that nobody answers on is left over from an odpd that was killed.
static int clear_stale(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    ODP_CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (strlen(path) >= sizeof(sa.sun_path))
        return -ENAMETOOLONG;
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 || errno == EAGAIN)
        return -EADDRINUSE;
    return errno == ECONNREFUSED && unlink(path) < 0 ? -errno : 0;
}

static int open_server(struct odp_control *c)
{
    int r = clear_stale(c->path);

    if (r == 0)
        r = uv_pipe_bind(&c->server, c->path);
    // Asking is for everyone; who may change is told by the peer's credentials.
    if (r == 0 && chmod(c->path, 0666) < 0)
        r = -errno;
    if (r == 0)
        r = uv_listen((uv_stream_t *)&c->server, CONTROL_CLIENTS_MAX, on_connection);
    return r;
}

int odp_control_new(struct odp_manager *mgr, struct odp_control **ret, char *why, size_t why_size)
{
    struct odp_control *c = calloc(1, sizeof(*c));
    size_t size = strlen(mgr->paths.runtime) + sizeof("/" ODP_CONTROL_SOCKET);

    *ret = c;
    if (!c || !(c->path = malloc(size))) {
        snprintf(why, why_size, "out of memory");
        free(c);
        *ret = NULL;
        return -ENOMEM;
    }
    c->manager = mgr;
    odp_list_init(&c->clients);
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = allocate, .free_fn = free});
    odp_list_init(&c->resume.node);
    c->resume.on_turn = on_resume;
    snprintf(c->path, size, "%s/" ODP_CONTROL_SOCKET, mgr->paths.runtime);
    uv_pipe_init(odp_io_loop_uv(mgr->loop), &c->server, 0);
    c->server.data = c;
    uv_timer_init(odp_io_loop_uv(mgr->loop), &c->accept_timer);
    c->accept_timer.data = c;
    int r = open_server(c);
    if (r < 0) {
        snprintf(why, why_size, "cannot open %s: %s", c->path,
                 r == -EADDRINUSE ? "another odpd serves it" : strerror(-r));
        free(c->path); // it is not ours to remove
        c->path = NULL;
    }
    return r;
}

void odp_control_free(struct odp_control *c)
{
    if (!c)
        return;
    odp_list_foreach_safe (it, &c->clients) {
        client_close(ODP_CONTAINER_OF(it, struct control_client, node));
    }
    odp_list_remove(&c->resume.node);
    uv_close((uv_handle_t *)&c->server, NULL);
    uv_close((uv_handle_t *)&c->accept_timer, NULL);
    if (c->path)
        (void)unlink(c->path);
    // libuv holds the handles until it has run their closing.
    uv_run(odp_io_loop_uv(c->manager->loop), UV_RUN_NOWAIT);
    free(c->path);
    free(c);
}

static void tell_waiting(struct odp_control *c, struct odp_managed *m,
                         void (*tell)(struct control_client *client))
{
    if (!c)
        return;
    odp_list_foreach_safe (it, &c->clients) {
        struct control_client *client = ODP_CONTAINER_OF(it, struct control_client, node);
        if (client->waits_for != m || client->wait == CONTROL_WAIT_NONE)
            continue;
        has_holes = false;
        tell(client);
        odp_control_resume(c); // calls that came meanwhile; not within a service's event
    }
}

void odp_control_on_state(struct odp_control *c, struct odp_managed *m)
{
    tell_waiting(c, m, control_check_wait);
}

void odp_control_on_end(struct odp_control *c, struct odp_managed *m)
{
    tell_waiting(c, m, control_end_wait);
}
