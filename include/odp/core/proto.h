// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The messages between odpd and odp-launcher, one per SOCK_SEQPACKET record. odpd can only name a
// service and say what to do with it; what that means the launcher reads from its own copy of the
// files. Every request is answered by exactly one report with the same id; a report with id 0 is an
// observation nobody asked for (a process exited). Records arrive in the order they were sent.
// The ids of probes, and of questions after control groups, are marked, so that their reports are
// never taken for reports on the service.
//
// Wire format, integers in little-endian order:
//   u8 version (ODP_PROTO_VERSION), u8 op, u8 state, u8 n_name, u16 n_reason, u16 zero, u32 id,
//   u32 zero, u64 digest, then n_name bytes of name and n_reason bytes of reason, nothing behind.

#pragma once

#include <stddef.h>
#include <stdint.h>

#include "odp/core/config.h"

#define ODP_PROTO_VERSION       1
#define ODP_REASON_MAX          255
#define ODP_PROTO_ADDRESSES_MAX 4
#define ODP_PROTO_MAX_BYTES     (24 + ODP_NAME_MAX + ODP_REASON_MAX)

enum odp_proto_op {
    ODP_PROTO_LOOK = 1, // what is it now? the answer is at once
    ODP_PROTO_START,    // answered when the start job has ended
    ODP_PROTO_STOP,     // answered when everything of it is gone, or cannot be made to go
    ODP_PROTO_FREEZE,
    ODP_PROTO_THAW,
    ODP_PROTO_REPORT, // launcher to odpd
    ODP_PROTO_PROBE,  // does it answer? runs [ready] command, answered when that has ended; or
                      // waits until its containers are healthy

    // What a reload tells, answered DONE. From RENAME on the service is called what `reason` says,
    // records and all. Renames that belong together come in a row: `digest` counts how many are
    // still to come, and at 0 all are carried out at once, so that names can be exchanged.
    ODP_PROTO_LOAD, // odpd goes by the settings of this digest now; answered STALE if they are gone
    ODP_PROTO_RENAME,
    ODP_PROTO_FORGET, // no file gives this service any more; what runs is left to its own end

    // Launcher to odpd, without a name: it has nothing to observe and ends. What it is sent from
    // here on fails at once (it has shut its receiving side), and nothing was lost.
    ODP_PROTO_LEAVE,

    // In which control groups does it run? Answered by a row of LOCATED, or by one NOWHERE.
    ODP_PROTO_LOCATE,
};

#define ODP_PROTO_PROBE_ID  UINT32_C(0x80000000) // set in the ids of probes, and of nothing else
#define ODP_PROTO_LOCATE_ID UINT32_C(0x40000000) // likewise of LOCATE, where PROBE_ID is not set

enum odp_proto_state {
    ODP_PROTO_NO_STATE, // in requests
    ODP_PROTO_RUNNING,  // to a stop: it could not be stopped; `reason` says why
    ODP_PROTO_INACTIVE,
    ODP_PROTO_FAILED, // the job failed, or the service ended badly; `reason` says why
    ODP_PROTO_FROZEN,
    // Nothing was done, and nothing is known: the digest is not that of the launcher's settings,
    // they cannot be compared, or what would have to be asked cannot be reached.
    ODP_PROTO_STALE,
    ODP_PROTO_ANSWERS, // the probe passed
    ODP_PROTO_SILENT,  // it did not, yet; `reason` says what it said
    ODP_PROTO_DONE,    // LOAD, RENAME, FORGET: done
    ODP_PROTO_LOCATED, // `reason` is the path of one; `digest` counts how many are still to come
    ODP_PROTO_NOWHERE, // in none of its own that is known; `reason` says why
    // To a look: its start is under way. What it is by then is reported when that has ended. To
    // whom nothing is known it is as good as INACTIVE; what has answered already has not ended.
    ODP_PROTO_STARTING,
    // Some of it is down, some runs: to a look, or by itself. `reason` is that of the part that is
    // down. It is INACTIVE, and there is something to be stopped.
    ODP_PROTO_PARTLY,
    // These three with id 0, of a target auto:PORT alone: said when it changes, and anew after each
    // look and start.
    ODP_PROTO_ADDRESS,     // `reason` is where its container is, the likeliest place first: up to
                           // ADDRESSES_MAX of `IP:PORT` and `[IP6]:PORT`, with a blank between
    ODP_PROTO_NO_ADDRESS,  // it has none now; `reason` says why
    ODP_PROTO_UNREACHABLE, // it runs where odpd cannot connect to it; `reason` says what to do
    // Of a probe that asks after health checks. PENDING answers nothing: `reason` is what it waits
    // for, and the answer is still to come. UNCHECKED: there are none to go by.
    ODP_PROTO_PENDING,
    ODP_PROTO_UNCHECKED,
};

struct odp_proto_message {
    enum odp_proto_op op;
    enum odp_proto_state state;
    uint32_t id;
    uint64_t digest; // of requests, and see RENAME and LOCATED
    char name[ODP_NAME_MAX + 1];
    // Of reports: one line in plain words, "" for none. Of RENAME: the name from now on. Of
    // LOCATED: the group's path. Of ADDRESS: the address.
    char reason[ODP_REASON_MAX + 1];
};

// Encodes into buf (ODP_PROTO_MAX_BYTES suffice). Returns the length, or -EINVAL for a message
// that breaks the format.
int odp_proto_encode(const struct odp_proto_message *m, uint8_t *buf, size_t size);

// Returns 0, or -EBADMSG for anything that odp_proto_encode() would not have written.
int odp_proto_decode(const uint8_t *buf, size_t n_bytes, struct odp_proto_message *ret);

const char *odp_proto_op_to_string(enum odp_proto_op op);
