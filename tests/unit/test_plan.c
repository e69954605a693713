// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a reload has to do. First by examples that read like an edit, then over every edit of three
// small files, where what must always hold is checked.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/buf.h"
#include "odp/core/plan.h"

// ---- examples ----------------------------------------------------------------------------------

// A file in one line: `a 80>1 cmd`. Behind the name stand listen and target, then the command, or
// `none`; `off` is enabled = no, `!` a fault; `wants X` is [requires] service.
static void add_line(struct odp_files *files, const char *line)
{
    char name[16], listen[64], target[64], command[32] = "none", path[32];
    struct odp_buf text = {0};

    assert_true(sscanf(line, "%15s %63[^>]>%63s %31s", name, listen, target, command) >= 3);
    odp_buf_printf(&text, "[service]\ntarget = 127.0.0.1:%s\n", target);
    for (char *save, *l = strtok_r(listen, ",", &save); l; l = strtok_r(NULL, ",", &save))
        odp_buf_printf(&text, "listen = %s\n", l);
    if (strstr(line, " off"))
        odp_buf_printf(&text, "enabled = no\n");
    if (strstr(line, " !"))
        odp_buf_printf(&text, "nonsense = 1\n");
    if (strcmp(command, "none") == 0)
        odp_buf_printf(&text, "[backend]\ntype = none\n");
    else
        odp_buf_printf(&text, "[backend]\ncommand = %s\n", command);
    if (strstr(line, " wants "))
        odp_buf_printf(&text, "[requires]\nservice = %s\n", strstr(line, " wants ") + 7);
    snprintf(path, sizeof(path), "%s.ini", name);
    files->items = reallocarray(files->items, files->n + 1, sizeof(*files->items));
    files->items[files->n++] = (struct odp_file){
        .path = strdup(path), .stem = strdup(name), .text = text.s, .n_bytes = text.n_bytes};
}

static void read_lines(const char *lines, struct odp_config *ret)
{
    struct odp_files files = {0};
    char *copy = strdup(lines);

    for (char *save, *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
        add_line(&files, l);
    assert_int_equal(odp_config_read(&files, ret), 0);
    odp_files_deinit(&files);
    free(copy);
}

static void tell(const struct odp_plan *plan, struct odp_buf *b)
{
    for (size_t i = 0; i < plan->n_items; i++) {
        const struct odp_plan_item *it = &plan->items[i];
        odp_buf_printf(b, "%s%s", i > 0 ? ", " : "", odp_plan_action_to_string(it->action));
        odp_buf_printf(b, " %s", it->before ? it->before->name : it->after->name);
        if (it->renamed)
            odp_buf_printf(b, "->%s", it->after->name);
    }
}

// `faults` is what they say, one a line, without the file's suffix; NULL: none.
static void expect(const char *before, const char *after, const char *plan_text, const char *faults)
{
    struct odp_config old, config;
    struct odp_plan plan;
    struct odp_buf told = {0}, said = {0};

    read_lines(before, &old);
    assert_int_equal(old.faults.n, 0);
    read_lines(after, &config);
    assert_int_equal(odp_plan_make(old.services, old.n_services, &config, &plan), 0);
    tell(&plan, &told);
    assert_string_equal(told.s ? told.s : "", plan_text);
    for (size_t i = 0; i < config.faults.n; i++)
        odp_buf_printf(&said, "%s%s:%u: %s", i > 0 ? "\n" : "", config.faults.items[i].file,
                       config.faults.items[i].line, config.faults.items[i].message);
    assert_string_equal(said.s ? said.s : "", faults ? faults : "");
    odp_buf_deinit(&told);
    odp_buf_deinit(&said);
    odp_plan_deinit(&plan);
    odp_config_deinit(&config);
    odp_config_deinit(&old);
}

static void test_one_file(void **state)
{
    (void)state;
    expect("", "", "", NULL);
    expect("a 80>1", "a 80>1", "keep a", NULL);
    expect("", "a 80>1", "add a", NULL);
    expect("a 80>1", "", "remove a", NULL);
    expect("a 80>1 x", "a 80>1 y", "change a", NULL);
    expect("a 80>1", "a 81>1", "change a", NULL);
    expect("a 80>1", "a 80>2", "change a", NULL);
    expect("a 80>1", "a 81>2", "change a", NULL);
    expect("a 80>1", "a 80>1 none off", "change a", NULL);
    expect("a 80>1 none off", "a 80>1", "change a", NULL);
    expect("a 80>1", "b 80>1", "keep a->b", NULL);
    // Renamed and made faulty at once.
    expect("a 80>1", "b 80>1 none !", "faulty a", "b.ini:4: unknown key `nonsense` in [service]");
    expect("a 80>1", "b 81>1 none !", "remove a", "b.ini:4: unknown key `nonsense` in [service]");
    expect("a 80>1", "a 80>2\nb 80>1 none !", "change a",
           "b.ini:4: unknown key `nonsense` in [service]");
    expect("a 80>1\nb 81>2", "b 80>1 none !", "remove a, faulty b",
           "b.ini:4: unknown key `nonsense` in [service]");
    expect("a 80>1 x", "b 80>1 y", "change a->b", NULL);
    expect("a 80>1", "b 80>2", "change a->b", NULL);
    expect("a 80>1", "b 81>1", "remove a, add b", NULL);
    expect("a 80,81>1", "b 81,82>1", "change a->b", NULL);
    expect("a 80>1", "a 80>1 none !", "faulty a", "a.ini:4: unknown key `nonsense` in [service]");
    expect("", "a 80>1 none !", "", "a.ini:4: unknown key `nonsense` in [service]");
}

static void test_names_move(void **state)
{
    (void)state;
    // Exchanged names.
    expect("a 80>1 x\nb 81>2 y", "a 81>2 y\nb 80>1 x", "keep a->b, keep b->a", NULL);
    // The same, and one was edited besides.
    expect("a 80>1 x\nb 81>2 y", "a 81>2 z\nb 80>1 x", "keep a->b, change b->a", NULL);
    // Exchanged addresses: what runs stays under its name.
    expect("a 80>1 x\nb 81>2 y", "a 81>1 x\nb 80>2 y", "change a, change b", NULL);
    // Plain proxies too, told by their targets.
    expect("a 80>1\nb 81>2", "a 81>1\nb 80>2", "change a, change b", NULL);
    expect("a 80>1\nb 81>2", "a 81>2\nb 80>1", "keep a->b, keep b->a", NULL);
    // Three in a ring, and a chain whose first name is new.
    expect("a 80>1 x\nb 81>2 y\nc 82>3 z", "a 82>3 z\nb 80>1 x\nc 81>2 y",
           "keep a->b, keep b->c, keep c->a", NULL);
    expect("a 80>1 x\nb 81>2 y", "b 80>1 x\nc 81>2 y", "keep a->b, keep b->c", NULL);
    // The name of a removed file is taken over at once.
    expect("a 80>1 x\nb 81>2 y", "a 81>2 y", "remove a, keep b->a", NULL);
    // A new file on the old address of one that has moved on.
    expect("a 80>1 x", "a 81>1 x\nb 80>2 y", "change a, add b", NULL);
    expect("a 80>1 x", "a 81>2 x\nb 80>3 y", "change a, add b", NULL);
    // Of two that share an address with it, the one with its target is the renamed one.
    expect("a 80,81>1", "b 80>2\nc 81>1", "change a->c, add b", NULL);
    // A sleeping file of the same address comes second.
    expect("a 80>1 none off\nb 80>2", "c 80>1", "remove a, change b->c", NULL);
    expect("a 80>1 none off", "c 80>1", "change a->c", NULL);
}

static void test_clashes(void **state)
{
    (void)state;
    // Whoever has it keeps it, whatever the names.
    expect("b 80>1", "a 80>2\nb 80>1", "keep b, faulty a",
           "a.ini:3: listen 80 is also that of b (b.ini:3)\n"
           "b.ini:3: listen 80 is also that of a (a.ini:3), which is left out");
    expect("b 80>1", "a 81>1\nb 80>1", "keep b, faulty a",
           "a.ini:2: target 127.0.0.1:1 is also that of b (b.ini:2)\n"
           "b.ini:2: target 127.0.0.1:1 is also that of a (a.ini:2), which is left out");
    // Also where it changes something else in the same edit.
    expect("a 81>2\nb 80>1", "a 80>2\nb 80>3", "faulty a, change b",
           "a.ini:3: listen 80 is also that of b (b.ini:3)\n"
           "b.ini:3: listen 80 is also that of a (a.ini:3), which is left out");
    // Nobody has it: the first one by name.
    expect("", "a 80>1\nb 80>2", "add a, faulty b",
           "a.ini:3: listen 80 is also that of b (b.ini:3), which is left out\n"
           "b.ini:3: listen 80 is also that of a (a.ini:3)");
    expect("a 81>1\nb 82>2", "a 80>1\nb 80>2", "change a, faulty b",
           "a.ini:3: listen 80 is also that of b (b.ini:3), which is left out\n"
           "b.ini:3: listen 80 is also that of a (a.ini:3)");
    // A service comes before a new file.
    expect("b 82>2", "a 80>1\nb 80>2", "change b, faulty a",
           "a.ini:3: listen 80 is also that of b (b.ini:3)\n"
           "b.ini:3: listen 80 is also that of a (a.ini:3), which is left out");
    // What was disabled had nothing.
    expect("a 80>1 none off\nb 80>2", "a 80>1\nb 80>2", "faulty a, keep b",
           "a.ini:3: listen 80 is also that of b (b.ini:3)\n"
           "b.ini:3: listen 80 is also that of a (a.ini:3), which is left out");
    // A wildcard over what another has.
    expect("b 127.0.0.1:80>1", "a 80>2\nb 127.0.0.1:80>1", "keep b, faulty a",
           "a.ini:3: listen 80 covers 127.0.0.1:80 of b (b.ini:3)\n"
           "b.ini:3: listen 127.0.0.1:80 is already covered by 80 of a (a.ini:3), which is left "
           "out");
}

static void test_what_stays_is_in_the_way(void **state)
{
    (void)state;
    // b's file is faulty, so it still has 81.
    expect("a 80>1\nb 81>2", "a 81>1\nb 82>2 none !", "faulty a, faulty b",
           "a.ini:3: listen 81 is also that of b, which is served as before: its file b.ini has a "
           "fault\n"
           "b.ini:4: unknown key `nonsense` in [service]");
    // And so on: a keeps 80, which c cannot have then.
    expect("a 80>1\nb 81>2\nc 82>3", "a 81>1\nb 83>2 none !\nc 80>3",
           "faulty a, faulty b, faulty c",
           "a.ini:3: listen 81 is also that of b, which is served as before: its file b.ini has a "
           "fault\n"
           "b.ini:4: unknown key `nonsense` in [service]\n"
           "c.ini:3: listen 80 is also that of a, which is served as before: its file a.ini has a "
           "fault");
    // The one that was let in already goes again.
    expect("b 80>1\nc 81>2\nd 82>3", "b 90>1\nc 80>2\nd 90>3\ne 81>4",
           "change b, change c, faulty d, add e",
           "b.ini:3: listen 90 is also that of d (d.ini:3), which is left out\n"
           "d.ini:3: listen 90 is also that of b (b.ini:3)");
    // Here it goes round: d cannot move, so c cannot, so b cannot either.
    expect("b 80>1\nc 81>2\nd 82>3", "b 81>1\nc 82>2\nd 81>3", "faulty b, faulty c, faulty d",
           "b.ini:3: listen 81 is also that of c, which is served as before: its file c.ini has a "
           "fault\n"
           "b.ini:3: listen 81 is also that of d (d.ini:3), which is left out\n"
           "c.ini:3: listen 82 is also that of d, which is served as before: its file d.ini has a "
           "fault\n"
           "d.ini:3: listen 81 is also that of b (b.ini:3)");
    // A renamed file whose new place is taken stays under its old name.
    expect("a 80>1\nb 81>2", "b 81>2\nc 80,81>1", "faulty a, keep b",
           "b.ini:3: listen 81 is also that of c (c.ini:4), which is left out\n"
           "c.ini:4: listen 81 is also that of b (b.ini:3)");
    // Its old name is wanted by another one: that stays as well.
    expect("a 80>1 x\nb 81>2 y\nc 82>3 z", "a 81>2 y\nb 80,82>1 x\nc 82>3 z",
           "faulty a, faulty b, keep c",
           "a.ini:1: a service named a is in a.ini already\n"
           "b.ini:4: listen 82 is also that of c (c.ini:3)\n"
           "c.ini:3: listen 82 is also that of b (b.ini:4), which is left out");
}

static void test_across_files(void **state)
{
    (void)state;
    // A ring of targets: who closes it is refused.
    expect("a 127.0.0.1:80>81\nb 127.0.0.1:81>82", "a 127.0.0.1:80>81\nb 127.0.0.1:81>80",
           "keep a, faulty b",
           "b.ini:2: target 127.0.0.1:80 leads back to this service by way of a (a.ini:2)");
    // So is one that was let in before another had to stay as it was.
    expect("a 127.0.0.1:82>83\nb 127.0.0.1:80>81\nz 127.0.0.1:84>91",
           "a 127.0.0.1:81>80\nb 127.0.0.1:90>91\nz 127.0.0.1:84>91", "faulty a, faulty b, keep z",
           "a.ini:2: target 127.0.0.1:80 leads back to this service by way of b (b.ini:2)\n"
           "b.ini:2: target 127.0.0.1:91 is also that of z (z.ini:2)\n"
           "z.ini:2: target 127.0.0.1:91 is also that of b (b.ini:2), which is left out");
    // What is required has gone, though the file itself is as it was.
    expect("a 80>1 x wants b\nb 81>2", "a 80>1 x wants b", "faulty a, remove b",
           "a.ini:7: [requires] service = b: there is no such service, no file b.ini");
    expect("a 80>1 x wants b\nb 81>2", "a 80>1 x wants b\nb 81>2 none !", "keep a, faulty b",
           "b.ini:4: unknown key `nonsense` in [service]");
    expect("a 80>1 x wants b\nb 81>2 y", "a 80>1 x wants b\nb 81>2 y wants a", "keep a, faulty b",
           "a.ini:7: [requires] service = b: b requires a (b.ini:7): neither could ever start\n"
           "b.ini:7: [requires] service = a: a requires b (a.ini:7): neither could ever start");
}

// ---- every edit --------------------------------------------------------------------------------

// A file is absent, faulty, or has one of three addresses and one of three targets, asleep or not.
#define N_NAMES   3
#define N_LISTENS 3
#define N_TARGETS 3
#define ABSENT    0
#define FAULTY    1
#define N_KINDS   (2 + N_LISTENS * N_TARGETS + 1) // the last one is disabled, on the first of each
#define N_SETS    (N_KINDS * N_KINDS * N_KINDS)

static struct odp_config_service *make(size_t name, unsigned kind)
{
    struct odp_config_service *s = calloc(1, sizeof(*s));
    bool off = kind == N_KINDS - 1;
    unsigned listen = off ? 0 : (kind - 2) / N_TARGETS, target = off ? 0 : (kind - 2) % N_TARGETS;

    assert_non_null(s);
    snprintf(s->name, sizeof(s->name), "%c", (char)('a' + name));
    s->file = strdup(s->name);
    s->enabled = !off;
    s->n_listen = 1;
    s->listen = calloc(1, sizeof(*s->listen));
    assert_non_null(s->listen);
    s->listen[0].address = (struct odp_address){.kind = ODP_ADDRESS_PORT};
    s->listen[0].address.port = (uint16_t)(80 + listen);
    s->listen[0].text = strdup("");
    s->target = (struct odp_address){.kind = ODP_ADDRESS_INET, .ip = {127, 0, 0, 1}};
    s->target.port = (uint16_t)(1 + target);
    s->target_text = strdup("");
    s->backend = ODP_BACKEND_NONE;
    s->text_digest = kind;
    return s;
}

static unsigned kind_of(unsigned set, size_t name)
{
    return name == 0   ? set % N_KINDS
           : name == 1 ? set / N_KINDS % N_KINDS
                       : set / N_KINDS / N_KINDS;
}

static void make_set(unsigned set, struct odp_config *ret)
{
    *ret = (struct odp_config){.services = calloc(N_NAMES + 1, sizeof(*ret->services)),
                               .invalid = calloc(N_NAMES + 1, sizeof(*ret->invalid))};
    assert_true(ret->services && ret->invalid);
    for (size_t i = 0; i < N_NAMES; i++) {
        unsigned kind = kind_of(set, i);
        char name[2] = {(char)('a' + i), 0};
        if (kind == FAULTY)
            ret->invalid[ret->n_invalid++] = strdup(name);
        else if (kind != ABSENT)
            ret->services[ret->n_services++] = make(i, kind);
    }
}

// On its own, without core's judgement.
static bool clash(const struct odp_config_service *a, const struct odp_config_service *b)
{
    return strcmp(a->name, b->name) == 0 ||
           (a->enabled && b->enabled &&
            (a->listen[0].address.port == b->listen[0].address.port ||
             a->target.port == b->target.port));
}

static bool is_sound(const struct odp_config *c)
{
    for (size_t i = 0; i < c->n_services; i++)
        for (size_t k = 0; k < i; k++)
            if (clash(c->services[i], c->services[k]))
                return false;
    return c->n_invalid == 0;
}

static const struct odp_config_service *in_force(const struct odp_plan_item *it)
{
    switch (it->action) {
    case ODP_PLAN_KEEP:
    case ODP_PLAN_CHANGE:
    case ODP_PLAN_ADD: return it->after;
    case ODP_PLAN_FAULTY: return it->before;
    case ODP_PLAN_REMOVE: break;
    }
    return NULL;
}

static void check_no_clash(const struct odp_plan *plan)
{
    for (size_t i = 0; i < plan->n_items; i++) {
        const struct odp_config_service *a = in_force(&plan->items[i]);
        for (size_t k = 0; k < i && a; k++) {
            const struct odp_config_service *b = in_force(&plan->items[k]);
            assert_false(b && clash(a, b));
        }
    }
}

static void check_item(const struct odp_plan_item *it, unsigned after, bool after_is_sound)
{
    size_t name = (size_t)(it->before ? it->before->name[0] - 'a' : 0);
    unsigned kind = it->before ? kind_of(after, name) : ABSENT;

    // A faulty file leaves its service as it was.
    if (it->before && kind == FAULTY)
        assert_true(it->action == ODP_PLAN_FAULTY);
    // Files that are sound together are followed, all of them.
    if (after_is_sound)
        assert_true(it->action != ODP_PLAN_FAULTY);
    // An untouched file is never refused for what others do.
    if (it->before && kind == it->before->text_digest)
        assert_true(it->action == ODP_PLAN_KEEP && !it->renamed);
    // No service goes while its file is there, and its name belongs to no other.
    if (it->action == ODP_PLAN_REMOVE)
        assert_true(!it->after && kind != FAULTY);
    if (!it->renamed && it->action != ODP_PLAN_KEEP)
        return;
    if (!it->before || !it->after) {
        fail_msg("%s has no two sides", odp_plan_action_to_string(it->action));
        return;
    }
    assert_true(it->before->listen[0].address.port == it->after->listen[0].address.port);
    if (it->action == ODP_PLAN_KEEP)
        assert_true(it->before->text_digest == it->after->text_digest);
}

static void check_files(const struct odp_plan *plan, unsigned after)
{
    size_t n_files = 0, n_seen = 0;

    for (size_t i = 0; i < N_NAMES; i++)
        n_files += kind_of(after, i) > FAULTY;
    for (size_t i = 0; i < plan->n_items; i++)
        n_seen += plan->items[i].after != NULL;
    assert_int_equal(n_seen, n_files);
}

static void check_plan(unsigned before, unsigned after, bool after_is_sound)
{
    struct odp_config old, config;
    struct odp_plan plan;

    make_set(before, &old);
    make_set(after, &config);
    size_t n_invalid = config.n_invalid;
    assert_int_equal(odp_plan_make(old.services, old.n_services, &config, &plan), 0);
    assert_true(plan.n_items >= old.n_services);
    for (size_t i = 0; i < plan.n_items; i++) {
        const struct odp_plan_item *it = &plan.items[i];
        assert_ptr_equal(it->before, i < old.n_services ? old.services[i] : NULL);
        check_item(it, after, after_is_sound);
        n_invalid += it->action == ODP_PLAN_FAULTY && it->after;
    }
    check_no_clash(&plan);
    check_files(&plan, after);
    assert_int_equal(config.n_invalid, n_invalid);
    // Each refusal has its fault.
    assert_true((config.n_invalid > 0) == (config.faults.n > 0 || kind_of(after, 0) == FAULTY ||
                                           kind_of(after, 1) == FAULTY ||
                                           kind_of(after, 2) == FAULTY));
    odp_plan_deinit(&plan);
    odp_config_deinit(&config);
    odp_config_deinit(&old);
}

static void test_every_edit(void **state)
{
    bool *sound = calloc(N_SETS, sizeof(*sound));
    unsigned n_before = 0;
    // What valgrind would see is seen in the first few.
    unsigned stride = getenv("ODP_TEST_VALGRIND") ? 97 : getenv("ODP_TEST_SHORT") ? 11 : 1;

    (void)state;
    assert_non_null(sound);
    for (unsigned set = 0; set < N_SETS; set++) {
        struct odp_config c;
        make_set(set, &c);
        sound[set] = is_sound(&c);
        n_before += sound[set];
        odp_config_deinit(&c);
    }
    assert_true(n_before > 50);
    for (unsigned before = 0; before < N_SETS; before += stride)
        for (unsigned after = 0; after < N_SETS && sound[before]; after++)
            check_plan(before, after, sound[after]);
    free(sound);
}

// ---- pairs -------------------------------------------------------------------------------------

// The pairs, as the names of the files of `before` in its order; `-` for none.
static void pair(const char *before, const char *after, const char *wanted)
{
    struct odp_config old, config;
    struct odp_buf got = {0};
    size_t pairs[8];

    read_lines(before, &old);
    read_lines(after, &config);
    odp_plan_pair(old.services, old.n_services, config.services, config.n_services, pairs);
    for (size_t i = 0; i < old.n_services; i++)
        odp_buf_printf(&got, "%s%s", i ? " " : "",
                       pairs[i] == SIZE_MAX ? "-" : config.services[pairs[i]]->name);
    assert_string_equal(got.s, wanted);
    odp_buf_deinit(&got);
    odp_config_deinit(&config);
    odp_config_deinit(&old);
}

static void test_pairs(void **state)
{
    (void)state;
    pair("a 80>1 x\nb 81>2 y", "a 80>1 x\nb 81>2 y", "a b");
    pair("a 80>1 x\nb 81>2 y", "b 81>2 y", "- b");
    pair("a 80>1 x", "z 80>1 x", "z");
    pair("a 80>1 x\nb 81>2 y", "a 81>2 y\nb 80>1 x", "b a");
    pair("a 80>1 x", "a 90>5 w", "a");
    pair("a 80>1 x", "c 90>5 w", "-");
    pair("a 80>1 x off\nb 80>1 y", "z 80>1 y", "- z");
}

// ---- many --------------------------------------------------------------------------------------

// Each wants what the next one has, which the last cannot give up: all fall back, and in no time.
static void test_long_cascade(void **state)
{
    struct odp_buf before = {0}, after = {0};
    struct odp_config old, config;
    struct odp_plan plan;
    unsigned n = 500;

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        odp_buf_printf(&before, "s%03u %u>%u x\n", i, 1000 + i, 3000 + i);
        odp_buf_printf(&after, "s%03u %u>%u x%s\n", i, 1001 + i, 3000 + i, i == n - 1 ? " !" : "");
    }
    read_lines(before.s, &old);
    read_lines(after.s, &config);
    assert_int_equal(odp_plan_make(old.services, old.n_services, &config, &plan), 0);
    assert_int_equal(plan.n_items, n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(plan.items[i].action, ODP_PLAN_FAULTY);
    assert_int_equal(config.n_invalid, n);
    odp_plan_deinit(&plan);
    odp_config_deinit(&config);
    odp_config_deinit(&old);
    odp_buf_deinit(&before);
    odp_buf_deinit(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_file),     cmocka_unit_test(test_names_move),
        cmocka_unit_test(test_clashes),      cmocka_unit_test(test_what_stays_is_in_the_way),
        cmocka_unit_test(test_across_files), cmocka_unit_test(test_every_edit),
        cmocka_unit_test(test_long_cascade), cmocka_unit_test(test_pairs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
