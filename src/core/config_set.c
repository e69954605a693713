// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One setter per kind of value: types it, stores it in the service, or adds a fault that shows how
// it would be right.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

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

void odp_config_set_text(struct odp_config_parse *p, const struct odp_config_key *key,
                         unsigned line, const char *value)
{
    char **text = field(p, key);

    (void)line;
    free(*text);
    *text = copy(p, value);
}

static bool take_path(struct odp_config_parse *p, const struct odp_config_key *key, unsigned line,
                      const char *value)
{
    if (value[0] == '/')
        return true;
    odp_config_parse_fault(p, line, "[%s] %s = %.64s is not an absolute path: begin with `/`",
                           key->section, key->name, value);
    return false;
}

void odp_config_set_path(struct odp_config_parse *p, const struct odp_config_key *key,
                         unsigned line, const char *value)
{
    if (take_path(p, key, line, value))
        odp_config_set_text(p, key, line, value);
}

void odp_config_set_engine_socket(struct odp_config_parse *p, const struct odp_config_key *key,
                                  unsigned line, const char *value)
{
    if (strlen(value) < sizeof(((struct sockaddr_un *)0)->sun_path))
        odp_config_set_path(p, key, line, value);
    else
        odp_config_parse_fault(p, line,
                               "[%s] %s = %.64s... is longer than the path of a socket may be (107 "
                               "bytes)",
                               key->section, key->name, value);
}

void odp_config_set_paths(struct odp_config_parse *p, const struct odp_config_key *key,
                          unsigned line, const char *value)
{
    if (take_path(p, key, line, value))
        p->out_of_memory |= odp_config_strv_add(field(p, key), copy(p, value)) < 0;
}

// It stands in a request line: RFC 9112 section 3 lets no space in.
void odp_config_set_http_path(struct odp_config_parse *p, const struct odp_config_key *key,
                              unsigned line, const char *value)
{
    if (value[0] == '/' && !strpbrk(value, " \t#"))
        odp_config_set_text(p, key, line, value);
    else
        odp_config_parse_fault(p, line,
                               "[%s] %s = %.64s is not the path of a URL: begin with `/`, write a "
                               "space as %%20 and no `#`",
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

    if ((is_user(value, n) || (n == 0 && colon)) &&
        (!colon || is_user(colon + 1, strlen(colon + 1))))
        odp_config_set_text(p, key, line, value);
    else
        odp_config_parse_fault(p, line, "[%s] %s = %.64s is not USER, USER:GROUP or :GROUP",
                               key->section, key->name, value);
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

// tcp(7) takes TCP_KEEPIDLE in seconds, up to this.
#define KEEPALIVE_MAX_SEC 32767

void odp_config_set_keepalive(struct odp_config_parse *p, const struct odp_config_key *key,
                              unsigned line, const char *value)
{
    uint64_t usec;

    if (!take_span(p, key, line, value, &usec))
        return;
    if (usec >= ODP_USEC_PER_SEC && usec <= KEEPALIVE_MAX_SEC * ODP_USEC_PER_SEC)
        *(uint64_t *)field(p, key) = usec / ODP_USEC_PER_SEC * ODP_USEC_PER_SEC;
    else
        odp_config_parse_fault(p, line, "[%s] %s = %.64s is not from 1s to 9h", key->section,
                               key->name, value);
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
