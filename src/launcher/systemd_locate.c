// SPDX-License-Identifier: LGPL-2.1-or-later
//
// In which control groups a service of units runs: those of its containers, where the file names
// some, since a unit that runs `docker run` holds only the client; else those of the units.

#include <stdlib.h>

#include "odp/launcher/engine.h"
#include "odp/launcher/locate.h"
#include "odp/launcher/systemd_groups.h"
#include "systemd_internal.h"

// One question on its way.
struct odp_systemd_locate {
    struct odp_systemd_service *service; // borrowed
    struct odp_locate answer;
    struct odp_systemd_groups *groups;   // owned; one of the two
    struct odp_engine_query *containers; // likewise
};

static void drop(struct odp_systemd_service *s)
{
    struct odp_systemd_locate *l = s->locate;

    if (!l)
        return;
    s->locate = NULL;
    odp_systemd_groups_free(l->groups);
    odp_engine_query_free(l->containers);
    odp_locate_deinit(&l->answer);
    free(l);
}

static void answer(struct odp_systemd_service *s)
{
    odp_locate_answer(&s->locate->answer);
    drop(s);
}

static void on_group(void *userdata, const char *path)
{
    struct odp_systemd_locate *l = userdata;

    odp_locate_add(&l->answer, path);
}

static void on_missing(void *userdata, const char *why)
{
    struct odp_systemd_locate *l = userdata;

    odp_locate_miss(&l->answer, "%s", why);
}

static void on_units_done(void *userdata)
{
    struct odp_systemd_locate *l = userdata;

    answer(l->service);
}

static void on_containers_done(void *userdata, const char *why)
{
    struct odp_systemd_locate *l = userdata;

    if (why)
        odp_locate_fail(&l->answer, "%s", why);
    answer(l->service);
}

static void ask_containers(struct odp_systemd_service *s)
{
    static const struct odp_engine_observer observer = {
        .on_group = on_group, .on_missing = on_missing, .on_done = on_containers_done};
    const struct odp_config_service *settings = s->base.settings;
    struct odp_systemd_locate *l = s->locate;
    bool is_whole;

    l->containers = odp_engine_query_new(s->base.host->loop, settings, s->is_user, &observer, l);
    is_whole = l->containers;
    for (size_t i = 0; i < settings->n_containers && is_whole; i++)
        is_whole = odp_engine_query_add(l->containers, settings->containers[i].text) == 0;
    if (is_whole)
        odp_engine_query_begin(l->containers);
    else
        on_containers_done(l, "the launcher is out of memory");
}

static void ask_units(struct odp_systemd_service *s)
{
    static const struct odp_systemd_groups_observer observer = {.on_group = on_group,
                                                                .on_done = on_units_done};
    struct odp_systemd_locate *l = s->locate;
    const char **names = calloc(s->n_units + 1, sizeof(*names));

    for (size_t i = 0; i < s->n_units && names; i++)
        names[i] = s->units[i].id;
    if (names)
        l->groups = odp_systemd_groups_new(s->bus, &observer, l, names, s->n_units);
    free(names);
    if (!l->groups) {
        odp_locate_fail(&l->answer, "the launcher is out of memory");
        answer(s);
        return;
    }
    odp_systemd_groups_begin(l->groups);
}

void odp_systemd_locate(struct odp_systemd_service *s, uint32_t id)
{
    odp_systemd_locate_drop(s, "it was asked for anew");
    s->locate = calloc(1, sizeof(*s->locate));
    if (!s->locate) {
        odp_backend_report(&s->base, id, ODP_PROTO_NOWHERE, "the launcher is out of memory");
        return;
    }
    s->locate->service = s;
    odp_locate_begin(&s->locate->answer, &s->base, id);
    if (s->base.settings->n_containers > 0) {
        ask_containers(s);
    } else if (s->bus && odp_systemd_bus_is_connected(s->bus)) {
        ask_units(s);
    } else {
        odp_locate_fail(&s->locate->answer, "the service manager cannot be asked");
        answer(s);
    }
}

void odp_systemd_locate_drop(struct odp_systemd_service *s, const char *why)
{
    if (!s->locate)
        return;
    if (why)
        odp_backend_report(&s->base, s->locate->answer.id, ODP_PROTO_NOWHERE, "%s", why);
    drop(s);
}

void odp_systemd_locate_lost(struct odp_systemd_service *s)
{
    if (s->locate && s->locate->groups)
        odp_systemd_locate_drop(s, "the service manager cannot be asked");
}
