// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The program `odp`: what its verbs share. A verb returns the program's exit code, and has said on
// stderr in one line what went wrong unless that is ODP_EXIT_DONE.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "odp/cli/client.h"
#include "odp/core/paths.h"

enum odp_exit {
    ODP_EXIT_DONE = 0,
    ODP_EXIT_FAILED = 1,
    ODP_EXIT_USAGE = 2,
    ODP_EXIT_UNREACHABLE = 3,
};

// The options that stand before (or after) the verb.
struct odp_cli {
    struct odp_paths paths; // "" where the command line says nothing
    bool config_named;      // by the command line
    char socket[ODP_PATH_MAX + sizeof("/" ODP_CONTROL_SOCKET)]; // "" for verbs that ask nobody
    bool is_standard; // the directories are those of an odpd that the service manager runs
};

// argv[0] is the verb itself; global options are taken out of argv.
typedef int (*odp_verb_run)(const struct odp_cli *cli, int argc, char **argv);

struct odp_verb {
    const char *name;
    const char *arguments; // as in the usage line
    const char *summary;   // half a line
    const char *help;      // what `odp help VERB` adds
    odp_verb_run run;
    bool asks;    // needs odpd
    bool changes; // files, of one's own odpd: another one is not looked for
};

// Ends with a verb without a name.
extern const struct odp_verb odp_verbs[];

const struct odp_verb *odp_verb_find(const char *name);

// The whole program, after the C library's start. Returns the exit code.
int odp_cli_main(int argc, char **argv);

// Prints `odp: ` and one line on stderr, without control characters.
void odp_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Writes to stdout; a failure is found and told at the end by odp_cli_main(). `b` is spent.
int odp_print(struct odp_buf *b);

// True where stdout is a terminal that may be coloured (https://no-color.org).
bool odp_wants_colour(void);

struct odp_flag {
    const char *name;
    bool *is_set; // false until it is given
};

// Parts argv into the flags this verb knows (their list ends without a name) and names, which it
// moves to argv[1..*ret_n]. Complains and returns ODP_EXIT_USAGE for any other option.
int odp_names(int argc, char **argv, const struct odp_flag *flags, size_t *ret_n);

// Says why no reply came, r being odp_client's negative errno. Returns the exit code.
int odp_complain_lost(const struct odp_cli *cli, int r);

// Says what odpd's error reply means to who typed `odp VERB`. Uses the client again to find the
// name that was perhaps meant. Returns the exit code.
int odp_complain_refused(struct odp_client *client, const char *verb,
                         const struct odp_reply *reply);

int odp_cmd_help(const struct odp_cli *cli, int argc, char **argv);
int odp_cmd_status(const struct odp_cli *cli, int argc, char **argv);
int odp_cmd_why(const struct odp_cli *cli, int argc, char **argv);
int odp_cmd_logs(const struct odp_cli *cli, int argc, char **argv);
int odp_cmd_start(const struct odp_cli *cli, int argc, char **argv);
int odp_cmd_stop(const struct odp_cli *cli, int argc, char **argv);
int odp_cmd_enable(const struct odp_cli *cli, int argc, char **argv);
int odp_cmd_disable(const struct odp_cli *cli, int argc, char **argv);
int odp_cmd_generate(const struct odp_cli *cli, int argc, char **argv);
int odp_cmd_reload(const struct odp_cli *cli, int argc, char **argv);
int odp_cmd_doctor(const struct odp_cli *cli, int argc, char **argv);

// Sends `method` for each name, all at once, then awaits the replies in the order of the names
// and prints `NAME: STATE` for each.
int odp_cli_jobs(const struct odp_cli *cli, int argc, char **argv, const char *method);
