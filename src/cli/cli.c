// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The command line's frame: the table of verbs, and the options they share. It must not know what a
// verb does. Which odpd is meant is cli_paths.c's.

#include "cli_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "odp/cli/cmd_check.h"
#include "odp/core/config.h"

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
     "Reads the files again. Prints what was added, changed, renamed and removed, and which\n"
     "service listens now that could not before; connections stay, whatever changes. A file\n"
     "with a fault leaves its service as it was, and is a line FILE:LINE: MESSAGE. A changed\n"
     "[backend] applies when the service is next stopped; a removed file leaves running what\n"
     "runs. SIGHUP to odpd does the same.\n",
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
                o->code = cli_path_set(paths[k], value);
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
           : verb->changes           ? cli_paths_find_own(&o->cli)
                                     : cli_paths_find(&o->cli, verb->asks);
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
