// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The trace of a run, one line for whatever a machine did or a client saw, and how two of them
// differ.

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct odp_buf *sim_trace;
bool sim_trace_is_short;

void sim_say(const struct fake_service *s, const char *format, ...)
{
    char text[768];
    va_list args;

    if (!sim_trace || (sim_trace_is_short && s && format[0] == ':'))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    odp_buf_printf(sim_trace, "[%4llu] %s%s\n",
                   (unsigned long long)(fake_time_since_begin() / ODP_USEC_PER_MS),
                   s ? s->name : "odpd", text);
}

// FNV-1a over the moment and what happened.
void sim_note(struct fake_service *s, uint64_t what)
{
    const uint64_t prime = UINT64_C(0x100000001b3);

    s->digest = (s->digest ^ fake_time_since_begin()) * prime;
    s->digest = (s->digest ^ what) * prime;
}

struct fake_service *sim_service_of(const struct odp_managed *m)
{
    return fake_service_find(m->config->name);
}

// ---- differences -------------------------------------------------------------------------------

struct lines {
    const char **at;
    size_t n;
};

static struct lines split(const char *text)
{
    struct lines l = {.at = calloc(strlen(text) + 2, sizeof(*l.at))};

    for (const char *p = text; *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : p + strlen(p))
        l.at[l.n++] = p;
    return l;
}

static size_t length_of(const char *line)
{
    return strcspn(line, "\n");
}

static bool equal(const char *a, const char *b)
{
    return length_of(a) == length_of(b) && strncmp(a, b, length_of(a)) == 0;
}

// The longest common lines from (i, j) on, for all i and j.
static unsigned *common_lines(const struct lines *a, const struct lines *b)
{
    size_t width = b->n + 1;
    unsigned *length = calloc((a->n + 1) * width, sizeof(*length));

    for (size_t i = a->n; i-- > 0;)
        for (size_t j = b->n; j-- > 0;) {
            unsigned down = length[(i + 1) * width + j], right = length[i * width + j + 1];
            length[i * width + j] = equal(a->at[i], b->at[j]) ? length[(i + 1) * width + j + 1] + 1
                                    : down >= right           ? down
                                                              : right;
        }
    return length;
}

void sim_diff(FILE *f, const char *text_a, const char *text_b)
{
    struct lines a = split(text_a), b = split(text_b);
    unsigned *length = common_lines(&a, &b);
    size_t i = 0, j = 0, width = b.n + 1;

    while (i < a.n || j < b.n) {
        if (i < a.n && j < b.n && equal(a.at[i], b.at[j])) {
            fprintf(f, "  %.*s\n", (int)length_of(a.at[i]), a.at[i]);
            i++, j++;
        } else if (j == b.n ||
                   (i < a.n && length[(i + 1) * width + j] >= length[i * width + j + 1])) {
            fprintf(f, "- %.*s\n", (int)length_of(a.at[i]), a.at[i]);
            i++;
        } else {
            fprintf(f, "+ %.*s\n", (int)length_of(b.at[j]), b.at[j]);
            j++;
        }
    }
    free(length);
    free(a.at);
    free(b.at);
}
