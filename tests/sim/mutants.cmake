# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The seeded faults: one wrong cell each of the core's two tables. The text to replace must stand
# exactly once in the source; where the source has changed, choose another text that shows the same
# fault, or another fault.

# Somebody's word that it is inactive ends the stop before its own end.
odp_sim_mutant(stopping-inactive service.c
  "act_probe_if_reply, act_stopped_if_reply," "act_probe_if_reply, act_stopped,")

# A client starts what is being stopped.
odp_sim_mutant(stopping-demand service.c
  "[ODP_SERVICE_STOPPING]  = ROW(O," "[ODP_SERVICE_STOPPING]  = ROW(act_start,")

# The last one has left, and the window does not begin.
odp_sim_mutant(ready-counts service.c
  "act_refused, act_count," "act_refused, O,")

# The backend's end is not noticed.
odp_sim_mutant(ready-inactive service.c
  "act_window_end,   O,                  act_stopped," "act_window_end,   O,                  O,")

# Who does not answer in time never fails.
odp_sim_mutant(probing-deadline service.c
  "act_fail_timeout, O," "O,                O,")

# A start that was under way when the launcher was lost is not asked for again.
odp_sim_mutant(starting-lost service.c
  "act_frozen_if_reply, act_ready, O,           O,                     act_lost_start)"
  "act_frozen_if_reply, act_ready, O,           O,                     act_look)")

# After odp stop and its time to drain, connections are not cut.
odp_sim_mutant(dismissed-deadline service.c
  "act_want,  O,                  act_cut_and_stop," "act_want,  O,                  act_stop,")

# No backoff.
odp_sim_mutant(failed-demand service.c
  "ROW(act_demand_failed," "ROW(act_start,")

# What the try was sent is not taken out of the client's socket, so the service has it twice.
odp_sim_mutant(early-stood conn.c
  "[ODP_CONN_EV_STOOD]      = {RELAYED, COMMIT}"
  "[ODP_CONN_EV_STOOD]      = {RELAYED, FX(RELAY) | FX(ANSWERS)}")

# A client that has left is held on.
odp_sim_mutant(held-left conn.c
  "[ODP_CONN_EV_BROKEN]     = {HELD, 0},
        [ODP_CONN_EV_LEFT]       = {ENDED, CLOSE},"
  "[ODP_CONN_EV_BROKEN]     = {HELD, 0},
        [ODP_CONN_EV_LEFT]       = {HELD, 0},")
