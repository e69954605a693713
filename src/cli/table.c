// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Rows and columns of `odp status`. Every column is one function from a service to a cell.

#include "odp/cli/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/time.h"
#include "odp/cli/text.h"

#define GAP 2 // spaces between columns

struct cell {
    struct odp_buf text;
    const char *colour; // NULL for none
};

struct column {
    const char *title;
    bool right;
    void (*fill)(const cJSON *service, struct cell *ret);
};

static const struct {
    const char *state, *colour;
} state_colours[] = {
    {"ready", "\033[32m"},    {"starting", "\033[33m"}, {"draining", "\033[33m"},
    {"stopping", "\033[33m"}, {"failed", "\033[31m"},   {"invalid", "\033[31m"},
    {"stopped", "\033[2m"},
};

static const char *string_at(const cJSON *service, const char *key)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(service, key));

    return s && *s ? s : NULL;
}

// The number at `key`; -1 where it is null or no amount.
static double amount_at(const cJSON *service, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(service, key);

    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 1e15
               ? item->valuedouble
               : -1;
}

static void fill_count(const cJSON *service, const char *key, struct cell *ret)
{
    double n = amount_at(service, key);

    if (n >= 0)
        odp_buf_printf(&ret->text, "%.0f", n);
}

static void fill_service(const cJSON *service, struct cell *ret)
{
    const char *name = string_at(service, "name");

    if (name)
        odp_text_add(&ret->text, name);
}

static void fill_state(const cJSON *service, struct cell *ret)
{
    const char *state = string_at(service, "state");

    if (!state)
        return;
    odp_text_add(&ret->text, state);
    for (size_t i = 0; i < sizeof(state_colours) / sizeof(*state_colours); i++)
        if (strcmp(state_colours[i].state, state) == 0)
            ret->colour = state_colours[i].colour;
}

static void fill_listen(const cJSON *service, struct cell *ret)
{
    const cJSON *listen = cJSON_GetObjectItemCaseSensitive(service, "listen");
    const cJSON *item;

    cJSON_ArrayForEach(item, listen)
    {
        if (!cJSON_IsString(item))
            continue;
        if (ret->text.n_bytes > 0)
            odp_buf_add(&ret->text, ",", 1);
        odp_text_add(&ret->text, item->valuestring);
    }
}

static void fill_connections(const cJSON *service, struct cell *ret)
{
    fill_count(service, "connections", ret);
}

static void fill_waiting(const cJSON *service, struct cell *ret)
{
    fill_count(service, "waiting", ret);
}

static void fill_sleeps_in(const cJSON *service, struct cell *ret)
{
    double seconds = amount_at(service, "sleeps_in_seconds");
    uint64_t rounded = seconds < 0 ? 0 : (uint64_t)(seconds + 0.5);
    char span[ODP_SPAN_MAX];

    if (seconds < 0)
        return;
    if (rounded == 0 || rounded > ODP_NEVER / ODP_USEC_PER_SEC)
        odp_buf_printf(&ret->text, "%" PRIu64 "s", rounded);
    else
        odp_buf_printf(&ret->text, "%s",
                       odp_span_format(rounded * ODP_USEC_PER_SEC, span, sizeof(span)));
}

static void fill_memory(const cJSON *service, struct cell *ret)
{
    double bytes = amount_at(service, "memory_bytes");

    if (bytes >= 0)
        odp_text_add_bytes(&ret->text, bytes);
}

static void fill_wakes(const cJSON *service, struct cell *ret)
{
    fill_count(service, "wakes", ret);
}

static void fill_asleep(const cJSON *service, struct cell *ret)
{
    double asleep = amount_at(service, "asleep_seconds");
    double awake = amount_at(service, "awake_seconds");

    if (asleep >= 0 && awake >= 0 && asleep + awake > 0)
        odp_buf_printf(&ret->text, "%.0f%%", 100 * asleep / (asleep + awake));
}

static const struct column columns[] = {
    {"SERVICE", false, fill_service}, {"STATE", false, fill_state},
    {"LISTEN", false, fill_listen},   {"CONNS", true, fill_connections},
    {"WAITING", true, fill_waiting},  {"SLEEPS IN", false, fill_sleeps_in},
    {"MEMORY", false, fill_memory},   {"WAKES", true, fill_wakes},
    {"ASLEEP", true, fill_asleep},
};

#define N_COLUMNS (sizeof(columns) / sizeof(*columns))

typedef struct cell row[N_COLUMNS];

static void row_fill(row r, const cJSON *service)
{
    for (size_t i = 0; i < N_COLUMNS; i++) {
        columns[i].fill(service, &r[i]);
        if (r[i].text.n_bytes == 0)
            odp_buf_add(&r[i].text, "-", 1);
    }
}

static const char *cell_text(const struct cell *c)
{
    return c->text.s ? c->text.s : "";
}

static void row_print(const row r, const size_t *widths, bool colour, struct odp_buf *ret)
{
    for (size_t i = 0; i < N_COLUMNS; i++) {
        const char *text = cell_text(&r[i]);
        int pad = (int)(widths[i] - odp_text_width(text));
        bool last = i == N_COLUMNS - 1;
        bool coloured = colour && r[i].colour;

        odp_buf_printf(ret, "%*s%s%s%s", columns[i].right ? pad : 0, "",
                       coloured ? r[i].colour : "", text, coloured ? "\033[0m" : "");
        if (!last)
            odp_buf_printf(ret, "%*s", (columns[i].right ? 0 : pad) + GAP, "");
        ret->failed |= r[i].text.failed;
    }
    odp_buf_add(ret, "\n", 1);
}

static void rows_print(row *rows, size_t n_rows, bool colour, struct odp_buf *ret)
{
    size_t widths[N_COLUMNS] = {0};

    for (size_t i = 0; i < n_rows; i++)
        for (size_t j = 0; j < N_COLUMNS; j++) {
            size_t width = odp_text_width(cell_text(&rows[i][j]));

            widths[j] = width > widths[j] ? width : widths[j];
        }
    for (size_t i = 0; i < n_rows; i++)
        row_print(rows[i], widths, colour, ret);
}

static void reason_print(const cJSON *service, struct odp_buf *ret)
{
    const char *name = string_at(service, "name");
    const char *state = string_at(service, "state");
    const char *reason = string_at(service, "reason");

    if (!name || !state)
        return;
    // What else is to be known stands behind the reason; of a sound service it is all there is to
    // say.
    if (strcmp(state, "failed") != 0 && strcmp(state, "invalid") != 0)
        reason = string_at(service, "note");
    if (!reason)
        return;
    odp_text_add(ret, name);
    odp_buf_add(ret, ": ", 2);
    odp_text_add(ret, reason);
    odp_buf_add(ret, "\n", 1);
}

void odp_table_status(const cJSON *services, bool colour, struct odp_buf *ret)
{
    size_t n_rows = (size_t)cJSON_GetArraySize(services) + 1, n = 0;
    row *rows;
    const cJSON *service;

    if (n_rows == 1) {
        odp_buf_printf(ret, "no services: write /etc/odp/services/NAME.ini\n");
        return;
    }
    rows = calloc(n_rows, sizeof(*rows));
    if (!rows) {
        ret->failed = true;
        return;
    }
    for (size_t i = 0; i < N_COLUMNS; i++)
        odp_buf_printf(&rows[0][i].text, "%s", columns[i].title);
    cJSON_ArrayForEach(service, services) row_fill(rows[++n], service);
    rows_print(rows, n_rows, colour, ret);
    cJSON_ArrayForEach(service, services) reason_print(service, ret);

    for (size_t i = 0; i < n_rows * N_COLUMNS; i++)
        odp_buf_deinit(&rows[i / N_COLUMNS][i % N_COLUMNS].text);
    free(rows);
}
