// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The codec of the launcher's protocol: what is encoded comes back, and no other bytes are taken.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/proto.h"

#define N_MUTATIONS 200000

static const struct odp_proto_message start = {
    .op = ODP_PROTO_START, .id = 7, .digest = UINT64_C(0x1122334455667788), .name = "navidrome"};
static const struct odp_proto_message probe = {
    .op = ODP_PROTO_PROBE, .id = ODP_PROTO_PROBE_ID + 1, .digest = 1, .name = "web"};
static const struct odp_proto_message report = {.op = ODP_PROTO_REPORT,
                                                .state = ODP_PROTO_FAILED,
                                                .id = UINT32_C(0xa1b2c3d4),
                                                .name = "m-2.x_y",
                                                .reason = "exited with status 3, Gr\xc3\xbc\xc3\x9f"
                                                          "e"};

static const struct odp_proto_message rename_one = {
    .op = ODP_PROTO_RENAME, .id = 9, .digest = 1, .name = "git", .reason = "forge"};

static const struct odp_proto_message locate = {
    .op = ODP_PROTO_LOCATE, .id = ODP_PROTO_LOCATE_ID + 1, .digest = 1, .name = "web"};
static const struct odp_proto_message located = {.op = ODP_PROTO_REPORT,
                                                 .state = ODP_PROTO_LOCATED,
                                                 .id = ODP_PROTO_LOCATE_ID + 1,
                                                 .digest = 2,
                                                 .name = "web",
                                                 .reason = "/system.slice/web.service"};

static struct odp_proto_message longest(void)
{
    struct odp_proto_message m = {.op = ODP_PROTO_REPORT, .state = ODP_PROTO_STALE};

    memset(m.name, 'n', ODP_NAME_MAX);
    memset(m.reason, 'r', ODP_REASON_MAX);
    return m;
}

static void assert_same(const struct odp_proto_message *a, const struct odp_proto_message *b)
{
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->id, b->id);
    assert_true(a->digest == b->digest);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->reason, b->reason);
}

static void assert_round_trip(const struct odp_proto_message *m)
{
    uint8_t buf[ODP_PROTO_MAX_BYTES];
    struct odp_proto_message back;
    int n = odp_proto_encode(m, buf, sizeof(buf));

    assert_true(n > 0);
    assert_int_equal(odp_proto_decode(buf, (size_t)n, &back), 0);
    assert_same(m, &back);
}

static void test_round_trip(void **state)
{
    struct odp_proto_message m = longest();
    uint8_t buf[ODP_PROTO_MAX_BYTES];

    (void)state;
    assert_round_trip(&start);
    assert_round_trip(&report);
    assert_round_trip(&rename_one);
    assert_round_trip(&m);
    assert_int_equal(odp_proto_encode(&m, buf, sizeof(buf)), ODP_PROTO_MAX_BYTES);
    for (int op = ODP_PROTO_LOOK; op <= ODP_PROTO_LOCATE; op++) {
        m = start;
        m.op = (enum odp_proto_op)op;
        if (op != ODP_PROTO_REPORT && op != ODP_PROTO_RENAME && op != ODP_PROTO_PROBE &&
            op != ODP_PROTO_LOCATE && op != ODP_PROTO_LEAVE)
            assert_round_trip(&m);
    }
    for (int s = ODP_PROTO_RUNNING; s <= ODP_PROTO_DONE; s++) {
        m = report;
        m.id = 0; // an observation
        m.state = (enum odp_proto_state)s;
        if (s != ODP_PROTO_ANSWERS && s != ODP_PROTO_SILENT)
            assert_round_trip(&m);
    }
    m.state = ODP_PROTO_STARTING;
    assert_round_trip(&m);
    for (int s = ODP_PROTO_ADDRESS; s <= ODP_PROTO_UNREACHABLE; s++) {
        m.state = (enum odp_proto_state)s;
        assert_round_trip(&m);
    }
    assert_round_trip(&probe);
    assert_round_trip(&locate);
    assert_round_trip(&located);
    m = located;
    m.state = ODP_PROTO_NOWHERE;
    m.reason[0] = '\0';
    assert_round_trip(&m);
    for (int s = ODP_PROTO_RUNNING; s <= ODP_PROTO_SILENT; s++) {
        m = report;
        m.id = probe.id; // a probe may be answered by stale and failed, too
        m.state = (enum odp_proto_state)s;
        assert_round_trip(&m);
    }
    m.state = ODP_PROTO_PENDING;
    assert_round_trip(&m);
    m.state = ODP_PROTO_UNCHECKED;
    assert_round_trip(&m);
}

static void test_bytes(void **state)
{
    static const uint8_t expected[] = {
        1,    2,    0,    9,    0,    0,    0,    0,    // head, lengths
        7,    0,    0,    0,    0,    0,    0,    0,    // id
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, // digest
        'n',  'a',  'v',  'i',  'd',  'r',  'o',  'm',  'e',
    };
    uint8_t buf[ODP_PROTO_MAX_BYTES];

    (void)state;
    assert_int_equal(odp_proto_encode(&start, buf, sizeof(buf)), sizeof(expected));
    assert_memory_equal(buf, expected, sizeof(expected));
}

static void refuse(const struct odp_proto_message *m)
{
    uint8_t buf[ODP_PROTO_MAX_BYTES];

    assert_int_equal(odp_proto_encode(m, buf, sizeof(buf)), -EINVAL);
}

#define REFUSE(base, ...)                                                                          \
    do {                                                                                           \
        struct odp_proto_message m = base;                                                         \
        __VA_ARGS__;                                                                               \
        refuse(&m);                                                                                \
    } while (0)

static void test_encode_refuses(void **state)
{
    uint8_t buf[ODP_PROTO_MAX_BYTES];

    (void)state;
    REFUSE(start, m.id = 0);
    REFUSE(start, m.state = ODP_PROTO_RUNNING);
    REFUSE(start, m.reason[0] = 'x');
    REFUSE(start, m.op = (enum odp_proto_op)0);
    REFUSE(start, m.op = (enum odp_proto_op)(ODP_PROTO_LOCATE + 1));
    REFUSE(start, m.op = ODP_PROTO_PROBE);
    REFUSE(start, m.op = ODP_PROTO_LOCATE);
    REFUSE(start, m.id = locate.id);
    REFUSE(probe, m.op = ODP_PROTO_LOCATE);
    REFUSE(locate, m.op = ODP_PROTO_PROBE);
    REFUSE(locate, m.id |= ODP_PROTO_PROBE_ID);
    REFUSE(locate, m.reason[0] = '/');
    REFUSE(located, m.id = 0); // never an observation
    REFUSE(located, m.id = probe.id);
    REFUSE(located, m.reason[0] = '\0');
    REFUSE(located, m.reason[0] = 'x');
    REFUSE(report, m.state = ODP_PROTO_NOWHERE; m.id = 1);
    REFUSE(probe, m.op = ODP_PROTO_START);
    REFUSE(probe, m.op = ODP_PROTO_LOAD);
    REFUSE(probe, m.id = 0);
    REFUSE(probe, m.id = 1);
    REFUSE(probe, m.reason[0] = 'x');
    REFUSE(start, m.name[0] = '\0');
    REFUSE(start, m.name[0] = '/');
    REFUSE(start, m.name[1] = 'A');
    REFUSE(start, memset(m.name, 'n', sizeof(m.name)));
    REFUSE(report, m.state = ODP_PROTO_NO_STATE);
    REFUSE(report, m.state = (enum odp_proto_state)(ODP_PROTO_UNCHECKED + 1));
    REFUSE(report, m.state = ODP_PROTO_ADDRESS; m.id = 1); // an answer to nothing
    REFUSE(report, m.state = ODP_PROTO_NO_ADDRESS; m.id = 0; m.reason[0] = '\0');
    REFUSE(report, m.state = ODP_PROTO_ANSWERS; m.id = 0); // of a probe alone
    REFUSE(report, m.state = ODP_PROTO_SILENT; m.id = 1);
    REFUSE(report, m.state = ODP_PROTO_PENDING; m.id = 1);
    REFUSE(report, m.state = ODP_PROTO_UNCHECKED; m.id = 0);
    REFUSE(report, m.reason[3] = '\n');
    REFUSE(report, m.reason[3] = 0x7f);
    REFUSE(report, memset(m.reason, 'r', sizeof(m.reason)));
    REFUSE(rename_one, m.reason[0] = '\0');
    REFUSE(rename_one, m.reason[0] = '/');
    REFUSE(rename_one, m.state = ODP_PROTO_DONE);
    REFUSE(rename_one, m.id = 0);
    REFUSE(rename_one, m.id = ODP_PROTO_PROBE_ID);
    REFUSE(rename_one, memset(m.reason, 'n', ODP_NAME_MAX + 1));
    for (size_t size = 0; size < 33; size++)
        assert_int_equal(odp_proto_encode(&start, buf, size), -EINVAL);
}

// In memory of exactly that size, so that a sanitizer sees each read behind the end.
static int decode_exactly(const uint8_t *bytes, size_t n, struct odp_proto_message *ret)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);
    int r;

    assert_non_null(copy);
    memcpy(copy, bytes, n);
    r = odp_proto_decode(copy, n, ret);
    free(copy);
    return r;
}

static void test_every_truncation(void **state)
{
    const struct odp_proto_message messages[] = {start, report, rename_one, located, longest()};
    uint8_t buf[ODP_PROTO_MAX_BYTES + 1] = {0};
    struct odp_proto_message back;

    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        size_t n = (size_t)odp_proto_encode(&messages[i], buf, sizeof(buf));

        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(decode_exactly(buf, cut, &back), -EBADMSG);
        buf[n] = 'x';
        assert_int_equal(decode_exactly(buf, n + 1, &back), -EBADMSG);
    }
}

// xorshift64: the same mutations on every machine.
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void test_random_mutations(void **state)
{
    const struct odp_proto_message messages[] = {start, report, rename_one, located, longest()};
    uint64_t seed = UINT64_C(88172645463325252);
    unsigned n_taken = 0, n_refused = 0;

    (void)state;
    for (unsigned i = 0; i < N_MUTATIONS; i++) {
        uint8_t buf[ODP_PROTO_MAX_BYTES], again[ODP_PROTO_MAX_BYTES];
        struct odp_proto_message back;
        size_t n = (size_t)odp_proto_encode(&messages[i % 5], buf, sizeof(buf));

        for (uint64_t k = 1 + next_random(&seed) % 3; k > 0; k--)
            buf[next_random(&seed) % n] = (uint8_t)next_random(&seed);
        if (odp_proto_decode(buf, n, &back) < 0) {
            n_refused++;
            continue;
        }
        n_taken++;
        assert_int_equal(odp_proto_encode(&back, again, sizeof(again)), (int)n);
        assert_memory_equal(buf, again, n);
    }
    assert_true(n_taken > N_MUTATIONS / 100);
    assert_true(n_refused > N_MUTATIONS / 10);
}

static void test_names_of_ops(void **state)
{
    (void)state;
    assert_string_equal(odp_proto_op_to_string(ODP_PROTO_LOOK), "look");
    assert_string_equal(odp_proto_op_to_string(ODP_PROTO_REPORT), "report");
    assert_string_equal(odp_proto_op_to_string(ODP_PROTO_PROBE), "probe");
    assert_string_equal(odp_proto_op_to_string(ODP_PROTO_LOAD), "load");
    assert_string_equal(odp_proto_op_to_string(ODP_PROTO_RENAME), "rename");
    assert_string_equal(odp_proto_op_to_string(ODP_PROTO_FORGET), "forget");
    assert_string_equal(odp_proto_op_to_string(ODP_PROTO_LOCATE), "locate");
    assert_string_equal(odp_proto_op_to_string((enum odp_proto_op)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_encode_refuses),   cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_random_mutations), cmocka_unit_test(test_names_of_ops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
