// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One setter per kind of value: types it, stores it in the service, or adds a fault that shows how
// it would be right.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"
#include "odp/base/buf.h"

#define COUNT_MAX 65536
#define WHY_MAX   256

static void *field(struct odp_config_parse *p, const struct odp_config_key *key)
{
    return (char *)p->service + key->offset;
}

static char *copy(struct odp_config_parse *p, const char *s)
{
    char *c = strdup(s);

    p->out_of_memory |= !c;
    return c;
}

// `a`, `b` or `c`: what may be written today.
static void add_choices(struct odp_buf *b, const struct odp_config_word *words)
{
    size_t n = 0, n_built = 0;

    for (const struct odp_config_word *w = words; w->word; w++)
        n_built += w->value >= 0;
    for (const struct odp_config_word *w = words; w->word; w++) {
        if (w->value < 0)
            continue;
        odp_buf_printf(b, "%s`%s`", n == 0 ? "" : n + 1 == n_built ? " or " : ", ", w->word);
        n++;
    }
}

static void refuse_word(struct odp_config_parse *p, const struct odp_config_key *key, unsigned line,
                        const char *value, const struct odp_config_word *words, bool is_known)
{
    const char *candidates[16] = {NULL};
    struct odp_buf choices = {0};

    add_choices(&choices, words);
    for (size_t i = 0; i < 15 && words[i].word; i++)
        candidates[i] = words[i].word;
    const char *nearest = odp_nearest(value, candidates);
    if (is_known)
        odp_config_parse_fault(p, line, "[%s] %s = %s is not built yet in odp %s: write %s",
                               key->section, key->name, value, ODP_VERSION,
                               choices.s ? choices.s : "");
    else if (nearest)
        odp_config_parse_fault(p, line, "[%s] %s = %s is unknown: did you mean `%s`?", key->section,
                               key->name, value, nearest);
    else
        odp_config_parse_fault(p, line, "[%s] %s = %.64s is unknown: write %s", key->section,
                               key->name, value, choices.s ? choices.s : "");
    odp_buf_deinit(&choices);
}

// The word's value, or -1 and a fault.
static int take_word(struct odp_config_parse *p, const struct odp_config_key *key, unsigned line,
                     const char *value, const struct odp_config_word *words)
{
    for (const struct odp_config_word *w = words; w->word; w++) {
        if (strcmp(w->word, value) != 0)
            continue;
        if (w->value < 0)
            refuse_word(p, key, line, value, words, true);
        return w->value;
    }
    refuse_word(p, key, line, value, words, false);
    return -1;
}

void odp_config_set_type(struct odp_config_parse *p, const struct odp_config_key *key,
                         unsigned line, const char *value)
{
    static const struct odp_config_word words[] = {
        {"process", ODP_BACKEND_PROCESS},
        {"exec", ODP_BACKEND_EXEC},
        {"none", ODP_BACKEND_NONE},
        {"systemd", -1},
        {"docker", -1},
        {"podman", -1},
        {"compose", -1},
        {"swarm", -1},
        {"kubernetes", -1},
        {"wol", -1},
        {NULL, 0},
    };
    int type = take_word(p, key, line, value, words);

    if (type < 0)
        return;
    p->service->backend = (enum odp_backend_type)type;
    p->has_type = true;
}

void odp_config_set_probe(struct odp_config_parse *p, const struct odp_config_key *key,
                          unsigned line, const char *value)
{
    static const struct odp_config_word words[] = {
        {"tcp", ODP_PROBE_TCP},
        {"none", ODP_PROBE_NONE},
        {"http", -1},
        {"health", -1},
        {"unit", -1},
        {"exec", -1},
        {NULL, 0},
    };
    int probe = take_word(p, key, line, value, words);

    if (probe >= 0)
        p->service->probe = (enum odp_probe_type)probe;
}

void odp_config_set_wait_mode(struct odp_config_parse *p, const struct odp_config_key *key,
                              unsigned line, const char *value)
{
    static const struct odp_config_word words[] = {
        {"hold", ODP_WAIT_HOLD},
        {"page", ODP_WAIT_PAGE},
        {"auto", -1},
        {NULL, 0},
    };
    int mode = take_word(p, key, line, value, words);

    if (mode >= 0)
        p->service->wait_mode = (enum odp_wait_mode)mode;
}

void odp_config_set_text(struct odp_config_parse *p, const struct odp_config_key *key,
                         unsigned line, const char *value)
{
    char **text = field(p, key);

    (void)line;
    free(*text);
    *text = copy(p, value);
}

void odp_config_set_path(struct odp_config_parse *p, const struct odp_config_key *key,
                         unsigned line, const char *value)
{
    if (value[0] == '/')
        odp_config_set_text(p, key, line, value);
    else
        odp_config_parse_fault(p, line, "[%s] %s = %.64s is not an absolute path: begin with `/`",
                               key->section, key->name, value);
}

// Whether such a user exists is for the launcher to find out; here only whether one could.
static bool is_user(const char *s, size_t n)
{
    return n > 0 && s[0] != '-' && !memchr(s, ':', n) && strcspn(s, " \t/\"'") >= n;
}

void odp_config_set_user(struct odp_config_parse *p, const struct odp_config_key *key,
                         unsigned line, const char *value)
{
    if (is_user(value, strlen(value)))
        odp_config_set_text(p, key, line, value);
    else
        odp_config_parse_fault(p, line, "[%s] %s = %.64s is not the name of a user", key->section,
                               key->name, value);
}

void odp_config_set_owner(struct odp_config_parse *p, const struct odp_config_key *key,
                          unsigned line, const char *value)
{
    const char *colon = strchr(value, ':');
    size_t n = colon ? (size_t)(colon - value) : strlen(value);

    if (is_user(value, n) && (!colon || is_user(colon + 1, strlen(colon + 1))))
        odp_config_set_text(p, key, line, value);
    else
        odp_config_parse_fault(p, line, "[%s] %s = %.64s is not USER or USER:GROUP", key->section,
                               key->name, value);
}

void odp_config_set_mode(struct odp_config_parse *p, const struct odp_config_key *key,
                         unsigned line, const char *value)
{
    unsigned long mode =
        strspn(value, "01234567") == strlen(value) ? strtoul(value, NULL, 8) : 01000;

    if (mode <= 0777)
        *(unsigned *)field(p, key) = (unsigned)mode;
    else
        odp_config_parse_fault(p, line,
                               "[%s] %s = %.64s is not an octal mode from 0 to 0777: write for "
                               "instance `0660`",
                               key->section, key->name, value);
}

void odp_config_set_bool(struct odp_config_parse *p, const struct odp_config_key *key,
                         unsigned line, const char *value)
{
    if (!odp_config_bool(value, field(p, key)))
        odp_config_parse_fault(p, line, "[%s] %s = %.64s is neither `yes` nor `no`", key->section,
                               key->name, value);
}

static bool take_span(struct odp_config_parse *p, const struct odp_config_key *key, unsigned line,
                      const char *value, uint64_t *ret)
{
    int r = odp_span_parse(value, ret);

    if (r == -ERANGE)
        odp_config_parse_fault(p, line, "[%s] %s = %.64s is too long a time", key->section,
                               key->name, value);
    else if (r < 0)
        odp_config_parse_fault(p, line,
                               "[%s] %s = %.64s is not a time span: write for instance `10min`, "
                               "`1h 30s` or `250ms`",
                               key->section, key->name, value);
    return r == 0;
}

void odp_config_set_idle(struct odp_config_parse *p, const struct odp_config_key *key,
                         unsigned line, const char *value)
{
    uint64_t usec;

    if (take_span(p, key, line, value, &usec))
        *(uint64_t *)field(p, key) = usec;
}

void odp_config_set_span(struct odp_config_parse *p, const struct odp_config_key *key,
                         unsigned line, const char *value)
{
    uint64_t usec;

    if (!take_span(p, key, line, value, &usec))
        return;
    if (usec > 0 && usec != ODP_NEVER)
        *(uint64_t *)field(p, key) = usec;
    else
        odp_config_parse_fault(
            p, line, "[%s] %s = %.64s: the time must %s: write for instance `90s`", key->section,
            key->name, value, usec > 0 ? "have an end" : "be more than zero");
}

void odp_config_set_count(struct odp_config_parse *p, const struct odp_config_key *key,
                          unsigned line, const char *value)
{
    bool digits = value[0] && strspn(value, "0123456789") == strlen(value) && strlen(value) < 8;
    unsigned long count = digits ? strtoul(value, NULL, 10) : 0;

    if (count >= 1 && count <= COUNT_MAX)
        *(unsigned *)field(p, key) = (unsigned)count;
    else
        odp_config_parse_fault(p, line, "[%s] %s = %.64s is not a number from 1 to %d",
                               key->section, key->name, value, COUNT_MAX);
}

void odp_config_set_command(struct odp_config_parse *p, const struct odp_config_key *key,
                            unsigned line, const char *value)
{
    char why[WHY_MAX];
    char ***command = field(p, key);
    char **argv = NULL;
    int r = odp_config_split(value, &argv, why, sizeof(why));

    p->out_of_memory |= r == -ENOMEM;
    if (r == -EINVAL)
        odp_config_parse_fault(p, line, "[%s] %s: %s", key->section, key->name, why);
    if (r < 0)
        return;
    if (!argv || !argv[0][0] || (argv[0][0] != '/' && strchr(argv[0], '/'))) {
        odp_config_parse_fault(
            p, line,
            "[%s] %s: `%.64s` is neither an absolute path nor the bare name of a "
            "program",
            key->section, key->name, argv ? argv[0] : "");
        odp_config_strv_free(argv);
        return;
    }
    odp_config_strv_free(*command);
    *command = argv;
}

void odp_config_set_environment(struct odp_config_parse *p, const struct odp_config_key *key,
                                unsigned line, const char *value)
{
    size_t n = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    if (n > 0 && value[n] == '=' && !strchr("0123456789", value[0]))
        p->out_of_memory |= odp_config_strv_add(field(p, key), copy(p, value)) < 0;
    else
        odp_config_parse_fault(p, line,
                               "[%s] %s = %.64s is not NAME=VALUE: write one variable a line, for "
                               "instance `%s = TZ=Europe/Berlin`",
                               key->section, key->name, value, key->name);
}
