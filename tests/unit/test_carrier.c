// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Descriptors in a carrier: all come out under their numbers, and where some cannot, the others do.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/net/carrier.h"

#define N_FDS 700 // three messages

// A file of `size` bytes, by which it is known again.
static int file_of(unsigned size)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    return fd;
}

static unsigned size_of(int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    return (unsigned)st.st_size;
}

// The number of open descriptors is that of the next one, if none is closed in between.
static int next_fd(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}

static int fill(unsigned n)
{
    struct odp_carrier c;
    uint32_t number;
    int store, *fds = calloc(n, sizeof(*fds));

    assert_int_equal(odp_carrier_open(&c, &store), 0);
    for (unsigned i = 0; i < n; i++) {
        fds[i] = file_of(i);
        assert_int_equal(odp_carrier_put(&c, fds[i], &number), 0);
        assert_int_equal(number, i);
    }
    assert_int_equal(odp_carrier_flush(&c), 0);
    assert_true(odp_carrier_is_kept(&c));
    odp_carrier_close(&c);
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
    free(fds);
    return store;
}

static void test_all(void **state)
{
    struct odp_carried carried;
    int before = next_fd(), store = fill(N_FDS);

    (void)state;
    assert_int_equal(odp_carried_receive(store, &carried), 0);
    assert_int_equal(carried.n, N_FDS);
    for (unsigned i = 0; i < N_FDS; i += 2) {
        int fd = odp_carried_take(&carried, i);
        assert_int_equal(size_of(fd), i);
        close(fd);
        assert_int_equal(odp_carried_take(&carried, i), -1); // it is given once
    }
    assert_int_equal(odp_carried_take(&carried, N_FDS), -1);
    assert_int_equal(odp_carried_take(&carried, UINT32_MAX), -1);
    odp_carried_deinit(&carried);
    assert_int_equal(odp_carried_receive(store, &carried), 0); // emptied
    assert_int_equal(carried.n, 0);
    odp_carried_deinit(&carried);
    close(store);
    assert_int_equal(next_fd(), before);
}

static void set_limit(rlim_t n)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void test_receiver_with_few_descriptors(void **state)
{
    struct odp_carried carried;
    struct rlimit limit;
    unsigned n = 0;

    (void)state;
    if (getenv("ODP_TEST_VALGRIND")) // which keeps the limit to itself: the kernel hears nothing
        skip();
    int store = fill(N_FDS);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    set_limit(300);
    assert_int_equal(odp_carried_receive(store, &carried), -EMFILE);
    for (unsigned i = 0; i < carried.n; i++) {
        int fd = odp_carried_take(&carried, i);
        if (fd < 0)
            continue;
        assert_int_equal(size_of(fd), i);
        close(fd);
        n++;
    }
    assert_in_range(n, 200, 300);
    odp_carried_deinit(&carried);
    close(store);
    set_limit(limit.rlim_cur);
}

static void test_store_that_is_not_kept(void **state)
{
    struct odp_carrier c;
    uint32_t number;
    int store;

    (void)state;
    assert_int_equal(odp_carrier_open(&c, &store), 0);
    assert_int_equal(odp_carrier_put(&c, 0, &number), 0);
    assert_int_equal(odp_carrier_flush(&c), 0);
    close(store);
    assert_false(odp_carrier_is_kept(&c));
    odp_carrier_close(&c);
}

// What could not be sent is an error from then on, and no crash.
// A number that no process can have counted to.
static void test_number_out_of_bounds(void **state)
{
    struct odp_carrier c;
    struct odp_carried carried;
    uint32_t number;
    int store;

    (void)state;
    int before = next_fd();
    assert_int_equal(odp_carrier_open(&c, &store), 0);
    c.n_put = UINT32_MAX;
    assert_int_equal(odp_carrier_put(&c, 0, &number), 0);
    assert_int_equal(number, UINT32_MAX);
    assert_int_equal(odp_carrier_flush(&c), 0);
    odp_carrier_close(&c);
    assert_int_equal(odp_carried_receive(store, &carried), -ENOMEM);
    assert_int_equal(odp_carried_take(&carried, UINT32_MAX), -1);
    odp_carried_deinit(&carried);
    close(store);
    assert_int_equal(next_fd(), before);
}

static void test_bad_descriptor(void **state)
{
    struct odp_carrier c;
    struct odp_carried carried;
    uint32_t number;
    int store;

    (void)state;
    assert_int_equal(odp_carrier_open(&c, &store), 0);
    assert_int_equal(odp_carrier_put(&c, 0, &number), 0);
    assert_int_equal(odp_carrier_flush(&c), 0);
    assert_int_equal(odp_carrier_put(&c, 100000, &number), 0);
    assert_int_equal(odp_carrier_flush(&c), -EBADF);
    assert_int_equal(odp_carrier_put(&c, 0, &number), -EBADF);
    odp_carrier_close(&c);
    assert_int_equal(odp_carried_receive(store, &carried), 0);
    assert_int_equal(carried.n, 1);
    odp_carried_deinit(&carried);
    close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_receiver_with_few_descriptors),
        cmocka_unit_test(test_store_that_is_not_kept),
        cmocka_unit_test(test_number_out_of_bounds),
        cmocka_unit_test(test_bad_descriptor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
