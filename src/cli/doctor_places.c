// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looks at the files and directories that the services name. A process of its own does it: a dead
// disk or server may hold up whoever looks, and must not hold up the doctor.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor_internal.h"
#include "odp/base/fd.h"
#include "odp/base/time.h"

struct look {
    int error;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    bool is_mount;
};

static int add_place(struct odp_places *p, const char *path)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->items[i].path, path) == 0)
            return 0;
    struct odp_place *items = reallocarray(p->items, p->n + 1, sizeof(*items));
    if (!items)
        return -ENOMEM;
    p->items = items;
    items[p->n] = (struct odp_place){.path = strdup(path), .error = -ETIMEDOUT};
    return items[p->n++].path ? 0 : -ENOMEM;
}

static int add_list(struct odp_places *p, char **paths)
{
    int r = 0;

    for (; paths && *paths && r == 0; paths++)
        r = add_place(p, *paths);
    return r;
}

static int add_service(struct odp_places *p, const struct odp_config_service *s)
{
    int r = add_place(p, s->file);

    if (r == 0 && s->environment_file)
        r = add_place(p, s->environment_file);
    if (r == 0)
        r = add_list(p, s->compose_files);
    if (r == 0)
        r = add_list(p, s->required_mounts);
    return r == 0 ? add_list(p, s->required_paths) : r;
}

// Where the files are.
static int add_directories(struct odp_doctor *d)
{
    char path[sizeof(d->config_dir) + sizeof("/" ODP_CONFIG_SERVICES_DIR)];
    int r = add_place(&d->places, d->config_dir);

    snprintf(path, sizeof(path), "%s/" ODP_CONFIG_SERVICES_DIR, d->config_dir);
    return r == 0 ? add_place(&d->places, path) : r;
}

static int add_faulty(struct odp_places *p, const struct odp_config *config)
{
    int r = 0;

    for (size_t i = 0; i < config->faults.n && r == 0; i++)
        r = add_place(p, config->faults.items[i].file);
    return r;
}

// An automount that waits for its disk counts as a mount; the look does not wake it.
static struct look look_at(const char *path)
{
    struct statx st;

    if (statx(AT_FDCWD, path, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
              STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID, &st) < 0)
        return (struct look){.error = -errno};
    return (struct look){.mode = st.stx_mode,
                         .uid = st.stx_uid,
                         .gid = st.stx_gid,
                         .is_mount = (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0};
}

static void child(const struct odp_places *p, int fd)
{
    for (size_t i = 0; i < p->n; i++) {
        struct look look = look_at(p->items[i].path);

        if (write(fd, &look, sizeof(look)) != (ssize_t)sizeof(look)) // a pipe: whole or not at all
            break;
    }
    _exit(0);
}

static void take(struct odp_place *place, const struct look *look)
{
    place->error = look->error;
    place->mode = look->mode;
    place->uid = look->uid;
    place->gid = look->gid;
    place->is_mount = look->is_mount;
}

// What has not been seen by then keeps its -ETIMEDOUT.
static void take_all(struct odp_places *p, int fd)
{
    uint64_t deadline_usec = odp_now_usec() + DOCTOR_PATIENCE_SEC * ODP_USEC_PER_SEC;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    for (size_t i = 0; i < p->n; i++) {
        uint64_t now_usec = odp_now_usec();
        struct look look;

        if (now_usec >= deadline_usec ||
            poll(&poll_fd, 1, (int)((deadline_usec - now_usec) / ODP_USEC_PER_MS)) <= 0 ||
            read(fd, &look, sizeof(look)) != (ssize_t)sizeof(look))
            return;
        take(&p->items[i], &look);
    }
}

static int look_at_all(struct odp_places *p)
{
    int fds[2];

    if (p->n == 0)
        return 0;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -ENOMEM;
    pid_t pid = fork();
    if (pid == 0)
        child(p, fds[1]);
    odp_close(fds[1]);
    if (pid > 0) {
        take_all(p, fds[0]);
        kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, WNOHANG); // it may be held up for long
    }
    odp_close(fds[0]);
    return pid < 0 ? -ENOMEM : 0;
}

int doctor_gather_places(struct odp_doctor *d)
{
    int r = add_place(&d->places, d->state_dir);

    if (r == 0)
        r = add_directories(d);
    for (size_t i = 0; i < d->config.n_services && r == 0; i++)
        r = add_service(&d->places, d->config.services[i]);
    if (r == 0)
        r = add_faulty(&d->places, &d->config);
    return r == 0 ? look_at_all(&d->places) : r;
}

const struct odp_place *odp_doctor_place(const struct odp_doctor *d, const char *path)
{
    for (size_t i = 0; i < d->places.n; i++)
        if (strcmp(d->places.items[i].path, path) == 0)
            return &d->places.items[i];
    return NULL;
}
