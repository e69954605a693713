// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between control.c (the socket), control_client.c (a connection) and control_calls.c (what the
// methods do).

#pragma once

#include <cjson/cJSON.h>
#include <uv.h>

#include "odp/base/list.h"
#include "odp/proxy/control.h"

#define CONTROL_CLIENTS_MAX   128
#define CONTROL_STRANGERS_MAX 64 // of them neither root nor odpd's own user: they lock nobody out

struct odp_control {
    struct odp_manager *manager;
    uv_pipe_t server;
    uv_timer_t accept_timer; // runs while memory for the next client is missing
    struct odp_list clients;
    unsigned n_clients;
    unsigned n_strangers;
    struct odp_io_turn resume; // queued: calls that had to wait are to be served
    char *path;                // owned
};

enum control_wait {
    CONTROL_WAIT_NONE,
    CONTROL_WAIT_START,
    CONTROL_WAIT_STOP,
};

// One connection. Calls on it are answered one after the other, as varlink asks.
struct control_client {
    struct odp_list node;
    struct odp_control *control;
    uv_pipe_t pipe;
    char *input; // owned; the bytes of a call that is not whole yet
    size_t n_input;
    size_t input_size;
    bool closing;
    bool is_stranger;
    bool oneway; // the current call wants no reply
    // The call being waited for; further calls stay in `input` until it is answered.
    enum control_wait wait;
    struct odp_managed *waits_for;
};

// ---- control_client.c --------------------------------------------------------------------------

// Accepts the next one. False: out of memory, it still waits.
bool control_client_accept(struct odp_control *c);

// Answers the calls that are whole, as far as it takes the replies.
void control_client_serve(struct control_client *client);

void control_client_close(struct control_client *client);

// Before the first reply of all, and before each one that is not made within a call.
void control_replies_init(void);
void control_replies_begin(void);

// Replies; `parameters` is taken over and may be NULL.
void control_reply(struct control_client *client, cJSON *parameters);
void control_reply_error(struct control_client *client, const char *error, cJSON *parameters);

// Appends the item, which is taken over; without memory it is gone. Both may be NULL.
void control_append(cJSON *array, cJSON *item);

// ---- the calls ---------------------------------------------------------------------------------

// One whole call; `call` is the caller's.
void control_dispatch(struct control_client *client, const cJSON *call);

// Answers the client's waiting call if its service has come to where the call ends.
void control_check_wait(struct control_client *client);

// Answers it all the same: the service is not served any more.
void control_end_wait(struct control_client *client);

// True where the peer is root or odpd's own user.
bool control_is_owner(const struct control_client *client);

// True where the peer may start and stop services.
bool control_may_change(struct control_client *client);

// The parameters of a Status reply. `names` is a JSON array or NULL for all. NULL with *ret_unknown
// set: there is no such service.
cJSON *control_status(const struct odp_manager *mgr, const cJSON *names, const char **ret_unknown);

// `reason` and `note`; the notes stand behind the reason too.
void control_add_reason(cJSON *o, const struct odp_managed *m);

// True where these settings of it mean the user's service manager and engines, not the system's.
bool control_is_user(const struct odp_managed *m, const struct odp_config_service *c);

// `backend`, as a `type` line has it. Where the file leaves the engine open it is the one that the
// launcher takes, by the same rule.
void control_add_backend(cJSON *o, const struct odp_managed *m);

// What it uses, has used and saved; `ledger` is brought up to date.
void control_add_memory(cJSON *o, const struct odp_managed *m, const struct odp_ledger *ledger);

// True where a file of that name gave no service; control_why_invalid() tells its first fault.
bool control_is_invalid(const struct odp_manager *mgr, const char *name);
// Adds that fault as `reason`.
void control_add_fault(cJSON *o, const struct odp_manager *mgr, const char *name);
cJSON *control_why_invalid(const struct odp_manager *mgr, const char *name);

// The parameters of a Reload reply.
struct odp_reload;
cJSON *control_reloaded(const struct odp_manager *mgr, const struct odp_reload *done);

// The parameters of a Why reply. may_see: clients' addresses, too.
cJSON *control_why(const struct odp_managed *m, bool may_see);
