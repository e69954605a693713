// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The command line's frame: the table of verbs, the options they share, and the way to the control
// socket. It must not know what a verb does.

#include "odp/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/cli/cmd_check.h"
#include "odp/core/config.h"

#define SYSTEM_RUNTIME "/run/odp"
#define SYSTEM_CONFIG  "/etc/odp"

static int run_check(const struct odp_cli *cli, int argc, char **argv);

const struct odp_verb odp_verbs[] = {
    {"status", "[NAME...] [--json] [--watch]", "what each service is doing",
     "Without names: every service. Asking wakes nothing and keeps nothing awake.\n"
     "  --json   the same and more, for programs\n"
     "  --watch  again every second, until Ctrl-C\n",
     odp_cmd_status, true, false},
    {"why", "NAME [--json]", "why a service is awake, asleep or failed",
     "Who woke it and when, what keeps it awake, when it will sleep, why it last stopped or\n"
     "failed. Clients' addresses are shown to root and to members of group odp.\n"
     "  --json  the same, for programs\n",
     odp_cmd_why, true, false},
    {"logs", "NAME [-f] [-n LINES]", "what a service has printed",
     "The lines of the service itself, and odp's own on it (`odp: ...`), with their time.\n"
     "  -f  goes on with what comes, until Ctrl-C\n"
     "  -n  the last so many lines only\n",
     odp_cmd_logs, true, false},
    {"start", "NAME... [--no-wait]", "wake services",
     "Wakes the services, all at once, and waits until each is ready or has failed.\n"
     "  --no-wait  only ask for it\n",
     odp_cmd_start, true, false},
    {"stop", "NAME... [--no-wait]", "put services to sleep",
     "Stops the services, all at once, and waits until each is stopped. Connections get\n"
     "drain_timeout to end; the next visitor wakes the service again.\n"
     "  --no-wait  only ask for it\n",
     odp_cmd_stop, true, false},
    {"enable", "NAME...", "have odp listen for services",
     "Sets `enabled` in the files, and has the service manager listen: it reads the units anew, "
     "and\n"
     "odpd is restarted if it runs; connections live on. After an edit of `listen` the same moves\n"
     "the service to its new address. Without a service manager odpd reads its files again.\n"
     "Nothing is changed where a file has a fault, which is a line FILE:LINE: MESSAGE. For root,\n"
     "or for a user's own odpd.\n",
     odp_cmd_enable, false, true},
    {"disable", "NAME...", "have odp leave services alone",
     "Sets `enabled = no` in the files; nobody listens for the services any more. What runs is\n"
     "left running. Also for a service whose file is gone.\n",
     odp_cmd_disable, false, true},
    {"reload", "", "follow the files as they are now",
     "Reads the files again. Prints what was added, changed, renamed and removed; connections\n"
     "stay, whatever changes. A file with a fault leaves its service as it was, and is a line\n"
     "FILE:LINE: MESSAGE. A changed [backend] applies when the service is next stopped; a\n"
     "removed file leaves running what runs. SIGHUP to odpd does the same.\n",
     odp_cmd_reload, true, false},
    {"check", "[PATH...]", "find the faults in the files",
     "Prints FILE:LINE: MESSAGE for every fault; needs no odpd. Without paths: the files in\n"
     "services/ of the configuration directory (--config DIR).\n",
     run_check, false, false},
    {"generate", "DIR [--force]", "write the socket units as files",
     "Where odp is installed with its systemd generator nobody needs this: the units are made at\n"
     "boot and by odp enable. For hosts that keep their units themselves: writes odp-NAME.socket\n"
     "for each enabled service to DIR, with links in sockets.target.wants/ and\n"
     "odpd.service.wants/, and removes those it made for files that are gone.\n"
     "  --user    for a user's service manager, also as root\n"
     "  --system  for the system's, also as a user\n"
     "  --force   replaces files of the same name that odp has not made\n",
     odp_cmd_generate, false, false},
    {"doctor", "[--fix] [--json]", "find what is wrong with the machine and its units",
     "Prints NAME: WHAT IS WRONG: THE COMMAND THAT MENDS IT for everything that it finds in the\n"
     "files, units, ports and sockets; needs no odpd. As root it sees most. Status 1 says that\n"
     "something was found.\n"
     "  --fix   starts socket units of odp that have failed, and reloads the service manager\n"
     "          where unit files have changed; nothing else is changed\n"
     "  --json  the same, for programs\n",
     odp_cmd_doctor, true, false},
    {"help", "[VERB]", "this text, or more on one verb", "Tells what a verb does.\n", odp_cmd_help,
     false, false},
    {0},
};

static const char *const unbuilt_verbs[] = {
    "hold", "release", "ledger", "import", NULL,
};

const struct odp_verb *odp_verb_find(const char *name)
{
    const char *names[sizeof(odp_verbs) / sizeof(*odp_verbs)] = {0};
    const char *near;

    for (size_t i = 0; odp_verbs[i].name; i++) {
        if (strcmp(odp_verbs[i].name, name) == 0)
            return &odp_verbs[i];
        names[i] = odp_verbs[i].name;
    }
    for (size_t i = 0; unbuilt_verbs[i]; i++)
        if (strcmp(unbuilt_verbs[i], name) == 0) {
            odp_complain("%s is not built yet in odp " ODP_VERSION, name);
            return NULL;
        }
    near = odp_nearest(name, names);
    if (near)
        odp_complain("no verb %s, is it %s? (odp help lists them)", name, near);
    else
        odp_complain("no verb %s (odp help lists them)", name);
    return NULL;
}

static int run_check(const struct odp_cli *cli, int argc, char **argv)
{
    return odp_cmd_check(argc, argv, cli->paths.config);
}

static struct odp_paths_env environment(void)
{
    return (struct odp_paths_env){
        .system = geteuid() == 0,
        .home = getenv("HOME"),
        .config_home = getenv("XDG_CONFIG_HOME"),
        .runtime_home = getenv("XDG_RUNTIME_DIR"),
        .state_home = getenv("XDG_STATE_HOME"),
        .runtime = getenv("ODP_RUNTIME"),
    };
}

static int path_set(char *path, const char *value)
{
    if (*value && strlen(value) < ODP_PATH_MAX) {
        memcpy(path, value, strlen(value) + 1);
        return ODP_EXIT_DONE;
    }
    odp_complain("a directory has 1 to %d bytes: %s", ODP_PATH_MAX - 1, value);
    return ODP_EXIT_USAGE;
}

// A user without an odpd of their own looks at the system's: reading is for everyone.
static void socket_find(struct odp_cli *cli, bool named, bool config_named)
{
    snprintf(cli->socket, sizeof(cli->socket), "%s/" ODP_CONTROL_SOCKET, cli->paths.runtime);
    if (named || (cli->paths.runtime[0] && access(cli->socket, F_OK) == 0))
        return;
    snprintf(cli->socket, sizeof(cli->socket), SYSTEM_RUNTIME "/" ODP_CONTROL_SOCKET);
    if (!config_named)
        snprintf(cli->paths.config, sizeof(cli->paths.config), SYSTEM_CONFIG);
}

// A verb that asks may look into the files as well, where they are.
static void config_guess(struct odp_paths *paths, const struct odp_paths_env *env)
{
    struct odp_paths known = {.runtime = "/", .state = "/"};
    char why[256];

    if (!paths->config[0] && odp_paths_complete(&known, env, why, sizeof(why)) == 0)
        memcpy(paths->config, known.config, sizeof(paths->config));
    if (!paths->config[0])
        snprintf(paths->config, sizeof(paths->config), "/");
}

// Those of an odpd that the service manager runs, whatever the environment says.
static bool are_standard(const struct odp_paths *paths, struct odp_paths_env env)
{
    struct odp_paths standard = {.state = "/"};
    char why[256];

    env.runtime = NULL;
    return odp_paths_complete(&standard, &env, why, sizeof(why)) == 0 &&
           strcmp(standard.config, paths->config) == 0 &&
           strcmp(standard.runtime, paths->runtime) == 0;
}

// A verb that changes something needs what is one's own, and all of it.
static int own_paths_find(struct odp_cli *cli)
{
    struct odp_paths_env env = environment();
    char why[256];

    snprintf(cli->paths.state, sizeof(cli->paths.state), "/");
    if (odp_paths_complete(&cli->paths, &env, why, sizeof(why)) < 0) {
        odp_complain("%s", why);
        return ODP_EXIT_USAGE;
    }
    cli->is_standard = are_standard(&cli->paths, env);
    snprintf(cli->socket, sizeof(cli->socket), "%s/" ODP_CONTROL_SOCKET, cli->paths.runtime);
    return ODP_EXIT_DONE;
}

static int paths_find(struct odp_cli *cli, bool asks)
{
    struct odp_paths_env env = environment();
    struct odp_paths paths = cli->paths;
    bool named = paths.runtime[0] || (env.runtime && *env.runtime);
    bool config_named = paths.config[0];
    char why[256];
    int r;

    // Each verb needs one of the paths. What the others lack must not stop it.
    snprintf(paths.state, sizeof(paths.state), "/");
    if (asks)
        config_guess(&paths, &env);
    else
        snprintf(paths.runtime, sizeof(paths.runtime), "/");
    r = odp_paths_complete(&paths, &env, why, sizeof(why));
    if (r < 0 && (named || !asks)) {
        odp_complain("%s", why);
        return ODP_EXIT_USAGE;
    }
    if (r < 0)
        memset(&paths, 0, sizeof(paths));
    cli->paths = paths;
    cli->config_named = config_named;
    cli->is_standard = asks && are_standard(&paths, env);
    if (asks)
        socket_find(cli, named, config_named);
    return ODP_EXIT_DONE;
}

// True where argv[*i] is `option` with its value, which is then in *ret_value (NULL: missing).
static bool takes_value(const char *option, int argc, char **argv, int *i, const char **ret_value)
{
    size_t n = strlen(option);

    if (strncmp(argv[*i], option, n) != 0 || (argv[*i][n] != '=' && argv[*i][n] != 0))
        return false;
    *ret_value = NULL;
    if (argv[*i][n] == '=')
        *ret_value = argv[*i] + n + 1;
    else if (*i + 1 < argc)
        *ret_value = argv[++*i];
    return true;
}

struct options {
    struct odp_cli cli;
    bool help, version;
    int code;
};

// True for an option that is not the verb's business.
static bool take_option(struct options *o, int argc, char **argv, int *i)
{
    static const char *const names[] = {"--runtime", "--config"};
    char *paths[] = {o->cli.paths.runtime, o->cli.paths.config};
    const char *value;

    for (size_t k = 0; k < 2; k++)
        if (takes_value(names[k], argc, argv, i, &value)) {
            if (value) {
                o->code = path_set(paths[k], value);
            } else {
                odp_complain("%s wants a directory", names[k]);
                o->code = ODP_EXIT_USAGE;
            }
            return true;
        }
    if (strcmp(argv[*i], "--version") == 0)
        return o->version = true;
    if (strcmp(argv[*i], "--help") == 0 || strcmp(argv[*i], "-h") == 0)
        return o->help = true;
    return false;
}

// Takes the shared options out of argv; what stays is the verb and its words.
static int take_options(struct options *o, int argc, char **argv)
{
    int n = 1;
    bool ended = false;

    for (int i = 1; i < argc && o->code == ODP_EXIT_DONE; i++) {
        ended |= strcmp(argv[i], "--") == 0;
        if (ended || !take_option(o, argc, argv, &i))
            argv[n++] = argv[i];
    }
    return n;
}

static int run_verb(struct options *o, int argc, char **argv)
{
    const struct odp_verb *verb;
    int code;

    if (argv[0][0] == '-') {
        odp_complain("no option %s (odp help lists them)", argv[0]);
        return ODP_EXIT_USAGE;
    }
    verb = odp_verb_find(argv[0]);
    if (!verb)
        return ODP_EXIT_USAGE;
    if (o->help)
        return odp_cmd_help(&o->cli, 2, (char *[]){NULL, argv[0], NULL});
    code = verb->run == odp_cmd_help ? ODP_EXIT_DONE
           : verb->changes           ? own_paths_find(&o->cli)
                                     : paths_find(&o->cli, verb->asks);
    return code == ODP_EXIT_DONE ? verb->run(&o->cli, argc, argv) : code;
}

static int run(int argc, char **argv)
{
    struct options o = {0};

    argc = take_options(&o, argc, argv);
    if (o.code != ODP_EXIT_DONE)
        return o.code;
    if (o.version) {
        printf("odp " ODP_VERSION "\n");
        return ODP_EXIT_DONE;
    }
    if (argc > 1)
        return run_verb(&o, argc - 1, argv + 1);
    if (o.help)
        return odp_cmd_help(&o.cli, 1, argv);
    odp_complain("what is to be done? odp VERB ... (odp help lists the verbs)");
    return ODP_EXIT_USAGE;
}

// A socket must not get the number of a closed stdout: the table would be sent to odpd. Opened
// the wrong way round, so that using it fails as on a closed one.
static void standard_fds_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            return;
}

int odp_cli_main(int argc, char **argv)
{
    int code;

    standard_fds_open();
    // A reader that left is a failed write, which is told; not a death without a word.
    signal(SIGPIPE, SIG_IGN);
    code = run(argc, argv);

    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        odp_complain("cannot write the output: %s", errno ? strerror(errno) : "a write failed");
        return code == ODP_EXIT_DONE ? ODP_EXIT_FAILED : code;
    }
    return code;
}
