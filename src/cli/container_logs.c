// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs the engines' programs; see the header. What they print and complain of goes straight to whom
// it is for.

#include "odp/cli/container_logs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "odp/base/time.h"
#include "odp/cli/cli.h"
#include "odp/cli/containers.h"
#include "odp/cli/journal.h"
#include "odp/cli/run.h"

static const char *name_of(const cJSON *container)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(container, "name"));

    return name ? name : "";
}

// Podman's own program needs no socket, but for another one's containers.
static bool needs_socket(const cJSON *container, const struct odp_engine_place *place)
{
    bool is_users = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(container, "user"));
    bool is_own = is_users == (geteuid() != 0);
    bool is_named = cJSON_IsString(cJSON_GetObjectItemCaseSensitive(container, "socket"));

    return strcmp(place->engine, "docker") == 0 || is_named || !is_own;
}

static void add_engine(struct odp_words *w, const cJSON *container,
                       const struct odp_engine_place *place)
{
    odp_words_add(w, "%s", place->engine);
    if (strcmp(place->engine, "docker") == 0) {
        odp_words_add(w, "--host=unix://%s", place->socket);
    } else if (needs_socket(container, place)) {
        odp_words_add(w, "--remote");
        odp_words_add(w, "--url=unix://%s", place->socket);
    }
}

static void add_since(struct odp_words *w, uint64_t since_usec)
{
    time_t sec = (time_t)(since_usec / ODP_USEC_PER_SEC);
    char text[32];
    struct tm tm;

    if (since_usec > 0 && gmtime_r(&sec, &tm) && strftime(text, sizeof(text), "%FT%T", &tm) > 0)
        odp_words_add(w, "--since=%s.%06uZ", text, (unsigned)(since_usec % ODP_USEC_PER_SEC));
}

static void add_words(struct odp_words *w, const cJSON *container,
                      const struct odp_engine_place *place, const struct odp_container_lines *lines)
{
    add_engine(w, container, place);
    odp_words_add(w, "logs");
    odp_words_add(w, "--timestamps");
    if (lines->follows)
        odp_words_add(w, "--follow");
    if (lines->n_lines != ODP_JOURNAL_ALL_LINES)
        odp_words_add(w, "--tail=%zu", lines->n_lines);
    add_since(w, lines->since_usec);
    odp_words_add(w, "%s", name_of(container));
}

static _Noreturn void become(char *const argv[], pid_t parent)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() == parent)
        execvp(argv[0], argv);
    if (errno == ENOENT)
        odp_complain("%s is not installed: what the containers print cannot be shown", argv[0]);
    else
        odp_complain("%s cannot be run: %s", argv[0], strerror(errno));
    _exit(127);
}

static int await(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return ODP_EXIT_FAILED;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? ODP_EXIT_DONE : ODP_EXIT_FAILED;
}

bool odp_container_logs_may_ask(const cJSON *container)
{
    struct odp_engine_place place;

    odp_containers_place(container, &place);
    if (!needs_socket(container, &place) || access(place.socket, R_OK | W_OK) == 0 ||
        errno != EACCES)
        return true;
    odp_complain("the lines of container %s cannot be read: try %s", name_of(container),
                 odp_containers_who(&place));
    return false;
}

pid_t odp_container_logs_begin(const cJSON *container, const struct odp_container_lines *lines)
{
    struct odp_engine_place place;
    struct odp_words words = {0};
    pid_t parent = getpid(), pid = -1;

    odp_containers_place(container, &place);
    add_words(&words, container, &place, lines);
    fflush(stdout);
    if (!words.failed)
        pid = fork();
    if (pid == 0)
        become(words.items, parent);
    odp_words_deinit(&words);
    if (pid < 0)
        odp_complain("%s cannot be run: %s", place.engine, strerror(errno));
    return pid;
}

static int show_one(const cJSON *container, size_t n_lines)
{
    const struct odp_container_lines lines = {.n_lines = n_lines};

    if (!odp_container_logs_may_ask(container))
        return ODP_EXIT_FAILED;
    pid_t pid = odp_container_logs_begin(container, &lines);
    return pid < 0 ? ODP_EXIT_FAILED : await(pid);
}

// Of a project may not even be known which containers it has.
static int complain_unknown(const cJSON *why)
{
    const cJSON *project = cJSON_GetObjectItemCaseSensitive(why, "project");
    const char *error = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(project, "error"));

    if (!error)
        return ODP_EXIT_DONE;
    odp_complain("the lines of project %s cannot be read: %s", name_of(project), error);
    return ODP_EXIT_FAILED;
}

int odp_container_logs_show(cJSON *why, size_t n_lines)
{
    const cJSON *c;

    odp_containers_find(why);
    int code = complain_unknown(why);
    if (code != ODP_EXIT_DONE)
        return code;
    cJSON_ArrayForEach(c, cJSON_GetObjectItemCaseSensitive(why, "containers"))
    {
        struct odp_buf b = {0};
        odp_buf_printf(&b, "-- container %s\n", name_of(c));
        (void)odp_print(&b);
        int r = show_one(c, n_lines);
        code = r != ODP_EXIT_DONE ? r : code;
    }
    return code;
}
