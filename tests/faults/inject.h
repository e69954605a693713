// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a test and the fault injection library (inject.c) share: one page that both have mapped. The
// test writes what is to go wrong, the library counts and says what it did. faults.py has the same
// layout.

#pragma once

#include <stdint.h>

#define INJECT_VARIABLE  "ODP_FAULTS" // names the file with the page
#define INJECT_NAME_MAX  31
#define INJECT_WHERE_MAX 1023
#define INJECT_PATHS_MAX 4096

enum inject_mode {
    INJECT_NOTHING,
    INJECT_COUNT,       // goes wrong nowhere; allocations and steps are counted
    INJECT_ENOMEM,      // the allocation with the number `at`, of those by `path`, finds no memory
    INJECT_KILL_BEFORE, // the program is killed before the step with the number `at`
    INJECT_KILL_AFTER,  // or after it
};

struct inject_page {
    char program[INJECT_NAME_MAX + 1]; // whose steps and allocations; clocks are for all programs
    uint64_t mode;                     // enum inject_mode; may change while the program runs
    uint64_t at;
    uint64_t path; // of calls that lead to an allocation; 0 for any
    uint64_t n_by_path;
    uint64_t n_allocations; // since the program started, over all of its processes in turn
    uint64_t n_steps;
    uint64_t is_done;      // what was to go wrong has: once, whatever the numbers say later
    int64_t realtime_nsec; // added to CLOCK_REALTIME
    int64_t boottime_nsec; // added to CLOCK_BOOTTIME
    char where[INJECT_WHERE_MAX + 1]; // what went wrong, and from where it was called
    uint64_t paths[INJECT_PATHS_MAX]; // of the allocations that were counted, in their order
};

// The page if this process is the program that it is about, else NULL. Children of the program do
// not count until they have become it by themselves.
struct inject_page *inject_page_of_program(void);

// The page whatever the program is; NULL where no test is about.
struct inject_page *inject_page(void);

// Writes `what` and the calls that led here to the page, and marks it as done.
void inject_tell(struct inject_page *page, const char *what);
