// SPDX-License-Identifier: LGPL-2.1-or-later
//
// net/pipe: how much a pipe of the pool takes, whatever the size of a page is.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "net/pipe.h"

static long most_bytes(void)
{
    long n = 0;
    FILE *f = fopen("/proc/sys/fs/pipe-max-size", "re");

    if (!f || fscanf(f, "%ld", &n) != 1)
        skip();
    (void)fclose(f);
    return n;
}

static void test_slots(void **state)
{
    (void)state;
    long page_bytes = sysconf(_SC_PAGESIZE);
    long wanted = 128 * page_bytes < most_bytes() ? 128 * page_bytes : most_bytes();
    struct odp_pipe_pool pool;

    odp_pipe_pool_init(&pool);
    struct odp_pipe *p = odp_pipe_take(&pool);
    assert_non_null(p);
    // Beside others of the same user it may be less, but it is what is remembered.
    assert_int_equal(fcntl(p->write_fd, F_GETPIPE_SZ), pool.n_slots * page_bytes);
    if (geteuid() == 0)
        assert_true(fcntl(p->write_fd, F_GETPIPE_SZ) >= wanted);
    odp_pipe_give(&pool, p, false);
    assert_ptr_equal(odp_pipe_take(&pool), p);
    odp_pipe_give(&pool, p, true);
    assert_int_equal(pool.n_free, 0);
    odp_pipe_pool_trim(&pool);
}

static void test_what_is_kept(void **state)
{
    (void)state;
    struct odp_pipe_pool pool;
    int out[2];
    char got[8];

    odp_pipe_pool_init(&pool);
    struct odp_pipe *p = odp_pipe_keep(&pool, "kept", 4);
    assert_non_null(p);
    assert_int_equal(pipe(out), 0);
    assert_int_equal(odp_pipe_flush(p, out[1], 4), 4);
    assert_int_equal(read(out[0], got, sizeof(got)), 4);
    assert_memory_equal(got, "kept", 4);
    close(out[0]);
    close(out[1]);
    odp_pipe_give(&pool, p, false);
    odp_pipe_pool_trim(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_what_is_kept),
    };

    return cmocka_run_group_tests_name("pipe", tests, NULL, NULL);
}
