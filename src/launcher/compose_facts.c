// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Labels to members and edges; see the header.

#include "odp/launcher/compose_facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/compose.h"
#include "odp/core/json.h"
#include "odp/launcher/reason.h"

#define ID_MIN 12 // hexadecimal digits

#define IN_ITS_NETWORK "container:" // before another container's id, as network_mode of an engine

// ---- members -----------------------------------------------------------------------------------

// Names begin with a slash; a link's has another one behind.
static const char *name_of(const cJSON *container)
{
    const cJSON *name, *names = cJSON_GetObjectItemCaseSensitive(container, "Names");

    cJSON_ArrayForEach(name, names)
    {
        const char *s = cJSON_GetStringValue(name);
        if (s && !strchr(s + 1, '/'))
            return s[0] == '/' ? s + 1 : s;
    }
    return odp_json_text(container, "Id");
}

// network_mode: service:vpn in the project's file. "" for none.
static const char *network_owner_of(const cJSON *container)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(container, "HostConfig");
    const char *mode = odp_json_text(config, "NetworkMode");
    size_t n = strlen(IN_ITS_NETWORK);

    return strncmp(mode, IN_ITS_NETWORK, n) == 0 ? mode + n : "";
}

static int take_member(struct odp_compose_project *p, const cJSON *container)
{
    const cJSON *labels = cJSON_GetObjectItemCaseSensitive(container, "Labels");
    struct odp_compose_member *m = &p->members[p->n_members];

    const char *id = odp_json_text(container, "Id");
    size_t n_id = strspn(id, "0123456789abcdef"); // it stands in paths of requests

    if (n_id < ID_MIN || id[n_id] != '\0')
        return -EBADMSG;
    if (strcasecmp(odp_json_text(labels, ODP_COMPOSE_ONEOFF), "true") == 0)
        return 0;
    *m = (struct odp_compose_member){
        .id = strdup(id),
        .name = strdup(name_of(container)),
        .service = strdup(odp_json_text(labels, ODP_COMPOSE_SERVICE)),
        .waits_for = strdup(odp_json_text(labels, ODP_COMPOSE_LABEL("depends_on"))),
        .network_owner = strdup(network_owner_of(container))};
    p->n_members++;
    return m->id && m->name && m->service && m->waits_for && m->network_owner ? 0 : -ENOMEM;
}

static int compare(const void *a, const void *b)
{
    const struct odp_compose_member *m = a, *other = b;
    int r = strcmp(m->service, other->service);

    return r != 0 ? r : strverscmp(m->name, other->name);
}

int odp_compose_read(const char *body, size_t n_bytes, struct odp_compose_project *ret)
{
    cJSON *json = cJSON_ParseWithLength(body, n_bytes);
    const cJSON *container;
    int r = cJSON_IsArray(json) ? 0 : -EBADMSG;

    *ret = (struct odp_compose_project){0};
    if (r == 0)
        ret->members = calloc((size_t)cJSON_GetArraySize(json) + 1, sizeof(*ret->members));
    if (r == 0 && !ret->members)
        r = -ENOMEM;
    for (container = r == 0 ? json->child : NULL; container && r == 0; container = container->next)
        r = take_member(ret, container);
    cJSON_Delete(json);
    if (r == 0)
        qsort(ret->members, ret->n_members, sizeof(*ret->members), compare);
    return r;
}

static void member_deinit(struct odp_compose_member *m)
{
    free(m->id);
    free(m->name);
    free(m->service);
    free(m->waits_for);
    free(m->network_owner);
    *m = (struct odp_compose_member){0};
}

void odp_compose_deinit(struct odp_compose_project *p)
{
    for (size_t i = 0; i < p->n_members; i++)
        member_deinit(&p->members[i]);
    free(p->members);
    *p = (struct odp_compose_project){0};
}

// ---- those that were ---------------------------------------------------------------------------

static bool has_service(const struct odp_compose_project *p, size_t n, const char *service)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(p->members[i].service, service) == 0)
            return true;
    return false;
}

int odp_compose_remember(struct odp_compose_project *known, struct odp_compose_project *found)
{
    size_t n_found = found->n_members;
    struct odp_compose_member *members =
        reallocarray(found->members, n_found + known->n_members + 1, sizeof(*members));

    if (!members)
        return -ENOMEM;
    found->members = members;
    for (size_t i = 0; i < known->n_members; i++) {
        struct odp_compose_member *m = &known->members[i];
        if (has_service(found, n_found, m->service))
            continue;
        members[found->n_members] = *m;
        members[found->n_members++].is_gone = true;
        *m = (struct odp_compose_member){0};
    }
    odp_compose_deinit(known);
    *known = *found;
    *found = (struct odp_compose_project){0};
    return 0;
}

const char *odp_compose_gone(const struct odp_compose_project *known)
{
    for (size_t i = 0; i < known->n_members; i++)
        if (known->members[i].is_gone)
            return known->members[i].name;
    return NULL;
}

// ---- who waits for whom ------------------------------------------------------------------------

// SERVICE:CONDITION:RESTART; early versions wrote SERVICE alone, and mean what `docker compose
// start` makes of that: healthy where it can be. Nothing better can be made of a new word.
static enum odp_condition condition_of(const char *word, size_t n)
{
    static const struct {
        const char *word;
        enum odp_condition condition;
    } words[] = {{"service_started", ODP_CONDITION_STARTED},
                 {"service_healthy", ODP_CONDITION_HEALTHY},
                 {"service_completed_successfully", ODP_CONDITION_COMPLETED}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i].word) == n && memcmp(words[i].word, word, n) == 0)
            return words[i].condition;
    return ODP_CONDITION_SOUND;
}

// All containers of the member's service wait, all of the other service are waited for.
static int add_dependency(const struct odp_compose_project *p, size_t then, const char *entry,
                          size_t n_entry, struct odp_order *ret, bool *ret_found)
{
    size_t n_service = strcspn(entry, ":,"), n_rest = n_entry - n_service;
    const char *word = n_rest > 0 ? entry + n_service + 1 : "";
    enum odp_condition condition = condition_of(word, n_rest > 0 ? strcspn(word, ":,") : 0);
    int r = 0;

    *ret_found = false;
    for (size_t i = 0; i < p->n_members && r == 0; i++) {
        const char *service = p->members[i].service;
        if (strlen(service) != n_service || memcmp(service, entry, n_service) != 0)
            continue;
        *ret_found = true;
        r = odp_order_add(ret, i, then, condition);
    }
    return r;
}

static int add_label(const struct odp_compose_project *p, bool is_whole, size_t then,
                     struct odp_order *ret, char *why, size_t why_size)
{
    bool is_found;
    int r = 0;

    for (const char *at = p->members[then].waits_for; *at && r == 0;) {
        size_t n = strcspn(at, ",");
        r = n > 0 ? add_dependency(p, then, at, n, ret, &is_found) : 0;
        if (r == 0 && n > 0 && !is_found && !is_whole && !why[0])
            odp_reason_format(why, why_size,
                              "container %s: waits for the service %.*s of its project, which has "
                              "no container: make it with docker compose up --no-start, or write "
                              "`file = /path/to/compose.yaml` in [backend]",
                              p->members[then].name, (int)strcspn(at, ":,"), at);
        at += n + (at[n] == ',');
    }
    return r;
}

static bool is_called(const struct odp_compose_member *m, const char *line)
{
    size_t n = strlen(line);

    return strcmp(m->name, line) == 0 || (n >= ID_MIN && strncmp(m->id, line, n) == 0);
}

// An engine starts nothing in the network of a container that does not run.
static int add_network(const struct odp_compose_project *p, size_t then, struct odp_order *ret)
{
    for (size_t i = 0; i < p->n_members; i++)
        if (is_called(&p->members[i], p->members[then].network_owner))
            return odp_order_add(ret, i, then, ODP_CONDITION_STARTED);
    return 0;
}

static int add_lines(const struct odp_compose_project *p, char *const *lines, struct odp_order *ret,
                     char *why, size_t why_size)
{
    size_t before = p->n_members, at;
    int r = 0;

    for (; *lines && r == 0; lines++) {
        for (at = 0; at < p->n_members && !is_called(&p->members[at], *lines); at++)
            ;
        if (at == p->n_members && !why[0])
            odp_reason_format(why, why_size,
                              "its project has no container %s ([backend] container)", *lines);
        if (at < p->n_members && before < p->n_members)
            r = odp_order_add(ret, before, at, ODP_CONDITION_STARTED);
        before = at < p->n_members ? at : before;
    }
    return r;
}

int odp_compose_order(const struct odp_compose_project *p, bool is_whole, char *const *lines,
                      struct odp_order *ret, char *why, size_t why_size)
{
    size_t node;
    int r = 0;

    *ret = (struct odp_order){0};
    why[0] = '\0';
    for (size_t i = 0; i < p->n_members && r == 0; i++) {
        r = add_label(p, is_whole, i, ret, why, why_size);
        if (r == 0)
            r = add_network(p, i, ret);
    }
    if (r == 0)
        r = add_lines(p, lines, ret, why, why_size);
    if (r < 0)
        return r;
    if (odp_order_goes_round(ret, p->n_members, &node)) {
        odp_reason_format(why, why_size,
                          "container %s: waits, by others, for itself: see depends_on of its "
                          "project, and the container lines of [backend]",
                          p->members[node].name);
        odp_order_deinit(ret);
        return ODP_COMPOSE_E_ROUND;
    }
    return why[0] ? ODP_COMPOSE_E_INCOMPLETE : 0;
}
