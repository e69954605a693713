// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odpd reads its files again where none of its sockets has changed. One that is just being started
// or restarted, as by somebody's connection, cannot be asked yet, and may have read the files as
// they were before: it is waited for, as long as its unit says that it is coming.

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enable_internal.h"
#include "odp/base/time.h"

#define PATIENCE_SEC 30 // of a start under load; in a crash loop it never comes
#define PAUSE_MS     20

static int call(const struct odp_enable *e, struct odp_client *client, struct odp_reply *ret)
{
    int r = odp_client_connect(e->cli->socket, client);

    return r == 0 ? odp_client_call(client, ODP_VARLINK_RELOAD, NULL, ret) : r;
}

// Nobody listens, or who did has ended.
static bool is_absent(int r)
{
    return r == -ENOENT || r == -ECONNREFUSED || r == -ECONNRESET;
}

// Its ActiveState=; "" where that cannot be told.
static void ask_state(const struct odp_enable *e, char *ret, size_t size)
{
    struct odp_socket_units now;
    char why[256];
    int r = odp_socket_units_ask(e->is_user, NULL, 0, &now, why, sizeof(why));

    snprintf(ret, size, "%s", r == 0 ? now.odpd_active : "");
    odp_socket_units_deinit(&now);
}

// What it reads at its next start are the files as they are now.
static bool is_gone(const char *state)
{
    return strcmp(state, "inactive") == 0 || strcmp(state, "failed") == 0;
}

static bool is_coming(const char *state)
{
    return strcmp(state, "activating") == 0 || strcmp(state, "deactivating") == 0 ||
           strcmp(state, "reloading") == 0;
}

// Calls until it is answered, or it is known that nobody will. Returns as odp_client_call();
// -ENOENT where odpd does not run, and *ret_gone is set.
static int call_patiently(const struct odp_enable *e, struct odp_client *client,
                          struct odp_reply *ret, bool *ret_gone)
{
    uint64_t deadline_usec = odp_now_usec() + PATIENCE_SEC * ODP_USEC_PER_SEC;
    bool is_up = false;
    char state[24];

    for (;;) {
        int r = call(e, client, ret);
        if (!is_absent(r) || odp_now_usec() >= deadline_usec)
            return r;
        odp_client_deinit(client);
        ask_state(e, state, sizeof(state));
        *ret_gone = is_gone(state);
        if (*ret_gone)
            return -ENOENT;
        bool was_up = is_up;
        is_up = !is_coming(state);
        if (is_up && was_up)
            return r; // it has not come just between the call and the look
        if (!is_up)
            usleep(PAUSE_MS * 1000);
    }
}

int enable_reload_odpd(const struct odp_enable *e)
{
    struct odp_client client = {.fd = -1};
    struct odp_reply reply = {0};
    bool gone = false;
    int code = ODP_EXIT_DONE;
    int r = call_patiently(e, &client, &reply, &gone);

    if (r < 0 && !gone)
        code = odp_complain_lost(e->cli, r);
    else if (r == 0 && reply.error)
        code = odp_complain_refused(&client, e->verb, &reply);
    odp_reply_deinit(&reply);
    odp_client_deinit(&client);
    return code;
}
