// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp doctor: prints what the checks have found, and with --fix runs those of the commands that can
// do no harm. What is wrong it leaves to the checks.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor_internal.h"
#include "odp/cli/text.h"

#define NAME_COLOUR    "\033[33m"
#define COMMAND_COLOUR "\033[1m"
#define NO_COLOUR      "\033[0m"

#define ABOUT_TO_LISTEN_SEC 3

static int out_of_memory(void)
{
    odp_complain("out of memory: free some and try again");
    return ODP_EXIT_FAILED;
}

static void add_line(struct odp_buf *b, const struct odp_finding *finding, bool colour)
{
    odp_buf_printf(b, "%s", colour ? NAME_COLOUR : "");
    odp_text_add(b, finding->name);
    odp_buf_printf(b, "%s: ", colour ? NO_COLOUR : "");
    odp_text_add(b, finding->what);
    if (finding->command) {
        odp_buf_printf(b, ": %s", colour ? COMMAND_COLOUR : "");
        odp_text_add(b, finding->command);
        odp_buf_printf(b, "%s", colour ? NO_COLOUR : "");
    }
    odp_buf_printf(b, "\n");
}

static bool add_object(cJSON *list, const struct odp_finding *finding)
{
    cJSON *o = cJSON_CreateObject();

    if (!o || !cJSON_AddItemToArray(list, o)) {
        cJSON_Delete(o);
        return false;
    }
    return cJSON_AddStringToObject(o, "kind", finding->kind) &&
           cJSON_AddStringToObject(o, "name", finding->name) &&
           cJSON_AddStringToObject(o, "what", finding->what) &&
           cJSON_AddStringToObject(o, "command", finding->command ? finding->command : "");
}

static void add_json(struct odp_buf *b, const struct odp_findings *findings)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *list = json ? cJSON_AddArrayToObject(json, "findings") : NULL;

    b->failed |= !list;
    for (size_t i = 0; list && i < findings->n; i++)
        b->failed |= !add_object(list, &findings->items[i]);
    if (!b->failed) {
        odp_json_add(b, json);
        odp_buf_printf(b, "\n");
    }
    cJSON_Delete(json);
}

static int show(const struct odp_findings *findings, bool json)
{
    struct odp_buf out = {0};
    bool colour = odp_wants_colour();

    if (json)
        add_json(&out, findings);
    else if (findings->n == 0)
        odp_buf_printf(&out, "nothing found\n");
    for (size_t i = 0; !json && i < findings->n; i++)
        add_line(&out, &findings->items[i], colour);
    int code = odp_print(&out);
    return code == ODP_EXIT_DONE && findings->n > 0 ? ODP_EXIT_FAILED : code;
}

// True for one that a prune by hand removes. What has a compose file is made anew by it.
static bool may_be_pruned(const struct odp_doctor *d, const struct odp_config_service *s)
{
    return !s->compose_files && odp_doctor_container(d, s, 0) && doctor_containers_sleep(d, s) &&
           !(doctor_is_beside(s) && !doctor_keeps_containers(d, s));
}

static void show_sleeper(const struct odp_doctor *d)
{
    for (size_t i = 0; i < d->config.n_services; i++) {
        const struct odp_config_service *s = d->config.services[i];

        if (!may_be_pruned(d, s))
            continue;
        odp_complain("%s sleeps, a stopped container: %s system prune would remove it "
                     "(docs/CONTAINERS.md)",
                     s->name, odp_doctor_engine(d, s)->place.engine);
        return;
    }
}

// What could not be seen is told apart from what is wrong.
static void show_notes(const struct odp_doctor *d)
{
    if (d->ports.blind)
        odp_complain("not all of it can be seen: run it as root to see whose ports others' are");
    if (d->config_error == -EACCES)
        odp_complain("%s may not be read: run it as root or as a member of group odp",
                     d->config_dir);
    for (size_t i = 0; i < d->n_engines; i++)
        if (d->engines[i].error == -EACCES && !d->is_user)
            odp_complain("containers cannot be seen: run it as root, or as who may use %s",
                         d->engines[i].place.socket);
    show_sleeper(d);
    if (!d->memory_controller && d->container)
        odp_complain("memory is not counted here: in this container the memory controller is off, "
                     "see its host (cgroup_enable=memory on the kernel's command line)");
}

// ---- --fix --------------------------------------------------------------------------------------

static bool is_safe(const char *kind)
{
    return strcmp(kind, "socket-failed") == 0 || strcmp(kind, "socket-inactive") == 0 ||
           strcmp(kind, "unit-changed") == 0;
}

static void run_one(const char *command, FILE *told)
{
    struct odp_words w = {0};
    const char *rest = command;
    char word[ODP_UNIT_NAME_MAX];
    char *out = NULL, *err = NULL;

    while (odp_words_next(&rest, word, sizeof(word)))
        odp_words_add(&w, "%s", word);
    int r = w.failed || w.n == 0 ? -ENOMEM : odp_run(w.items, DOCTOR_FIX_PATIENCE_SEC, &out, &err);
    if (r != 0) {
        if (err)
            err[strcspn(err, "\n")] = '\0';
        odp_complain("%s: %s", command, err ? err : r < 0 ? strerror(-r) : "failed");
    } else {
        fprintf(told, "did %s\n", command);
    }
    odp_words_deinit(&w);
    free(out);
    free(err);
}

// Commands of these kinds are words with blanks between, one after the other with `; `.
static void run_all(const char *commands, FILE *told)
{
    while (*commands) {
        size_t n = strcspn(commands, ";");
        ODP_CLEANUP_FREE char *one = strndup(commands, n);

        if (!one)
            return;
        run_one(one + strspn(one, " "), told);
        commands += n + (commands[n] == ';');
    }
}

// systemd forgets the socket of an address that has changed when it reads the units anew: that is
// for odp enable to do, which has a new one opened at once.
static void fix(const struct odp_findings *findings, FILE *told)
{
    bool may_reload = !odp_findings_has(findings, "socket-stale");

    for (size_t i = 0; i < findings->n; i++) {
        const struct odp_finding *finding = &findings->items[i];
        bool is_done = !finding->command || !is_safe(finding->kind) ||
                       (strcmp(finding->kind, "unit-changed") == 0 && !may_reload);

        // One daemon-reload, one restart for all.
        for (size_t k = 0; k < i && !is_done; k++)
            is_done = findings->items[k].command && is_safe(findings->items[k].kind) &&
                      strcmp(findings->items[k].command, finding->command) == 0;
        if (!is_done)
            run_all(finding->command, told);
    }
    fflush(told);
}

// ---- the verb -----------------------------------------------------------------------------------

// Returns 0 or -ENOMEM; both are to be deinitialised in either case.
static int look(const struct odp_cli *cli, struct odp_doctor *d, struct odp_findings *findings)
{
    int r = odp_doctor_gather(cli, d);

    *findings = (struct odp_findings){0};
    if (r == 0)
        odp_doctor_check(d, findings);
    return r < 0 || findings->failed ? -ENOMEM : 0;
}

// The facts are not all of one moment: a service that is just being stopped may look odd. What is
// found counts if a second look finds it again; who may be just about to listen has a moment.
static int examine(const struct odp_cli *cli, struct odp_doctor *d, struct odp_findings *findings)
{
    struct odp_findings first;
    int r = look(cli, d, findings);

    // What did not answer for so long need not be waited for once more.
    if (r < 0 || findings->n == 0 || d->odpd.error == -ETIMEDOUT ||
        odp_findings_has(findings, "path-dead"))
        return r;
    first = *findings;
    odp_doctor_deinit(d);
    if (odp_findings_has(&first, "target-silent"))
        sleep(ABOUT_TO_LISTEN_SEC);
    r = look(cli, d, findings);
    odp_findings_keep(findings, &first);
    odp_findings_deinit(&first);
    return r;
}

int odp_cmd_doctor(const struct odp_cli *cli, int argc, char **argv)
{
    struct odp_doctor d;
    struct odp_findings findings;
    size_t n_names;
    bool fixes, json;
    const struct odp_flag flags[] = {{"--fix", &fixes}, {"--json", &json}, {0}};
    int code = odp_names(argc, argv, flags, &n_names);

    if (code != ODP_EXIT_DONE)
        return code;
    if (n_names > 0) {
        odp_complain("doctor takes no names: it looks at everything (odp help doctor)");
        return ODP_EXIT_USAGE;
    }
    int r = examine(cli, &d, &findings);
    if (r == 0 && fixes && findings.n > 0) {
        fix(&findings, json ? stderr : stdout);
        odp_findings_deinit(&findings);
        odp_doctor_deinit(&d);
        r = examine(cli, &d, &findings);
    }
    code = r < 0 ? out_of_memory() : show(&findings, json);
    if (r == 0)
        show_notes(&d);
    odp_findings_deinit(&findings);
    odp_doctor_deinit(&d);
    return code;
}
