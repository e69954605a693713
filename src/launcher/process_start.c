// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How a process comes to be ours: by starting its command, or by taking it over from an earlier
// launcher. However often launchers are killed on the way, a service is never started twice.

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "odp/base/log.h"
#include "odp/core/paths.h"
#include "odp/launcher/process.h"
#include "odp/launcher/reason.h"
#include "odp/launcher/record.h"
#include "odp/launcher/spawn.h"
#include "process_internal.h"

#define ADOPT_PATIENCE_MS 200

struct odp_process *odp_process_new(const struct odp_process_home *home, enum odp_role role)
{
    struct odp_process *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->directory = home->directory;
    p->observer = home->observer;
    p->userdata = home->userdata;
    p->output = home->output;
    p->role = role;
    p->deadline_usec = ODP_NEVER;
    p->pidfd = -1;
    p->status_fd = -1;
    memcpy(p->name, home->name, strnlen(home->name, ODP_NAME_MAX));
    return p;
}

// What can fail comes before the child is let go, so that it can be undone.
static int start_forked(struct odp_process *p, uv_loop_t *loop, char *const *argv,
                        const struct odp_config_service *settings, char *why, size_t why_size)
{
    struct odp_record record = {
        .digest = settings->digest, .stop_timeout_usec = p->stop_timeout_usec, .role = p->role};
    char output_path[ODP_PATH_MAX];
    struct odp_spawn spawn;
    int r;

    odp_output_path(p->directory, p->name, output_path);
    r = odp_spawn_fork(settings, argv, output_path, p->role == ODP_ROLE_START ? p->directory : NULL,
                       &spawn);
    if (r < 0) {
        odp_reason_format(why, why_size, "cannot start a process: %s", strerror(-r));
        return r;
    }
    p->pid = record.pid = spawn.pid;
    p->pidfd = spawn.pidfd;
    p->status_fd = spawn.status_fd;
    r = odp_process_watch(p, loop);
    if (r == 0)
        r = odp_record_write(p->directory, p->name, &record);
    if (r < 0) {
        odp_reason_format(why, why_size, "cannot record its process in %s: %s", p->directory,
                          strerror(-r));
        spawn.pidfd = spawn.status_fd = -1; // p's
        odp_spawn_abort(&spawn);
        return r;
    }
    p->start_time = record.start_time;
    odp_spawn_go(&spawn);
    return 0;
}

int odp_process_start(const struct odp_process_home *home, enum odp_role role, char *const *argv,
                      const struct odp_config_service *settings, uint64_t stop_timeout_usec,
                      struct odp_process **ret, char *why, size_t why_size)
{
    struct odp_process *p = odp_process_new(home, role);
    int r = 0;

    if (!p) {
        odp_reason_format(why, why_size, "out of memory");
        return -ENOMEM;
    }
    p->stop_timeout_usec = stop_timeout_usec;
    if (p->output)
        odp_output_forget(p->output);
    if (role == ODP_ROLE_SERVICE)
        r = odp_output_new(home->loop, home->directory, p->name, false, &p->output);
    if (r < 0)
        odp_reason_format(why, why_size, "cannot make a FIFO for its output in %s: %s",
                          home->directory, strerror(-r));
    else if (home->units)
        r = odp_process_unit_start(p, home, argv, settings, why, why_size);
    else
        r = start_forked(p, home->loop, argv, settings, why, why_size);
    if (r < 0) {
        if (role == ODP_ROLE_SERVICE)
            odp_output_remove(home->directory, p->name);
        odp_process_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

// True too for a process that is just ending: it has given its program back already.
static bool runs_the_launcher(pid_t pid)
{
    struct stat own, other;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    if (stat(path, &other) < 0)
        return errno == ENOENT;
    return stat("/proc/self/exe", &own) == 0 && own.st_dev == other.st_dev &&
           own.st_ino == other.st_ino;
}

// The launcher before may have been killed between record and go: its child is about to end and
// runs nothing. It, or one on its way to exec(2), needs no more than a moment to be told apart.
static bool is_up(const struct odp_process *p)
{
    struct pollfd pfd = {.fd = p->pidfd, .events = POLLIN};

    for (unsigned i = 0; i < ADOPT_PATIENCE_MS && runs_the_launcher(p->pid); i++)
        if (poll(&pfd, 1, 1) != 0)
            return false;
    return true;
}

// pidfd first, then the check: what the pidfd holds cannot become another process any more.
static int adopt_recorded(struct odp_process *p, uv_loop_t *loop, bool others)
{
    struct odp_record record;
    int r;

    r = odp_record_read(p->directory, p->name, &record);
    if (r < 0)
        return r;
    if ((record.role != ODP_ROLE_SERVICE) != others)
        return -ENOENT; // and the record is another backend's
    p->role = record.role;
    p->pidfd = pidfd_open(record.pid, 0);
    if (p->pidfd < 0 && errno != ESRCH && errno != EINVAL)
        return -errno;
    if (p->pidfd < 0 || !odp_record_is_current(&record))
        return -ESRCH;
    p->pid = record.pid;
    p->start_time = record.start_time;
    p->stop_timeout_usec = record.stop_timeout_usec;
    if (!is_up(p))
        return -ESRCH;
    p->state = ODP_PROCESS_RUNNING;
    return odp_process_watch(p, loop);
}

int odp_process_adopt(const struct odp_process_home *home, bool others, struct odp_process **ret)
{
    struct odp_process *p = odp_process_new(home, others ? ODP_ROLE_STATUS : ODP_ROLE_SERVICE);
    int r;

    if (!p)
        return -ENOMEM;
    r = adopt_recorded(p, home->loop, others);
    if (r < 0) {
        odp_process_free(p);
        // A damaged record names nobody either.
        if (r != -ESRCH && r != -EBADMSG)
            return r;
        odp_record_remove(home->directory, home->name);
        if (!others)
            odp_output_remove(home->directory, home->name);
        return -ENOENT;
    }
    r = others ? 0 : odp_output_new(home->loop, home->directory, p->name, true, &p->output);
    if (r < 0)
        odp_log(ODP_LOG_WARNING, p->name, "its output is lost: %s", strerror(-r));
    *ret = p;
    return 0;
}
