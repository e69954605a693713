// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which cells of the table state x event were seen. Those that the manager never brings about have
// their reasons here and are stepped alone; any other that is missing is a failure.

#include <string.h>

#include "sim.h"
#include "wraps.h"

// Sets of events, by bit.
#define E(name) (1U << ODP_EVENT_##name)

static const struct {
    enum odp_service_state state;
    unsigned events;
    const char *reason;
} by_hand[] = {
    {ODP_SERVICE_FAILED, E(DEADLINE), "it has none"},
    {ODP_SERVICE_READY, E(DEMAND), "nobody is held"},
    {ODP_SERVICE_STOPPED, E(ANSWERS), "nothing is tried"},
    {ODP_SERVICE_STOPPING, E(ANSWERS), "what was tried is taken back"},
    {ODP_SERVICE_FREEZING, E(ANSWERS) | E(REFUSED), "nobody was connected or held when it began"},
    {ODP_SERVICE_FROZEN, E(ANSWERS), "nobody is held"},
    {ODP_SERVICE_FAILED, E(ANSWERS), "whoever was held is denied"},
    {ODP_SERVICE_DRAINING, ~0U, "no setting leads there yet"},
    {ODP_SERVICE_REQUIRING, E(ANSWERS) | E(REFUSED), "nothing is tried"},
};

// Told to a service in REQUIRING alone.
#define ABOUT_REQUIRED (E(PENDING) | E(MET) | E(UNMET))

static bool is_by_hand(int state, int event)
{
    if (state != ODP_SERVICE_REQUIRING && ABOUT_REQUIRED & (1U << event))
        return true;
    for (size_t i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); i++)
        if ((int)by_hand[i].state == state && by_hand[i].events & (1U << event))
            return true;
    return false;
}

static void step_by_hand(int state, int event)
{
    const uint64_t now_usec = 1000 * ODP_USEC_PER_SEC;
    struct odp_service s = {
        .settings = {.can_stop = true},
        .state = (enum odp_service_state)state,
        .deadline_usec = now_usec,
        .request_id = 7,
        .idle = {.timeout_usec = ODP_USEC_PER_SEC, .quiet_usec = now_usec},
    };
    const struct odp_service_event e = {.kind = (enum odp_service_event_kind)event,
                                        .now_usec = now_usec,
                                        .id = 7,
                                        .reason = "by hand"};
    struct odp_service_effects fx;

    if (__real_odp_service_step(&s, &e, &fx) == 0 && s.state < ODP_SERVICE_N_STATES)
        sim_cells[state][event][SIM_BY_HAND]++;
}

// SIM_N_WAYS: by none. By hand counts only where the list says that there is no other way.
static enum sim_way way_of(int state, int event)
{
    int way = 0;

    while (way < SIM_N_WAYS && sim_cells[state][event][way] == 0)
        way++;
    return way == SIM_BY_HAND && !is_by_hand(state, event) ? SIM_N_WAYS : (enum sim_way)way;
}

static void print_by_hand(size_t i)
{
    int state = (int)by_hand[i].state;
    unsigned n = 0;

    for (int e = 0; e < ODP_EVENT_N_KINDS; e++)
        n += by_hand[i].events & (1U << e) && way_of(state, e) == SIM_BY_HAND;
    if (n == 0)
        return;
    printf("    by hand: %s x", odp_service_state_to_string(by_hand[i].state));
    for (int e = 0; e < ODP_EVENT_N_KINDS && n < ODP_EVENT_N_KINDS; e++)
        if (by_hand[i].events & (1U << e) && way_of(state, e) == SIM_BY_HAND)
            printf(" %s", odp_service_event_to_string((enum odp_service_event_kind)e));
    printf("%s: %s\n", n == ODP_EVENT_N_KINDS ? " all" : "", by_hand[i].reason);
}

// What is missing is either for the schedules to reach, or for the list above, with its reason.
static void print_missing(void)
{
    printf("FAILED: coverage: no schedule and no golden trace reached\n");
    for (int s = 0; s < ODP_SERVICE_N_STATES; s++)
        for (int e = 0; e < ODP_EVENT_N_KINDS; e++)
            if (way_of(s, e) == SIM_N_WAYS)
                printf("    %s x %s\n", odp_service_state_to_string((enum odp_service_state)s),
                       odp_service_event_to_string((enum odp_service_event_kind)e));
}

static void print_conn_cells(void)
{
    unsigned n = 0;

    for (int s = 0; s < ODP_CONN_N_STATES; s++)
        for (int e = 0; e < ODP_CONN_N_EVENTS; e++)
            n += sim_conn_cells[s][e] > 0;
    printf("connection cells, through the manager: %u of %d\n", n,
           ODP_CONN_N_STATES * ODP_CONN_N_EVENTS);
}

bool sim_coverage(void)
{
    unsigned n[SIM_N_WAYS + 1] = {0};

    for (int s = 0; s < ODP_SERVICE_N_STATES; s++) {
        for (int e = 0; e < ODP_EVENT_N_KINDS; e++) {
            if (way_of(s, e) == SIM_N_WAYS && is_by_hand(s, e))
                step_by_hand(s, e);
            n[way_of(s, e)]++;
        }
    }
    unsigned n_all = ODP_SERVICE_N_STATES * ODP_EVENT_N_KINDS;
    printf("cells: %u of %u (%u through the manager, %u of them with a setting that no key gives "
           "yet; %u by hand)\n",
           n_all - n[SIM_N_WAYS], n_all, n[SIM_BY_MANAGER] + n[SIM_BY_SETTINGS], n[SIM_BY_SETTINGS],
           n[SIM_BY_HAND]);
    for (size_t i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); i++)
        print_by_hand(i);
    printf("    by hand: all but %s x %s, %s, %s: only who waits for others is told\n",
           odp_service_state_to_string(ODP_SERVICE_REQUIRING),
           odp_service_event_to_string(ODP_EVENT_PENDING),
           odp_service_event_to_string(ODP_EVENT_MET),
           odp_service_event_to_string(ODP_EVENT_UNMET));
    print_conn_cells();
    if (n[SIM_N_WAYS] > 0)
        print_missing();
    return n[SIM_N_WAYS] == 0;
}
