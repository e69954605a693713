// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Services that clash are found by their keys: each pair out of many, against the comparison of
// each with each, which knows best.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/config_near.h"
#include "odp/base/buf.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))
#define N_POOL_MAX  512

static const char *const listens[] = {"80",
                                      "81",
                                      "127.0.0.1:80",
                                      "127.0.0.2:80",
                                      "0.0.0.0:80",
                                      "[::]:80",
                                      "[::1]:80",
                                      "[::2]:81",
                                      "[::ffff:1.2.3.4]:80",
                                      "1.2.3.4:80",
                                      "/run/a.socket",
                                      "/run/b.socket"};
static const char *const targets[] = {"127.0.0.1:80", "127.0.0.1:90", "[::1]:80", "/run/a.socket",
                                      "1.2.3.4:80"};
static const char *const backends[] = {"type = none",
                                       "unit = a.service",
                                       "unit = a.service\nunit = b.service",
                                       "unit = b.service\nscope = user",
                                       "container = a",
                                       "container = a\nengine = podman",
                                       "unit = c.service\ncontainer = a\nengine = docker"};

static struct odp_config_service *pool[N_POOL_MAX];
static size_t n_pool;

static void add_service(const char *listen, const char *target, const char *backend, bool enabled)
{
    struct odp_config_faults faults = {0};
    struct odp_config_service *s = NULL;
    struct odp_buf text = {0};
    char name[16];

    // Some bear the same name.
    snprintf(name, sizeof(name), "s%zu", n_pool % 100);
    odp_buf_printf(&text, "[service]\nlisten = %s\ntarget = %s\nenabled = %s\n[backend]\n%s\n",
                   listen, target, enabled ? "yes" : "no", backend);
    int r = odp_config_service_parse(name, name, text.s, text.n_bytes, &s, &faults);
    if (r == 0 && n_pool < N_POOL_MAX)
        pool[n_pool++] = s;
    odp_config_faults_deinit(&faults);
    odp_buf_deinit(&text);
}

// Those that are their own target are refused by themselves, and left out.
static int fill_pool(void **state)
{
    (void)state;
    for (size_t l = 0; l < N_OF(listens); l++)
        for (size_t t = 0; t < N_OF(targets); t++)
            for (size_t b = 0; b < N_OF(backends); b++)
                add_service(listens[l], targets[t], backends[b], (l + t + b) % 7 != 0);
    return n_pool > 300 ? 0 : -1;
}

static int empty_pool(void **state)
{
    (void)state;
    while (n_pool > 0)
        odp_config_service_free(pool[--n_pool]);
    return 0;
}

static size_t count_clashes(const struct odp_config_service *a, const struct odp_config_service *b)
{
    struct odp_config_faults faults = {0};

    odp_config_check_pair(a, b, true, &faults);
    size_t n = faults.n;
    odp_config_faults_deinit(&faults);
    return n;
}

static void let_all_in(struct odp_config_near *x, struct odp_config *config)
{
    size_t n_entries = 0;

    for (size_t i = 0; i < n_pool; i++)
        n_entries += odp_config_near_need(pool[i]);
    config->services = pool;
    config->n_services = n_pool;
    assert_int_equal(odp_config_near_init(x, config, n_pool, n_entries), 0);
    for (size_t i = 0; i < n_pool; i++)
        odp_config_near_let_in(x, i, i, pool[i]);
}

static bool is_found(const struct odp_config_near *x, size_t position)
{
    for (size_t i = 0; i < x->n_found; i++)
        if (x->found[i] == position)
            return true;
    return false;
}

static void test_who_clashes_is_found(void **state)
{
    struct odp_config config = {0};
    struct odp_config_near x;
    size_t n_clashes = 0, n_found = 0;

    (void)state;
    let_all_in(&x, &config);
    for (size_t i = 0; i < n_pool; i++) {
        odp_config_near_find(&x, pool[i]);
        for (size_t k = 1; k < x.n_found; k++)
            assert_true(x.found[k - 1] < x.found[k]);
        for (size_t k = 0; k < n_pool; k++) {
            if (count_clashes(pool[i], pool[k]) == 0)
                continue;
            n_clashes++;
            assert_true(is_found(&x, k));
        }
        n_found += x.n_found;
    }
    // By chance, or for an engine that is another, some are found in vain.
    assert_true(n_clashes > 10000);
    assert_true(n_found < 2 * n_clashes);
    odp_config_near_deinit(&x);
}

static void test_who_has_gone_is_not_found(void **state)
{
    struct odp_config config = {0};
    struct odp_config_near x;

    (void)state;
    let_all_in(&x, &config);
    for (size_t i = 1; i < n_pool; i++)
        odp_config_near_move(&x, i, ODP_INDEX_END);
    odp_config_near_find(&x, pool[0]);
    assert_int_equal(x.n_found, 1);
    assert_int_equal(x.found[0], 0);
    assert_int_equal(odp_config_near_named(&x, pool[0]->name), 0);
    assert_true(odp_config_near_named(&x, pool[1]->name) == ODP_INDEX_END);
    assert_true(odp_config_near_named(&x, "nobody") == ODP_INDEX_END);
    odp_config_near_deinit(&x);
}

static bool takes(const struct odp_config_service *s, const struct odp_address *target)
{
    for (size_t i = 0; i < s->n_listen; i++)
        if (odp_address_covers(&s->listen[i].address, target))
            return true;
    return false;
}

static void test_who_listens_is_found(void **state)
{
    struct odp_config config = {0};
    struct odp_config_near x;

    (void)state;
    let_all_in(&x, &config);
    for (size_t i = 0; i < n_pool; i++) {
        size_t first = ODP_INDEX_END;
        for (size_t k = n_pool; k > 0; k--)
            if (pool[k - 1]->enabled && takes(pool[k - 1], &pool[i]->target))
                first = k - 1;
        assert_true(odp_config_near_listening(&x, &pool[i]->target, takes) == first);
    }
    odp_config_near_deinit(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_clashes_is_found),
        cmocka_unit_test(test_who_has_gone_is_not_found),
        cmocka_unit_test(test_who_listens_is_found),
    };

    return cmocka_run_group_tests(tests, fill_pool, empty_pool);
}
