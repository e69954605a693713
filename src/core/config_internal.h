// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the config*.c files share while one file's text becomes a service. Nobody else includes it.

#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "odp/core/config.h"

#define ODP_CONFIG_KEYS_MAX    96   // rows of the key table, at most
#define ODP_CONFIG_WORD_MAX    40   // bytes of a section's or key's name; inih would cut at 49
#define ODP_CONFIG_FAULTS_MAX  1000 // of one file: what follows is garbage, not a slip
#define ODP_CONFIG_LISTENS_MAX 256  // of one file

struct odp_config_near;
struct odp_config_parse;

struct odp_config_key {
    const char *section;
    const char *name;
    // Types the value and stores it, or adds a fault. NULL: designed, not built yet.
    void (*set)(struct odp_config_parse *p, const struct odp_config_key *key, unsigned line,
                const char *value);
    size_t offset; // of the field in struct odp_config_service, where `set` is a general one
    bool repeatable;
};

// One file on its way. All zero but for the first four.
struct odp_config_parse {
    const char *name;
    const char *file;
    struct odp_config_faults *faults; // borrowed
    struct odp_config_service *service;
    size_t n_faults_before; // of other files

    bool out_of_memory;
    bool any_content;      // a section or a key, sound or not
    bool has_type;         // a sound [backend] type was read
    bool backend_faulty;   // a key of [backend] is wrong: say nothing of what is missing
    unsigned service_line; // of the first [service], 0 for none
    unsigned backend_line; // of the first [backend], 0 for none
    bool service_excused;  // misspelt: its keys are not called missing
    bool backend_excused;
    unsigned seen[ODP_CONFIG_KEYS_MAX]; // line of a key's first appearance, by table row
    bool excused[ODP_CONFIG_KEYS_MAX];  // misspelt somewhere: not called missing
};

// config_keys.c: the table and what goes by it.
extern const struct odp_config_key odp_config_keys[]; // ends with a section of NULL
// A header; false for one whose keys are to be passed over (a fault was added).
bool odp_config_on_section(struct odp_config_parse *p, unsigned line, const char *section);
void odp_config_on_key(struct odp_config_parse *p, unsigned line, const char *section,
                       const char *key, const char *value);
// A key stands in a line that cannot be used: its absence is no fault of its own.
void odp_config_excuse(struct odp_config_parse *p, const char *word, size_t n);
// The line of a known key's first appearance, sound or not; 0 for none.
unsigned odp_config_seen(const struct odp_config_parse *p, const char *section, const char *key);
// Neither seen nor excused.
bool odp_config_is_missing(const struct odp_config_parse *p, const char *section, const char *key);

// config_ini.c: calls the two above, lines in order within each. Returns 0 or -ENOMEM.
int odp_config_ini_read(struct odp_config_parse *p, const char *text, size_t n_bytes);

// config_set.c, config_set_word.c, config_set_list.c and config_set_address.c: the table's setters.
typedef void odp_config_set_fn(struct odp_config_parse *p, const struct odp_config_key *key,
                               unsigned line, const char *value);
odp_config_set_fn odp_config_set_text, odp_config_set_listen, odp_config_set_target,
    odp_config_set_mode, odp_config_set_user, odp_config_set_owner, odp_config_set_bool,
    odp_config_set_type, odp_config_set_command, odp_config_set_path, odp_config_set_environment,
    odp_config_set_span, odp_config_set_idle, odp_config_set_count, odp_config_set_probe,
    odp_config_set_wait_mode, odp_config_set_scope, odp_config_set_idle_count,
    odp_config_set_idle_action, odp_config_set_proxy_protocol, odp_config_set_keepalive,
    odp_config_set_paths, odp_config_set_expect, odp_config_set_http_path, odp_config_set_units,
    odp_config_set_services, odp_config_set_containers, odp_config_set_engine,
    odp_config_set_engine_socket, odp_config_set_project;

// config_set_list.c: `200-399,401`. Returns 0, -EINVAL or -ENOMEM; *ret is owned, at least one.
int odp_config_ranges_parse(const char *s, struct odp_config_range **ret, size_t *ret_n);

// config_value.c: values as such.
struct odp_config_word {
    const char *word;
    int value; // negative: designed, not built yet
};

// The length of the UTF-8 character at s, 0 where it is none, a control or a noncharacter.
size_t odp_config_character(const char *s, size_t n_bytes);
bool odp_config_bool(const char *s, bool *ret);
// Words as systemd splits them: quotes "" and '', backslash escapes, nothing expanded. Returns 0,
// -ENOMEM, or -EINVAL and a line in `why`. *ret is owned, NULL terminated.
int odp_config_split(const char *s, char ***ret, char *why, size_t why_size);
void odp_config_strv_free(char **v);
// Takes over `s` (NULL counts as out of memory). Returns 0 or -ENOMEM.
int odp_config_strv_add(char ***v, char *s);

// config_fault.c: faults of the file on its way.
void odp_config_fault_addv(struct odp_config_faults *faults, const char *file, unsigned line,
                           const char *format, va_list args) __attribute__((format(printf, 4, 0)));
void odp_config_parse_fault(struct odp_config_parse *p, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool odp_config_is_faulty(const struct odp_config_parse *p);
// True where no more faults are kept.
bool odp_config_is_full(const struct odp_config_parse *p);

// As odp_config_service_parse(), but *ret is also what could be read of a faulty file; NULL only
// where there was no memory at all.
int odp_config_service_read(const char *name, const char *file, const char *text, size_t n_bytes,
                            struct odp_config_service **ret, struct odp_config_faults *faults);

// config_whole.c: keys of one file that are missing or do not go together.
void odp_config_check_whole(struct odp_config_parse *p);

// config_check.c: listen lines of one file against each other and against its target.
void odp_config_check_addresses(struct odp_config_parse *p);
// What `s` wants that `other` has (each such clash has a key in config_near.c). `s` is the one that
// is refused, and `other` is told too, unless it `stays` under settings that its file does not give
// any more.
void odp_config_check_pair(const struct odp_config_service *s,
                           const struct odp_config_service *other, bool other_stays,
                           struct odp_config_faults *faults);
// `s` against c->services together, which `near` knows: targets that go round, and what it
// requires.
void odp_config_check_set(struct odp_config *c, const struct odp_config_near *near,
                          const struct odp_config_service *s);

// config_load.c: sorts what the user reads, once the last fault is found.
void odp_config_sort(struct odp_config *c);

// config_requires.c: a required service that does not exist, or requires this one by way of those
// that were kept. Adds a fault to each file that takes part.
void odp_config_check_requires(struct odp_config *c, const struct odp_config_near *near,
                               const struct odp_config_service *s);
