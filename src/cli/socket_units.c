// SPDX-License-Identifier: LGPL-2.1-or-later
//
// systemctl, and what it tells of odp's socket units.

#include "odp/cli/socket_units.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "odp/base/fd.h"

#define EVERY_SOCKET ODP_UNITS_PREFIX "*" ODP_UNITS_SUFFIX
#define WORDS_MAX    4
#define OWN_SOCKET   "odp-launcher.socket" // odp's own, not a service's
#define TEXT_MAX     (4u << 20)
#define ERRORS_MAX   4096

// ---- systemctl ---------------------------------------------------------------------------------

static int spawn(char *const *argv, int out, int err, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    int r = -posix_spawn_file_actions_init(&actions);

    if (r < 0)
        return r;
    r = -posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = -posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (r == 0)
        r = -posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    if (r == 0)
        r = -posix_spawnp(ret, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

// To the end; what is more than n_max is read and thrown away.
static void read_all(int fd, size_t n_max, struct odp_buf *ret)
{
    char chunk[4096];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && ret && ret->n_bytes + (size_t)n <= n_max)
            odp_buf_add(ret, chunk, (size_t)n);
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void take_last_line(struct odp_buf *text, char *why, size_t why_size)
{
    while (text->n_bytes > 0 && text->s[text->n_bytes - 1] == '\n')
        text->s[--text->n_bytes] = '\0';
    const char *newline = text->s ? strrchr(text->s, '\n') : NULL;
    snprintf(why, why_size, "%s", newline ? newline + 1 : text->s ? text->s : "");
}

// Of stderr there is little: it fits into the pipe while stdout is read.
static int run(char *const *argv, struct odp_buf *ret_out, char *why, size_t why_size)
{
    struct odp_buf errors = {0};
    int out[2], err[2];
    pid_t pid;

    if (pipe2(out, O_CLOEXEC) < 0)
        return -errno;
    int r = pipe2(err, O_CLOEXEC) < 0 ? -errno : 0;
    if (r < 0) {
        odp_close(out[0]);
        odp_close(out[1]);
        return r;
    }
    r = spawn(argv, out[1], err[1], &pid);
    odp_close(out[1]);
    odp_close(err[1]);
    if (r == 0) {
        read_all(out[0], TEXT_MAX, ret_out);
        read_all(err[0], ERRORS_MAX, &errors);
        r = wait_for(pid);
    }
    if (r > 0)
        take_last_line(&errors, why, why_size);
    odp_close(out[0]);
    odp_close(err[0]);
    odp_buf_deinit(&errors);
    return r;
}

int odp_systemctl(bool is_user, const char *const *words, struct odp_buf *ret_out, char *why,
                  size_t why_size)
{
    size_t n = 0, n_all = 0;

    while (words[n])
        n++;
    char **argv = calloc(n + WORDS_MAX, sizeof(*argv));
    if (!argv)
        return -ENOMEM;
    argv[n_all++] = strdup("systemctl");
    argv[n_all++] = strdup(is_user ? "--user" : "--system");
    argv[n_all++] = strdup("--no-pager");
    for (size_t i = 0; i < n; i++)
        argv[n_all++] = strdup(words[i]);
    int r = 0;
    for (size_t i = 0; i < n_all; i++)
        if (!argv[i])
            r = -ENOMEM;
    if (r == 0)
        r = run(argv, ret_out, why, why_size);
    for (size_t i = 0; i < n_all; i++)
        free(argv[i]);
    free(argv);
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
    struct odp_buf text = {0};
    int r = names && words ? 0 : -ENOMEM;

    *ret = (struct odp_socket_units){0};
    for (size_t i = 0; i < n_head && r == 0; i++)
        words[i] = head[i];
    for (size_t i = 0; i < n_services && r == 0; i++)
        words[n_head + i] = odp_units_name(services[i], names[i], sizeof(names[i]));
    if (r == 0)
        r = odp_systemctl(is_user, words, &text, why, why_size);
    if (r == 0 && text.failed)
        r = -ENOMEM;
    if (r == 0 && text.s)
        r = odp_socket_units_parse(text.s, ret);
    odp_buf_deinit(&text);
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
