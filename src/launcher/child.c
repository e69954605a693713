// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A forked child on its way to becoming a service. It owns nothing of the launcher's and must not
// touch the loop; it ends in exec(2) or _exit(2).

#include "odp/launcher/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/core/proto.h"
#include "odp/launcher/record.h"

#define EXIT_NOT_RUN 127 // as the shell has it

// What systemd or odpd told odpd and the launcher about themselves is no business of a service.
static const char *const own_variables[] = {
    "JOURNAL_STREAM", "NOTIFY_SOCKET",  "WATCHDOG_USEC", "WATCHDOG_PID",  "LISTEN_FDS",
    "LISTEN_PID",     "LISTEN_FDNAMES", "MAINPID",       "INVOCATION_ID", "FDSTORE",
};

__attribute__((format(printf, 2, 3))) static noreturn void give_up(const struct odp_child *c,
                                                                   const char *format, ...)
{
    char text[ODP_REASON_MAX + 1];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n >= (int)sizeof(text))
        n = (int)sizeof(text) - 1;
    // Nobody is left to be told where this fails.
    if (n > 0 && write(c->status_fd, text, (size_t)n) < 0)
        _exit(EXIT_NOT_RUN);
    _exit(EXIT_NOT_RUN);
}

// Above all the link: odpd learns of the launcher's end by its last descriptor being closed.
static void close_all_but(int a, int b)
{
    int low = a < b ? a : b, high = a < b ? b : a;

    if (low > STDERR_FILENO + 1)
        close_range(STDERR_FILENO + 1, (unsigned)low - 1, 0);
    if (high > low + 1)
        close_range((unsigned)low + 1, (unsigned)high - 1, 0);
    close_range((unsigned)high + 1, UINT_MAX, 0);
}

// Until the record of this process is written it must not become a service: a launcher killed
// meanwhile would be followed by one that starts a second.
static void wait_for_go(const struct odp_child *c)
{
    char byte;
    ssize_t n;

    do
        n = read(c->go_fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n != 1)
        _exit(EXIT_NOT_RUN);
    close(c->go_fd);
}

// By this process, so that the mark is there if and only if the command has had its turn, whatever
// happens to the launcher meanwhile.
static void mark_up(const struct odp_child *c)
{
    int r = odp_record_mark_up(c->mark_directory, c->settings->name);

    if (r < 0)
        give_up(c, "cannot record in %s that it runs: %s", c->mark_directory, strerror(-r));
}

static void reset_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL); // fails for KILL and STOP and what libc keeps to itself
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_standard_fds(const struct odp_child *c)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null_fd < 0)
        give_up(c, "cannot open /dev/null: %s", strerror(errno));
    if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(c->output_fd, STDOUT_FILENO) < 0 ||
        dup2(c->output_fd, STDERR_FILENO) < 0)
        give_up(c, "cannot set up its output: %s", strerror(errno));
    close(null_fd);
}

static const struct passwd *find_user(const char *user)
{
    const struct passwd *pw = getpwnam(user);
    char *end;
    unsigned long uid;

    if (pw || user[0] < '0' || user[0] > '9')
        return pw;
    uid = strtoul(user, &end, 10);
    return *end == '\0' && uid < UINT32_MAX ? getpwuid((uid_t)uid) : NULL;
}

// Of environment and environment_file the file has the last word, as with systemd.exec(5). Comes
// before the user is changed: the file is for root's eyes.
static void set_environment(const struct odp_child *c, const struct passwd *pw)
{
    char why[ODP_REASON_MAX + 1];

    for (size_t i = 0; i < sizeof(own_variables) / sizeof(own_variables[0]); i++)
        unsetenv(own_variables[i]);
    if (pw && (setenv("HOME", pw->pw_dir, 1) < 0 || setenv("USER", pw->pw_name, 1) < 0 ||
               setenv("LOGNAME", pw->pw_name, 1) < 0 || setenv("SHELL", pw->pw_shell, 1) < 0))
        give_up(c, "out of memory");
    for (char **e = c->settings->environment; e && *e; e++)
        if (putenv(*e) != 0)
            give_up(c, "out of memory");
    if (c->settings->environment_file &&
        odp_environment_file_apply(c->settings->environment_file, why, sizeof(why)) < 0)
        give_up(c, "%s", why);
}

static void become_user(const struct odp_child *c, const struct passwd *pw)
{
    const char *user = c->settings->user;

    if (geteuid() == pw->pw_uid && geteuid() != 0)
        return;
    if (geteuid() != 0)
        give_up(c, "user %s: only root can start things as another user", user);
    // So that the service can open /dev/stdout and /dev/stderr by name.
    if (fchown(STDOUT_FILENO, pw->pw_uid, (gid_t)-1) < 0)
        give_up(c, "user %s: cannot hand over its output: %s", user, strerror(errno));
    if (initgroups(pw->pw_name, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
        give_up(c, "user %s: cannot become it: %s", user, strerror(errno));
}

noreturn void odp_child_run(const struct odp_child *c)
{
    const struct odp_config_service *s = c->settings;
    const struct passwd *pw = NULL;

    set_standard_fds(c);
    close_all_but(c->go_fd, c->status_fd);
    reset_signals();
    wait_for_go(c);
    if (c->mark_directory)
        mark_up(c);
    if (s->user) {
        pw = find_user(s->user);
        if (!pw)
            give_up(c, "user %s: there is no such user", s->user);
    }
    set_environment(c, pw);
    if (pw)
        become_user(c, pw);
    if (s->directory && chdir(s->directory) < 0)
        give_up(c, "cannot enter directory %s: %s", s->directory, strerror(errno));
    execvp(c->argv[0], c->argv);
    give_up(c, "cannot run %s: %s", c->argv[0], strerror(errno));
}
