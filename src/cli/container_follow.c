// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp logs -f of containers. The engines' programs follow a container to its end and no further, so
// the engine is asked for events besides: with each start a program is run anew. All of that is in
// a process of its own, beside the one that shows odp's own lines.

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/time.h"
#include "odp/cli/cli.h"
#include "odp/cli/client.h"
#include "odp/cli/container_logs.h"
#include "odp/cli/containers.h"
#include "odp/cli/engine_get.h"
#include "odp/cli/journal.h"
#include "odp/core/compose.h"
#include "odp/core/engine_time.h"
#include "odp/core/json.h"

#define PATH_BYTES_MAX 512
#define PAUSE_MIN_MS   100
#define PAUSE_MAX_MS   5000
#define ID_MIN         12 // hexadecimal digits

struct follower {
    cJSON *container;      // owned
    pid_t pid;             // of the program; 0: none runs
    uint64_t started_usec; // when the run began that it has shown
    uint64_t ended_usec;   // when the program ended
    bool looks_again;      // the container was started meanwhile
};

struct follow {
    cJSON *why; // borrowed
    size_t n_lines;
    struct odp_engine_place place;
    struct follower *items;
    size_t n;
    int children;             // a signalfd
    struct odp_client stream; // of events; its fd is -1 while there is none
    struct odp_engine_answer answer;
    int pause_ms;
};

// ---- one container -----------------------------------------------------------------------------

static void begin(struct follower *x, size_t n_lines, uint64_t since_usec)
{
    const struct odp_container_lines lines = {
        .follows = true, .n_lines = n_lines, .since_usec = since_usec};
    pid_t pid = odp_container_logs_begin(x->container, &lines);

    x->pid = pid > 0 ? pid : 0;
}

// Returns when its present run began; 0: it does not run, or nobody can be asked.
static uint64_t find_run(const struct follow *f, const struct follower *x, uint64_t *ret_ended_usec)
{
    char path[PATH_BYTES_MAX];
    uint64_t started_usec = 0;
    cJSON *inspect = NULL;
    unsigned status = 0;

    snprintf(path, sizeof(path), "/containers/%s/json", odp_json_text(x->container, "name"));
    int r = odp_engine_get(f->place.socket, path, &status, &inspect);
    const cJSON *run = odp_json_member(inspect, "State");
    *ret_ended_usec = odp_engine_time_read(odp_json_text(run, "FinishedAt"));
    if (r == 0 && status == 200 && cJSON_IsTrue(odp_json_member(run, "Running")))
        started_usec = odp_engine_time_read(odp_json_text(run, "StartedAt"));
    cJSON_Delete(inspect);
    return started_usec;
}

// Its first lines may be older than what the engine calls its start, and its last ones younger than
// its end: in between there are none.
static void look(const struct follow *f, struct follower *x)
{
    uint64_t ended_usec, started_usec;

    x->looks_again = x->pid > 0;
    if (x->pid > 0)
        return;
    started_usec = find_run(f, x, &ended_usec);
    if (started_usec == 0)
        return;
    if (started_usec == x->started_usec)
        begin(x, ODP_JOURNAL_ALL_LINES, x->ended_usec); // the engine has let go of the program
    else
        begin(x, ODP_JOURNAL_ALL_LINES, ended_usec / 2 + started_usec / 2);
    x->started_usec = started_usec;
}

// ---- all of them -------------------------------------------------------------------------------

static struct follower *find(const struct follow *f, const char *name, const char *id)
{
    for (size_t i = 0; i < f->n; i++) {
        const char *own = odp_json_text(f->items[i].container, "name");
        if (strcmp(own, name) == 0 || (strlen(own) >= ID_MIN && strncmp(id, own, strlen(own)) == 0))
            return &f->items[i];
    }
    return NULL;
}

// NULL: out of memory.
static struct follower *add(struct follow *f, const cJSON *container)
{
    struct follower *items = reallocarray(f->items, f->n + 1, sizeof(*items));

    if (!items)
        return NULL;
    f->items = items;
    items[f->n] = (struct follower){.container = cJSON_Duplicate(container, true)};
    return items[f->n].container ? &items[f->n++] : NULL;
}

// Those that have come are shown as they are, and the last lines of those that were there.
static void look_all(struct follow *f, size_t n_lines)
{
    const cJSON *c;

    odp_containers_find(f->why);
    for (size_t i = 0; i < f->n; i++)
        look(f, &f->items[i]);
    cJSON_ArrayForEach(c, odp_json_member(f->why, "containers"))
    {
        uint64_t ended_usec;
        struct follower *x = find(f, odp_json_text(c, "name"), "") ? NULL : add(f, c);
        if (!x)
            continue;
        x->started_usec = find_run(f, x, &ended_usec);
        begin(x, n_lines, 0);
    }
}

static void reap(struct follow *f)
{
    struct signalfd_siginfo info;
    pid_t pid;

    (void)!read(f->children, &info, sizeof(info));
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        for (size_t i = 0; i < f->n; i++) {
            struct follower *x = &f->items[i];
            if (x->pid != pid)
                continue;
            x->pid = 0;
            x->ended_usec = odp_realtime_usec();
            if (x->looks_again)
                look(f, x);
        }
}

// ---- events ------------------------------------------------------------------------------------

static void on_line(struct follow *f, const char *line, size_t n_bytes)
{
    cJSON *json = cJSON_ParseWithLength(line, n_bytes);
    const cJSON *actor = odp_json_member(json, "Actor");
    const char *name = odp_json_text(odp_json_member(actor, "Attributes"), "name");
    struct follower *x = find(f, name, odp_json_text(actor, "ID"));

    if (x)
        look(f, x);
    else if (cJSON_IsObject(odp_json_member(f->why, "project")) && *name)
        look_all(f, ODP_JOURNAL_ALL_LINES); // it has been made meanwhile
    cJSON_Delete(json);
}

static void take_lines(struct follow *f)
{
    struct odp_buf *b = &f->answer.text;
    char *end;

    while (b->n_bytes > 0 && (end = memchr(b->s, '\n', b->n_bytes))) {
        size_t n = (size_t)(end + 1 - b->s);
        on_line(f, b->s, n);
        memmove(b->s, end + 1, b->n_bytes - n);
        b->n_bytes -= n;
    }
}

static void close_stream(struct follow *f)
{
    odp_client_deinit(&f->stream);
    odp_buf_deinit(&f->answer.text);
    f->answer = (struct odp_engine_answer){0};
    f->stream.fd = -1;
}

// An engine begins its answer before it listens: events are told from that second on.
static void open_stream(struct follow *f)
{
    const cJSON *project = odp_json_member(f->why, "project");
    char path[PATH_BYTES_MAX], label[PATH_BYTES_MAX / 2] = "";

    if (cJSON_IsObject(project))
        snprintf(label, sizeof(label), ",%%22label%%22:[%%22" ODP_COMPOSE_PROJECT "=%s%%22]",
                 odp_json_text(project, "name"));
    snprintf(path, sizeof(path),
             "/events?since=%lld&filters={%%22type%%22:[%%22container%%22],"
             "%%22event%%22:[%%22start%%22]%s}",
             (long long)time(NULL), label);
    f->pause_ms = f->pause_ms * 2 < PAUSE_MAX_MS ? f->pause_ms * 2 : PAUSE_MAX_MS;
    if (odp_client_connect(f->place.socket, &f->stream) < 0)
        f->stream.fd = -1;
    else if (odp_engine_ask(f->stream.fd, path) < 0)
        close_stream(f);
}

static void read_stream(struct follow *f)
{
    bool is_first = f->answer.head.state == ODP_HTTP_HEAD_MORE;
    int r = odp_engine_answer_read(&f->answer, f->stream.fd);
    bool is_open = f->answer.head.state == ODP_HTTP_HEAD_WHOLE && f->answer.head.status == 200;

    take_lines(f);
    if (is_first && is_open) { // what has happened before nobody tells
        f->pause_ms = PAUSE_MIN_MS;
        look_all(f, ODP_JOURNAL_ALL_LINES);
    }
    if (r < 0 || (f->answer.head.state == ODP_HTTP_HEAD_WHOLE &&
                  (!is_open || f->answer.body.state != ODP_HTTP_BODY_MORE)))
        close_stream(f);
}

// ---- its life ----------------------------------------------------------------------------------

static _Noreturn void run(struct follow *f)
{
    struct pollfd fds[] = {{.fd = f->children, .events = POLLIN}, {.events = POLLIN}};

    look_all(f, f->n_lines);
    open_stream(f);
    for (;;) {
        fds[1].fd = f->stream.fd;
        int r = poll(fds, 2, f->stream.fd < 0 ? f->pause_ms : -1);
        if (r < 0 && errno != EINTR)
            _exit(ODP_EXIT_FAILED);
        if (r > 0 && fds[0].revents)
            reap(f);
        if (r > 0 && fds[1].revents)
            read_stream(f);
        if (r == 0)
            open_stream(f);
    }
}

int odp_container_logs_follow(cJSON *why, size_t n_lines)
{
    struct follow f = {.why = why, .n_lines = n_lines, .stream.fd = -1, .pause_ms = PAUSE_MIN_MS};
    const cJSON *project = odp_json_member(why, "project");
    const cJSON *first = cJSON_IsObject(project)
                             ? project
                             : cJSON_GetArrayItem(odp_json_member(why, "containers"), 0);
    pid_t parent = getpid();
    sigset_t child;

    if (!odp_container_logs_may_ask(first))
        return ODP_EXIT_FAILED;
    odp_containers_place(first, &f.place);
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        odp_complain("the lines of containers cannot be followed: %s", strerror(errno));
        return ODP_EXIT_FAILED;
    }
    if (pid > 0)
        return ODP_EXIT_DONE;
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    f.children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (f.children < 0 || getppid() != parent)
        _exit(ODP_EXIT_FAILED);
    run(&f);
}
