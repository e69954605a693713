// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The setters of names that are looked at across files (units, services) and of status ranges.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

#define UNIT_MAX   255 // bytes, systemd.unit(5)
#define NAMES_MAX  256 // of one key in one file
#define STATUS_MIN 100
#define STATUS_MAX 599

// The field and, right behind it, its size_t counter.
struct names {
    struct odp_config_name *items;
    size_t n;
};

#define IS_PAIR(member, counter)                                                                   \
    (offsetof(struct odp_config_service, counter) ==                                               \
     offsetof(struct odp_config_service, member) + offsetof(struct names, n))
_Static_assert(IS_PAIR(units, n_units), "a counter stands right behind its array");
_Static_assert(IS_PAIR(stop_units, n_stop_units), "a counter stands right behind its array");
_Static_assert(IS_PAIR(containers, n_containers), "a counter stands right behind its array");
_Static_assert(IS_PAIR(required_services, n_required_services),
               "a counter stands right behind its array");

static void add_name(struct odp_config_parse *p, const struct odp_config_key *key, unsigned line,
                     const char *value)
{
    struct names *names = (void *)((char *)p->service + key->offset);

    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->items[i].text, value) != 0)
            continue;
        odp_config_parse_fault(p, line, "[%s] %s = %s stands in line %u already", key->section,
                               key->name, value, names->items[i].line);
        return;
    }
    if (names->n == NAMES_MAX) {
        odp_config_parse_fault(p, line, "[%s] %s may be given at most %d times", key->section,
                               key->name, NAMES_MAX);
        return;
    }
    struct odp_config_name *more = reallocarray(names->items, names->n + 1, sizeof(*more));
    char *text = strdup(value);
    if (more)
        names->items = more;
    if (!more || !text) {
        free(text);
        p->out_of_memory = true;
        return;
    }
    more[names->n++] = (struct odp_config_name){.text = text, .line = line};
}

// Kinds of units that can be started and stopped.
static bool has_unit_suffix(const char *s)
{
    static const char *const suffixes[] = {".service", ".target", ".socket", ".mount",
                                           ".path",    ".timer",  ".scope",  ".slice"};
    size_t n = strlen(s);

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t n_suffix = strlen(suffixes[i]);
        if (n > n_suffix && strcmp(s + n - n_suffix, suffixes[i]) == 0)
            return true;
    }
    return false;
}

void odp_config_set_units(struct odp_config_parse *p, const struct odp_config_key *key,
                          unsigned line, const char *value)
{
    size_t n = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                             ":-_.\\@");
    const char *at = strchr(value, '@'); // what follows it is the instance

    if (value[n] || n > UNIT_MAX || value[0] == '.')
        odp_config_parse_fault(p, line,
                               "[%s] %s = %.64s is not the name of one unit: write one "
                               "a line, for instance `%s = docker-wiki.service`",
                               key->section, key->name, value, key->name);
    else if (!has_unit_suffix(value))
        odp_config_parse_fault(p, line,
                               "[%s] %s = %.64s: write the unit's whole name, for "
                               "instance `%.64s.service`",
                               key->section, key->name, value, value);
    else if (at && at + 1 == strrchr(value, '.'))
        odp_config_parse_fault(p, line,
                               "[%s] %s = %.64s is a template: write the instance behind the `@`, "
                               "for instance `%.*swiki%s`",
                               key->section, key->name, value, (int)(at + 1 - value), value,
                               at + 1);
    else
        add_name(p, key, line, value);
}

// What Docker and Podman take for a name or an id. It stands in the path of a URL.
void odp_config_set_containers(struct odp_config_parse *p, const struct odp_config_key *key,
                               unsigned line, const char *value)
{
    size_t n = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");

    if (value[n] || n > UNIT_MAX || strchr("_.-", value[0]))
        odp_config_parse_fault(p, line,
                               "[%s] %s = %.64s is not the name of one container: write one a "
                               "line, as `docker ps` shows it",
                               key->section, key->name, value);
    else
        add_name(p, key, line, value);
}

// What Compose takes for the name of a project, which stands in the name of a unit, too.
void odp_config_set_project(struct odp_config_parse *p, const struct odp_config_key *key,
                            unsigned line, const char *value)
{
    struct odp_config_name *project = (void *)((char *)p->service + key->offset);
    size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_-");

    if (value[n] || n > ODP_NAME_MAX || strchr("_-", value[0])) {
        odp_config_parse_fault(p, line,
                               "[%s] %s = %.64s is not the name of a Compose project: write it as "
                               "`docker compose ls -a` shows it; it has a to z, digits, `_`, `-` "
                               "and at most %d characters",
                               key->section, key->name, value, ODP_NAME_MAX);
        return;
    }
    *project = (struct odp_config_name){.text = strdup(value), .line = line};
    p->out_of_memory |= !project->text;
}

void odp_config_set_services(struct odp_config_parse *p, const struct odp_config_key *key,
                             unsigned line, const char *value)
{
    if (odp_name_is_valid(value))
        add_name(p, key, line, value);
    else
        odp_config_parse_fault(p, line,
                               "[%s] %s = %.64s is not the name of a service: write one a line, "
                               "as `odp status` shows it",
                               key->section, key->name, value);
}

// ---- status ranges -----------------------------------------------------------------------------

// A status code at *s, which is moved behind it; 0 for none.
static uint16_t take_status(const char **s)
{
    unsigned status = 0;
    size_t n = strspn(*s, "0123456789");

    for (size_t i = 0; i < n && i < 4; i++)
        status = status * 10 + (unsigned)((*s)[i] - '0');
    *s += n;
    return n == 3 && status >= STATUS_MIN && status <= STATUS_MAX ? (uint16_t)status : 0;
}

// `200`, `200-399`; spaces around it are passed over.
static bool take_range(const char **s, struct odp_config_range *ret)
{
    *s += strspn(*s, " \t");
    ret->first = ret->last = take_status(s);
    *s += strspn(*s, " \t");
    if (**s == '-') {
        *s += 1;
        *s += strspn(*s, " \t");
        ret->last = take_status(s);
        *s += strspn(*s, " \t");
    }
    return ret->first > 0 && ret->last >= ret->first;
}

int odp_config_ranges_parse(const char *s, struct odp_config_range **ret, size_t *ret_n)
{
    struct odp_config_range *ranges = NULL, *more, range;
    size_t n = 0;

    do {
        if (!take_range(&s, &range) || (*s && *s != ',')) {
            free(ranges);
            return -EINVAL;
        }
        more = reallocarray(ranges, n + 1, sizeof(*more));
        if (!more) {
            free(ranges);
            return -ENOMEM;
        }
        ranges = more;
        ranges[n++] = range;
    } while (*s++ == ',');
    *ret = ranges;
    *ret_n = n;
    return 0;
}

void odp_config_set_expect(struct odp_config_parse *p, const struct odp_config_key *key,
                           unsigned line, const char *value)
{
    struct odp_config_service *s = p->service;
    int r = odp_config_ranges_parse(value, &s->ready_expect, &s->n_ready_expect);

    p->out_of_memory |= r == -ENOMEM;
    if (r == -EINVAL)
        odp_config_parse_fault(p, line,
                               "[%s] %s = %.64s is not a list of HTTP status codes: write for "
                               "instance `200-399,401,403`",
                               key->section, key->name, value);
}
