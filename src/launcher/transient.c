// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The properties of a unit that is made for a command, one after the other into the message.

#include "odp/launcher/transient.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/base/buf.h"
#include "odp/launcher/reason.h"

// systemd's own statuses for what it could not do before the command ran, systemd.exec(5), are
// failures; any other one may be what the command was run to find out.
#define SETUP_STATUS_FIRST 200
#define SETUP_STATUS_LAST  243
#define STATUS_MAX         255
#define LOG_LEVEL_WARNING  4 // syslog(3)

struct writer {
    const struct odp_sd_bus *sd;
    sd_bus_message *m;
    int r; // the first error
};

#define PUT(w, call, ...)                                                                          \
    do {                                                                                           \
        if ((w)->r >= 0)                                                                           \
            (w)->r = (w)->sd->call((w)->m, __VA_ARGS__);                                           \
    } while (0)

static void put_text(struct writer *w, const char *name, const char *value)
{
    PUT(w, message_append, "(sv)", name, "s", value);
}

static void put_bool(struct writer *w, const char *name, bool value)
{
    PUT(w, message_append, "(sv)", name, "b", (int)value);
}

// Zero would mean `for ever` to systemd.
static void put_usec(struct writer *w, const char *name, uint64_t usec)
{
    PUT(w, message_append, "(sv)", name, "t", usec > 0 ? usec : 1);
}

static void close_container(struct writer *w)
{
    if (w->r >= 0)
        w->r = w->sd->message_close_container(w->m);
}

static void open_property(struct writer *w, const char *name, const char *type)
{
    PUT(w, message_open_container, 'r', "sv");
    PUT(w, message_append, "s", name);
    PUT(w, message_open_container, 'v', type);
}

static void close_property(struct writer *w)
{
    close_container(w);
    close_container(w);
}

// systemd puts variables into arguments, and `$$` stands for what is none.
static void put_argument(struct writer *w, const char *argument)
{
    struct odp_buf text = {0};

    for (const char *end; (end = strchr(argument, '$')); argument = end + 1) {
        odp_buf_add(&text, argument, (size_t)(end - argument));
        odp_buf_add(&text, "$$", 2);
    }
    odp_buf_add(&text, argument, strlen(argument) + 1);
    if (text.failed && w->r >= 0)
        w->r = -ENOMEM;
    PUT(w, message_append, "s", text.s);
    odp_buf_deinit(&text);
}

// ExecStartEx= could do without variables, but systemd 252 cannot read again what it writes of it.
static void put_command(struct writer *w, const struct odp_transient *t)
{
    open_property(w, "ExecStart", "a(sasb)");
    PUT(w, message_open_container, 'a', "(sasb)");
    PUT(w, message_open_container, 'r', "sasb");
    PUT(w, message_append, "s", t->argv[0]); // systemd looks for one without a slash
    PUT(w, message_open_container, 'a', "s");
    for (char *const *argument = t->argv; *argument; argument++)
        put_argument(w, *argument);
    close_container(w);
    PUT(w, message_append, "b", 0);
    close_container(w);
    close_container(w);
    close_property(w);
}

// A user's manager cannot take on another user, and not even its own.
static void put_environment(struct writer *w, const struct odp_transient *t)
{
    const struct odp_config_service *s = t->settings;

    if (s->user && !t->is_user)
        put_text(w, "User", s->user);
    if (s->directory)
        put_text(w, "WorkingDirectory", s->directory);
    if (s->environment) {
        open_property(w, "Environment", "as");
        PUT(w, message_open_container, 'a', "s");
        for (char *const *variable = s->environment; *variable; variable++)
            PUT(w, message_append, "s", *variable);
        close_container(w);
        close_property(w);
    }
    if (s->environment_file)
        PUT(w, message_append, "(sv)", "EnvironmentFiles", "a(sb)", 1, s->environment_file, 0);
}

static void put_output(struct writer *w, const struct odp_transient *t)
{
    char field[sizeof("ODP_SERVICE=") + ODP_NAME_MAX];

    if (t->output_fd >= 0) {
        PUT(w, message_append, "(sv)", "StandardOutputFileDescriptor", "h", t->output_fd);
        PUT(w, message_append, "(sv)", "StandardErrorFileDescriptor", "h", t->output_fd);
    }
    put_text(w, "SyslogIdentifier", t->settings->name);
    snprintf(field, sizeof(field), "ODP_SERVICE=%s", t->settings->name);
    open_property(w, "LogExtraFields", "aay");
    PUT(w, message_open_container, 'a', "ay");
    PUT(w, message_append_array, 'y', field, strlen(field));
    close_container(w);
    close_property(w);
}

// What it answers is no failure of the unit.
static void put_question(struct writer *w)
{
    int32_t statuses[STATUS_MAX];
    size_t n = 0;

    for (int i = 1; i <= STATUS_MAX; i++)
        if (i < SETUP_STATUS_FIRST || i > SETUP_STATUS_LAST)
            statuses[n++] = i;
    open_property(w, "SuccessExitStatus", "(aiai)");
    PUT(w, message_open_container, 'r', "aiai");
    PUT(w, message_append_array, 'i', statuses, n * sizeof(statuses[0]));
    PUT(w, message_append, "ai", 0);
    close_container(w);
    close_property(w);
}

static const char *what_it_does(enum odp_role role)
{
    switch (role) {
    case ODP_ROLE_SERVICE: break;
    case ODP_ROLE_START: return ", starts it";
    case ODP_ROLE_STOP: return ", stops it";
    case ODP_ROLE_STATUS: return ", asks whether it runs";
    case ODP_ROLE_PROBE: return ", asks whether it answers";
    case ODP_ROLE_COMPOSE: return ", makes its containers";
    }
    return "";
}

static void put_kind(struct writer *w, const struct odp_transient *t)
{
    bool is_service = t->role == ODP_ROLE_SERVICE;
    struct odp_buf description = {0};

    odp_buf_printf(&description, "%s (odp%s)", t->settings->description, what_it_does(t->role));
    if (description.failed && w->r >= 0)
        w->r = -ENOMEM;
    put_text(w, "Description", description.s);
    odp_buf_deinit(&description);
    PUT(w, message_append, "(sv)", "StartLimitIntervalUSec", "t", (uint64_t)0);
    put_text(w, "Type", is_service ? "exec" : "oneshot");
    put_bool(w, "RemainAfterExit", !is_service);
    put_text(w, "KillMode", is_service || t->role == ODP_ROLE_PROBE ? "control-group" : "process");
    put_usec(w, "TimeoutStopUSec", t->stop_timeout_usec);
    if (t->limit_usec != ODP_NEVER)
        put_usec(w, "TimeoutStartUSec", t->limit_usec);
    // Of what has failed the reason is asked for; it is released by ResetFailedUnit then.
    put_text(w, "CollectMode", "inactive");
    if (t->role == ODP_ROLE_STATUS || t->role == ODP_ROLE_PROBE)
        put_question(w);
    // Four times a second systemd would say that it starts and has ended.
    if (t->role == ODP_ROLE_PROBE)
        PUT(w, message_append, "(sv)", "LogLevelMax", "i", LOG_LEVEL_WARNING);
}

static void put_all(struct writer *w, const struct odp_transient *t)
{
    PUT(w, message_append, "ss", t->unit, "replace");
    PUT(w, message_open_container, 'a', "(sv)");
    put_kind(w, t);
    put_output(w, t);
    put_environment(w, t);
    put_command(w, t);
    close_container(w);
    PUT(w, message_append, "a(sa(sv))", 0);
}

int odp_transient_start(struct odp_systemd_bus *bus, sd_bus_slot **ret_slot,
                        const struct odp_transient *t, sd_bus_message_handler_t callback,
                        void *userdata, char *why, size_t why_size)
{
    struct writer w = {.sd = odp_systemd_bus_functions(bus)};

    w.r = odp_systemd_bus_new_call(bus, &w.m, "StartTransientUnit");
    if (w.r == -ENOTCONN)
        return 0;
    if (w.r >= 0)
        put_all(&w, t);
    if (w.r >= 0) {
        w.r = odp_systemd_bus_send(bus, ret_slot, w.m, callback, userdata);
        if (w.r == -ENOTCONN)
            return 0;
    } else if (w.m) {
        w.sd->message_unref(w.m);
    }
    if (w.r == -EINVAL)
        odp_reason_format(why, why_size,
                          "its [backend] cannot be told to systemd: is all of it "
                          "UTF-8?");
    else if (w.r < 0)
        odp_reason_format(why, why_size, "cannot ask systemd to run it: %s", strerror(-w.r));
    return w.r < 0 ? w.r : 0;
}

// ---- before ------------------------------------------------------------------------------------

static int check_user(const struct odp_config_service *s, char *why, size_t why_size)
{
    const struct passwd *own = getpwuid(geteuid());

    if (own && strcmp(own->pw_name, s->user) == 0)
        return 0;
    odp_reason_format(why, why_size, "user %s: only root can start things as another user",
                      s->user);
    return -EPERM;
}

// What cannot be seen from here systemd sees, and says.
static int check_environment_file(const struct odp_config_service *s, char *why, size_t why_size)
{
    struct stat st;

    if (stat(s->environment_file, &st) < 0)
        return 0;
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
        return 0;
    odp_reason_format(why, why_size,
                      "environment_file %s: others may read or write it: chmod 600 it",
                      s->environment_file);
    return -EPERM;
}

int odp_transient_check(const struct odp_transient *t, char *why, size_t why_size)
{
    const struct odp_config_service *s = t->settings;
    int r = 0;

    if (t->is_user && s->user)
        r = check_user(s, why, why_size);
    if (r == 0 && s->environment_file)
        r = check_environment_file(s, why, why_size);
    return r;
}
