// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Golden traces: a file tells what happens from outside, and beneath each such line stands what
// odpd did about it. The file is carried out and written anew; it must come out as it was.
//
//     # Comment.
//     service NAME               a service; indented lines below it belong into its file
//     freezes NAME SPAN          it is frozen rather than stopped, and stopped after SPAN
//     from the start             without it, all services are known to be stopped at time 0
//     without clients            what single clients see is left out
//     at MS WHO: WHAT; WHAT      stimulus.c has the words
//     [  MS] NAME ...            what followed

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct script {
    const char *path;
    struct odp_buf out;   // the file as it should be
    struct odp_buf trace; // since the last flush
    bool from_start;
    unsigned line;
};

static void flush(struct script *g)
{
    if (g->trace.n_bytes > 0)
        odp_buf_add(&g->out, g->trace.s, g->trace.n_bytes);
    g->trace.n_bytes = 0;
}

static _Noreturn void bad_line(const struct script *g, const char *line)
{
    sim_fail("the script", "%s:%u: cannot make sense of this line: %s", g->path, g->line, line);
}

// ---- before it begins --------------------------------------------------------------------------

// The indented lines at `more`; returns where they end.
static const char *take_settings(const char *more, struct odp_buf *b)
{
    while (strncmp(more, "    ", 4) == 0) {
        size_t n = strcspn(more, "\n") + 1;
        odp_buf_add(b, more + 4, n - 4);
        more += n;
    }
    return more;
}

static const char *take_service(struct script *g, const char *line, const char *more)
{
    char name[ODP_NAME_MAX + 1];
    struct odp_buf b = {0};

    if (sscanf(line, "service %63s", name) != 1)
        bad_line(g, line);
    const char *end = take_settings(more, &b);
    fake_service_add(name, b.s ? b.s : "", false);
    odp_buf_add(&g->out, more, (size_t)(end - more));
    for (const char *p = more; p < end; p++)
        g->line += *p == '\n';
    odp_buf_deinit(&b);
    return end;
}

static void take_freezes(struct script *g, const char *line)
{
    char name[ODP_NAME_MAX + 1], span[ODP_SPAN_MAX];
    struct fake_service *s;

    if (sscanf(line, "freezes %63s %63s", name, span) != 2 || !(s = fake_service_find(name)) ||
        odp_span_parse(span, &s->stop_after_usec) < 0)
        bad_line(g, line);
    s->way = SIM_BY_SETTINGS;
}

// Up to the moment when all services are known to be stopped, without a trace.
static void begin(struct script *g)
{
    struct odp_buf *trace = sim_trace;

    if (!g->from_start)
        sim_trace = NULL;
    sim_begin();
    sim_settle();
    if (!g->from_start) {
        for (unsigned i = 0; i < fake_n_services; i++)
            fake_launcher_say(&fake_services[i], fake_services[i].request_ids[0],
                              ODP_PROTO_INACTIVE, "");
        sim_pass(odp_now_usec() + ODP_USEC_PER_SEC);
    }
    sim_trace = trace;
    fake_time_begin_anew();
}

// ---- line by line ------------------------------------------------------------------------------

static void take_stimulus(struct script *g, const char *line)
{
    unsigned long long ms;
    char who[ODP_NAME_MAX + 1], what[256], *save = NULL;
    int n = 0;

    if (sscanf(line, "at %llu %63[^:]: %n", &ms, who, &n) != 2 || n == 0)
        bad_line(g, line);
    if (!sim.began)
        begin(g);
    uint64_t at_usec = odp_now_usec() - fake_time_since_begin() + ms * ODP_USEC_PER_MS;
    if (at_usec < odp_now_usec())
        sim_fail("the script", "%s:%u: it goes back in time: %s", g->path, g->line, line);
    if (at_usec > odp_now_usec())
        sim_pass(at_usec - 1);
    flush(g);
    odp_buf_printf(&g->out, "%s\n", line);
    fake_time_set(at_usec);
    snprintf(what, sizeof(what), "%s", line + n);
    for (char *w = strtok_r(what, ";", &save); w; w = strtok_r(NULL, ";", &save))
        if (!sim_stimulus(who, w + strspn(w, " ")))
            bad_line(g, line);
    sim_settle();
    flush(g);
}

static const char *take_line(struct script *g, const char *line, const char *more)
{
    if (line[0] == '[')
        return more;
    if (strncmp(line, "at ", 3) == 0) {
        take_stimulus(g, line);
        return more;
    }
    odp_buf_printf(&g->out, "%s\n", line);
    if (line[0] == '#' || line[0] == '\0')
        return more;
    if (strncmp(line, "service ", 8) == 0)
        return take_service(g, line, more);
    if (strncmp(line, "freezes ", 8) == 0)
        take_freezes(g, line);
    else if (strcmp(line, "without clients") == 0)
        sim_trace_is_short = true;
    else if (strcmp(line, "from the start") == 0)
        g->from_start = true;
    else
        bad_line(g, line);
    return more;
}

// True if no check failed.
static bool run_script(struct script *g, const char *text)
{
    sim_reset();
    sim_trace_is_short = false;
    sim_trace = &g->trace;
    if (setjmp(sim.on_failure) != 0) {
        flush(g);
        sim_trace = NULL;
        return false;
    }
    for (const char *p = text; *p;) {
        char line[512];
        size_t n = strcspn(p, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)n, p);
        g->line++;
        p = take_line(g, line, p + n + (p[n] == '\n'));
    }
    sim_trace = NULL;
    if (sim.began)
        sim_end();
    return true;
}

// What differs is shown, or written.
static bool compare(const struct script *g, const char *text, bool rewrite)
{
    const char *now = g->out.s ? g->out.s : "";

    if (strcmp(text, now) == 0)
        return true;
    if (!rewrite) {
        printf("FAILED: golden: %s (- as it should be, + as it is)\n", g->path);
        sim_diff(stdout, text, now);
        return false;
    }
    int r = odp_file_replace(g->path, now, g->out.n_bytes);
    printf("%s: written anew: %s\n", g->path, r < 0 ? strerror(-r) : "read it");
    return r == 0;
}

static bool run_file(const char *path, const char *text, const struct sim_options *o)
{
    struct script g = {.path = path};

    sim_running(path);
    bool ok = run_script(&g, text);
    if (ok)
        ok = compare(&g, text, o->rewrite);
    else
        printf("%s\nFAILED: golden: %s: %s: %s\n", g.out.s ? g.out.s : "", path, sim.check,
               sim.message);
    odp_buf_deinit(&g.out);
    odp_buf_deinit(&g.trace);
    return ok;
}

static int is_script(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);

    return n > 4 && strcmp(entry->d_name + n - 4, ".txt") == 0;
}

bool sim_golden(const char *directory, const struct sim_options *o)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, is_script, alphasort);
    unsigned n_run = 0, n_failed = 0;

    for (int i = 0; i < n; i++) {
        char path[4096], *text;
        size_t n_bytes;
        snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
        free(entries[i]);
        if (o->only && !strstr(path, o->only))
            continue;
        n_run++;
        if (odp_file_read(path, 1 << 20, &text, &n_bytes) < 0) {
            printf("FAILED: cannot read %s\n", path);
            n_failed++;
            continue;
        }
        n_failed += !run_file(path, text, o);
        free(text);
    }
    if (n >= 0)
        free(entries);
    printf("golden traces: %u, of which %u failed\n", n_run, n_failed);
    return n_run > 0 && n_failed == 0;
}
