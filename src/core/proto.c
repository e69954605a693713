// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The codec of the messages between odpd and odp-launcher: bytes to a value and back, nothing else.
// What one side may not say is refused on both: the sender notices its own mistake, and the
// receiver needs no second check.

#include "odp/core/proto.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum {
    HEADER_BYTES = 24,
    AT_VERSION = 0,
    AT_OP = 1,
    AT_STATE = 2,
    AT_N_NAME = 3,
    AT_N_REASON = 4,
    AT_ZERO = 6,
    AT_ID = 8,
    AT_ZERO_2 = 12,
    AT_DIGEST = 16,
};

static void put(uint8_t *at, uint64_t value, unsigned n_bytes)
{
    for (unsigned i = 0; i < n_bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *at, unsigned n_bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n_bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static bool is_one_line(const char *s, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < ' ' || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_probe_id(uint32_t id)
{
    return (id & ODP_PROTO_PROBE_ID) != 0;
}

static bool is_locate_id(uint32_t id)
{
    return (id & ODP_PROTO_LOCATE_ID) != 0 && !is_probe_id(id);
}

static bool report_is_sound(const struct odp_proto_message *m)
{
    switch (m->state) {
    case ODP_PROTO_ANSWERS:
    case ODP_PROTO_SILENT:
    case ODP_PROTO_PENDING:
    case ODP_PROTO_UNCHECKED: return is_probe_id(m->id);
    case ODP_PROTO_LOCATED: return is_locate_id(m->id) && m->reason[0] == '/';
    case ODP_PROTO_NOWHERE: return is_locate_id(m->id);
    case ODP_PROTO_ADDRESS:
    case ODP_PROTO_NO_ADDRESS:
    case ODP_PROTO_UNREACHABLE: return m->id == 0 && m->reason[0];
    case ODP_PROTO_RUNNING:
    case ODP_PROTO_INACTIVE:
    case ODP_PROTO_FAILED:
    case ODP_PROTO_FROZEN:
    case ODP_PROTO_STALE:
    case ODP_PROTO_STARTING:
    case ODP_PROTO_PARTLY:
    case ODP_PROTO_DONE: return true;
    case ODP_PROTO_NO_STATE: break;
    }
    return false;
}

// Both strings are terminated.
static bool message_is_sound(const struct odp_proto_message *m)
{
    if (m->op == ODP_PROTO_LEAVE)
        return m->state == ODP_PROTO_NO_STATE && m->id == 0 && !m->name[0] && !m->reason[0];
    if (!odp_name_is_valid(m->name) || !is_one_line(m->reason, strlen(m->reason)))
        return false;
    switch (m->op) {
    case ODP_PROTO_LOOK:
    case ODP_PROTO_START:
    case ODP_PROTO_STOP:
    case ODP_PROTO_FREEZE:
    case ODP_PROTO_THAW:
    case ODP_PROTO_PROBE:
    case ODP_PROTO_LOAD:
    case ODP_PROTO_FORGET:
    case ODP_PROTO_LOCATE:
        return m->state == ODP_PROTO_NO_STATE && m->id != 0 && m->reason[0] == '\0' &&
               is_probe_id(m->id) == (m->op == ODP_PROTO_PROBE) &&
               is_locate_id(m->id) == (m->op == ODP_PROTO_LOCATE);
    case ODP_PROTO_RENAME:
        return m->state == ODP_PROTO_NO_STATE && m->id != 0 && !is_probe_id(m->id) &&
               odp_name_is_valid(m->reason);
    case ODP_PROTO_LEAVE: break; // seen above
    case ODP_PROTO_REPORT: return report_is_sound(m);
    }
    return false;
}

int odp_proto_encode(const struct odp_proto_message *m, uint8_t *buf, size_t size)
{
    size_t n_name = strnlen(m->name, sizeof m->name);
    size_t n_reason = strnlen(m->reason, sizeof m->reason);

    if (n_name == sizeof m->name || n_reason == sizeof m->reason || !message_is_sound(m))
        return -EINVAL;
    if (size < HEADER_BYTES + n_name + n_reason)
        return -EINVAL;
    put(buf + AT_VERSION, ODP_PROTO_VERSION, 1);
    put(buf + AT_OP, (uint64_t)m->op, 1);
    put(buf + AT_STATE, (uint64_t)m->state, 1);
    put(buf + AT_N_NAME, n_name, 1);
    put(buf + AT_N_REASON, n_reason, 2);
    put(buf + AT_ZERO, 0, 2);
    put(buf + AT_ID, m->id, 4);
    put(buf + AT_ZERO_2, 0, 4);
    put(buf + AT_DIGEST, m->digest, 8);
    memcpy(buf + HEADER_BYTES, m->name, n_name);
    memcpy(buf + HEADER_BYTES + n_name, m->reason, n_reason);
    return (int)(HEADER_BYTES + n_name + n_reason);
}

int odp_proto_decode(const uint8_t *buf, size_t n_bytes, struct odp_proto_message *ret)
{
    struct odp_proto_message m = {.op = ODP_PROTO_LOOK};
    size_t n_name, n_reason;

    if (n_bytes < HEADER_BYTES || buf[AT_VERSION] != ODP_PROTO_VERSION)
        return -EBADMSG;
    n_name = buf[AT_N_NAME];
    n_reason = (size_t)get(buf + AT_N_REASON, 2);
    if (n_name > ODP_NAME_MAX || n_reason > ODP_REASON_MAX ||
        n_bytes != HEADER_BYTES + n_name + n_reason)
        return -EBADMSG;
    if (get(buf + AT_ZERO, 2) != 0 || get(buf + AT_ZERO_2, 4) != 0)
        return -EBADMSG;
    m.op = (enum odp_proto_op)buf[AT_OP];
    m.state = (enum odp_proto_state)buf[AT_STATE];
    m.id = (uint32_t)get(buf + AT_ID, 4);
    m.digest = get(buf + AT_DIGEST, 8);
    memcpy(m.name, buf + HEADER_BYTES, n_name);
    memcpy(m.reason, buf + HEADER_BYTES + n_name, n_reason);
    // A NUL within would give a shorter string than was sent.
    if (strlen(m.name) != n_name || strlen(m.reason) != n_reason || !message_is_sound(&m))
        return -EBADMSG;
    *ret = m;
    return 0;
}

const char *odp_proto_op_to_string(enum odp_proto_op op)
{
    switch (op) {
    case ODP_PROTO_LOOK: return "look";
    case ODP_PROTO_START: return "start";
    case ODP_PROTO_STOP: return "stop";
    case ODP_PROTO_FREEZE: return "freeze";
    case ODP_PROTO_THAW: return "thaw";
    case ODP_PROTO_REPORT: return "report";
    case ODP_PROTO_PROBE: return "probe";
    case ODP_PROTO_LOAD: return "load";
    case ODP_PROTO_RENAME: return "rename";
    case ODP_PROTO_FORGET: return "forget";
    case ODP_PROTO_LEAVE: return "leave";
    case ODP_PROTO_LOCATE: return "locate";
    }
    return "unknown";
}
