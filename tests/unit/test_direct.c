// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Counting connections that are not odp's, against the kernel's own tables: real sockets of this
// process. Where the kernel has no such table (a sandbox may hide it), the test says so and passes
// by.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/time.h"
#include "odp/net/direct.h"
#include "odp/net/sockaddr.h"

#define FDS_MAX      64
#define COST_SOCKETS 10000

static char buffer[ODP_DIRECT_BUFFER_BYTES];
static int fds[FDS_MAX];
static size_t n_fds;

static int keep(int fd)
{
    assert_true(fd >= 0 && n_fds < FDS_MAX);
    fds[n_fds++] = fd;
    return fd;
}

static int close_all(void **state)
{
    (void)state;
    while (n_fds > 0)
        odp_close(fds[--n_fds]);
    return 0;
}

static struct odp_address address(const char *text, uint16_t port)
{
    struct odp_address a;
    char why[256], full[128];

    if (text[0] == '/')
        snprintf(full, sizeof(full), "%s", text);
    else
        snprintf(full, sizeof(full), strchr(text, ':') ? "[%s]:%u" : "%s:%u", text, port);
    assert_int_equal(odp_address_parse(full, &a, why, sizeof(why)), 0);
    return a;
}

// Listens; with port 0 on one that is free. Returns the fd, or -1 where there is no such address.
static int listen_on(const char *text, uint16_t *port)
{
    const struct odp_address a = address(text, *port);
    struct sockaddr_storage sa;
    socklen_t len = odp_sockaddr_from_address(&a, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct odp_address own;

    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, 64) < 0) {
        odp_close(fd);
        return -1;
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    odp_sockaddr_to_address(&sa, &own);
    *port = own.port;
    return keep(fd);
}

// A client, and what the listener accepted for it.
static int visit(int listener, const char *text, uint16_t port, int *ret_accepted)
{
    const struct odp_address a = address(text, port);
    struct sockaddr_storage sa;
    socklen_t len = odp_sockaddr_from_address(&a, &sa);
    int fd = keep(socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));

    assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
    int accepted = keep(accept(listener, NULL, NULL));
    if (ret_accepted)
        *ret_accepted = accepted;
    return fd;
}

static int count(const char *text, uint16_t port)
{
    const struct odp_address a = address(text, port);
    int n = odp_direct_count(&a, buffer, sizeof(buffer));

    if (n == -ENOENT || n == -EPROTONOSUPPORT || n == -EPERM || n == -EACCES)
        skip();
    return n;
}

static void test_specific_listener(void **state)
{
    uint16_t port = 0;
    int accepted, l = listen_on("127.0.0.1", &port);

    (void)state;
    assert_int_equal(count("127.0.0.1", port), 0);
    int a = visit(l, "127.0.0.1", port, NULL);
    visit(l, "127.0.0.1", port, &accepted);
    assert_int_equal(count("127.0.0.1", port), 2);
    // One that waits to be accepted is a user, too.
    const struct odp_address target = address("127.0.0.1", port);
    struct sockaddr_storage sa;
    socklen_t len = odp_sockaddr_from_address(&target, &sa);
    int c = keep(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    assert_int_equal(connect(c, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(count("127.0.0.1", port), 3);
    // One that has ended its sending side, or has left, is none.
    shutdown(a, SHUT_WR);
    assert_int_equal(count("127.0.0.1", port), 2);
    shutdown(accepted, SHUT_RDWR);
    assert_int_equal(count("127.0.0.1", port), 1);
}

// Other addresses of the same port are other services, odp's own listener among them.
static void test_neighbours(void **state)
{
    uint16_t port = 0;
    int service = listen_on("127.0.0.1", &port), other = listen_on("127.0.0.2", &port);

    (void)state;
    assert_true(other >= 0);
    visit(other, "127.0.0.2", port, NULL);
    visit(other, "127.0.0.2", port, NULL);
    assert_int_equal(count("127.0.0.1", port), 0);
    visit(service, "127.0.0.1", port, NULL);
    assert_int_equal(count("127.0.0.1", port), 1);
    assert_int_equal(count("127.0.0.2", port), 2);
}

// A wildcard's users come by any address of the machine, but for those with listeners of their own.
static void test_wildcard_listener(void **state)
{
    static const char *const wildcards[] = {"0.0.0.0", "::"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint16_t port = 0;
        int l = listen_on(wildcards[i], &port);
        if (l < 0)
            continue; // no IPv6 here
        visit(l, "127.0.0.1", port, NULL);
        visit(l, "127.0.0.3", port, NULL);
        assert_int_equal(count("127.0.0.1", port), 2);
        if (i == 1) {
            visit(l, "::1", port, NULL);
            assert_int_equal(count("127.0.0.1", port), 3);
            assert_int_equal(count("::1", port), 3);
        }
        close_all(NULL);
    }
}

// Nothing listens there: what counts is who of this machine has a connection with it.
static void test_target_elsewhere(void **state)
{
    uint16_t port = 0;
    int l = listen_on("127.0.0.1", &port);

    (void)state;
    visit(l, "127.0.0.1", port, NULL);
    visit(l, "127.0.0.1", port, NULL);
    odp_close(l);
    fds[0] = -1;
    assert_int_equal(count("127.0.0.1", port), 2);
    assert_int_equal(count("127.0.0.9", port), 0);
    // A listener on every address of this machine has nothing to do with another machine's.
    l = listen_on("0.0.0.0", &(uint16_t){0});
    struct odp_address own;
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    assert_int_equal(getsockname(l, (struct sockaddr *)&sa, &len), 0);
    odp_sockaddr_to_address(&sa, &own);
    visit(l, "127.0.0.1", own.port, NULL);
    assert_int_equal(count("127.0.0.1", own.port), 1);
    assert_int_equal(count("192.0.2.1", own.port), 0);
}

static void test_unix(void **state)
{
    char directory[] = "/tmp/odp-test-XXXXXX", path[64], link_path[64];
    uint16_t port = 0;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/s", directory);
    snprintf(link_path, sizeof(link_path), "%s/other", directory);
    int l = listen_on(path, &port);
    assert_true(l >= 0);
    assert_int_equal(link(path, link_path), 0);
    int before = count(path, 0);
    int c = visit(l, path, 0, NULL);
    visit(l, path, 0, NULL);
    int during = count(path, 0), by_link = count(link_path, 0);
    shutdown(c, SHUT_RDWR);
    odp_close(c);
    fds[1] = -1;
    unlink(path);
    unlink(link_path);
    rmdir(directory);
    assert_int_equal(before, 0);
    assert_int_equal(during, 2);
    assert_int_equal(by_link, 2);
}

// More than one datagram of answers.
static void test_many(void **state)
{
    uint16_t port = 0;
    int l = listen_on("127.0.0.1", &port);
    int many[200];

    (void)state;
    for (size_t i = 0; i < 200; i += 2) {
        many[i] = visit(l, "127.0.0.1", port, &many[i + 1]);
        n_fds -= 2;
    }
    int n = count("127.0.0.1", port);
    for (size_t i = 0; i < 200; i++)
        odp_close(many[i]);
    assert_int_equal(n, 100);
}

// Of ten looks, so that what else runs here does not count.
static uint64_t least_usec(uint16_t port, int wanted)
{
    uint64_t least = ODP_NEVER;

    for (int i = 0; i < 10; i++) {
        uint64_t begin_usec = odp_now_usec();
        assert_int_equal(count("127.0.0.1", port), wanted);
        least = odp_usec_min(least, odp_now_usec() - begin_usec);
    }
    return least;
}

// What a look costs odpd on a busy machine: 10,000 sockets of others, and as many of its own.
static void test_cost(void **state)
{
    struct rlimit limit;
    uint16_t port = 0, other_port = 0;
    size_t n = 0;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < COST_SOCKETS + 100)
        skip();
    int *many = calloc(COST_SOCKETS, sizeof(*many));
    assert_non_null(many);
    int l = listen_on("127.0.0.1", &port), other = listen_on("127.0.0.1", &other_port);
    for (; n < COST_SOCKETS; n += 2) {
        many[n] = visit(other, "127.0.0.1", other_port, &many[n + 1]);
        n_fds -= 2;
    }
    uint64_t none_usec = least_usec(port, 0);
    uint64_t all_usec = least_usec(other_port, COST_SOCKETS / 2);
    while (n-- > 0)
        odp_close(many[n]);
    free(many);
    (void)l;
    print_message("a look, us: %.0f beside 10,000 sockets of others, %.0f with 5,000 to count\n",
                  (double)none_usec, (double)all_usec);
    assert_true(none_usec < 100 * ODP_USEC_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_specific_listener, close_all),
        cmocka_unit_test_teardown(test_neighbours, close_all),
        cmocka_unit_test_teardown(test_wildcard_listener, close_all),
        cmocka_unit_test_teardown(test_target_elsewhere, close_all),
        cmocka_unit_test_teardown(test_unix, close_all),
        cmocka_unit_test_teardown(test_many, close_all),
        cmocka_unit_test_teardown(test_cost, close_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
