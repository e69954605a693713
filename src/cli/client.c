// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The varlink client. It knows messages, not what they mean, and prints nothing.

#include "odp/cli/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "odp/base/fd.h"

#define READ_BYTES 16384

static int patience_set(int fd, int option, unsigned timeout_sec)
{
    struct timeval t = {.tv_sec = (time_t)timeout_sec};

    return setsockopt(fd, SOL_SOCKET, option, &t, sizeof(t)) < 0 ? -errno : 0;
}

// Blocking sockets report an expired SO_SNDTIMEO or SO_RCVTIMEO as EAGAIN, connect() too.
static int socket_error(void)
{
    switch (errno) {
    case EAGAIN: return -ETIMEDOUT;
    case EPIPE: return -ECONNRESET;
    default: return -errno;
    }
}

int odp_client_connect(const char *path, struct odp_client *ret)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ODP_CLEANUP_CLOSE int fd = -1;
    int r;

    ret->fd = -1;
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = patience_set(fd, SO_SNDTIMEO, ODP_CLIENT_PATIENCE_SEC);
    if (r < 0)
        return r;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return socket_error();

    ret->fd = odp_fd_take(&fd);
    return 0;
}

static int send_all(int fd, const char *data, size_t n_bytes)
{
    while (n_bytes > 0) {
        ssize_t n = send(fd, data, n_bytes, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return socket_error();
        data += n;
        n_bytes -= (size_t)n;
    }
    return 0;
}

static char *request_text(const char *method, cJSON *parameters)
{
    cJSON *request = cJSON_CreateObject();
    char *text = NULL;

    if (cJSON_AddStringToObject(request, "method", method) &&
        (parameters ? cJSON_AddItemReferenceToObject(request, "parameters", parameters)
                    : cJSON_AddObjectToObject(request, "parameters") != NULL))
        text = cJSON_PrintUnformatted(request);
    cJSON_Delete(request);
    return text;
}

int odp_client_send(struct odp_client *c, const char *method, cJSON *parameters)
{
    char *text = request_text(method, parameters);
    int r = -ENOMEM;

    if (text)
        r = strlen(text) >= ODP_VARLINK_REQUEST_MAX ? -E2BIG
                                                    : send_all(c->fd, text, strlen(text) + 1);
    cJSON_free(text);
    return r;
}

// Reads on until the message's NUL is there. Nothing may stand behind it: nothing was asked.
static int receive_message(int fd, struct odp_buf *ret)
{
    ODP_CLEANUP_FREE char *chunk = malloc(READ_BYTES);

    if (!chunk)
        return -ENOMEM;
    for (;;) {
        ssize_t n = recv(fd, chunk, READ_BYTES, 0);
        const char *end;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return socket_error();
        if (n == 0)
            return -ECONNRESET;
        end = memchr(chunk, 0, (size_t)n);
        if (end && end != chunk + n - 1)
            return -EBADMSG;
        odp_buf_add(ret, chunk, (size_t)n - (end ? 1 : 0));
        if (ret->failed)
            return -ENOMEM;
        if (ret->n_bytes > ODP_VARLINK_MESSAGE_MAX)
            return -EMSGSIZE;
        if (end)
            return 0;
    }
}

int odp_reply_parse(const char *message, size_t n_bytes, struct odp_reply *ret)
{
    const char *end = NULL;
    const cJSON *error;

    errno = 0; // cJSON says no more than that it could not
    *ret = (struct odp_reply){
        .json = n_bytes > 0 ? cJSON_ParseWithLengthOpts(message, n_bytes, &end, false) : NULL};
    while (ret->json && end < message + n_bytes && strchr(" \t\r\n", *end) && *end)
        end++;
    error = cJSON_GetObjectItemCaseSensitive(ret->json, "error");
    ret->error = cJSON_GetStringValue(error);
    ret->parameters = cJSON_GetObjectItemCaseSensitive(ret->json, "parameters");
    if (cJSON_IsObject(ret->json) && !ret->parameters)
        ret->parameters = cJSON_AddObjectToObject(ret->json, "parameters");

    if (end == message + n_bytes && cJSON_IsObject(ret->json) && cJSON_IsObject(ret->parameters) &&
        (ret->error || !error))
        return 0;
    odp_reply_deinit(ret);
    return errno == ENOMEM ? -ENOMEM : -EBADMSG;
}

int odp_client_receive(struct odp_client *c, unsigned timeout_sec, struct odp_reply *ret)
{
    struct odp_buf message = {0};
    int r = patience_set(c->fd, SO_RCVTIMEO, timeout_sec);

    if (r == 0)
        r = receive_message(c->fd, &message);
    if (r == 0)
        r = odp_reply_parse(message.s, message.n_bytes, ret);
    odp_buf_deinit(&message);
    return r;
}

int odp_client_call(struct odp_client *c, const char *method, cJSON *parameters,
                    struct odp_reply *ret)
{
    int r = odp_client_send(c, method, parameters);

    return r < 0 ? r : odp_client_receive(c, ODP_CLIENT_PATIENCE_SEC, ret);
}

void odp_reply_deinit(struct odp_reply *r)
{
    cJSON_Delete(r->json);
    *r = (struct odp_reply){0};
}

void odp_client_deinit(struct odp_client *c)
{
    c->fd = odp_close(c->fd);
}

const char *odp_reply_string(const struct odp_reply *r, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r->parameters, key));
}
