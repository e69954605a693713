// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `odp check [PATH...]`: every fault of every file, asking nobody.

#pragma once

// argv[0] is "check", the rest are files and directories; with none, the services of `config_dir`.
// Of a directory its `services` is read where it has one, else the files *.ini in it. Prints
// `FILE:LINE: message` for each fault on stdout. Returns the exit code: 0 all sound, 1 faults or
// something that cannot be read, 2 wrong usage.
int odp_cmd_check(int argc, char **argv, const char *config_dir);
