// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs the compose program by the means of process.h, in a directory of its own, so that its record
// is never taken for one of the service. `up -d` and not `up --no-start`: docker-compose and
// podman-compose leave no label that says who waits for whom, but know it while they start.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "compose_up_internal.h"
#include "odp/base/buf.h"
#include "odp/base/log.h"
#include "odp/launcher/container_facts.h"
#include "odp/launcher/reason.h"

#define KILL_AFTER_USEC (2 * ODP_USEC_PER_SEC)

#define SHELL_MAX 6 // arguments of a shell before the command that it is to run

// Whoever gives the file's name does without the override that lies beside it, and by hand nobody
// gives it. To look there is the shell's: what is on a dead disk keeps the launcher waiting.
#define ADD_OVERRIDE                                                                               \
    "directory=$1; shift\n"                                                                        \
    "for name in compose.override.yml compose.override.yaml docker-compose.override.yml "          \
    "docker-compose.override.yaml; do\n"                                                           \
    "    [ -e \"$directory/$name\" ] || continue\n"                                                \
    "    echo \"with $directory/$name\"\n"                                                         \
    "    set -- \"$@\" -f \"$directory/$name\"\n"                                                  \
    "    break\n"                                                                                  \
    "done\n"                                                                                       \
    "exec \"$@\" up -d"

static const struct odp_process_observer observer;

// ---- its files ---------------------------------------------------------------------------------

// The directory of the one file, called as the compose programs look for it by themselves; in a
// buffer of ODP_PATH_MAX bytes. Returns false where it is not that.
static bool find_directory(const struct odp_compose_up *u, char *ret)
{
    static const char *const names[] = {"compose.yaml", "compose.yml", "docker-compose.yml",
                                        "docker-compose.yaml"};
    const char *slash = strrchr(u->files[0], '/');
    bool is_default = false;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && slash; i++)
        is_default |= strcmp(slash + 1, names[i]) == 0;
    if (!is_default || u->files[1] || (size_t)(slash - u->files[0]) >= ODP_PATH_MAX)
        return false;
    memcpy(ret, u->files[0], (size_t)(slash - u->files[0]));
    ret[slash - u->files[0]] = '\0';
    return true;
}

// " -f FILE" for each; the caller's.
static void add_files(const struct odp_compose_up *u, struct odp_buf *b)
{
    for (char **file = u->files; *file; file++)
        odp_buf_printf(b, " -f %s", *file);
}

static void tell_recreate(struct odp_compose_up *u, const char *program)
{
    struct odp_buf files = {0};
    char directory[ODP_PATH_MAX];
    bool has_directory = find_directory(u, directory);

    if (!has_directory)
        add_files(u, &files);
    odp_reason_format(u->why, sizeof(u->why),
                      "containerd still has a container that docker was killed with: %s%s%s%s -p "
                      "%s%s up -d --force-recreate",
                      has_directory ? "cd " : "", has_directory ? directory : "",
                      has_directory ? "/ && " : "", program, u->project, files.s ? files.s : "");
    odp_buf_deinit(&files);
}

static struct odp_process_home home_of(struct odp_compose_up *u)
{
    return (struct odp_process_home){.loop = u->host->loop,
                                     .directory = u->directory,
                                     .name = u->name,
                                     .observer = &observer,
                                     .userdata = u,
                                     .output = u->output,
                                     .units = u->host->uses_units ? u->host : NULL,
                                     .label = u->name,
                                     .number = 1};
}

// ---- its end -----------------------------------------------------------------------------------

static void end(struct odp_compose_up *u)
{
    odp_compose_up_fn *on_end = u->on_end;

    odp_record_mark_down(u->directory, u->name);
    u->on_end = NULL;
    if (on_end)
        on_end(u->userdata, u->why[0] ? u->why : NULL);
}

static void on_timer(uv_timer_t *timer)
{
    end(timer->data);
}

void compose_up_end_soon(struct odp_compose_up *u)
{
    uv_timer_start(&u->timer, on_timer, 0, 0);
}

static void describe(struct odp_compose_up *u, const struct odp_process_end *e)
{
    const char *name = strrchr(u->program, '/');
    char what[ODP_REASON_MAX + 1], span[ODP_SPAN_MAX];

    name = name ? name + 1 : "its compose program";
    odp_process_end_describe(e, what, sizeof(what));
    if (e->was_late)
        odp_reason_format(u->why, sizeof(u->why),
                          "%s up did not end within %s ([backend] start_timeout)%s%s", name,
                          odp_span_format(u->limit_usec, span, sizeof(span)),
                          e->last_words[0] ? ", last words: " : "", e->last_words);
    else if (u->files && odp_container_is_left_behind(e->last_words))
        tell_recreate(u, name);
    else
        odp_reason_format(u->why, sizeof(u->why), "%s up %s", name, what);
}

static int on_released(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_compose_up *u = userdata;

    (void)m;
    (void)ret_error;
    odp_systemd_bus_drop(u->bus, &u->released_slot);
    compose_up_end_soon(u);
    return 0;
}

// systemd does nothing for who has left before it comes to that, and its unit is to be stopped: an
// answer to whatever comes after it says that this has been done.
static bool awaits_release(struct odp_compose_up *u)
{
    char unit[ODP_COMMAND_UNIT_MAX + 1];

    return u->bus && odp_systemd_bus_is_connected(u->bus) &&
           odp_systemd_bus_call(u->bus, &u->released_slot, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER,
                                "GetUnit", on_released, u, "s",
                                odp_command_unit(u->name, ODP_ROLE_COMPOSE, 1, unit)) == 0;
}

// How one has ended that is no child shows by the containers that there are.
static void on_gone(void *userdata, const struct odp_process_end *e)
{
    struct odp_compose_up *u = userdata;
    bool is_well = e->status_is_known && e->code == CLD_EXITED && e->status == 0;
    bool is_unknown = !e->status_is_known && (!e->error[0] || u->is_adopted);
    struct odp_process_home home = home_of(u);

    u->process = NULL;
    if (e->is_taken && odp_process_adopt_unit(&home, ODP_ROLE_COMPOSE, &u->process) == 0)
        return;
    if (e->was_late || (!is_well && !is_unknown))
        describe(u, e);
    if (!awaits_release(u))
        end(u);
}

static void on_running(void *userdata)
{
    (void)userdata;
}

static void on_stuck(void *userdata)
{
    struct odp_compose_up *u = userdata;

    odp_log(ODP_LOG_ERR, u->name, "not even SIGKILL has ended %s", u->program);
}

static const struct odp_process_observer observer = {
    .on_running = on_running,
    .on_stuck = on_stuck,
    .on_gone = on_gone,
};

// ---- its beginning -----------------------------------------------------------------------------

// The caller's, but for what is in it; NULL when out of memory. `directory` is that of a file by
// default, else NULL.
static char **command_of(struct odp_compose_up *u, char *directory)
{
    static char shell[] = "/bin/sh", c[] = "-c", add_override[] = ADD_OVERRIDE, p[] = "-p",
                f[] = "-f", up[] = "up", d[] = "-d";
    size_t n = 0, n_files = 0;
    char **argv;

    while (u->files[n_files])
        n_files++;
    argv = calloc(SHELL_MAX + 2 * n_files + 6, sizeof(*argv));
    if (!argv)
        return NULL;
    if (directory) {
        argv[n++] = shell;
        argv[n++] = c;
        argv[n++] = add_override;
        argv[n++] = shell;
        argv[n++] = directory;
    }
    argv[n++] = u->program;
    argv[n++] = p;
    argv[n++] = u->project;
    for (size_t i = 0; i < n_files; i++) {
        argv[n++] = f;
        argv[n++] = u->files[i];
    }
    if (!directory) {
        argv[n++] = up;
        argv[n] = d;
    }
    return argv;
}

static void tell_run(const struct odp_compose_up *u)
{
    struct odp_buf files = {0};

    add_files(u, &files);
    odp_log(ODP_LOG_INFO, u->name, "makes its containers: %s -p %s%s up -d", u->program, u->project,
            files.s ? files.s : "");
    odp_buf_deinit(&files);
}

static int run(struct odp_compose_up *u)
{
    char directory[ODP_PATH_MAX];
    char **argv = command_of(u, find_directory(u, directory) ? directory : NULL);
    // By the id Podman takes the unit for the container's own, and leaves its conmon in there:
    // while one runs the unit would be taken, and nothing could be made anew.
    char *environment[] = {u->host_variable, (char[]){"INVOCATION_ID="}, NULL};
    struct odp_config_service settings = {.description = u->description,
                                          .environment = environment};
    struct odp_process_home home = home_of(u);
    int r;

    memcpy(settings.name, u->name, sizeof(settings.name));
    if (!argv) {
        odp_reason_format(u->why, sizeof(u->why), "the launcher is out of memory");
        return -ENOMEM;
    }
    odp_record_mark_up(u->directory, u->name);
    tell_run(u);
    r = odp_process_start(&home, ODP_ROLE_COMPOSE, argv, &settings, KILL_AFTER_USEC, &u->process,
                          u->why, sizeof(u->why));
    if (r == 0)
        odp_process_limit(u->process, u->limit_usec);
    else
        odp_record_mark_down(u->directory, u->name);
    free(argv);
    return r;
}

static int adopt(struct odp_compose_up *u)
{
    struct odp_process_home home = home_of(u);
    int r = u->bus ? odp_process_adopt_unit(&home, ODP_ROLE_COMPOSE, &u->process)
                   : odp_process_adopt(&home, true, &u->process);

    if (r == 0)
        odp_log(ODP_LOG_INFO, u->name, "its compose program runs since before; taken over");
    if (r == 0)
        odp_process_limit(u->process, u->limit_usec);
    return r;
}

int compose_up_go(struct odp_compose_up *u)
{
    return u->is_adopted ? adopt(u) : run(u);
}
