// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The connection's table; see the header for what the states mean.

#include "odp/core/conn.h"

struct cell {
    enum odp_conn_state next;
    unsigned effects;
};

#define HELD       ODP_CONN_HELD
#define TRYING     ODP_CONN_TRYING
#define EARLY      ODP_CONN_EARLY
#define CONNECTING ODP_CONN_CONNECTING
#define RELAYED    ODP_CONN_RELAYED
#define ENDED      ODP_CONN_ENDED

#define FX(name) ODP_CONN_FX_##name
// A try that earned the relay: the service has it now, so the client's copy is consumed.
#define COMMIT (FX(CONSUME) | FX(RELAY) | FX(ANSWERS))
// A try that failed: the client keeps its bytes and waits on.
#define AGAIN  (FX(DROP_UPSTREAM) | FX(REFUSED))
#define ANSWER (FX(ANSWER) | FX(CLOSE))
#define CLOSE  FX(CLOSE)

// clang-format off
static const struct cell table[ODP_CONN_N_STATES][ODP_CONN_N_EVENTS] = {
    [HELD] = {
        [ODP_CONN_EV_TRY]        = {TRYING, FX(CONNECT)},
        [ODP_CONN_EV_RELEASE]    = {CONNECTING, FX(CONNECT)},
        [ODP_CONN_EV_CONNECTED]  = {HELD, 0},
        [ODP_CONN_EV_REFUSED]    = {HELD, 0},
        [ODP_CONN_EV_FIRST_BYTE] = {HELD, 0},
        [ODP_CONN_EV_STOOD]      = {HELD, 0},
        [ODP_CONN_EV_BROKEN]     = {HELD, 0},
        [ODP_CONN_EV_LEFT]       = {ENDED, CLOSE},
        [ODP_CONN_EV_TIMEOUT]    = {ENDED, ANSWER},
        [ODP_CONN_EV_DENY]       = {ENDED, ANSWER},
        [ODP_CONN_EV_PAGE]       = {ENDED, ANSWER},
        [ODP_CONN_EV_DONE]       = {HELD, 0},
        [ODP_CONN_EV_CUT]        = {ENDED, CLOSE},
    },
    [TRYING] = {
        [ODP_CONN_EV_TRY]        = {TRYING, 0},
        [ODP_CONN_EV_RELEASE]    = {CONNECTING, 0},
        [ODP_CONN_EV_CONNECTED]  = {EARLY, FX(COPY)},
        [ODP_CONN_EV_REFUSED]    = {HELD, AGAIN},
        [ODP_CONN_EV_FIRST_BYTE] = {TRYING, 0},
        [ODP_CONN_EV_STOOD]      = {TRYING, 0},
        [ODP_CONN_EV_BROKEN]     = {HELD, AGAIN},
        [ODP_CONN_EV_LEFT]       = {ENDED, CLOSE},
        [ODP_CONN_EV_TIMEOUT]    = {ENDED, ANSWER},
        [ODP_CONN_EV_DENY]       = {ENDED, ANSWER},
        [ODP_CONN_EV_PAGE]       = {ENDED, ANSWER},
        [ODP_CONN_EV_DONE]       = {TRYING, 0},
        [ODP_CONN_EV_CUT]        = {ENDED, CLOSE},
    },
    [EARLY] = {
        [ODP_CONN_EV_TRY]        = {EARLY, 0},
        [ODP_CONN_EV_RELEASE]    = {EARLY, 0},
        [ODP_CONN_EV_CONNECTED]  = {EARLY, 0},
        [ODP_CONN_EV_REFUSED]    = {HELD, AGAIN},
        [ODP_CONN_EV_FIRST_BYTE] = {RELAYED, COMMIT},
        [ODP_CONN_EV_STOOD]      = {RELAYED, COMMIT},
        [ODP_CONN_EV_BROKEN]     = {HELD, AGAIN},
        [ODP_CONN_EV_LEFT]       = {ENDED, CLOSE},
        [ODP_CONN_EV_TIMEOUT]    = {EARLY, 0}, // it is about to be committed or held again
        [ODP_CONN_EV_DENY]       = {ENDED, ANSWER},
        [ODP_CONN_EV_PAGE]       = {EARLY, 0}, // it may be answered by the service now
        [ODP_CONN_EV_DONE]       = {EARLY, 0},
        [ODP_CONN_EV_CUT]        = {ENDED, CLOSE},
    },
    [CONNECTING] = {
        [ODP_CONN_EV_TRY]        = {CONNECTING, 0},
        [ODP_CONN_EV_RELEASE]    = {CONNECTING, 0},
        [ODP_CONN_EV_CONNECTED]  = {RELAYED, FX(RELAY)},
        [ODP_CONN_EV_REFUSED]    = {HELD, AGAIN},
        [ODP_CONN_EV_FIRST_BYTE] = {CONNECTING, 0},
        [ODP_CONN_EV_STOOD]      = {CONNECTING, 0},
        [ODP_CONN_EV_BROKEN]     = {HELD, AGAIN},
        [ODP_CONN_EV_LEFT]       = {ENDED, CLOSE},
        [ODP_CONN_EV_TIMEOUT]    = {ENDED, ANSWER},
        [ODP_CONN_EV_DENY]       = {ENDED, ANSWER},
        [ODP_CONN_EV_PAGE]       = {CONNECTING, 0},
        [ODP_CONN_EV_DONE]       = {CONNECTING, 0},
        [ODP_CONN_EV_CUT]        = {ENDED, CLOSE},
    },
    [RELAYED] = {
        [ODP_CONN_EV_TRY]        = {RELAYED, 0},
        [ODP_CONN_EV_RELEASE]    = {RELAYED, 0},
        [ODP_CONN_EV_CONNECTED]  = {RELAYED, 0},
        [ODP_CONN_EV_REFUSED]    = {RELAYED, 0},
        [ODP_CONN_EV_FIRST_BYTE] = {RELAYED, 0},
        [ODP_CONN_EV_STOOD]      = {RELAYED, 0},
        [ODP_CONN_EV_BROKEN]     = {RELAYED, 0},
        [ODP_CONN_EV_LEFT]       = {ENDED, CLOSE},
        [ODP_CONN_EV_TIMEOUT]    = {RELAYED, 0},
        [ODP_CONN_EV_DENY]       = {RELAYED, 0},
        [ODP_CONN_EV_PAGE]       = {RELAYED, 0},
        [ODP_CONN_EV_DONE]       = {ENDED, CLOSE},
        [ODP_CONN_EV_CUT]        = {ENDED, CLOSE},
    },
    [ENDED] = {
        [ODP_CONN_EV_TRY]        = {ENDED, 0},
        [ODP_CONN_EV_RELEASE]    = {ENDED, 0},
        [ODP_CONN_EV_CONNECTED]  = {ENDED, 0},
        [ODP_CONN_EV_REFUSED]    = {ENDED, 0},
        [ODP_CONN_EV_FIRST_BYTE] = {ENDED, 0},
        [ODP_CONN_EV_STOOD]      = {ENDED, 0},
        [ODP_CONN_EV_BROKEN]     = {ENDED, 0},
        [ODP_CONN_EV_LEFT]       = {ENDED, 0},
        [ODP_CONN_EV_TIMEOUT]    = {ENDED, 0},
        [ODP_CONN_EV_DENY]       = {ENDED, 0},
        [ODP_CONN_EV_PAGE]       = {ENDED, 0},
        [ODP_CONN_EV_DONE]       = {ENDED, 0},
        [ODP_CONN_EV_CUT]        = {ENDED, 0},
    },
};
// clang-format on

unsigned odp_conn_step(enum odp_conn_state *state, enum odp_conn_event event)
{
    const struct cell *c = &table[*state][event];

    *state = c->next;
    return c->effects;
}

const char *odp_conn_state_to_string(enum odp_conn_state s)
{
    static const char *const names[ODP_CONN_N_STATES] = {
        [ODP_CONN_HELD] = "held",       [ODP_CONN_TRYING] = "trying",
        [ODP_CONN_EARLY] = "early",     [ODP_CONN_CONNECTING] = "connecting",
        [ODP_CONN_RELAYED] = "relayed", [ODP_CONN_ENDED] = "ended",
    };

    return s < ODP_CONN_N_STATES ? names[s] : "invalid";
}

const char *odp_conn_event_to_string(enum odp_conn_event e)
{
    static const char *const names[ODP_CONN_N_EVENTS] = {
        [ODP_CONN_EV_TRY] = "try",
        [ODP_CONN_EV_RELEASE] = "release",
        [ODP_CONN_EV_CONNECTED] = "connected",
        [ODP_CONN_EV_REFUSED] = "refused",
        [ODP_CONN_EV_FIRST_BYTE] = "first byte",
        [ODP_CONN_EV_STOOD] = "stood",
        [ODP_CONN_EV_BROKEN] = "broken",
        [ODP_CONN_EV_LEFT] = "left",
        [ODP_CONN_EV_TIMEOUT] = "timeout",
        [ODP_CONN_EV_DENY] = "deny",
        [ODP_CONN_EV_PAGE] = "page",
        [ODP_CONN_EV_DONE] = "done",
        [ODP_CONN_EV_CUT] = "cut",
    };

    return e < ODP_CONN_N_EVENTS ? names[e] : "invalid";
}
