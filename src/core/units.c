// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From a service's settings to the text of its socket unit, systemd.socket(5).

#include "odp/core/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config_internal.h"

const char *odp_units_name(const char *service, char *buf, size_t size)
{
    snprintf(buf, size, ODP_UNITS_PREFIX "%s" ODP_UNITS_SUFFIX, service);
    return buf;
}

// `%` begins a specifier, systemd.unit(5); nothing else is special within a value.
static void add_value(struct odp_buf *b, const char *s)
{
    for (const char *percent; (percent = strchr(s, '%')); s = percent + 1) {
        odp_buf_add(b, s, (size_t)(percent - s));
        odp_buf_add(b, "%%", 2);
    }
    odp_buf_add(b, s, strlen(s));
}

static void add_setting(struct odp_buf *b, const char *key, const char *value)
{
    odp_buf_printf(b, "%s=", key);
    add_value(b, value);
    odp_buf_add(b, "\n", 1);
}

// A unit with anything else in it is not loaded.
static bool is_one_line(const char *s)
{
    size_t left = strlen(s), n;

    for (; left > 0; left -= n) {
        n = odp_config_character(s, left);
        if (n == 0)
            return false;
        s += n;
    }
    return true;
}

static bool has_kind(const struct odp_config_service *s, bool is_unix)
{
    for (size_t i = 0; i < s->n_listen; i++)
        if ((s->listen[i].address.kind == ODP_ADDRESS_UNIX) == is_unix)
            return true;
    return false;
}

static bool is_explicit(const struct odp_address *a)
{
    return a->kind == ODP_ADDRESS_INET || a->kind == ODP_ADDRESS_INET6;
}

// A unit waits for the mounts its paths are on. One that needs the network comes after what comes
// after all sockets: it would be a cycle.
static bool may_be_on_a_mount(const struct odp_config_service *s)
{
    for (size_t i = 0; i < s->n_listen; i++)
        if (s->listen[i].address.kind == ODP_ADDRESS_UNIX &&
            strncmp(s->listen[i].address.path, "/run/", 5) != 0)
            return true;
    return false;
}

static void add_unit_section(struct odp_buf *b, const struct odp_config_service *s, bool is_user)
{
    odp_buf_printf(b, "[Unit]\n");
    // In brackets: a backslash at the end of a line would take the next one in.
    odp_buf_printf(b, "Description=odp: %s", s->name);
    if (strcmp(s->description, s->name) != 0) {
        odp_buf_printf(b, " (");
        add_value(b, s->description);
        odp_buf_printf(b, ")");
    }
    odp_buf_printf(b, "\n");
    if (is_one_line(s->file))
        add_setting(b, "SourcePath", s->file);
    odp_buf_printf(b, "PartOf=odp.target\nStartLimitIntervalSec=0\n");
    if (may_be_on_a_mount(s))
        odp_buf_printf(b,
                       "DefaultDependencies=no\n%s"
                       "Conflicts=shutdown.target\nBefore=shutdown.target\n",
                       is_user ? "" : "Requires=sysinit.target\nAfter=sysinit.target\n");
}

static void add_tcp(struct odp_buf *b, const struct odp_config_service *s)
{
    bool any_explicit = false;

    for (size_t i = 0; i < s->n_listen; i++)
        any_explicit |= is_explicit(&s->listen[i].address);
    odp_buf_printf(b, "BindIPv6Only=both\n");
    if (any_explicit)
        odp_buf_printf(b, "FreeBind=yes\n"); // some addresses come late
    // On a unix socket each would be a warning; then odpd alone sees to it.
    if (has_kind(s, true))
        return;
    odp_buf_printf(b, "NoDelay=yes\nKeepAlive=yes\n");
    odp_buf_printf(b, "KeepAliveTimeSec=%llu\n",
                   (unsigned long long)(s->keepalive_usec / ODP_USEC_PER_SEC));
    odp_buf_printf(b, "KeepAliveIntervalSec=%d\nKeepAliveProbes=%d\n", ODP_KEEPALIVE_INTERVAL_SEC,
                   ODP_KEEPALIVE_PROBES);
}

static int unfit(const char *value, char *why, size_t why_size)
{
    snprintf(why, why_size, "%s: a unit's value cannot end in a backslash", value);
    return ODP_UNITS_E_UNFIT;
}

// An empty one is odpd's own. A user's manager has but one owner to give.
static void add_owner(struct odp_buf *b, const char *key, const char *value, size_t n_value,
                      bool is_user)
{
    char owner[ODP_CONFIG_VALUE_MAX + 1];

    snprintf(owner, sizeof(owner), "%.*s", (int)n_value, value);
    if (*owner || !is_user)
        add_setting(b, key, *owner ? owner : ODP_UNITS_USER);
}

static int add_unix(struct odp_buf *b, const struct odp_config_service *s, bool is_user, char *why,
                    size_t why_size)
{
    const char *owner = s->socket_owner ? s->socket_owner : "";
    size_t n_user = strcspn(owner, ":");
    const char *group = owner[n_user] ? owner + n_user + 1 : "";

    odp_buf_printf(b, "RemoveOnStop=yes\nSocketMode=%04o\n", s->socket_mode);
    add_owner(b, "SocketUser", owner, n_user, is_user);
    add_owner(b, "SocketGroup", group, strlen(group), is_user);
    if ((n_user > 0 && owner[n_user - 1] == '\\') || (*group && group[strlen(group) - 1] == '\\'))
        return unfit(owner, why, why_size);
    return 0;
}

static int add_listen(struct odp_buf *b, const struct odp_address *a, char *why, size_t why_size)
{
    char text[ODP_ADDRESS_TEXT_MAX];
    size_t n = strlen(odp_address_format(a, text, sizeof(text)));

    if (text[n - 1] == '\\')
        return unfit(text, why, why_size);
    // Of a bare port the service manager makes [::], or 0.0.0.0 where there is no IPv6.
    add_setting(b, "ListenStream", text);
    return 0;
}

static int add_socket_section(struct odp_buf *b, const struct odp_config_service *s, bool is_user,
                              char *why, size_t why_size)
{
    odp_buf_printf(b, "\n[Socket]\nService=" ODP_UNITS_ODPD "\n");
    add_setting(b, "FileDescriptorName", s->name);
    odp_buf_printf(b, "TriggerLimitIntervalSec=0\n");
    for (size_t i = 0; i < s->n_listen; i++) {
        int r = add_listen(b, &s->listen[i].address, why, why_size);
        if (r != 0)
            return r;
    }
    if (has_kind(s, false))
        add_tcp(b, s);
    return has_kind(s, true) ? add_unix(b, s, is_user, why, why_size) : 0;
}

int odp_units_socket(const struct odp_config_service *s, bool is_user, struct odp_buf *ret,
                     char *why, size_t why_size)
{
    odp_buf_printf(ret, ODP_UNITS_MARK "%s: changes belong there.\n\n",
                   is_one_line(s->file) ? s->file : "a file");
    add_unit_section(ret, s, is_user);
    int r = add_socket_section(ret, s, is_user, why, why_size);
    return ret->failed ? -ENOMEM : r;
}
