// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The text of a handover: what is written comes back, an earlier or later odpd's lines are
// understood as far as they go, and whatever else comes in does no harm.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/handover.h"

#define N_MUTATIONS 100000

static struct odp_handover_record service_record(void)
{
    struct odp_handover_record r;

    odp_handover_record_init(&r, ODP_HANDOVER_SERVICE);
    struct odp_handover_service *s = &r.service;
    strcpy(s->name, "navidrome");
    s->enabled = s->active = true;
    strcpy(s->target, "auto:14533");
    strcpy(s->address, "[fd00::2]:14533");
    strcpy(s->backend, "systemd");
    s->backend_digest = UINT64_MAX - 1;
    s->stop_timeout_usec = 30000000;
    s->machine.state = ODP_SERVICE_READY;
    s->machine.deadline_usec = 12345;
    s->machine.request_id = 7;
    s->machine.n_failures = 2;
    s->machine.retry_usec = 99;
    s->machine.waking = true;
    strcpy(s->machine.reason, "found running, 100% Gr\xc3\xbc\xc3\x9f"
                              "e\n=");
    s->woken_usec = 17;
    strcpy(s->woken_by, "a client");
    strcpy(s->woken_from, "192.0.2.7");
    return r;
}

static struct odp_handover_record visit_record(enum odp_conn_state state)
{
    struct odp_handover_record r;

    odp_handover_record_init(&r, ODP_HANDOVER_VISIT);
    struct odp_handover_visit *v = &r.visit;
    v->state = state;
    v->since_usec = 1000;
    v->until_usec = ODP_NEVER;
    v->n_copied = 5;
    v->client = 1;
    v->upstream = state == ODP_CONN_HELD ? ODP_HANDOVER_NO_FD : 2;
    v->in = (struct odp_handover_flow){
        .n_bytes = UINT64_C(1) << 40, .eof = true, .read_fd = 3, .write_fd = 4, .n_held = 70000};
    v->out.done = v->out.reset = true;
    return r;
}

static int open_text(struct odp_handover_reader *reader, const char *text)
{
    unsigned version;

    return odp_handover_open(reader, text, strlen(text), &version);
}

static char *write_all(void)
{
    struct odp_handover_record r = service_record();
    struct odp_buf b = {0};

    odp_handover_begin(&b);
    odp_handover_add(&b, &r);
    odp_handover_record_init(&r, ODP_HANDOVER_LISTEN);
    strcpy(r.listen.address, "/run/a b.sock");
    odp_handover_add(&b, &r);
    r = visit_record(ODP_CONN_RELAYED);
    odp_handover_add(&b, &r);
    r = visit_record(ODP_CONN_HELD);
    odp_handover_add(&b, &r);
    odp_handover_end(&b);
    assert_false(b.failed);
    return b.s;
}

static void assert_same_service(const struct odp_handover_service *a,
                                const struct odp_handover_service *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->target, b->target);
    assert_string_equal(a->address, b->address);
    assert_string_equal(a->backend, b->backend);
    assert_string_equal(a->machine.reason, b->machine.reason);
    assert_string_equal(a->woken_by, b->woken_by);
    assert_string_equal(a->woken_from, b->woken_from);
    assert_string_equal(a->failed_reason, b->failed_reason);
    assert_int_equal(a->machine.state, b->machine.state);
    assert_true(a->backend_digest == b->backend_digest);
    assert_true(a->machine.deadline_usec == b->machine.deadline_usec);
    assert_true(a->machine.idle.quiet_usec == b->machine.idle.quiet_usec);
    assert_true(a->wake_since_usec == b->wake_since_usec);
    assert_int_equal(a->machine.request_id, b->machine.request_id);
    assert_int_equal(a->machine.n_failures, b->machine.n_failures);
    assert_true(a->enabled == b->enabled && a->active == b->active);
    assert_true(a->machine.waking == b->machine.waking && a->machine.wanted == b->machine.wanted);
}

static void test_round_trip(void **state)
{
    char *text = write_all();
    struct odp_handover_record service = service_record(), r;
    struct odp_handover_record relayed = visit_record(ODP_CONN_RELAYED);
    struct odp_handover_record held = visit_record(ODP_CONN_HELD);
    struct odp_handover_reader reader;

    (void)state;
    assert_int_equal(open_text(&reader, text), 0);
    assert_int_equal(odp_handover_next(&reader, &r), 1);
    assert_int_equal(r.kind, ODP_HANDOVER_SERVICE);
    assert_same_service(&r.service, &service.service);
    assert_int_equal(odp_handover_next(&reader, &r), 1);
    assert_int_equal(r.kind, ODP_HANDOVER_LISTEN);
    assert_string_equal(r.listen.address, "/run/a b.sock");
    assert_int_equal(odp_handover_next(&reader, &r), 1);
    assert_int_equal(r.kind, ODP_HANDOVER_VISIT);
    assert_memory_equal(&r.visit, &relayed.visit, sizeof(r.visit));
    assert_int_equal(odp_handover_next(&reader, &r), 1);
    assert_memory_equal(&r.visit, &held.visit, sizeof(r.visit));
    assert_int_equal(odp_handover_next(&reader, &r), 0);
    assert_int_equal(reader.n_damaged, 0);
    assert_ptr_equal(reader.at, reader.end);
    free(text);
}

// An idle connection is one short line: there may be ten thousand of them.
static void test_short_lines(void **state)
{
    struct odp_handover_record r;
    struct odp_buf b = {0};

    (void)state;
    odp_handover_record_init(&r, ODP_HANDOVER_VISIT);
    r.visit.state = ODP_CONN_RELAYED;
    r.visit.client = 1;
    r.visit.upstream = 2;
    r.visit.since_usec = 5;
    odp_handover_add(&b, &r);
    assert_string_equal(b.s, "visit state=relayed client=1 upstream=2 since=5\n");
    odp_buf_deinit(&b);
}

// Text, and what comes of it: the records' first letters, then how it ended and what was damaged.
static const struct {
    const char *text;
    const char *wanted;
} texts[] = {
    {"", "bad"},
    {"odp-handover 1", "bad"},
    {"odp-handover \nend\n", "bad"},
    {"odp-handover 1x\nend\n", "bad"},
    {"nonsense\n", "bad"},
    {"odp-handover 2\nend\n", "version 2"},
    {"odp-handover 0\nend\n", "version 0"},
    {"odp-handover 1 and more\nend\n", "end 0"},
    {"odp-handover 1\n", "cut 0"},
    {"odp-handover 1\nend", "cut 0"},
    {"odp-handover 1\nservice name=a\nvisit client=1\nen", "SVcut 0"},
    {"odp-handover 1\nservice name=a\nvisit client=1", "Scut 0"},
    // A later odpd's words and fields.
    {"odp-handover 1\nforward x=1\nservice name=a colour=red state=ready\nend\n", "Send 0"},
    {"odp-handover 1\nservice name=a state=dreaming\nend\n", "Send 0"},
    // What makes no sense.
    {"odp-handover 1\nservice\nvisit client=1\nend\n", "SVend 1"},
    {"odp-handover 1\nservice name=A\nend\n", "Send 1"},
    {"odp-handover 1\nservice name=a quiet=\nend\n", "Send 1"},
    {"odp-handover 1\nservice name=a quiet=18446744073709551616\nend\n", "Send 1"},
    {"odp-handover 1\nservice name=a wanted=maybe\nend\n", "Send 1"},
    {"odp-handover 1\nservice name=a reason=%zz\nend\n", "Send 1"},
    {"odp-handover 1\nservice name=a reason=%4\nend\n", "Send 1"},
    {"odp-handover 1\nservice name=a reason=a%00b\nend\n", "Send 1"},
    {"odp-handover 1\nservice name=a  wanted=yes\nend\n", "Send 1"},
    {"odp-handover 1\nvisit state=connecting\nvisit state=held\nend\n", "Vend 1"},
    {"odp-handover 1\nvisit client=4294967296\nend\n", "end 1"},
    {"odp-handover 1\nvisit client=-1\nend\n", "end 1"},
};

static void describe(const char *text, size_t n_bytes, char *ret, size_t size)
{
    struct odp_handover_reader reader;
    struct odp_handover_record r;
    unsigned version;
    size_t n = 0;
    int result = odp_handover_open(&reader, text, n_bytes, &version);

    if (result == -EBADMSG)
        snprintf(ret, size, "bad");
    else if (result == -EPROTONOSUPPORT)
        snprintf(ret, size, "version %u", version);
    if (result < 0)
        return;
    while ((result = odp_handover_next(&reader, &r)) == 1)
        if (n + 32 < size)
            ret[n++] = "SLV"[r.kind];
    snprintf(ret + n, size - n, "%s %zu", result == 0 ? "end" : "cut", reader.n_damaged);
}

static void test_texts(void **state)
{
    char said[128];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        describe(texts[i].text, strlen(texts[i].text), said, sizeof(said));
        if (strcmp(said, texts[i].wanted) != 0)
            fail_msg("%s: %s instead of %s", texts[i].text, said, texts[i].wanted);
    }
}

static void test_longest_values(void **state)
{
    struct odp_handover_record r = service_record(), back;
    struct odp_handover_reader reader;
    struct odp_buf b = {0};

    (void)state;
    memset(r.service.name, 'n', ODP_NAME_MAX);
    memset(r.service.failed_reason, '%', ODP_REASON_MAX);
    odp_handover_begin(&b);
    odp_handover_add(&b, &r);
    odp_handover_end(&b);
    assert_int_equal(open_text(&reader, b.s), 0);
    assert_int_equal(odp_handover_next(&reader, &back), 1);
    assert_same_service(&r.service, &back.service);
    odp_buf_deinit(&b);
    // One byte more is damage, not another value.
    odp_handover_begin(&b);
    odp_buf_printf(&b, "service name=a failed_reason=%0*d\nend\n", ODP_REASON_MAX + 1, 0);
    assert_int_equal(open_text(&reader, b.s), 0);
    assert_int_equal(odp_handover_next(&reader, &back), 1);
    assert_string_equal(back.service.name, "");
    assert_int_equal(reader.n_damaged, 1);
    odp_buf_deinit(&b);
}

static void test_every_cut(void **state)
{
    char *text = write_all(), said[128];
    size_t n = strlen(text);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        char *cut = malloc(i + 1); // of its very size, for the sanitizer
        memcpy(cut, text, i);
        describe(cut, i, said, sizeof(said));
        assert_true(strcmp(said, "bad") == 0 || strstr(said, "cut 0"));
        free(cut);
    }
    free(text);
}

// Without an end, so that a reader that goes beyond it is seen to.
static char *copy_of(const char *text, size_t n)
{
    char *copy = malloc(n);

    assert_non_null(copy);
    memcpy(copy, text, n);
    return copy;
}

static void test_mutations(void **state)
{
    char *text = write_all(), said[128];
    size_t n = strlen(text);
    uint32_t random = 1;
    int n_mutations = getenv("ODP_TEST_VALGRIND") ? N_MUTATIONS / 10 : N_MUTATIONS;

    (void)state;
    for (int i = 0; i < n_mutations; i++) {
        char *copy = copy_of(text, n);
        for (int k = 0; k <= i % 4; k++) {
            random = random * 1664525 + 1013904223;
            copy[random / 65536 % n] = (char)(random >> 8);
        }
        describe(copy, n, said, sizeof(said));
        free(copy);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_short_lines),
        cmocka_unit_test(test_texts),      cmocka_unit_test(test_longest_values),
        cmocka_unit_test(test_every_cut),  cmocka_unit_test(test_mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
