// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Every cell of the connection's table, written as text: "=" nothing; else the next state and the
// effects by their initials: d drop upstream, c connect, p copy, n consume, r relay, a answer the
// client, x close, A the service answers, R it refused.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "odp/core/conn.h"

// clang-format off
static const char *const cells[ODP_CONN_N_STATES][ODP_CONN_N_EVENTS] = {
    //                        try         release         connected    refused    first byte     stood          broken     left       timeout     deny        page        done       cut
    [ODP_CONN_HELD]       = { "trying c", "connecting c", "=",         "=",       "=",           "=",           "=",       "ended x", "ended ax", "ended ax", "ended ax", "=",       "ended x" },
    [ODP_CONN_TRYING]     = { "=",        "connecting",   "early p",   "held dR", "=",           "=",           "held dR", "ended x", "ended ax", "ended ax", "ended ax", "=",       "ended x" },
    [ODP_CONN_EARLY]      = { "=",        "=",            "=",         "held dR", "relayed nrA", "relayed nrA", "held dR", "ended x", "=",        "ended ax", "=",        "=",       "ended x" },
    [ODP_CONN_CONNECTING] = { "=",        "=",            "relayed r", "held dR", "=",           "=",           "held dR", "ended x", "ended ax", "ended ax", "=",        "=",       "ended x" },
    [ODP_CONN_RELAYED]    = { "=",        "=",            "=",         "=",       "=",           "=",           "=",       "ended x", "=",        "=",        "=",        "ended x", "ended x" },
    [ODP_CONN_ENDED]      = { "=",        "=",            "=",         "=",       "=",           "=",           "=",       "=",       "=",        "=",        "=",        "=",       "=" },
};
// clang-format on

static void describe(enum odp_conn_state from, enum odp_conn_state to, unsigned fx, char *ret)
{
    static const char letters[] = "dcpnraxAR";
    size_t n = 0;

    if (from == to && fx == 0) {
        strcpy(ret, "=");
        return;
    }
    n = (size_t)sprintf(ret, "%s", odp_conn_state_to_string(to));
    if (fx)
        ret[n++] = ' ';
    for (unsigned bit = 0; bit < sizeof(letters) - 1; bit++)
        if (fx & (1U << bit))
            ret[n++] = letters[bit];
    ret[n] = '\0';
}

static void test_every_cell(void **state)
{
    (void)state;
    for (int s = 0; s < ODP_CONN_N_STATES; s++) {
        for (int e = 0; e < ODP_CONN_N_EVENTS; e++) {
            enum odp_conn_state to = (enum odp_conn_state)s;
            char got[64];
            unsigned fx = odp_conn_step(&to, (enum odp_conn_event)e);
            describe((enum odp_conn_state)s, to, fx, got);
            assert_non_null(cells[s][e]);
            if (strcmp(got, cells[s][e]) != 0)
                fail_msg("%s x %s: wanted \"%s\", got \"%s\"",
                         odp_conn_state_to_string((enum odp_conn_state)s),
                         odp_conn_event_to_string((enum odp_conn_event)e), cells[s][e], got);
        }
    }
}

// However it goes: a client's bytes are consumed once, and only when it is relayed.
static void test_bytes_are_consumed_once(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 5000; seed++) {
        enum odp_conn_state s = ODP_CONN_HELD;
        unsigned r = seed, n_consumed = 0;
        for (int i = 0; i < 40; i++) {
            r = r * 1103515245U + 12345U;
            unsigned fx = odp_conn_step(&s, (enum odp_conn_event)((r >> 16) % ODP_CONN_N_EVENTS));
            if (fx & ODP_CONN_FX_CONSUME) {
                n_consumed++;
                assert_int_equal(s, ODP_CONN_RELAYED);
            }
        }
        assert_true(n_consumed <= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cell),
        cmocka_unit_test(test_bytes_are_consumed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
