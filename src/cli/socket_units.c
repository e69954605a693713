// SPDX-License-Identifier: LGPL-2.1-or-later
//
// systemctl, and what it tells of odp's socket units.

#include "odp/cli/socket_units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/cli/run.h"

#define EVERY_SOCKET ODP_UNITS_PREFIX "*" ODP_UNITS_SUFFIX
#define OWN_SOCKET   "odp-launcher.socket" // odp's own, not a service's
#define PATIENCE_SEC                                                                               \
    300 // a restart of odpd waits for its end, and no unit may hold that up so long

// ---- systemctl ---------------------------------------------------------------------------------

static void take_last_line(char *text, char *why, size_t why_size)
{
    size_t n = text ? strlen(text) : 0;

    while (n > 0 && text[n - 1] == '\n')
        text[--n] = '\0';
    const char *newline = text ? strrchr(text, '\n') : NULL;
    snprintf(why, why_size, "%s", newline ? newline + 1 : text ? text : "");
}

int odp_systemctl(bool is_user, const char *const *words, char **ret_out, char *why,
                  size_t why_size)
{
    struct odp_words w = {0};
    char *out = NULL, *err = NULL;

    odp_words_add(&w, "systemctl");
    odp_words_add(&w, is_user ? "--user" : "--system");
    odp_words_add(&w, "--no-pager");
    for (; *words; words++)
        odp_words_add(&w, "%s", *words);
    int r = w.failed ? -ENOMEM : odp_run(w.items, PATIENCE_SEC, &out, &err);
    if (r > 0)
        take_last_line(err, why, why_size);
    if (ret_out)
        *ret_out = out;
    else
        free(out);
    free(err);
    odp_words_deinit(&w);
    return r;
}

// ---- what it shows -----------------------------------------------------------------------------

// What is written down of one unit, as its lines come.
struct block {
    struct odp_socket_unit unit;
    char id[256];
};

// What a live socket does not follow.
static const char *const listen_keys[] = {"Listen=", "SocketMode=", "SocketUser=", "SocketGroup="};

static void take_line(struct block *b, const char *line, size_t n)
{
    struct odp_socket_unit *u = &b->unit;
    const struct {
        const char *key;
        char *value;
        size_t size;
    } keys[] = {{"Id=", b->id, sizeof(b->id)},
                {"LoadState=", u->load, sizeof(u->load)},
                {"ActiveState=", u->active, sizeof(u->active)},
                {"Result=", u->result, sizeof(u->result)}};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t n_key = strlen(keys[i].key);
        if (n >= n_key && memcmp(line, keys[i].key, n_key) == 0)
            snprintf(keys[i].value, keys[i].size, "%.*s", (int)(n - n_key), line + n_key);
    }
    for (size_t i = 0; i < sizeof(listen_keys) / sizeof(listen_keys[0]); i++)
        if (n > strlen(listen_keys[i]) && memcmp(line, listen_keys[i], strlen(listen_keys[i])) == 0)
            odp_buf_printf(&u->listen, "%.*s\n", (int)n, line);
}

static int add_block(struct odp_socket_units *all, struct block *b)
{
    struct odp_socket_unit *items;

    if (strcmp(b->id, ODP_UNITS_ODPD) == 0) {
        memcpy(all->odpd_load, b->unit.load, sizeof(all->odpd_load));
        memcpy(all->odpd_active, b->unit.active, sizeof(all->odpd_active));
    }
    if (strncmp(b->id, ODP_UNITS_PREFIX, strlen(ODP_UNITS_PREFIX)) != 0 ||
        strlen(b->id) > ODP_UNITS_NAME_MAX || strcmp(b->id, OWN_SOCKET) == 0 ||
        odp_socket_units_find(all, b->id)) {
        odp_buf_deinit(&b->unit.listen);
        return 0;
    }
    items = reallocarray(all->items, all->n + 1, sizeof(*items));
    if (!items || b->unit.listen.failed) {
        odp_buf_deinit(&b->unit.listen);
        return -ENOMEM;
    }
    memcpy(b->unit.name, b->id, strlen(b->id) + 1); // its length was looked at
    all->items = items;
    all->items[all->n++] = b->unit;
    return 0;
}

int odp_socket_units_parse(const char *text, struct odp_socket_units *ret)
{
    struct block b = {0};
    int r = 0;

    *ret = (struct odp_socket_units){0};
    for (const char *line = text; r == 0 && *line;) {
        size_t n = strcspn(line, "\n");
        if (n > 0)
            take_line(&b, line, n);
        line += n + (line[n] == '\n');
        if (n > 0 && *line)
            continue;
        r = add_block(ret, &b); // an empty line, or the end
        b = (struct block){0};
    }
    return r;
}

int odp_socket_units_ask(bool is_user, char *const *services, size_t n_services,
                         struct odp_socket_units *ret, char *why, size_t why_size)
{
    static const char *const head[] = {"show",
                                       "--property=Id,LoadState,ActiveState,Result,Listen,"
                                       "SocketMode,SocketUser,SocketGroup",
                                       "--", ODP_UNITS_ODPD, EVERY_SOCKET};
    const size_t n_head = sizeof(head) / sizeof(head[0]);
    char(*names)[ODP_UNITS_NAME_MAX + 1] = calloc(n_services + 1, sizeof(*names));
    const char **words = calloc(n_head + n_services + 1, sizeof(*words));
    char *text = NULL;
    int r = names && words ? 0 : -ENOMEM;

    *ret = (struct odp_socket_units){0};
    for (size_t i = 0; i < n_head && r == 0; i++)
        words[i] = head[i];
    for (size_t i = 0; i < n_services && r == 0; i++)
        words[n_head + i] = odp_units_name(services[i], names[i], sizeof(names[i]));
    if (r == 0)
        r = odp_systemctl(is_user, words, &text, why, why_size);
    if (r == 0 && text)
        r = odp_socket_units_parse(text, ret);
    free(text);
    free(words);
    free(names);
    return r;
}

const struct odp_socket_unit *odp_socket_units_find(const struct odp_socket_units *u,
                                                    const char *name)
{
    for (size_t i = 0; i < u->n; i++)
        if (strcmp(u->items[i].name, name) == 0)
            return &u->items[i];
    return NULL;
}

bool odp_socket_unit_is_active(const struct odp_socket_unit *u)
{
    return u && strcmp(u->active, "active") == 0;
}

void odp_socket_units_deinit(struct odp_socket_units *u)
{
    for (size_t i = 0; i < u->n; i++)
        odp_buf_deinit(&u->items[i].listen);
    free(u->items);
    *u = (struct odp_socket_units){0};
}
