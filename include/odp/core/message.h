// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The journal's entries about a service: names of their fields, and the MESSAGE_ID of each kind of
// event. The ids are fixed for good: people match on them (`journalctl MESSAGE_ID=...`), and the
// catalog (units/odp.catalog) explains each.

#pragma once

#include "odp/core/service.h"

#define ODP_FIELD_SERVICE    "ODP_SERVICE"
#define ODP_FIELD_STATE      "ODP_STATE"  // as `odp status` shows it
#define ODP_FIELD_REASON     "ODP_REASON" // why, in words; none where there is nothing to say
#define ODP_FIELD_MESSAGE_ID "MESSAGE_ID"

#define ODP_MESSAGE_WAKING  "63776ef48e2245378950332f56deac7f" // a start was asked for
#define ODP_MESSAGE_READY   "811cc51b48114a958421a58d674896f9" // it answers
#define ODP_MESSAGE_QUIET   "899df4530e5e4fce8c1656d8e66f0072" // its window has ended: stopped
#define ODP_MESSAGE_ORDERED "a5654ed07c9346ad9953afa73ff62c76" // stopped by `odp stop`
#define ODP_MESSAGE_STOPPED "abb6a742d523488c818e6c558911814d" // all of it has ended
#define ODP_MESSAGE_ENDED   "2ffb171aa6a84393b018f93a8d8af244" // it ended, and odp had not asked
#define ODP_MESSAGE_FAILED  "088c002a276b43ca8902bfb905ee95b2" // it could not be started
#define ODP_MESSAGE_FOUND   "7851ef2f4d064170950272acec51bf0a" // somebody else has started it
#define ODP_MESSAGE_FROZEN  "f54fb75987594b1eb322b550a3d9bd82"

// The id of what has happened when an event took a service from one state to another; NULL for
// steps on the way. `is_waking`: by odp's own start, odp_service.waking.
const char *odp_message_id(enum odp_service_state from, enum odp_service_state to,
                           enum odp_service_event_kind kind, bool is_waking);
