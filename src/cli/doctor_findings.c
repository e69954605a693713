// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The list of what `odp doctor` has found.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_internal.h"

__attribute__((format(printf, 1, 0))) static char *format_text(const char *format, va_list args)
{
    char *text = NULL;

    return vasprintf(&text, format, args) < 0 ? NULL : text;
}

void odp_finding_add(struct odp_findings *f, const char *kind, const char *name, const char *what,
                     ...)
{
    struct odp_finding *items = reallocarray(f->items, f->n + 1, sizeof(*items));
    va_list args;

    if (!items) {
        f->failed = true;
        return;
    }
    f->items = items;
    va_start(args, what);
    items[f->n] =
        (struct odp_finding){.kind = kind, .name = strdup(name), .what = format_text(what, args)};
    va_end(args);
    f->failed |= !items[f->n].name || !items[f->n].what;
    f->n++;
}

void odp_finding_command(struct odp_findings *f, const char *command, ...)
{
    va_list args;

    if (f->n == 0)
        return;
    struct odp_finding *last = &f->items[f->n - 1];
    free(last->command);
    va_start(args, command);
    last->command = format_text(command, args);
    va_end(args);
    f->failed |= !last->command;
}

const char *doctor_quote(const char *s, char buf[DOCTOR_QUOTED_MAX])
{
    char *to = buf, *end = buf + DOCTOR_QUOTED_MAX - 6; // of one more, the last quote and the NUL

    if (*s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                           "/._-+:@%,")])
        return s;
    *to++ = '\'';
    for (; *s && to < end; s++)
        if (*s == '\'')
            to = stpcpy(to, "'\\''");
        else
            *to++ = *s;
    strcpy(to, "'");
    return buf;
}

void doctor_command_dropin(struct odp_findings *f, bool is_user, const char *unit,
                           const char *section, const char *key, const char *value,
                           const char *then)
{
    const char *directory = is_user ? "~/.config/systemd/user" : "/etc/systemd/system";

    odp_finding_command(f,
                        "mkdir -p %s/%s.d && printf '[%s]\\n%s=%%s\\n' %s >%s/%s.d/odp-%s.conf "
                        "&& systemctl %sdaemon-reload%s",
                        directory, QUOTED(unit), section, key, QUOTED(value), directory,
                        QUOTED(unit), key, odp_doctor_option(is_user), then);
}

bool odp_findings_about(const struct odp_findings *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->items[i].name && strcmp(f->items[i].name, name) == 0)
            return true;
    return false;
}

bool odp_findings_has(const struct odp_findings *f, const char *kind)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->items[i].kind, kind) == 0)
            return true;
    return false;
}

bool odp_findings_has_of(const struct odp_findings *f, const char *kind, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->items[i].name && name && strcmp(f->items[i].kind, kind) == 0 &&
            strcmp(f->items[i].name, name) == 0)
            return true;
    return false;
}

static void finding_deinit(struct odp_finding *finding)
{
    free(finding->name);
    free(finding->what);
    free(finding->command);
}

void odp_findings_keep(struct odp_findings *f, const struct odp_findings *also)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++)
        if (odp_findings_has_of(also, f->items[i].kind, f->items[i].name))
            f->items[n++] = f->items[i];
        else
            finding_deinit(&f->items[i]);
    f->n = n;
}

void odp_findings_deinit(struct odp_findings *f)
{
    for (size_t i = 0; i < f->n; i++)
        finding_deinit(&f->items[i]);
    free(f->items);
    *f = (struct odp_findings){0};
}
