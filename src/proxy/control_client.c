// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One connection to the control socket: its bytes are cut into calls, and replies are sent.
// Everything that a client can make odpd keep is bounded. What a call means is control_calls.c's.

#include "control_internal.h"

#include <stdlib.h>
#include <string.h>

#include "odp/core/varlink.h"

// Of a reply: what was needed to make it is given back to the system.
#define LARGE_BYTES 8192
#define INPUT_CHUNK 1024

struct reply {
    uv_write_t request;
    char *text; // owned
    bool is_large;
};

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

void control_replies_init(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = allocate, .free_fn = free});
}

void control_replies_begin(void)
{
    has_holes = false;
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
        control_client_close(client);
    else
        control_client_serve(client); // calls that came before it took the reply
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
        control_client_close(client);
        return;
    }
    reply->text = text;
    reply->is_large = strlen(text) >= LARGE_BYTES;
    uv_buf_t buf = uv_buf_init(text, (unsigned)strlen(text) + 1); // the NUL ends the message
    odp_io_kick(client->control->manager->loop);
    if (uv_write(&reply->request, (uv_stream_t *)&client->pipe, &buf, 1, on_written) < 0) {
        free(text);
        free(reply);
        control_client_close(client);
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
    control_replies_begin();
    cJSON *call = cJSON_Parse(text);

    if (!cJSON_IsObject(call)) {
        control_client_close(client); // not varlink: there is no error to answer with
    } else {
        client->oneway = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(call, "oneway"));
        control_dispatch(client, call);
    }
    cJSON_Delete(call);
}

void control_client_serve(struct control_client *client)
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
        control_client_close(client);
        return;
    }
    client->n_input += (size_t)n;
    control_client_serve(client);
}

// ---- its life ----------------------------------------------------------------------------------

static void on_client_closed(uv_handle_t *handle)
{
    struct control_client *client = handle->data;
    struct odp_manager *mgr = client->control->manager;

    free(client->input);
    free(client);
    odp_manager_trim(mgr); // a status of all services is large for a moment
}

void control_client_close(struct control_client *client)
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

bool control_client_accept(struct odp_control *c)
{
    struct control_client *client = calloc(1, sizeof(*client));

    if (!client)
        return false;
    client->control = c;
    client->pipe.data = client;
    uv_pipe_init(c->server.loop, &client->pipe, 0);
    odp_list_append(&c->clients, &client->node);
    c->n_clients++;
    bool accepted = uv_accept((uv_stream_t *)&c->server, (uv_stream_t *)&client->pipe) == 0;
    client->is_stranger = accepted && !control_is_owner(client);
    c->n_strangers += client->is_stranger;
    if (!accepted || c->n_clients > CONTROL_CLIENTS_MAX || c->n_strangers > CONTROL_STRANGERS_MAX ||
        uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read) < 0)
        control_client_close(client);
    return true;
}
