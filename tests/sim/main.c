// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The simulation as a program: golden traces, random schedules, coverage.

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "sim.h"

static const char usage[] =
    "Usage: sim [--golden DIR] [--schedules N] [OPTION...]\n"
    "\n"
    "  --golden DIR     carry the golden traces of DIR out, and compare\n"
    "  --only TEXT      those alone whose path has TEXT in it\n"
    "  --rewrite        write those that differ anew, to be read by a person\n"
    "  --schedules N    run N random schedules\n"
    "  --seed N         of these; by default ODP_TEST_SEED, or a new one each time\n"
    "  --first N        begin with the schedule of that number\n"
    "  --coverage       fail where a cell of the service's table was not seen\n"
    "\n"
    "With ODP_TEST_SHORT in the environment there are a tenth of the schedules.\n";

static char running[256];

void sim_running(const char *what)
{
    snprintf(running, sizeof(running), "FAILED: crash: %s\n", what);
}

// A crash is a finding, too: it is to be told what crashed.
static void on_crash(int signal_number)
{
    if (write(STDOUT_FILENO, running, strlen(running)) < 0)
        _exit(3);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static uint64_t number_of(const char *text)
{
    char *end;

    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0 || *end || end == text) {
        fprintf(stderr, "sim: %s is no number\n", text);
        exit(2);
    }
    return n;
}

static const char *parse(int argc, char **argv, struct sim_options *o)
{
    enum { GOLDEN = 1, ONLY, REWRITE, SCHEDULES, SEED, FIRST, COVERAGE };
    static const struct option options[] = {
        {"golden", required_argument, NULL, GOLDEN},
        {"only", required_argument, NULL, ONLY},
        {"rewrite", no_argument, NULL, REWRITE},
        {"seed", required_argument, NULL, SEED},
        {"schedules", required_argument, NULL, SCHEDULES},
        {"first", required_argument, NULL, FIRST},
        {"coverage", no_argument, NULL, COVERAGE},
        {NULL, 0, NULL, 0},
    };
    const char *golden = NULL;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        switch (c) {
        case GOLDEN: golden = optarg; break;
        case ONLY: o->only = optarg; break;
        case REWRITE: o->rewrite = true; break;
        case SCHEDULES: o->n_schedules = (unsigned)number_of(optarg); break;
        case SEED: o->seed = number_of(optarg); break;
        case FIRST: o->first = (unsigned)number_of(optarg); break;
        case COVERAGE: o->coverage = true; break;
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (optind < argc || (!golden && o->n_schedules == 0)) {
        fputs(usage, stderr);
        exit(2);
    }
    return golden;
}

int main(int argc, char **argv)
{
    struct sim_options o = {0};
    bool ok = true;

    const char *seed = getenv("ODP_TEST_SEED");
    if (seed)
        o.seed = number_of(seed);
    else if (getrandom(&o.seed, sizeof(uint32_t), 0) < 0)
        o.seed = (uint64_t)getpid();
    const char *golden = parse(argc, argv, &o);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGSEGV, on_crash);
    signal(SIGABRT, on_crash);
    if (golden)
        ok = sim_golden(golden, &o);
    // Sanitizers and valgrind take ten times as long.
    if (getenv("ODP_TEST_SHORT"))
        o.n_schedules /= 10;
    if (o.n_schedules > 0) {
        printf("seed: %llu\n", (unsigned long long)o.seed);
        ok &= sim_schedules(&o);
    }
    if (ok && o.coverage)
        ok = sim_coverage();
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
