// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The generator. It may run before anything else does, so it asks nobody: no bus, no odpd. The file
// of a service that has a fault costs that service its socket, and no other.

#include "odp/cli/generator.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/cli/text.h"
#include "odp/cli/unit_files.h"
#include "odp/core/paths.h"

#define LINE_MAX_BYTES 900 // of a record of the kernel's log, with some to spare

struct generator {
    bool is_user;
    int log; // the kernel's log, the journal's or stderr
    const char *directory;
    int code;
};

bool odp_is_generator(const char *argv0)
{
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
    const char *name = slash ? slash + 1 : argv0;

    return name && strcmp(name, ODP_GENERATOR) == 0;
}

// The journal's socket for syslog(3), there once it runs.
static int journal_open(void)
{
    const struct sockaddr_un journal = {.sun_family = AF_UNIX,
                                        .sun_path = "/run/systemd/journal/dev-log"};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&journal, sizeof(journal)) < 0)
        fd = odp_close(fd);
    return fd;
}

// The system's generators log to the kernel, a user's to where the service manager does. A
// container has no kernel's log, and nobody sees what PID 1 has for stderr.
static void log_open(struct generator *g)
{
    g->log = g->is_user ? -1 : open("/dev/kmsg", O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (g->log < 0 && !g->is_user)
        g->log = journal_open();
    if (g->log < 0)
        g->log = STDERR_FILENO;
}

// One line.
__attribute__((format(printf, 2, 3))) static void say(const struct generator *g, const char *format,
                                                      ...)
{
    char text[LINE_MAX_BYTES];
    struct odp_buf line = {0};
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (g->log != STDERR_FILENO)
        odp_buf_printf(&line, "<%d>" ODP_GENERATOR "[%d]: ", LOG_DAEMON | LOG_WARNING,
                       (int)getpid());
    else
        odp_buf_printf(&line, ODP_GENERATOR ": ");
    odp_text_add(&line, text);
    odp_buf_add(&line, "\n", 1);
    if (!line.failed)
        (void)!write(g->log, line.s, line.n_bytes); // nobody is left to tell
    odp_buf_deinit(&line);
}

static bool is_system(void)
{
    const char *scope = getenv("SYSTEMD_SCOPE"); // since systemd 251

    return scope ? strcmp(scope, "system") == 0 : geteuid() == 0;
}

static int find_services(const struct generator *g, char *ret, size_t size)
{
    struct odp_paths paths = {.runtime = "/", .state = "/"};
    const struct odp_paths_env env = {
        .system = !g->is_user,
        .home = getenv("HOME"),
        .config_home = getenv("XDG_CONFIG_HOME"),
    };
    char why[256];

    if (odp_paths_complete(&paths, &env, why, sizeof(why)) < 0)
        return -ENOENT;
    snprintf(ret, size, "%s/" ODP_CONFIG_SERVICES_DIR, paths.config);
    return 0;
}

static bool is_sound(const struct odp_config *config, const char *file)
{
    for (size_t i = 0; i < config->n_services; i++)
        if (strcmp(config->services[i]->file, file) == 0)
            return true;
    return false;
}

// One line for each file that gives no service.
static void tell_faults(const struct generator *g, const struct odp_config *config)
{
    const struct odp_config_faults *faults = &config->faults;

    for (size_t i = 0; i < faults->n; i++) {
        const struct odp_config_fault *f = &faults->items[i];
        if ((i == 0 || strcmp(f->file, faults->items[i - 1].file) != 0) &&
            !is_sound(config, f->file))
            say(g, "%s:%u: %s: no socket for it (odp check tells all)", f->file, f->line,
                f->message);
    }
}

static void write_units(struct generator *g, const struct odp_config *config)
{
    char why[ODP_PATH_MAX * 2];

    for (size_t i = 0; i < config->n_services; i++) {
        const struct odp_config_service *s = config->services[i];
        if (!s->enabled)
            continue;
        int done = odp_unit_file_write(g->directory, s, g->is_user, true, why, sizeof(why));
        if (done < 0 || done == ODP_UNIT_UNFIT)
            say(g, "%s: %s", s->name, why);
        if (done < 0)
            g->code = EXIT_FAILURE;
    }
}

static void generate(struct generator *g, const char *services)
{
    struct odp_files files = {0};
    struct odp_config config = {0};
    int r = odp_files_read(services, ODP_CONFIG_SUFFIX, ODP_CONFIG_FILE_MAX, &files);

    if (r == -ENOENT)
        return; // odp is installed, and not used
    if (r == 0)
        r = odp_config_load(&files, &config);
    if (r < 0) {
        say(g, "%s cannot be read: %s", services, strerror(-r));
        g->code = EXIT_FAILURE;
    } else {
        tell_faults(g, &config);
        write_units(g, &config);
    }
    odp_config_deinit(&config);
    odp_files_deinit(&files);
}

int odp_generator_main(int argc, char **argv)
{
    char services[ODP_PATH_MAX + sizeof("/" ODP_CONFIG_SERVICES_DIR)];
    struct generator g = {.is_user = !is_system(), .code = EXIT_SUCCESS};

    if (argc < 2 || strlen(argv[1]) >= ODP_PATH_MAX) {
        fprintf(stderr, ODP_GENERATOR ": systemd runs it: " ODP_GENERATOR " DIR DIR DIR\n");
        return 2;
    }
    g.directory = argv[1];
    log_open(&g);
    if (find_services(&g, services, sizeof(services)) == 0)
        generate(&g, services);
    if (g.log != STDERR_FILENO)
        odp_close(g.log);
    return g.code;
}
