// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The simulated services and their files: the manager reads them through the real parser. And what
// is left of odpd: no control socket, no ledger file, no log but the trace.

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"
#include "odp/proxy/control.h"
#include "odp/proxy/ledger_file.h"
#include "odp/proxy/vigil.h"
#include "sim.h"
#include "wraps.h"

struct fake_service fake_services[FAKE_SERVICES_MAX];
unsigned fake_n_services;

void fake_services_reset(void)
{
    for (unsigned i = 0; i < FAKE_SERVICES_MAX; i++)
        free(fake_services[i].text);
    memset(fake_services, 0, sizeof(fake_services));
    fake_n_services = 0;
}

struct fake_service *fake_service_add(const char *name, const char *settings, bool unix_target)
{
    struct fake_service *s = &fake_services[fake_n_services];

    *s = (struct fake_service){.index = fake_n_services++, .unix_target = unix_target};
    odp_list_init(&s->conns);
    snprintf(s->name, sizeof(s->name), "%s", name);
    fake_service_write(s, settings);
    return s;
}

void fake_service_write(struct fake_service *s, const char *settings)
{
    bool has_backend = strstr(settings, "type =") != NULL;
    // Docker's publish their ports here, Podman's are sought.
    bool is_sought = strstr(settings, "type = podman") != NULL;
    struct odp_buf b = {0};

    odp_buf_printf(&b, "[service]\nlisten = 127.0.0.1:%u\n", 1000 + s->index);
    if (s->unix_target)
        odp_buf_printf(&b, "target = /sim/%s.sock\n", s->name);
    else
        odp_buf_printf(&b, "target = %s:%u\n", is_sought ? "auto" : "127.0.0.1", 2000 + s->index);
    if (!has_backend)
        odp_buf_printf(&b, "[backend]\ncommand = /bin/%s\n", s->name);
    odp_buf_printf(&b, "%s", settings);
    free(s->text);
    s->text = b.s;
}

struct fake_service *fake_service_find(const char *name)
{
    for (unsigned i = 0; i < fake_n_services; i++)
        if (strcmp(fake_services[i].name, name) == 0)
            return &fake_services[i];
    return NULL;
}

static int add_file(const struct fake_service *s, struct odp_file *ret)
{
    *ret = (struct odp_file){.stem = strdup(s->name), .text = strdup(s->text)};
    ret->n_bytes = strlen(s->text);
    return asprintf(&ret->path, "%s.ini", s->name) < 0 ? -ENOMEM : 0;
}

int __wrap_odp_files_read(const char *dir, const char *suffix, size_t max_bytes,
                          struct odp_files *ret)
{
    (void)dir;
    (void)suffix;
    (void)max_bytes;
    *ret = (struct odp_files){.items = calloc(FAKE_SERVICES_MAX, sizeof(*ret->items))};
    for (unsigned i = 0; i < fake_n_services; i++)
        if (add_file(&fake_services[i], &ret->items[ret->n++]) < 0)
            return -ENOMEM;
    return 0;
}

// ---- the rest of odpd --------------------------------------------------------------------------

// What concerns odpd as a whole is part of the trace; what concerns a service shows there anyway.
void odp_log(enum odp_log_level level, const char *service, const char *format, ...)
{
    char line[512];
    va_list args;

    if (!sim_trace || service || level > ODP_LOG_NOTICE)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    sim_say(NULL, ": %s", line);
}

void odp_log_event(enum odp_log_level level, const char *service,
                   const struct odp_journal_field *fields, size_t n_fields, const char *format, ...)
{
    (void)level;
    (void)service;
    (void)fields;
    (void)n_fields;
    (void)format;
}

void odp_vigil_ready(struct odp_vigil *v)
{
    (void)v;
}

void odp_vigil_changed(struct odp_vigil *v)
{
    (void)v;
}

void odp_control_on_state(struct odp_control *c, struct odp_managed *m)
{
    (void)c;
    (void)m;
}

void odp_control_on_end(struct odp_control *c, struct odp_managed *m)
{
    (void)c;
    (void)m;
}

int odp_ledger_file_new(struct odp_manager *mgr, struct odp_ledger_file **ret)
{
    (void)mgr;
    *ret = NULL;
    return 0;
}

void odp_ledger_file_changed(struct odp_ledger_file *f)
{
    (void)f;
}

void odp_ledger_file_join(struct odp_ledger_file *f, struct odp_managed *m)
{
    (void)f;
    (void)m;
}

void odp_ledger_file_part(struct odp_ledger_file *f, struct odp_managed *m)
{
    (void)f;
    (void)m;
}

void odp_ledger_file_rename(struct odp_ledger_file *f, const struct odp_managed *m)
{
    (void)f;
    (void)m;
}

void odp_ledger_file_follow(struct odp_ledger_file *f, const struct odp_link_rename *renames,
                            size_t n)
{
    (void)f;
    (void)renames;
    (void)n;
}

void odp_ledger_file_free(struct odp_ledger_file *f)
{
    (void)f;
}

// It would look through the whole heap after each schedule's every sleep.
int __wrap_malloc_trim(size_t pad)
{
    (void)pad;
    return 0;
}
