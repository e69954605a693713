// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Checks on units whose process is but a client of docker or podman. Pure, on the command that the
// unit runs: only what it says outright is a finding.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_internal.h"

#define WORD_MAX 256

struct client {
    char engine[16];
    char name[WORD_MAX]; // of the container, "" where the engine makes one up
    char restart[32];    // its restart policy, "" for none
    char publish[1024];  // what is published, with blanks between
    bool detached;
    bool is_inside; // the unit's own control group has the container
};

// The engine that the path of a program is, NULL for others.
static const char *engine_of(const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash ? slash + 1 : program;

    if (strcmp(name, "docker") == 0)
        return "docker";
    return strcmp(name, "podman") == 0 ? "podman" : NULL;
}

// The next word as a shell has it, near enough: without quotes, over continued lines.
static bool next_word(const char **rest, char *word, size_t size)
{
    char *to = word;

    do
        if (!odp_words_next(rest, word, size))
            return false;
    while (strcmp(word, "\\") == 0);
    for (const char *from = word; *from; from++)
        if (*from != '\'' && *from != '"')
            *to++ = *from;
    *to = '\0';
    return true;
}

// A long option that takes no value.
static bool is_switch(const char *word)
{
    static const char *const words[] = {"--detach",
                                        "--rm",
                                        "--init",
                                        "--interactive",
                                        "--tty",
                                        "--publish-all",
                                        "--quiet",
                                        "--privileged",
                                        "--read-only",
                                        "--rmi",
                                        "--replace",
                                        "--sig-proxy",
                                        "--no-hosts",
                                        "--no-healthcheck",
                                        "--oom-kill-disable",
                                        "--disable-content-trust"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static void take_publish(struct client *c, const char *value)
{
    size_t n = strlen(c->publish);

    snprintf(c->publish + n, sizeof(c->publish) - n, "%s ", value);
}

static void take_long(struct client *c, const char *option, const char *value)
{
    if (strcmp(option, "--publish") == 0)
        take_publish(c, value);
    else if (strcmp(option, "--name") == 0)
        snprintf(c->name, sizeof(c->name), "%s", value);
    else if (strcmp(option, "--restart") == 0)
        snprintf(c->restart, sizeof(c->restart), "%s", value);
    else if (strcmp(option, "--detach") == 0)
        c->detached = strcmp(value, "true") == 0;
    else if (strcmp(option, "--cgroups") == 0)
        c->is_inside = strcmp(value, "split") == 0;
}

// "--name wiki", "--name=wiki"
static void read_long(struct client *c, char *word, const char **rest)
{
    char *equals = strchr(word, '=');
    char value[WORD_MAX] = "true";

    if (equals) {
        *equals = '\0';
        take_long(c, word, equals + 1);
    } else if (is_switch(word) || next_word(rest, value, sizeof(value))) {
        take_long(c, word, value);
    }
}

// "-p 8080:80", "-p8080:80", "-p=8080:80", and with switches before it in the same word: "-dp".
static void read_short(struct client *c, const char *word, const char **rest)
{
    char next[WORD_MAX];
    const char *value = next;

    for (word++; *word && strchr("ditPq", *word); word++)
        c->detached |= *word == 'd';
    if (!*word)
        return;
    if (word[1])
        value = word + 1 + (word[1] == '=');
    else if (!next_word(rest, next, sizeof(next)))
        return;
    if (*word == 'p')
        take_publish(c, value);
}

// The options of `run`; what follows the image is none of the engine's.
static void read_options(struct client *c, const char *rest)
{
    char word[WORD_MAX];

    while (next_word(&rest, word, sizeof(word)) && word[0] == '-')
        if (word[1] == '-')
            read_long(c, word, &rest);
        else
            read_short(c, word, &rest);
}

// Of a command line, or of a script that has one: the engine of the first `docker ... VERB`, behind
// which *rest is then. NULL: there is none.
static const char *find_verb(const char **rest, const char *verb)
{
    char word[WORD_MAX];
    const char *engine = NULL;

    while (next_word(rest, word, sizeof(word)) && strcmp(word, ";") != 0)
        if (engine && strcmp(word, verb) == 0)
            return engine;
        else if (engine_of(word))
            engine = engine_of(word);
        else if (engine && word[0] != '-' && strcmp(word, "container") != 0)
            engine = NULL; // another command of it
    return NULL;
}

static const char *script_of(const struct odp_doctor *d, const char *unit)
{
    for (size_t i = 0; i < d->n_scripts; i++)
        if (strcmp(d->scripts[i].unit, unit) == 0)
            return d->scripts[i].text;
    return NULL;
}

// "{ path=/usr/bin/docker ; argv[]=/usr/bin/docker run --name wiki ... ; ignore_errors=no ; ..."
static const char *command_of(const struct odp_doctor *d, const struct odp_config_service *s,
                              const char *unit)
{
    const char *block = odp_show_find(&odp_doctor_manager(d, s)->units, unit);
    const char *command = strstr(odp_show_value(block, "ExecStart"), "argv[]=");
    const char *script = script_of(d, unit);

    if (script)
        return script;
    return command ? command + strlen("argv[]=") : "";
}

// `docker start -a wiki`: what else is to be known of that container the engine says.
static void read_name(struct client *c, const char *rest)
{
    char word[WORD_MAX];

    while (next_word(&rest, word, sizeof(word)))
        if (word[0] != '-') {
            snprintf(c->name, sizeof(c->name), "%s", word);
            return;
        }
}

static bool read_client(const char *command, struct client *ret)
{
    const char *run = command, *start = command;
    const char *engine = find_verb(&run, "run");

    *ret = (struct client){0};
    if (engine)
        read_options(ret, run);
    else if ((engine = find_verb(&start, "start")))
        read_name(ret, start);
    if (engine)
        snprintf(ret->engine, sizeof(ret->engine), "%s", engine);
    return engine;
}

bool doctor_keeps_containers(const struct odp_doctor *d, const struct odp_config_service *s)
{
    bool starts = false;

    for (size_t i = 0; i < s->n_units; i++) {
        const char *run = command_of(d, s, s->units[i].text), *create = run, *start = run;

        if (find_verb(&run, "run") || find_verb(&create, "create"))
            return false;
        starts |= find_verb(&start, "start") != NULL;
    }
    return starts;
}

// The host's port of [ADDRESS:]HOST:CONTAINER[/tcp], 0 where the engine chooses one.
static unsigned host_port(const char *publish)
{
    const char *last = strrchr(publish, ':');
    const char *p = last;

    if (!last)
        return 0;
    while (p > publish && p[-1] != ':')
        p--;
    return (unsigned)strtoul(p, NULL, 10);
}

static void check_published(const struct odp_config_service *s, const char *unit,
                            const struct client *c, struct odp_findings *f)
{
    const char *list = c->publish;
    char word[WORD_MAX];

    while (odp_words_next(&list, word, sizeof(word)))
        for (size_t i = 0; i < s->n_listen; i++) {
            unsigned port = s->listen[i].address.port;

            if (s->listen[i].address.kind == ODP_ADDRESS_UNIX || port == 0 ||
                host_port(word) != port || strstr(word, "/udp") ||
                odp_address_equal(&s->listen[i].address, &s->target))
                continue;
            odp_finding_add(f, "port-published", s->name,
                            "%s publishes port %u by %s itself, where odp listens: the container "
                            "cannot start",
                            unit, port, c->engine);
            odp_finding_command(f, "systemctl edit --full %s (--publish 127.0.0.1:%u:%s)",
                                QUOTED(unit), s->target.port, strrchr(word, ':') + 1);
        }
}

// What a shell, or systemd, makes a name of is none to write down.
static bool is_name(const char *s)
{
    return *s && !s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")];
}

// Without the key the memory that odp shows is the client's.
static void check_named(const struct odp_config_service *s, const char *unit,
                        const struct client *c, struct odp_findings *f)
{
    if (s->n_containers > 0 || c->is_inside)
        return;
    odp_finding_add(f, "no-container", s->name,
                    "%s runs a container by %s, whose memory and load are not in the unit", unit,
                    c->engine);
    if (is_name(c->name))
        odp_finding_command(f, "sed -i 's/^\\[backend\\]/&\\ncontainer = %s%s/' %s && odp reload",
                            c->name, strcmp(c->engine, "podman") == 0 ? "\\nengine = podman" : "",
                            QUOTED(s->file));
    else
        odp_finding_command(f,
                            "systemctl edit --full %s (with --name=%s), and add container = %s "
                            "below [backend] in %s",
                            QUOTED(unit), s->name, s->name, s->file);
}

static void check_client(const struct odp_doctor *d, const struct odp_config_service *s,
                         const char *unit, struct odp_findings *f)
{
    const char *block = odp_show_find(&odp_doctor_manager(d, s)->units, unit);
    struct client c;

    if (!read_client(command_of(d, s, unit), &c))
        return;
    check_named(s, unit, &c, f);
    check_published(s, unit, &c, f);
    // What systemd stops stays stopped; but the engine starts it when it is started itself. It does
    // not with unless-stopped.
    if (strcmp(c.restart, "always") == 0) {
        odp_finding_add(f, "container-restarts", s->name,
                        "%s runs its container with --restart always, by which %s starts it at "
                        "boot, when nobody has come",
                        unit, c.engine);
        odp_finding_command(f, "systemctl edit --full %s (without --restart)", QUOTED(unit));
    }
    if (c.detached &&
        (odp_show_is(block, "Type", "simple") || odp_show_is(block, "Type", "exec"))) {
        odp_finding_add(f, "container-detached", s->name,
                        "%s runs its container with --detach: the unit ends at once, the container "
                        "goes on without odp",
                        unit);
        odp_finding_command(f, "systemctl edit --full %s (without -d)", QUOTED(unit));
    }
}

void doctor_check_docker(const struct odp_doctor *d, const struct odp_config_service *s,
                         struct odp_findings *f)
{
    for (size_t i = 0; s->backend == ODP_BACKEND_SYSTEMD && i < s->n_units; i++)
        check_client(d, s, s->units[i].text, f);
}
