// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Thousands of mutilated files: none may crash the reader, give both a service and a fault, or
// bring a control character into a message.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/config.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static int parse_bytes(const char *name, const char *text, size_t n,
                       struct odp_config_service **ret, struct odp_config_faults *faults)
{
    return odp_config_service_parse(name, "x.ini", text, n, ret, faults);
}

static const char everything[] = "\xef\xbb\xbf# every key that is built\n"
                                 "; and both kinds of comment\n"
                                 "[service]\n"
                                 "description = Notes ; not a comment # nor this = really\n"
                                 "listen = [::1]:8080\n"
                                 "listen=/run/notes.sock\n"
                                 "socket_mode = 0600\n"
                                 "socket_owner = www-data:www-data\n"
                                 "target =  192.0.2.7:5230  \t\n"
                                 "enabled = Off\n"
                                 " \t\n"
                                 "[backend]\n"
                                 "type = process\n"
                                 "command = notes --title \"a b\" 'c \"d\"' e\\ f --empty \"\" "
                                 "x\"y z\"w $HOME %n \\x41\\101\\n\n"
                                 "directory = /var/lib/notes\n"
                                 "user = notes\n"
                                 "environment = TZ=Europe/Berlin\n"
                                 "environment = EMPTY=\n"
                                 "environment_file = /etc/notes.env\n"
                                 "start_timeout = 1h 30s\n"
                                 "stop_timeout = 250ms\n"
                                 "[ready]\n"
                                 "probe = none\n"
                                 "timeout = 5\n"
                                 "interval = 1.5s\n"
                                 "[wait]\n"
                                 "mode = hold\n"
                                 "timeout = 3min\n"
                                 "[idle]\n"
                                 "timeout = infinity\n"
                                 "[service]\n"
                                 "listen = 7000"; // no newline at the end

static void test_garbage_is_bounded(void **state)
{
    struct odp_config_faults faults = {0};
    struct odp_config_service *s = NULL;
    char *text = malloc(20000);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < 20000; i++)
        text[i] = i % 2 ? '\n' : 'x';
    assert_int_equal(parse_bytes("x", text, 20000, &s, &faults), ODP_CONFIG_E_FAULTY);
    assert_int_equal(faults.n, 1001);
    assert_non_null(strstr(faults.items[1000].message, "more than 1000 faults"));
    odp_config_faults_deinit(&faults);
    free(text);
}

static uint32_t random_state = 20240517;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % n;
}

// One of: a byte changed, a stretch removed, doubled, or a piece of syntax put in.
static size_t mutate(char *text, size_t n, size_t size)
{
    static const char *const pieces[] = {"\n",  "[",      "]",   "=",    " ",     "\r\n", "\"",
                                         "\\x", "[idle]", "\0x", "\xff", "=%s%n", ":",    "\n\t"};
    size_t at = random_below((uint32_t)n), length = 1 + random_below(20);

    length = length > n - at ? n - at : length;
    switch (random_below(4)) {
    case 0: text[at] = (char)random_below(256); return n;
    case 1: memmove(text + at, text + at + length, n - at - length); return n - length;
    case 2:
        if (n + length > size)
            return n;
        memmove(text + at + length, text + at, n - at);
        return n + length;
    default: {
        const char *piece = pieces[random_below(N(pieces))];
        size_t n_piece = strlen(piece) + 1;
        n_piece -= piece[0] != '\0';
        if (n + n_piece > size)
            return n;
        memmove(text + at + n_piece, text + at, n - at);
        memcpy(text + at, piece, n_piece);
        return n + n_piece;
    }
    }
}

static void test_mutilated_files(void **state)
{
    unsigned n_sound = 0, n_faulty = 0;

    (void)state;
    for (unsigned round = 0; round < 10000; round++) {
        struct odp_config_faults faults = {0};
        struct odp_config_service *s = NULL;
        size_t size = sizeof(everything) + 64, n = sizeof(everything) - 1;
        char *text = malloc(size); // on the heap, so that a sanitizer sees a step outside

        assert_non_null(text);
        memcpy(text, everything, n);
        for (uint32_t i = 1 + random_below(4); i > 0 && n > 0; i--)
            n = mutate(text, n, size);
        char *exact = malloc(n + 1);
        assert_non_null(exact);
        memcpy(exact, text, n);
        int r = parse_bytes("x", exact, n, &s, &faults);
        assert_int_equal(r, faults.n > 0 ? ODP_CONFIG_E_FAULTY : 0);
        assert_int_equal(s != NULL, faults.n == 0);
        for (size_t i = 0; i < faults.n; i++)
            assert_true(faults.items[i].line > 0 && !strpbrk(faults.items[i].message, "\n\r\033"));
        n_sound += r == 0;
        n_faulty += r != 0;
        odp_config_service_free(s);
        odp_config_faults_deinit(&faults);
        free(exact);
        free(text);
    }
    assert_true(n_sound > 100 && n_faulty > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_garbage_is_bounded),
        cmocka_unit_test(test_mutilated_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
