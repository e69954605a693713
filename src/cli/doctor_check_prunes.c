// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Is something run by the clock that removes containers which sleep? Pure.

#include <stdio.h>
#include <string.h>

#include "doctor_internal.h"

#define WORD_MAX 256

// ---- commands -----------------------------------------------------------------------------------

// The word of the list, NULL where it is none of them.
static const char *one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return *words;
    return NULL;
}

// The next word of a line, without quotes; false at the end of a command.
static bool next_word(const char **at, char *word)
{
    size_t n = 0;

    *at += strspn(*at, " \t");
    for (; **at && !strchr(" \t\n;&|", **at); (*at)++)
        if (**at != '"' && **at != '\'' && n < WORD_MAX - 1)
            word[n++] = **at;
    word[n] = '\0';
    return n > 0;
}

static void read_filters(const char **at, struct odp_prune_command *ret)
{
    static const char option[] = "--filter";
    size_t n_option = strlen(option);
    char word[WORD_MAX] = "";

    while (next_word(at, word)) {
        size_t n = strlen(ret->filters);

        if (strncmp(word, option, n_option) != 0)
            continue;
        if (word[n_option] == '=')
            snprintf(ret->filters + n, sizeof(ret->filters) - n, "%s ", word + n_option + 1);
        else if (next_word(at, word))
            snprintf(ret->filters + n, sizeof(ret->filters) - n, "%s ", word);
    }
}

// A command that begins at *at, which moves to its end.
static bool read_command(const char **at, struct odp_prune_command *ret)
{
    static const char *const engines[] = {"docker", "podman", NULL};
    static const char *const what[] = {"system", "container", "network", NULL};
    char word[WORD_MAX];

    *ret = (struct odp_prune_command){0};
    while (next_word(at, word)) {
        const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;

        if (word[0] == '#')
            break;
        if (one_of(name, engines)) {
            ret->engine = one_of(name, engines);
            ret->what = NULL;
        } else if (ret->engine && one_of(word, what)) {
            ret->what = one_of(word, what);
        } else if (ret->what && strcmp(word, "prune") == 0) {
            read_filters(at, ret);
            return true;
        }
    }
    if (word[0] == '#')
        *at += strcspn(*at, "\n");
    return false;
}

bool odp_prune_next(const char **text, struct odp_prune_command *ret)
{
    while (**text) {
        if (read_command(text, ret))
            return true;
        *text += **text != '\0';
    }
    return false;
}

// ---- what they remove ---------------------------------------------------------------------------

// Of one filter: "label!=keep", "label!=keep=yes", "label=old".
static bool filter_spares(const char *filter, const struct odp_container *c)
{
    char key[WORD_MAX];
    const char *label = strncmp(filter, "label", 5) == 0 ? filter + 5 : "";
    bool is_not = strncmp(label, "!=", 2) == 0;

    if (!is_not && label[0] != '=')
        return false;
    snprintf(key, sizeof(key), "%s", label + 1 + is_not);
    char *value = strchr(key, '=');
    if (value)
        *value++ = '\0';
    const char *own = odp_container_label(c, key);
    return (own && (!value || strcmp(own, value) == 0)) == is_not;
}

static bool is_spared(const struct odp_prune_command *p, const struct odp_container *c)
{
    const char *filters = p->filters;
    char filter[WORD_MAX];

    while (odp_words_next(&filters, filter, sizeof(filter)))
        if (filter_spares(filter, c))
            return true;
    return false;
}

// Docker removes a network while those who have it sleep; their next start fails.
static bool has_own_network(const struct odp_container *c)
{
    static const char *const none[] = {"", "default", "bridge", "host", "none", NULL};
    const char *network = odp_container_text(c, "HostConfig.NetworkMode");

    return !one_of(network, none) && !strchr(network, ':');
}

static bool endangers(const struct odp_prune_command *p, const struct odp_container *c)
{
    if (!c->inspect)
        return false;
    if (strcmp(p->what, "network") == 0)
        return !strstr(p->filters, "label") && strcmp(p->engine, "docker") == 0 &&
               has_own_network(c);
    return !is_spared(p, c);
}

static bool endangers_service(const struct odp_doctor *d, const struct odp_prune *prune,
                              const struct odp_prune_command *p, const struct odp_config_service *s)
{
    const struct odp_engine_facts *e = odp_doctor_engine(d, s);
    const struct odp_container *c;

    // A user's containers are that user's alone. What has a compose file is made anew by it.
    if (!e || s->compose_files || (doctor_is_beside(s) && !doctor_keeps_containers(d, s)) ||
        s->idle_timeout_usec == ODP_NEVER || strcmp(e->place.engine, p->engine) != 0 ||
        (strcmp(p->engine, "podman") == 0 && e->is_user != prune->is_user))
        return false;
    for (size_t i = 0; (c = odp_doctor_container(d, s, i)); i++)
        if (endangers(p, c))
            return true;
    return false;
}

static void check_command(const struct odp_doctor *d, const struct odp_prune *prune,
                          const struct odp_prune_command *p, struct odp_findings *f)
{
    bool is_network = strcmp(p->what, "network") == 0;
    const char *first = NULL;
    size_t n = 0;

    for (size_t i = 0; i < d->config.n_services; i++)
        if (endangers_service(d, prune, p, d->config.services[i])) {
            first = first ? first : d->config.services[i]->name;
            n++;
        }
    if (n == 0)
        return;
    odp_finding_add(f, "prune-scheduled", ODP_DOCTOR_ALL,
                    "%s runs %s %s prune, which removes %s while it sleeps: %s%s", prune->place,
                    p->engine, p->what, is_network ? "the network of a container" : "a container",
                    first, n > 1 ? " and others" : "");
    if (prune->is_unit)
        odp_finding_command(f, "systemctl %sedit --full %s (%s image prune --force spares them)",
                            odp_doctor_option(prune->is_user), QUOTED(prune->place), p->engine);
    else
        odp_finding_command(f, "grep -n prune %s (%s image prune --force spares them)",
                            QUOTED(prune->place), p->engine);
}

void doctor_check_prunes(const struct odp_doctor *d, struct odp_findings *f)
{
    for (size_t i = 0; i < d->n_prunes; i++) {
        const char *rest = d->prunes[i].text;
        struct odp_prune_command p;

        while (odp_prune_next(&rest, &p))
            check_command(d, &d->prunes[i], &p, f);
    }
}
