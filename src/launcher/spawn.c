// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The parent's side of starting a command. Blocks on nothing but fork(2) itself.

#include "odp/launcher/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/launcher/child.h"

int odp_spawn_fork(const struct odp_config_service *settings, char *const *argv,
                   const char *output_path, const char *mark_directory, struct odp_spawn *ret)
{
    struct odp_spawn s = {.pid = -1, .pidfd = -1, .go_fd = -1, .status_fd = -1};
    // Not the child's to open: by then its path may be another one.
    ODP_CLEANUP_CLOSE int output_fd = open(output_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int go[2], status[2];

    if (output_fd < 0 || pipe2(go, O_CLOEXEC) < 0)
        return -errno;
    s.go_fd = go[1];
    if (pipe2(status, O_CLOEXEC) < 0) {
        int error = errno;
        close(go[0]);
        close(go[1]);
        return -error;
    }
    s.status_fd = status[0];
    s.pid = fork();
    if (s.pid == 0) {
        setpgid(0, 0);
        odp_child_run(&(struct odp_child){.settings = settings,
                                          .argv = argv,
                                          .output_fd = output_fd,
                                          .mark_directory = mark_directory,
                                          .go_fd = go[0],
                                          .status_fd = status[1]});
    }
    int error = s.pid < 0 ? errno : 0;
    close(go[0]);
    close(status[1]);
    if (s.pid > 0) {
        setpgid(s.pid, s.pid); // whichever of the two comes first
        s.pidfd = pidfd_open(s.pid, 0);
        error = s.pidfd < 0 ? errno : 0;
    }
    if (error != 0) {
        odp_spawn_abort(&s);
        return -error;
    }
    *ret = s;
    return 0;
}

void odp_spawn_go(struct odp_spawn *s)
{
    // A child that somebody killed already is seen by its pidfd.
    while (write(s->go_fd, "", 1) < 0 && errno == EINTR) {
    }
    s->go_fd = odp_close(s->go_fd);
}

void odp_spawn_abort(struct odp_spawn *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        s->pid = -1;
    }
    s->go_fd = odp_close(s->go_fd);
    s->pidfd = odp_close(s->pidfd);
    s->status_fd = odp_close(s->status_fd);
}
