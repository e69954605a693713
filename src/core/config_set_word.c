// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The setters of keys whose value is one of a few words. A word that is designed but not built is
// refused as that.

#include <stdlib.h>
#include <string.h>

#include "config_internal.h"
#include "odp/base/buf.h"

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

// Two words for one type; whose containers is the engine's to say.
enum {
    DOCKER = 100,
    PODMAN,
};

void odp_config_set_type(struct odp_config_parse *p, const struct odp_config_key *key,
                         unsigned line, const char *value)
{
    static const struct odp_config_word words[] = {
        {"process", ODP_BACKEND_PROCESS},
        {"exec", ODP_BACKEND_EXEC},
        {"systemd", ODP_BACKEND_SYSTEMD},
        {"none", ODP_BACKEND_NONE},
        {"docker", DOCKER},
        {"podman", PODMAN},
        {"compose", ODP_BACKEND_COMPOSE},
        {"swarm", -1},
        {"kubernetes", -1},
        {"wol", -1},
        {NULL, 0},
    };
    int type = take_word(p, key, line, value, words);

    if (type < 0)
        return;
    if (type == DOCKER || type == PODMAN)
        p->service->engine = type == DOCKER ? ODP_ENGINE_DOCKER : ODP_ENGINE_PODMAN;
    p->service->backend = type >= DOCKER ? ODP_BACKEND_CONTAINER : (enum odp_backend_type)type;
    p->has_type = true;
}

void odp_config_set_probe(struct odp_config_parse *p, const struct odp_config_key *key,
                          unsigned line, const char *value)
{
    static const struct odp_config_word words[] = {
        {"tcp", ODP_PROBE_TCP},
        {"http", ODP_PROBE_HTTP},
        {"exec", ODP_PROBE_EXEC},
        {"unit", ODP_PROBE_UNIT},
        {"health", ODP_PROBE_HEALTH},
        {"none", ODP_PROBE_NONE},
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

void odp_config_set_scope(struct odp_config_parse *p, const struct odp_config_key *key,
                          unsigned line, const char *value)
{
    static const struct odp_config_word words[] = {
        {"system", ODP_SCOPE_SYSTEM},
        {"user", ODP_SCOPE_USER},
        {NULL, 0},
    };
    int scope = take_word(p, key, line, value, words);

    if (scope >= 0)
        p->service->scope = (enum odp_scope)scope;
}

void odp_config_set_engine(struct odp_config_parse *p, const struct odp_config_key *key,
                           unsigned line, const char *value)
{
    static const struct odp_config_word words[] = {
        {"docker", ODP_ENGINE_DOCKER},
        {"podman", ODP_ENGINE_PODMAN},
        {NULL, 0},
    };
    int engine = take_word(p, key, line, value, words);

    if (engine >= 0)
        p->service->engine = (enum odp_engine)engine;
}

// The next three have a single word yet: it may be written, and changes nothing.

void odp_config_set_idle_count(struct odp_config_parse *p, const struct odp_config_key *key,
                               unsigned line, const char *value)
{
    static const struct odp_config_word words[] = {{"connections", 0}, {"traffic", -1}, {NULL, 0}};

    (void)take_word(p, key, line, value, words);
}

void odp_config_set_idle_action(struct odp_config_parse *p, const struct odp_config_key *key,
                                unsigned line, const char *value)
{
    static const struct odp_config_word words[] = {
        {"stop", 0}, {"freeze", -1}, {"ladder", -1}, {NULL, 0}};

    (void)take_word(p, key, line, value, words);
}

void odp_config_set_proxy_protocol(struct odp_config_parse *p, const struct odp_config_key *key,
                                   unsigned line, const char *value)
{
    static const struct odp_config_word words[] = {{"off", 0}, {"v1", -1}, {"v2", -1}, {NULL, 0}};

    (void)take_word(p, key, line, value, words);
}
