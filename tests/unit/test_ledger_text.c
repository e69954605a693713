// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The ledger's text: what is written is read again; what is torn or changed is noticed; thousands
// of mutilated texts neither crash the reader nor give sums that cannot be.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/ledger_text.h"

#define BOOT_ID   "0a1b2c3d-0011-2233-4455-66778899aabb"
#define MAX       ODP_LEDGER_SUM_MAX
#define N_STARTS  ODP_LEDGER_N_STARTS
#define MUTATIONS 20000

static void assert_same_ledger(const struct odp_ledger *a, const struct odp_ledger *b)
{
    uint32_t starts_a[N_STARTS], starts_b[N_STARTS];
    size_t n = odp_ledger_starts(a, starts_a);

    assert_true(a->n_wakes == b->n_wakes && a->n_failed_wakes == b->n_failed_wakes);
    assert_true(a->n_bytes_in == b->n_bytes_in && a->n_bytes_out == b->n_bytes_out);
    assert_true(a->awake_usec == b->awake_usec && a->asleep_usec == b->asleep_usec);
    assert_true(a->last_wake_usec == b->last_wake_usec);
    assert_true(a->used_bytes == b->used_bytes && a->peak_bytes == b->peak_bytes);
    assert_true(a->saved_kib_msec == b->saved_kib_msec);
    assert_int_equal(odp_ledger_starts(b, starts_b), n);
    if (n > 0)
        assert_memory_equal(starts_a, starts_b, n * sizeof(starts_a[0]));
}

static void fill(struct odp_ledger *l, unsigned n_starts)
{
    odp_ledger_init(l, 0);
    l->n_wakes = n_starts;
    l->n_failed_wakes = 3;
    l->n_bytes_in = 20480;
    l->n_bytes_out = MAX;
    l->awake_usec = 1;
    l->asleep_usec = 86400 * ODP_USEC_PER_SEC;
    l->peak_bytes = UINT64_C(230) << 20;
    l->used_bytes = UINT64_C(220) << 20;
    l->saved_kib_msec = n_starts ? MAX * 1000 : 7000;
    for (unsigned i = 0; i < n_starts; i++)
        odp_ledger_add_start(l, l->last_wake_usec = 1000 + i);
}

// Three services: never woken, woken thrice, woken more often than is kept.
static void write_three(struct odp_buf *b, struct odp_ledger l[3])
{
    static const char *const names[] = {"a", "navidrome", "with_every-kind.of-byte_0"};
    static const unsigned n_starts[] = {0, 3, 2 * N_STARTS + 7};

    odp_ledger_text_begin(b, BOOT_ID);
    for (size_t i = 0; i < 3; i++) {
        fill(&l[i], n_starts[i]);
        odp_ledger_text_add(b, names[i], &l[i]);
    }
    odp_ledger_text_end(b);
    assert_false(b->failed);
}

static void free_three(struct odp_buf *b, struct odp_ledger l[3])
{
    for (size_t i = 0; i < 3; i++)
        odp_ledger_deinit(&l[i]);
    odp_buf_deinit(b);
}

// A text with the lines `body` after the first one, and the checksum that makes it whole.
static int parse_lines(const char *body, struct odp_ledger_text *ret)
{
    struct odp_buf b = {0};

    odp_buf_printf(&b, "odp-ledger 1\n%s", body);
    odp_ledger_text_end(&b);
    int r = odp_ledger_text_parse(b.s, b.n_bytes, ret);
    odp_buf_deinit(&b);
    return r;
}

static void test_round_trip(void **state)
{
    struct odp_buf b = {0};
    struct odp_ledger l[3];
    struct odp_ledger_text t;

    (void)state;
    write_three(&b, l);
    assert_int_equal(odp_ledger_text_parse(b.s, b.n_bytes, &t), 0);
    assert_string_equal(t.boot_id, BOOT_ID);
    assert_int_equal(t.n_entries, 3);
    assert_int_equal(t.n_skipped, 0);
    assert_string_equal(t.entries[1].name, "navidrome");
    for (size_t i = 0; i < 3; i++) {
        assert_same_ledger(&t.entries[i].ledger, &l[i]);
        assert_int_equal(t.entries[i].ledger.phase, ODP_LEDGER_UNKNOWN);
        assert_true(t.entries[i].ledger.wake_since_usec == ODP_NEVER);
    }
    assert_null(t.entries[0].ledger.starts_usec);
    assert_ptr_equal(odp_ledger_text_find(&t, "a"), &t.entries[0]);
    assert_null(odp_ledger_text_find(&t, "b"));
    odp_ledger_text_deinit(&t);
    free_three(&b, l);
}

static void test_the_text_is_what_the_header_says(void **state)
{
    struct odp_buf b = {0};
    struct odp_ledger l;

    (void)state;
    odp_ledger_init(&l, 0);
    odp_ledger_text_begin(&b, "");
    odp_ledger_text_add(&b, "memos", &l);
    l.n_bytes_in = UINT64_MAX; // more than there can be is written as the most there can be
    odp_ledger_add_start(&l, 5);
    odp_ledger_add_start(&l, UINT64_MAX);
    odp_ledger_text_add(&b, "wiki", &l);
    l.peak_bytes = 3000;
    l.used_bytes = 2000;
    l.saved_kib_msec = 1999;
    odp_ledger_text_add(&b, "saved", &l);
    assert_string_equal(b.s, "odp-ledger 1\nboot -\nmemos 0 0 0 0 0 0 - - 0 0 0\n"
                             "wiki 0 0 9007199254740992 0 0 0 - 5,4294967295 0 0 0\n"
                             "saved 0 0 9007199254740992 0 0 0 - 5,4294967295 3000 2000 1\n");
    odp_ledger_deinit(&l);
    odp_buf_deinit(&b);
}

static void test_no_service(void **state)
{
    struct odp_ledger_text t;

    (void)state;
    assert_int_equal(parse_lines("boot -\n", &t), 0);
    assert_int_equal(t.n_entries, 0);
    assert_string_equal(t.boot_id, "");
    odp_ledger_text_deinit(&t);
    odp_ledger_text_deinit(NULL);
}

static void test_a_line_of_an_earlier_odp(void **state)
{
    struct odp_ledger_text t;

    (void)state;
    assert_int_equal(parse_lines("boot -\na 1 2 3 4 5 6 7 8,9\nb 0 0 0 0 0 0 - -\n", &t), 0);
    assert_int_equal(t.n_entries, 2);
    assert_int_equal(t.n_skipped, 0);
    assert_int_equal(t.entries[0].ledger.n_starts, 2);
    assert_true(t.entries[0].ledger.peak_bytes == 0 && t.entries[0].ledger.used_bytes == 0);
    assert_true(t.entries[0].ledger.saved_kib_msec == 0);
    odp_ledger_text_deinit(&t);
}

static void test_later_fields_are_passed_over(void **state)
{
    struct odp_ledger_text t;

    (void)state;
    assert_int_equal(parse_lines("boot -\na 1 2 3 4 5 6 7 8,9 10 11 12 x=y \xff\n", &t), 0);
    assert_int_equal(t.n_entries, 1);
    assert_int_equal(t.n_skipped, 0);
    assert_true(t.entries[0].ledger.n_wakes == 1 && t.entries[0].ledger.last_wake_usec == 7);
    assert_int_equal(t.entries[0].ledger.n_starts, 2);
    assert_true(t.entries[0].ledger.saved_kib_msec == 12000);
    odp_ledger_text_deinit(&t);
}

static void test_damaged_lines_are_left_out(void **state)
{
    static const char *const lines[] = {
        "",
        " ",
        "b",
        "b ",
        "b 1 2 3 4 5 6 7",
        "b 1 2 3 4 5 6 7 ",
        "b 1 2 3 4 5 6  8",
        "b -1 2 3 4 5 6 7 8",
        "b 1 2 3 4 5 6 7 8,",
        "b 1 2 3 4 5 6 7 ,8",
        "b 1 2 3 4 5 6 7 8 9",
        "b 1 2 3 4 5 6 7 8 9 10",
        "b 1 2 3 4 5 6 7 8 9 10 -",
        "b 1 2 3 4 5 6 7 8 9 10 9007199254740993",
        "b 1 2 3 4 5 6 7 8,-",
        "b 1 2 3 4 5 6 7 4294967296",
        "b 9007199254740993 2 3 4 5 6 7 8",
        "b 18446744073709551617 2 3 4 5 6 7 8",
        "b 1 2 3 4 5 6 9007199254740993 8",
        "b 1x 2 3 4 5 6 7 8",
        "b 0x1 2 3 4 5 6 7 8",
        "b 1 - 3 4 5 6 7 8",
        "B 1 2 3 4 5 6 7 8",
        "../b 1 2 3 4 5 6 7 8",
        "-b 1 2 3 4 5 6 7 8",
        "a 1 2 3 4 5 6 7 8", // the second a
        "b\t1 2 3 4 5 6 7 8",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb 1 2 3 4 5 6 7 8"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct odp_ledger_text t;
        char body[256];
        snprintf(body, sizeof(body), "boot -\na 1 2 3 4 5 6 7 8\n%s\nc 0 0 0 0 0 0 - -\n",
                 lines[i]);
        assert_int_equal(parse_lines(body, &t), 0);
        if (t.n_skipped != 1 || t.n_entries != 2)
            fail_msg("`%s`: %zu left out, %zu read", lines[i], t.n_skipped, t.n_entries);
        odp_ledger_text_deinit(&t);
    }
}

static void test_not_whole(void **state)
{
    static const char *const bodies[] = {"",         "a 0 0 0 0 0 0 - -\n",   "boot\n",
                                         "boot x\n", ("boot " BOOT_ID "0\n"), ("boot " BOOT_ID)};
    struct odp_buf b = {0};
    struct odp_ledger_text t;

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_int_equal(parse_lines(bodies[i], &t), -EBADMSG);
    odp_buf_printf(&b, "odp-ledger 2\nboot -\n");
    odp_ledger_text_end(&b);
    assert_int_equal(odp_ledger_text_parse(b.s, b.n_bytes, &t), -EBADMSG);
    odp_buf_deinit(&b);
}

static void test_more_services_than_there_may_be(void **state)
{
    struct odp_buf b = {0};
    struct odp_ledger_text t;
    struct odp_ledger l;

    (void)state;
    fill(&l, N_STARTS);
    l.n_wakes = l.n_failed_wakes = l.n_bytes_in = l.awake_usec = l.asleep_usec = MAX;
    l.last_wake_usec = l.peak_bytes = l.used_bytes = MAX;
    l.saved_kib_msec = MAX * 1000;
    for (unsigned i = 0; i < N_STARTS; i++)
        odp_ledger_add_start(&l, UINT32_MAX);
    odp_ledger_text_begin(&b, BOOT_ID);
    for (unsigned i = 0; i < ODP_LEDGER_SERVICES_MAX; i++) {
        char name[ODP_NAME_MAX + 1];
        snprintf(name, sizeof(name), "%063u", i);
        odp_ledger_text_add(&b, name, &l);
    }
    size_t n_full = b.n_bytes;
    odp_ledger_text_end(&b);
    assert_true(b.n_bytes <=
                ODP_LEDGER_TEXT_MAX); // as many as may be read, each as long as it gets
    assert_int_equal(odp_ledger_text_parse(b.s, b.n_bytes, &t), 0);
    assert_int_equal(t.n_entries, ODP_LEDGER_SERVICES_MAX);
    odp_ledger_text_deinit(&t);
    b.n_bytes = n_full;
    odp_buf_printf(&b, "z 0 0 0 0 0 0 - -\n");
    odp_ledger_text_end(&b);
    assert_int_equal(odp_ledger_text_parse(b.s, b.n_bytes, &t), 0);
    assert_int_equal(t.n_entries, ODP_LEDGER_SERVICES_MAX);
    assert_int_equal(t.n_skipped, 1);
    odp_ledger_text_deinit(&t);
    while (b.n_bytes <= ODP_LEDGER_TEXT_MAX)
        odp_buf_printf(&b, "z 0 0 0 0 0 0 - -\n");
    odp_ledger_text_end(&b);
    assert_int_equal(odp_ledger_text_parse(b.s, b.n_bytes, &t), -EBADMSG);
    odp_ledger_deinit(&l);
    odp_buf_deinit(&b);
}

// Each truncation is copied to memory of its own size, for the sanitizers to see where it ends.
static void test_every_truncation_is_noticed(void **state)
{
    struct odp_buf b = {0};
    struct odp_ledger l[3];

    (void)state;
    write_three(&b, l);
    for (size_t n = 0; n < b.n_bytes; n++) {
        struct odp_ledger_text t;
        char *torn = malloc(n + 1);
        assert_non_null(torn);
        memcpy(torn, b.s, n);
        char *exact = realloc(torn, n ? n : 1);
        assert_non_null(exact);
        assert_int_equal(odp_ledger_text_parse(exact, n, &t), -EBADMSG);
        free(exact);
    }
    free_three(&b, l);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void mutate(char *s, size_t *n, uint32_t *seed)
{
    static const char bytes[] = "0123456789 ,-\n\0a\xff";
    size_t at = next_random(seed) % *n;

    switch (next_random(seed) % 4) {
    case 0: s[at] = bytes[next_random(seed) % (sizeof(bytes) - 1)]; break;
    case 1: s[at] = (char)next_random(seed); break;
    case 2: memmove(s + at, s + at + 1, --*n - at); break;
    default: // a piece again, over what stood there
        memmove(s + at, s + next_random(seed) % (at + 1), next_random(seed) % (*n - at));
        break;
    }
}

static void assert_sound(const struct odp_ledger_text *t)
{
    for (size_t i = 0; i < t->n_entries; i++) {
        const struct odp_ledger *l = &t->entries[i].ledger;
        assert_true(odp_name_is_valid(t->entries[i].name));
        assert_true(l->n_wakes <= MAX && l->n_failed_wakes <= MAX && l->n_bytes_in <= MAX &&
                    l->n_bytes_out <= MAX && l->awake_usec <= MAX && l->asleep_usec <= MAX);
        assert_true(l->last_wake_usec <= MAX || l->last_wake_usec == ODP_NEVER);
        assert_true(l->n_starts <= N_STARTS && l->next_start < N_STARTS);
        assert_ptr_equal(odp_ledger_text_find(t, t->entries[i].name), &t->entries[i]);
    }
}

// As it is, a mutation is noticed. With a checksum made for it the reader has to cope.
static void test_mutations(void **state)
{
    struct odp_buf b = {0};
    struct odp_ledger l[3];
    size_t n_read = 0, n_skipped = 0;
    uint32_t seed = 1;

    (void)state;
    write_three(&b, l);
    char *s = malloc(b.n_bytes);
    assert_non_null(s);
    for (unsigned i = 0; i < MUTATIONS; i++) {
        struct odp_ledger_text t;
        struct odp_buf whole = {0};
        size_t n = b.n_bytes;
        memcpy(s, b.s, n);
        for (unsigned k = next_random(&seed) % 4 + 1; k > 0; k--)
            mutate(s, &n, &seed);
        if (n != b.n_bytes || memcmp(s, b.s, n) != 0)
            assert_int_equal(odp_ledger_text_parse(s, n, &t), -EBADMSG);
        odp_buf_add(&whole, s, n - sizeof("checksum 0123456789abcdef"));
        odp_buf_add(&whole, "\n", 1);
        odp_ledger_text_end(&whole);
        if (odp_ledger_text_parse(whole.s, whole.n_bytes, &t) == 0) {
            assert_sound(&t);
            n_read += t.n_entries;
            n_skipped += t.n_skipped;
            odp_ledger_text_deinit(&t);
        }
        odp_buf_deinit(&whole);
    }
    assert_true(n_read > MUTATIONS); // most of it is still read: the parser was reached
    assert_true(n_skipped > MUTATIONS / 10);
    free(s);
    free_three(&b, l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_the_text_is_what_the_header_says),
        cmocka_unit_test(test_no_service),
        cmocka_unit_test(test_a_line_of_an_earlier_odp),
        cmocka_unit_test(test_later_fields_are_passed_over),
        cmocka_unit_test(test_damaged_lines_are_left_out),
        cmocka_unit_test(test_not_whole),
        cmocka_unit_test(test_more_services_than_there_may_be),
        cmocka_unit_test(test_every_truncation_is_noticed),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
