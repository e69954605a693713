/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The benchmark's load generator: one subcommand a measure, each with a fixed number of operations
 * against 127.0.0.1:PORT, so that the CPU a proxy spent can be divided by a known count. Results
 * are one line of JSON on stdout. It times latency itself and knows nothing of proxies, CPU or
 * cgroups: that is the driver's part (tests/bench/run). A run that hangs is ended by SIGALRM.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define LIMIT_SEC 30
#define MAX_PORTS 16

static int usage(void)
{
    (void)fputs("usage: odp-bench-load serve PORT...\n"
                "       odp-bench-load bulk PORT BYTES up|down STREAMS\n"
                "       odp-bench-load short PORT CONNECTIONS CLIENTS\n"
                "       odp-bench-load pingpong PORT TRIPS\n"
                "       odp-bench-load slow PORT STREAMS MILLISECONDS\n"
                "       odp-bench-load idle PORT CONNECTIONS\n"
                "       odp-bench-load halfclose PORT BYTES client|service\n",
                stderr);
    return 2;
}

static int run_serve(char **arguments, int n_arguments)
{
    uint16_t ports[MAX_PORTS];

    if (n_arguments > MAX_PORTS)
        return -E2BIG;
    for (int i = 0; i < n_arguments; i++)
        ports[i] = (uint16_t)strtoul(arguments[i], NULL, 10);
    return bench_serve(ports, (size_t)n_arguments);
}

/* Returns 1 where there is no such measure. */
static int run(const char *verb, uint16_t port, uint64_t n, const char *third, const char *fourth)
{
    unsigned m = (unsigned)strtoul(third, NULL, 10);

    (void)alarm(LIMIT_SEC);
    if (strcmp(verb, "bulk") == 0)
        return bench_bulk(port, n, strcmp(third, "up") == 0, (unsigned)strtoul(fourth, NULL, 10));
    if (strcmp(verb, "short") == 0)
        return bench_short(port, n, m);
    if (strcmp(verb, "pingpong") == 0)
        return bench_pingpong(port, n);
    if (strcmp(verb, "slow") == 0)
        return bench_slow(port, (unsigned)n, m);
    if (strcmp(verb, "idle") == 0)
        return bench_idle(port, n);
    if (strcmp(verb, "halfclose") == 0)
        return strcmp(third, "service") == 0 ? bench_half_close_service(port, n)
                                             : bench_half_close(port, n);
    return 1;
}

int main(int argc, char **argv)
{
    int r;

    if (argc < 3)
        return usage();
    if (strcmp(argv[1], "serve") == 0)
        r = run_serve(argv + 2, argc - 2);
    else if (argc < 4 || strtoull(argv[3], NULL, 10) == 0)
        return usage();
    else
        r = run(argv[1], (uint16_t)strtoul(argv[2], NULL, 10), strtoull(argv[3], NULL, 10),
                argc > 4 ? argv[4] : "", argc > 5 ? argv[5] : "1");
    if (r > 0)
        return usage();
    if (r < 0) {
        (void)fprintf(stderr, "odp-bench-load %s: %s\n", argv[1], strerror(-r));
        return 1;
    }
    return 0;
}
