# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured: the figures, their budgets, and what the load generator is asked for them.

A slot is one run of the load generator with a fixed number of operations against one proxy, after
a short one that warms caches and pools and does not count. A slot yields one or more figures.
"""

from collections import namedtuple

NAMES = ["bulk", "short", "pingpong", "slow", "memory", "halfclose"]
DIRECT = "direct"
HALF_CLOSE_BYTES = 4 << 20
N_SLOW = 1000
FORK_SHARE = 10  # a proxy that forks is given so much less to do in the cells of connections

# ratio: limit for odp / best peer of the same round. absolute: limit for odp's own figure. `chart`: the
# title of its panel, and the unit; None where there is no panel.
Figure = namedtuple("Figure", "key measure title digits kind limit budget chart")


def ratio(key, measure, title, digits, limit, chart=None):
    budget = "1.00 x (noise 0.03)" if limit == 1.03 else "%.2f x" % limit
    return Figure(key, measure, title, digits, "ratio", limit, budget, chart)


def absolute(key, measure, title, limit, chart=None):
    return Figure(key, measure, title, 0, "absolute", limit, str(limit), chart)


def told(key, measure, title, digits, chart=None):
    return Figure(key, measure, title, digits, None, None, "", chart)


FIGURES = [
    ratio("bulk_down_1", "bulk", "bulk, 1 stream, service to client: CPU-s a GB", 3, 1.03,
          ("Bulk to the client, 1 stream", "CPU-s/GB")),
    ratio("bulk_up_1", "bulk", "bulk, 1 stream, client to service: CPU-s a GB", 3, 1.03,
          ("Bulk to the service, 1 stream", "CPU-s/GB")),
    ratio("bulk_down_8", "bulk", "bulk, 8 streams, service to client: CPU-s a GB", 3, 1.03,
          ("Bulk to the client, 8 streams", "CPU-s/GB")),
    ratio("bulk_up_8", "bulk", "bulk, 8 streams, client to service: CPU-s a GB", 3, 1.03,
          ("Bulk to the service, 8 streams", "CPU-s/GB")),
    ratio("short_1", "short", "short connections, 1 client: CPU-us each", 1, 0.95,
          ("Short connections, 1 client", "CPU-us each")),
    ratio("short_64", "short", "short connections, 64 clients: CPU-us each", 1, 0.95,
          ("Short connections, 64 clients", "CPU-us each")),
    ratio("pingpong_cpu", "pingpong", "ping-pong 64 B: CPU-us a round trip", 1, 0.95,
          ("Ping-pong of 64 bytes", "CPU-us a round trip")),
    told("pingpong_p50", "pingpong", "ping-pong 64 B: p50 us, whole", 1),
    ratio("pingpong_added_p50", "pingpong", "ping-pong 64 B: p50 us added to direct", 1, 1.00,
          ("Ping-pong, p50 added", "us")),
    told("pingpong_added_p99", "pingpong", "ping-pong 64 B: p99 us added to direct", 1),
    told("pingpong_added_p999", "pingpong", "ping-pong 64 B: p99.9 us added to direct", 1),
    told("slow_cpu", "slow", "1,000 slow streams: CPU-us a round trip", 1),
    told("slow_p50", "slow", "1,000 slow streams: p50 us", 0),
    told("slow_p99", "slow", "1,000 slow streams: p99 us", 0),
    told("beside_p50", "slow", "1,000 slow streams beside a bulk transfer: p50 us", 0),
    ratio("beside_p99", "slow", "1,000 slow streams beside a bulk transfer: p99 us", 0, 1.00,
          ("1,000 slow streams beside bulk, p99", "us")),
    told("beside_rate", "slow", "the bulk transfer beside them: MB/s", 0),
    absolute("idle_user_1000", "memory", "user bytes an idle connection, 1,000 of them (PSS)", 512,
             ("Memory an idle connection, of 1,000", "user bytes")),
    told("idle_dirty_1000", "memory", "user bytes an idle connection, 1,000 (private dirty)", 0),
    told("idle_kernel_1000", "memory", "kernel bytes an idle connection, 1,000", 0),
    absolute("idle_user_10000", "memory", "user bytes an idle connection, %s (PSS)", 512,
             ("Memory an idle connection, of 10,000", "user bytes")),
    told("idle_dirty_10000", "memory", "user bytes an idle connection, %s (private dirty)", 0),
    told("idle_kernel_10000", "memory", "kernel bytes an idle connection, %s", 0,
         ("The same in the kernel, of 10,000", "bytes")),
    told("idle_fds", "memory", "descriptors an idle connection", 2),
    Figure("half_close", "halfclose", "half-close by the client, byte-exact", 0, "yes", 1, "yes", None),
    Figure("half_close_service", "halfclose", "half-close by the service, byte-exact", 0, "yes", 1, "yes", None),
]

# Arguments without the port: warm-up, then measured; then the number by which CPU-us is divided.
# `share`: what a proxy that forks is given less of (see FORK_SHARE).
Slot = namedtuple("Slot", "measure key warm_up arguments divisor direct shared")


def bulk(direction, n_streams):
    return Slot("bulk", "bulk_%s_%d" % (direction, n_streams), ["bulk", 20_000_000 * n_streams, direction, n_streams],
                ["bulk", 200_000_000, direction, n_streams], 200_000, False, False)


# Small slots and many rounds: the shorter the time between two proxies, the more of the machine's
# own ups and downs they share, and the less of them is left in the ratio of a round.
SLOTS = [
    bulk("down", 1),
    bulk("up", 1),
    bulk("down", 8),
    bulk("up", 8),
    Slot("short", "short_1", ["short", 50, 1], ["short", 500, 1], 500, False, True),
    Slot("short", "short_64", ["short", 130, 64], ["short", 1000, 64], 1000, False, True),
    Slot("pingpong", "pingpong_cpu", ["pingpong", 200], ["pingpong", 2000], 2000, True, False),
]


def shared_out(slot):
    """The slot of a proxy that forks."""
    if not slot.shared:
        return slot
    less = [[verb, n // FORK_SHARE, *rest] for verb, n, *rest in (slot.warm_up, slot.arguments)]
    return slot._replace(warm_up=less[0], arguments=less[1], divisor=slot.divisor / FORK_SHARE)
