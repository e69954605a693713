// SPDX-License-Identifier: LGPL-2.1-or-later
//
// environment_file: KEY=VALUE lines, put into the environment of the child that is about to
// become a service. Its values are secrets: no message shows one.

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/launcher/child.h"

#define ENVIRONMENT_FILE_MAX (1024 * 1024)

static int fail(const char *path, const char *what, char *why, size_t why_size)
{
    snprintf(why, why_size, "environment_file %s: %s", path, what);
    return -EINVAL;
}

static bool key_is_valid(const char *key)
{
    if (!isalpha((unsigned char)key[0]) && key[0] != '_')
        return false;
    for (; *key != '\0'; key++)
        if (!isalnum((unsigned char)*key) && *key != '_')
            return false;
    return true;
}

// Cuts blanks off both ends, in place.
static char *trim(char *s)
{
    size_t n;

    s += strspn(s, " \t\r");
    n = strlen(s);
    while (n > 0 && strchr(" \t\r", s[n - 1]))
        n--;
    s[n] = '\0';
    return s;
}

static char *unquote(char *value)
{
    size_t n = strlen(value);

    if (n < 2 || (value[0] != '"' && value[0] != '\'') || value[n - 1] != value[0])
        return value;
    value[n - 1] = '\0';
    return value + 1;
}

static bool apply_line(char *line)
{
    char *key = trim(line), *equals;

    if (key[0] == '\0' || key[0] == '#')
        return true;
    equals = strchr(key, '=');
    if (!equals)
        return false;
    *equals = '\0';
    key = trim(key);
    return key_is_valid(key) && setenv(key, unquote(trim(equals + 1)), 1) == 0;
}

// Checks and reads the same file, whatever happens to its path meanwhile.
static int read_checked(const char *path, char **ret_text, size_t *ret_n_bytes, char *why,
                        size_t why_size)
{
    ODP_CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char same_file[64];
    struct stat st;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(path, strerror(errno), why, why_size);
    if (!S_ISREG(st.st_mode))
        return fail(path, "not a regular file", why, why_size);
    if (st.st_mode & S_IWOTH)
        return fail(path, "others may write it: chmod o-w it", why, why_size);
    snprintf(same_file, sizeof(same_file), "/proc/self/fd/%d", fd);
    r = odp_file_read(same_file, ENVIRONMENT_FILE_MAX, ret_text, ret_n_bytes);
    return r < 0 ? fail(path, strerror(-r), why, why_size) : 0;
}

int odp_environment_file_apply(const char *path, char *why, size_t why_size)
{
    ODP_CLEANUP_FREE char *text = NULL;
    char *line, *next;
    unsigned number = 0;
    char what[64];
    size_t n_bytes;
    int r;

    r = read_checked(path, &text, &n_bytes, why, why_size);
    if (r < 0)
        return r;
    if (strlen(text) != n_bytes)
        return fail(path, "holds a NUL byte", why, why_size);
    for (line = text; line; line = next) {
        number++;
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (apply_line(line))
            continue;
        snprintf(what, sizeof(what), "line %u is not KEY=VALUE", number);
        return fail(path, what, why, why_size);
    }
    return 0;
}
