// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Compose projects by the labels of their containers, as docker compose 2 and docker-compose 1.29
// write them.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/buf.h"
#include "odp/core/proto.h"
#include "odp/launcher/compose_facts.h"

static char *no_lines[] = {NULL};

// One container of the list; its id is 12 times the digit.
static void add(struct odp_buf *b, char digit, const char *name, const char *service,
                const char *waits_for)
{
    char id[] = "000000000000";

    memset(id, digit, 12);
    odp_buf_printf(
        b,
        "%s{\"Id\":\"%s\",\"Names\":[\"/other/link\",\"/%s\"],\"Labels\":{"
        "\"com.docker.compose.project\":\"wiki\",\"com.docker.compose.oneoff\":\"False\","
        "\"com.docker.compose.service\":\"%s\"",
        b->n_bytes > 0 ? "," : "[", id, name, service);
    if (waits_for)
        odp_buf_printf(b, ",\"com.docker.compose.depends_on\":\"%s\"", waits_for);
    odp_buf_printf(b, "}}");
}

// The last one has that network.
static void set_network(struct odp_buf *b, const char *mode)
{
    b->n_bytes--;
    odp_buf_printf(b, ",\"HostConfig\":{\"NetworkMode\":\"%s\"}}", mode);
}

static struct odp_compose_project end(struct odp_buf *b)
{
    struct odp_compose_project p;

    odp_buf_printf(b, "]");
    assert_false(b->failed);
    assert_int_equal(odp_compose_read(b->s, b->n_bytes, &p), 0);
    odp_buf_deinit(b);
    return p;
}

static void expect_edge(const struct odp_compose_project *p, const struct odp_order *o,
                        const char *first, const char *then, enum odp_condition condition)
{
    for (size_t i = 0; i < o->n_edges; i++)
        if (strcmp(p->members[o->edges[i].first].name, first) == 0 &&
            strcmp(p->members[o->edges[i].then].name, then) == 0) {
            assert_int_equal(o->edges[i].condition, condition);
            return;
        }
    fail_msg("%s does not wait for %s", then, first);
}

static void test_labels(void **state)
{
    struct odp_buf b = {0};
    char why[ODP_REASON_MAX + 1];
    struct odp_order o;

    (void)state;
    add(&b, 'a', "wiki-app-1", "app",
        "db:service_healthy:false,migrate:service_completed_successfully:false,side:service_"
        "started:"
        "true");
    add(&b, 'b', "wiki-db-1", "db", "");
    add(&b, 'c', "wiki-migrate-1", "migrate", "db:service_healthy:false");
    add(&b, 'd', "wiki-side-1", "side", NULL);

    struct odp_compose_project p = end(&b);
    assert_int_equal(p.n_members, 4);
    assert_string_equal(p.members[0].id, "aaaaaaaaaaaa");
    assert_string_equal(p.members[1].name, "wiki-db-1");
    assert_string_equal(p.members[2].service, "migrate");
    assert_int_equal(odp_compose_order(&p, false, no_lines, &o, why, sizeof(why)), 0);
    assert_string_equal(why, "");
    assert_int_equal(o.n_edges, 4);
    expect_edge(&p, &o, "wiki-db-1", "wiki-app-1", ODP_CONDITION_HEALTHY);
    expect_edge(&p, &o, "wiki-migrate-1", "wiki-app-1", ODP_CONDITION_COMPLETED);
    expect_edge(&p, &o, "wiki-side-1", "wiki-app-1", ODP_CONDITION_STARTED);
    expect_edge(&p, &o, "wiki-db-1", "wiki-migrate-1", ODP_CONDITION_HEALTHY);
    assert_true(odp_order_is_awaited(&o, 2, ODP_CONDITION_COMPLETED));
    assert_false(odp_order_is_awaited(&o, 1, ODP_CONDITION_COMPLETED));
    odp_order_deinit(&o);
    odp_compose_deinit(&p);
}

static void test_old_labels_and_scale(void **state)
{
    struct odp_buf b = {0};
    char why[ODP_REASON_MAX + 1];
    struct odp_order o;

    (void)state;
    add(&b, 'a', "wiki-app-10", "app", "db");
    add(&b, 'b', "wiki-app-2", "app", "db");
    add(&b, 'c', "wiki-db-1", "db", NULL);
    add(&b, 'd', "wiki-db-2", "db", NULL);

    struct odp_compose_project p = end(&b);
    assert_string_equal(p.members[0].name, "wiki-app-2");
    assert_int_equal(odp_compose_order(&p, false, no_lines, &o, why, sizeof(why)), 0);
    assert_int_equal(o.n_edges, 4);
    expect_edge(&p, &o, "wiki-db-2", "wiki-app-10", ODP_CONDITION_SOUND);
    odp_order_deinit(&o);
    odp_compose_deinit(&p);
}

// network_mode: service:vpn, of which docker-compose 1.29 leaves no label.
static void test_networks(void **state)
{
    struct odp_buf b = {0};
    char why[ODP_REASON_MAX + 1];
    struct odp_order o;

    (void)state;
    add(&b, 'a', "torrent", "torrent", NULL);
    set_network(&b, "container:cccccccccccc");
    add(&b, 'b', "books", "books", NULL);
    set_network(&b, "container:dddddddddddd"); // of another project
    add(&b, 'c', "vpn", "vpn", NULL);
    set_network(&b, "wiki_default");

    struct odp_compose_project p = end(&b);
    assert_int_equal(odp_compose_order(&p, false, no_lines, &o, why, sizeof(why)), 0);
    assert_int_equal(o.n_edges, 1);
    expect_edge(&p, &o, "vpn", "torrent", ODP_CONDITION_STARTED);
    odp_order_deinit(&o);
    odp_compose_deinit(&p);
}

static void test_lines(void **state)
{
    char *lines[] = {(char[]){"wiki_db_1"}, (char[]){"cccccccccccc"}, (char[]){"wiki_app_1"}, NULL};
    struct odp_buf b = {0};
    char why[ODP_REASON_MAX + 1];
    struct odp_order o;

    (void)state;
    add(&b, 'a', "wiki_app_1", "app", NULL);
    add(&b, 'b', "wiki_db_1", "db", NULL);
    add(&b, 'c', "wiki_migrate_1", "migrate", NULL);
    add(&b, 'd', "wiki_side_1", "side", NULL);

    struct odp_compose_project p = end(&b);
    assert_int_equal(odp_compose_order(&p, false, no_lines, &o, why, sizeof(why)), 0);
    assert_int_equal(o.n_edges, 0);
    odp_order_deinit(&o);
    assert_int_equal(odp_compose_order(&p, false, lines, &o, why, sizeof(why)), 0);
    assert_int_equal(o.n_edges, 2);
    expect_edge(&p, &o, "wiki_db_1", "wiki_migrate_1", ODP_CONDITION_STARTED);
    expect_edge(&p, &o, "wiki_migrate_1", "wiki_app_1", ODP_CONDITION_STARTED);
    odp_order_deinit(&o);
    lines[1] = (char[]){"wiki_cache_1"};
    assert_int_equal(odp_compose_order(&p, false, lines, &o, why, sizeof(why)),
                     ODP_COMPOSE_E_INCOMPLETE);
    assert_string_equal(why, "its project has no container wiki_cache_1 ([backend] container)");
    odp_order_deinit(&o);
    assert_int_equal(odp_compose_order(&p, true, lines, &o, why, sizeof(why)),
                     ODP_COMPOSE_E_INCOMPLETE);
    odp_order_deinit(&o);
    odp_compose_deinit(&p);
}

static void test_what_is_wrong(void **state)
{
    char *lines[] = {(char[]){"app"}, (char[]){"db"}, NULL};
    struct odp_buf b = {0};
    char why[ODP_REASON_MAX + 1];
    struct odp_order o;

    (void)state;
    add(&b, 'a', "app", "app", "db:service_started:false,cache:service_started:false");
    add(&b, 'b', "db", "db", NULL);

    struct odp_compose_project p = end(&b);
    assert_int_equal(odp_compose_order(&p, false, no_lines, &o, why, sizeof(why)),
                     ODP_COMPOSE_E_INCOMPLETE);
    assert_string_equal(why, "container app: waits for the service cache of its project, which has "
                             "no container: make it with docker compose up --no-start, or write "
                             "`file = /path/to/compose.yaml` in [backend]");
    assert_int_equal(o.n_edges, 1); // what there is has its order
    odp_order_deinit(&o);
    assert_int_equal(odp_compose_order(&p, true, no_lines, &o, why, sizeof(why)), 0);
    assert_int_equal(o.n_edges, 1);
    odp_order_deinit(&o);
    // The lines say the reverse of the labels.
    assert_int_equal(odp_compose_order(&p, false, lines, &o, why, sizeof(why)),
                     ODP_COMPOSE_E_ROUND);
    assert_non_null(strstr(why, "waits, by others, for itself"));
    assert_int_equal(o.n_edges, 0);
    odp_order_deinit(&o);
    odp_compose_deinit(&p);
}

// `services` have one container each, and are found.
static void remember(struct odp_compose_project *known, const char *services)
{
    struct odp_buf b = {0};
    struct odp_compose_project found;

    for (const char *s = services; *s; s++)
        add(&b, *s, (char[]){*s, '1', '\0'}, (char[]){*s, '\0'}, NULL);
    if (!services[0])
        odp_buf_printf(&b, "[");
    found = end(&b);
    assert_int_equal(odp_compose_remember(known, &found), 0);
    assert_int_equal(found.n_members, 0);
    odp_compose_deinit(&found);
}

static void test_what_was_there(void **state)
{
    struct odp_compose_project known = {0};

    (void)state;
    remember(&known, "");
    assert_null(odp_compose_gone(&known));
    remember(&known, "abc");
    remember(&known, "abcd");
    assert_null(odp_compose_gone(&known));
    remember(&known, "acd");
    assert_string_equal(odp_compose_gone(&known), "b1");
    // For good, until one is there again.
    remember(&known, "ad");
    remember(&known, "acd");
    assert_string_equal(odp_compose_gone(&known), "b1");
    remember(&known, "abcd");
    assert_null(odp_compose_gone(&known));
    assert_int_equal(known.n_members, 4);
    odp_compose_deinit(&known);
}

static void expect_bad(const char *s, int r)
{
    struct odp_compose_project p;

    assert_int_equal(odp_compose_read(s, strlen(s), &p), r);
    assert_int_equal(p.n_members, 0);
    odp_compose_deinit(&p);
}

static void test_lists(void **state)
{
    struct odp_compose_project p;
    static const char run[] =
        "[{\"Id\":\"aaaaaaaaaaaa\",\"Names\":[\"/wiki_app_run_1\"],\"Labels\":"
        "{\"com.docker.compose.oneoff\":\"True\"}}]";
    static const char bare[] = "[{\"Id\":\"aaaaaaaaaaaa\"}]";

    (void)state;
    expect_bad("[]", 0);
    expect_bad("", -EBADMSG);
    expect_bad("{}", -EBADMSG);
    expect_bad("[{}]", -EBADMSG);
    expect_bad("[7]", -EBADMSG);
    expect_bad("[{\"Id\":\"../../etc/passwd\"}]", -EBADMSG);
    expect_bad(run, 0);
    assert_int_equal(odp_compose_read(bare, strlen(bare), &p), 0);
    assert_string_equal(p.members[0].name, "aaaaaaaaaaaa");
    odp_compose_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),   cmocka_unit_test(test_old_labels_and_scale),
        cmocka_unit_test(test_lines),    cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_lists),    cmocka_unit_test(test_what_was_there),
        cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
