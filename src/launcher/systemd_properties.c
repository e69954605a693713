// SPDX-License-Identifier: LGPL-2.1-or-later
//
// D-Bus messages about a unit to facts. Takes what is known by name, and passes over the rest.

#include "systemd_properties.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { STATE, TEXT, BOOL, INT, USEC, JOB };

#define FIELD(member)                                                                              \
    offsetof(struct odp_unit_facts, member), sizeof(((struct odp_unit_facts *)0)->member)

static const struct property {
    const char *name;
    enum kind kind;
    size_t offset, size;
} properties[] = {
    {"ActiveState", STATE, FIELD(state)},
    {"SubState", TEXT, FIELD(sub_state)},
    {"LoadState", TEXT, FIELD(load_state)},
    {"FreezerState", TEXT, FIELD(freezer_state)},
    {"Job", JOB, FIELD(job_id)},
    {"Result", TEXT, FIELD(result)},
    {"Type", TEXT, FIELD(type)},
    {"RemainAfterExit", BOOL, FIELD(remain_after_exit)},
    {"StopWhenUnneeded", BOOL, FIELD(stop_when_unneeded)},
    {"ExecMainCode", INT, FIELD(exec_main_code)},
    {"ExecMainStatus", INT, FIELD(exec_main_status)},
    {"InactiveExitTimestampMonotonic", USEC, FIELD(last_start_usec)},
};

static const struct property *find_property(const char *name)
{
    for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
        if (strcmp(properties[i].name, name) == 0)
            return &properties[i];
    return NULL;
}

// Reads the variant that comes next. Returns a negative errno where it is of another type.
static int read_value(const struct odp_sd_bus *sd, sd_bus_message *m, const struct property *p,
                      struct odp_unit_facts *facts)
{
    char *field = (char *)facts + p->offset;
    const char *text;
    int value = 0, r;

    switch (p->kind) {
    case STATE:
        r = sd->message_read(m, "v", "s", &text);
        if (r >= 0)
            facts->state = odp_unit_state_from_string(text);
        return r;
    case TEXT:
        r = sd->message_read(m, "v", "s", &text);
        if (r >= 0)
            snprintf(field, p->size, "%s", text);
        return r;
    case BOOL:
        r = sd->message_read(m, "v", "b", &value);
        *(bool *)field = value != 0;
        return r;
    case INT: return sd->message_read(m, "v", "i", field);
    case USEC: return sd->message_read(m, "v", "t", field);
    case JOB: return sd->message_read(m, "v", "(uo)", field, &text);
    }
    return -EINVAL;
}

// Other types than a service have properties of these names and other types: those are passed over.
static int read_property(const struct odp_sd_bus *sd, sd_bus_message *m,
                         struct odp_unit_facts *facts)
{
    const struct property *p;
    const char *name;
    int r = sd->message_read(m, "s", &name);

    if (r < 0)
        return r;
    p = find_property(name);
    if (p && read_value(sd, m, p, facts) >= 0)
        return 0;
    return sd->message_skip(m, "v");
}

int odp_systemd_properties_read(const struct odp_sd_bus *sd, sd_bus_message *m,
                                struct odp_unit_facts *facts)
{
    int r = sd->message_enter_container(m, 'a', "{sv}");

    while (r >= 0 && (r = sd->message_enter_container(m, 'e', "sv")) > 0) {
        r = read_property(sd, m, facts);
        if (r >= 0)
            r = sd->message_exit_container(m);
    }
    return r;
}

int odp_systemd_listing_read(const struct odp_sd_bus *sd, sd_bus_message *m,
                             struct odp_unit_facts *facts, char **ret_id)
{
    const char *id, *load_state, *state, *sub_state, *ignored;
    int r = sd->message_enter_container(m, 'a', "(ssssssouso)");

    if (r < 0)
        return r;
    r = sd->message_read(m, "(ssssssouso)", &id, &ignored, &load_state, &state, &sub_state,
                         &ignored, &ignored, &facts->job_id, &ignored, &ignored);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    facts->state = odp_unit_state_from_string(state);
    snprintf(facts->load_state, sizeof(facts->load_state), "%s", load_state);
    snprintf(facts->sub_state, sizeof(facts->sub_state), "%s", sub_state);
    *ret_id = strdup(id);
    return *ret_id ? 0 : -ENOMEM;
}
