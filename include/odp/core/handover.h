// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What one odpd leaves to the next when it is restarted: its services' states and its clients'
// connections, as a text. The descriptors that the text speaks of travel beside it, and are meant
// by their numbers there. Pure: proxy/handover reads and writes.
//
//     odp-handover 1
//     service name=wiki target=127.0.0.1:18080 backend=process state=ready quiet=- ...
//     listen address=8080
//     visit state=relayed client=1 upstream=2 in=512 out=40960 ...
//     end
//
// A line is a word and fields KEY=VALUE. In values, `%` with two hexadecimal digits stands for a
// byte that is no plain character. A field that is missing has its default. Words and fields that
// are not known are a later odpd's and passed over; what would be misunderstood that way needs
// another number in the first line. `end` is written last: without it the text was cut. Lines
// belong to the service line above them. Times are microseconds, `-` for never.

#pragma once

#include "odp/base/buf.h"
#include "odp/core/config.h"
#include "odp/core/conn.h"
#include "odp/core/service.h"

#define ODP_HANDOVER_VERSION  1
#define ODP_HANDOVER_NO_FD    UINT32_MAX
#define ODP_HANDOVER_WORD_MAX 15 // bytes of the names of states and backends

enum odp_handover_kind {
    ODP_HANDOVER_SERVICE,
    ODP_HANDOVER_LISTEN,
    ODP_HANDOVER_VISIT,
    ODP_HANDOVER_N_KINDS,
};

struct odp_handover_service {
    char name[ODP_NAME_MAX + 1]; // empty: the line makes no sense, nor do those that belong to it
    bool enabled;                // its file said so
    bool active; // it was served: the machine and what follows it are worth something
    // By these settings what runs was started.
    char target[ODP_ADDRESS_TEXT_MAX];
    char address[ODP_ADDRESS_TEXT_MAX]; // where the container of a target auto:PORT is, or ""
    char backend[ODP_HANDOVER_WORD_MAX + 1];
    uint64_t backend_digest;
    uint64_t stop_timeout_usec;

    struct odp_service machine; // without its settings; unknown where the state has a later name
    uint64_t wake_since_usec;   // CLOCK_BOOTTIME, as are those of the story

    uint64_t woken_usec;
    char woken_by[ODP_REASON_MAX + 1];
    char woken_from[ODP_ADDRESS_TEXT_MAX];
    uint64_t stopped_usec;
    char stopped_reason[ODP_REASON_MAX + 1];
    uint64_t direct_usec;
    uint64_t failed_usec;
    char failed_reason[ODP_REASON_MAX + 1];
};

struct odp_handover_listen {
    char address[ODP_ADDRESS_TEXT_MAX];
};

// One direction. What was read and not yet written is in a pipe, or among the bytes behind the
// text.
struct odp_handover_flow {
    uint64_t n_bytes; // passed so far
    bool eof, done, reset;
    uint32_t read_fd, write_fd; // numbers of the pipe's ends
    uint32_t at, n_held;        // or where these bytes are; n_held 0: none
};

struct odp_handover_visit {
    enum odp_conn_state state; // HELD, EARLY, RELAYED, or ENDED: it is leaving
    uint64_t since_usec;       // accepted
    uint64_t until_usec;       // EARLY: connected since; ENDED: closed then
    uint32_t n_copied;         // EARLY: bytes that the try was sent; ENDED: bytes thrown away
    bool answered;             // ENDED, and the page was sent
    uint32_t client, upstream; // numbers of descriptors
    struct odp_handover_flow in, out;
};

struct odp_handover_record {
    enum odp_handover_kind kind;
    union {
        struct odp_handover_service service;
        struct odp_handover_listen listen;
        struct odp_handover_visit visit;
    };
};

// A record of that kind with nothing but defaults.
void odp_handover_record_init(struct odp_handover_record *r, enum odp_handover_kind kind);

// Writes: begin, add each record, end. A VISIT's state is one of those above.
void odp_handover_begin(struct odp_buf *b);
void odp_handover_add(struct odp_buf *b, const struct odp_handover_record *r);
void odp_handover_end(struct odp_buf *b);

struct odp_handover_reader {
    const char *at; // what is left, borrowed; behind the end the bytes that records speak of
    const char *end;
    size_t n_damaged; // lines that made no sense
};

// Returns 0, -EBADMSG where it is no such text, or -EPROTONOSUPPORT and in *ret_version what it is.
int odp_handover_open(struct odp_handover_reader *reader, const char *text, size_t n_bytes,
                      unsigned *ret_version);

// Returns 1 and a record, 0 at the end, -ENODATA where the text was cut before it.
int odp_handover_next(struct odp_handover_reader *reader, struct odp_handover_record *ret);
