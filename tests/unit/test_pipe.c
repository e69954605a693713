// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pool of pipes against the kernel's limit for a user's pipes. As root the tests take a user of
// their own, who has all of that limit to himself; where the limit does not hold (some capabilities
// lift it) or is not the usual one, they say so and pass by.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "net/pipe.h"

#define KIB      1024
#define N_PIPES  480
#define FIRST_ID 1000000

static struct odp_pipe_pool pool;
static struct odp_pipe *taken[N_PIPES];
static int hogs[2 * N_PIPES]; // another process of the same user, as it were
static int n_hogs;

static int at_most; // slots that an unprivileged user's pipe may have

static int begin(void **state)
{
    (void)state;
    FILE *f = fopen("/proc/sys/fs/pipe-max-size", "re");
    long n_bytes = 0;
    assert_true(f && fscanf(f, "%ld", &n_bytes) == 1);
    (void)fclose(f);
    at_most = (int)(n_bytes / sysconf(_SC_PAGESIZE));
    odp_pipe_pool_init(&pool);
    return 0;
}

static int end(void **state)
{
    (void)state;
    odp_pipe_pool_trim(&pool);
    assert_int_equal(pool.n_open, 0);
    while (n_hogs > 0)
        close(hogs[--n_hogs]);
    return 0;
}

// Under an emulator pages may have another size than the kernel's, which then counts others.
static void need_own_pages(void)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    long n_bytes = fcntl(fds[0], F_GETPIPE_SZ);
    close(fds[0]);
    close(fds[1]);
    if (n_bytes != 16 * sysconf(_SC_PAGESIZE))
        skip();
}

static void assert_slots(const struct odp_pipe *p, int wanted)
{
    while (wanted > at_most)
        wanted /= 2;
    assert_int_equal(p->n_slots, wanted);
}

static unsigned take_all(unsigned n)
{
    unsigned i = 0;

    while (i < n && (taken[i] = odp_pipe_take(&pool)))
        i++;
    return i;
}

static void give_all(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        odp_pipe_give(&pool, taken[i], false);
}

// Until the user may have no pipe any more that is worth its name.
static void hog(void)
{
    int room = 0;

    while (n_hogs < 2 * N_PIPES - 2 && pipe(hogs + n_hogs) == 0) {
        room = fcntl(hogs[n_hogs], F_SETPIPE_SZ, KIB * KIB);
        n_hogs += 2;
        if (room < 0 && fcntl(hogs[n_hogs - 1], F_GETPIPE_SZ) < 64 * KIB)
            return;
    }
    print_message("the kernel does not limit this user's pipes: nothing tested\n");
    skip();
}

static void test_slots(void **state)
{
    (void)state;
    need_own_pages();
    struct odp_pipe *p = odp_pipe_take(&pool);

    assert_non_null(p);
    assert_slots(p, 128);
    assert_int_equal(fcntl(p->write_fd, F_GETPIPE_SZ), p->n_slots * sysconf(_SC_PAGESIZE));
    odp_pipe_give(&pool, p, false);
    assert_ptr_equal(odp_pipe_take(&pool), p);
    odp_pipe_give(&pool, p, true);
    assert_int_equal(pool.n_free, 0);
}

static void test_what_is_kept(void **state)
{
    (void)state;
    int out[2];
    char got[8];

    struct odp_pipe *p = odp_pipe_keep(&pool, "kept", 4);
    assert_non_null(p);
    assert_int_equal(pipe(out), 0);
    assert_int_equal(odp_pipe_flush(p, out[1], 4), 4);
    assert_int_equal(read(out[0], got, sizeof(got)), 4);
    assert_memory_equal(got, "kept", 4);
    close(out[0]);
    close(out[1]);
    odp_pipe_give(&pool, p, false);
}

static void test_more_are_smaller(void **state)
{
    (void)state;
    need_own_pages();
    unsigned n = take_all(128);

    assert_int_equal(n, 128);
    assert_slots(taken[0], 128);
    assert_slots(taken[31], 128);
    assert_slots(taken[32], 64);
    assert_slots(taken[95], 64);
    assert_slots(taken[96], 16);
    give_all(n);
}

static void test_large_first(void **state)
{
    (void)state;
    need_own_pages();
    unsigned n = take_all(40);

    give_all(n); // the small ones come last, and yet
    assert_int_equal(pool.n_free, 40);
    assert_int_equal(take_all(33), 33);
    assert_slots(taken[31], 128);
    assert_slots(taken[32], 64);
    give_all(33);
}

static void test_kept_at_most(void **state)
{
    (void)state;
    need_own_pages();
    unsigned n = take_all(100);

    give_all(n);
    assert_int_equal(pool.n_free, 64);
    assert_int_equal(pool.n_open, 64);
}

static void test_refused(void **state)
{
    (void)state;
    need_own_pages();
    hog();
    assert_null(odp_pipe_take(&pool));
    assert_int_equal(errno, ENOBUFS);
    assert_int_equal(pool.n_open, 0);
    // What was read already has a place all the same.
    struct odp_pipe *box = odp_pipe_keep(&pool, "held", 4);
    assert_non_null(box);
    assert_int_equal(box->read_fd, -1);
    odp_pipe_give(&pool, box, true);
    // The kernel is asked again, not each time, and then it is as before.
    while (n_hogs > 0)
        close(hogs[--n_hogs]);
    assert_null(odp_pipe_take(&pool));
    struct odp_pipe *p = NULL;
    for (int i = 0; i < 256 && !p; i++)
        p = odp_pipe_take(&pool);
    assert_non_null(p);
    assert_slots(p, 128);
    odp_pipe_give(&pool, p, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slots, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(test_more_are_smaller, begin, end),
        cmocka_unit_test_setup_teardown(test_large_first, begin, end),
        cmocka_unit_test_setup_teardown(test_kept_at_most, begin, end),
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
    };

    const uid_t id = FIRST_ID + (uid_t)getpid();
    if (geteuid() == 0 && setresuid(id, id, id) < 0)
        print_message("still root: other pipes of root count, too\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
