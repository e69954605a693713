// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Writes the text of a handover; see the header for its form. Each record has one table of fields,
// by which it is both written and read, so that the two cannot disagree.

#include <inttypes.h>
#include <string.h>

#include "handover_internal.h"

#define FIELD(type, key, member)                                                                   \
    {                                                                                              \
        key, FIELD_##type, offsetof(struct odp_handover_record, member),                           \
            sizeof(((struct odp_handover_record *)NULL)->member)                                   \
    }

static const struct field service_fields[] = {
    FIELD(TEXT, "name", service.name),
    FIELD(FLAG, "enabled", service.enabled),
    FIELD(FLAG, "active", service.active),
    FIELD(TEXT, "target", service.target),
    FIELD(TEXT, "address", service.address),
    FIELD(TEXT, "backend", service.backend),
    FIELD(NUMBER, "backend_digest", service.backend_digest),
    FIELD(NUMBER, "stop_timeout", service.stop_timeout_usec),
    FIELD(SERVICE_STATE, "state", service.machine.state),
    FIELD(NUMBER, "deadline", service.machine.deadline_usec),
    FIELD(NUMBER, "quiet", service.machine.idle.quiet_usec),
    FIELD(NUMBER, "request", service.machine.request_id),
    FIELD(NUMBER, "failures", service.machine.n_failures),
    FIELD(NUMBER, "retry", service.machine.retry_usec),
    FIELD(NUMBER, "ready", service.machine.ready_usec),
    FIELD(NUMBER, "direct", service.machine.n_direct),
    FIELD(FLAG, "wanted", service.machine.wanted),
    FIELD(FLAG, "unwanted", service.machine.unwanted),
    FIELD(FLAG, "waking", service.machine.waking),
    FIELD(TEXT, "reason", service.machine.reason),
    FIELD(NUMBER, "wake_since", service.wake_since_usec),
    FIELD(NUMBER, "woken", service.woken_usec),
    FIELD(TEXT, "woken_by", service.woken_by),
    FIELD(TEXT, "woken_from", service.woken_from),
    FIELD(NUMBER, "stopped", service.stopped_usec),
    FIELD(TEXT, "stopped_reason", service.stopped_reason),
    FIELD(NUMBER, "direct_seen", service.direct_usec),
    FIELD(NUMBER, "failed", service.failed_usec),
    FIELD(TEXT, "failed_reason", service.failed_reason),
};

static const struct field listen_fields[] = {
    FIELD(TEXT, "address", listen.address),
};

#define FLOW_FIELDS(way)                                                                           \
    FIELD(NUMBER, #way, visit.way.n_bytes), FIELD(FLAG, #way "_eof", visit.way.eof),               \
        FIELD(FLAG, #way "_done", visit.way.done), FIELD(FLAG, #way "_reset", visit.way.reset),    \
        FIELD(NUMBER, #way "_read", visit.way.read_fd),                                            \
        FIELD(NUMBER, #way "_write", visit.way.write_fd), FIELD(NUMBER, #way "_at", visit.way.at), \
        FIELD(NUMBER, #way "_held", visit.way.n_held)

static const struct field visit_fields[] = {
    FIELD(CONN_STATE, "state", visit.state),
    FIELD(NUMBER, "client", visit.client),
    FIELD(NUMBER, "upstream", visit.upstream),
    FIELD(NUMBER, "since", visit.since_usec),
    FIELD(NUMBER, "until", visit.until_usec),
    FIELD(NUMBER, "copied", visit.n_copied),
    FIELD(FLAG, "answered", visit.answered),
    FLOW_FIELDS(in),
    FLOW_FIELDS(out),
};

#define KIND(word, fields)                                                                         \
    {                                                                                              \
        word, fields, sizeof(fields) / sizeof((fields)[0])                                         \
    }

const struct kind odp_handover_kinds[ODP_HANDOVER_N_KINDS] = {
    [ODP_HANDOVER_SERVICE] = KIND("service", service_fields),
    [ODP_HANDOVER_LISTEN] = KIND("listen", listen_fields),
    [ODP_HANDOVER_VISIT] = KIND("visit", visit_fields),
};

static void init_flow(struct odp_handover_flow *f)
{
    f->read_fd = f->write_fd = ODP_HANDOVER_NO_FD;
}

void odp_handover_record_init(struct odp_handover_record *r, enum odp_handover_kind kind)
{
    *r = (struct odp_handover_record){.kind = kind};
    switch (kind) {
    case ODP_HANDOVER_SERVICE:
        r->service.machine.deadline_usec = ODP_NEVER;
        r->service.machine.idle.quiet_usec = ODP_NEVER;
        r->service.wake_since_usec = ODP_NEVER;
        break;
    case ODP_HANDOVER_VISIT:
        r->visit.client = r->visit.upstream = ODP_HANDOVER_NO_FD;
        init_flow(&r->visit.in);
        init_flow(&r->visit.out);
        break;
    case ODP_HANDOVER_LISTEN:
    case ODP_HANDOVER_N_KINDS: break;
    }
}

// ---- states by their names ---------------------------------------------------------------------

const char *odp_handover_conn_state_to_word(enum odp_conn_state s)
{
    return s == ODP_CONN_ENDED ? "leaving" : odp_conn_state_to_string(s);
}

// ---- writing -----------------------------------------------------------------------------------

static void add_text(struct odp_buf *b, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (is_plain((unsigned char)*c))
            odp_buf_add(b, c, 1);
        else
            odp_buf_printf(b, "%%%02x", (unsigned char)*c);
    }
}

static uint64_t number_of(const struct field *f, const char *at)
{
    uint64_t wide;
    uint32_t narrow;

    if (f->size == sizeof(wide)) {
        memcpy(&wide, at, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, at, sizeof(narrow));
    return narrow;
}

static void add_value(struct odp_buf *b, const struct field *f, const char *at)
{
    enum odp_service_state service;
    enum odp_conn_state conn;

    switch (f->type) {
    case FIELD_FLAG:
        odp_buf_add(b, *(const bool *)at ? "yes" : "no", *(const bool *)at ? 3 : 2);
        break;
    case FIELD_NUMBER:
        if (number_of(f, at) == greatest(f))
            odp_buf_add(b, "-", 1);
        else
            odp_buf_printf(b, "%" PRIu64, number_of(f, at));
        break;
    case FIELD_TEXT: add_text(b, at); break;
    case FIELD_SERVICE_STATE:
        memcpy(&service, at, sizeof(service));
        add_text(b, odp_service_state_to_string(service));
        break;
    case FIELD_CONN_STATE:
        memcpy(&conn, at, sizeof(conn));
        add_text(b, odp_handover_conn_state_to_word(conn));
        break;
    }
}

// Behind the NUL of a text may be anything.
static bool is_same(const struct field *f, const char *a, const char *b)
{
    return f->type == FIELD_TEXT ? strcmp(a, b) == 0 : memcmp(a, b, f->size) == 0;
}

void odp_handover_begin(struct odp_buf *b)
{
    odp_buf_printf(b, FORMAT_WORD "%d\n", ODP_HANDOVER_VERSION);
}

void odp_handover_add(struct odp_buf *b, const struct odp_handover_record *r)
{
    const struct kind *k = &odp_handover_kinds[r->kind];
    struct odp_handover_record defaults;

    odp_handover_record_init(&defaults, r->kind);
    odp_buf_add(b, k->word, strlen(k->word));
    for (size_t i = 0; i < k->n_fields; i++) {
        const struct field *f = &k->fields[i];
        const char *at = (const char *)r + f->offset;
        if (is_same(f, at, (const char *)&defaults + f->offset))
            continue;
        odp_buf_printf(b, " %s=", f->key);
        add_value(b, f, at);
    }
    odp_buf_add(b, "\n", 1);
}

void odp_handover_end(struct odp_buf *b)
{
    odp_buf_add(b, END_WORD "\n", sizeof(END_WORD));
}
