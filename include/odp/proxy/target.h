// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where a service is to be connected to: what its file says, or, for a target of auto:PORT, where
// the launcher says that its container is. That is another address at each start, perhaps, and
// known only while it runs.

#pragma once

#include "odp/proxy/manager.h"

// Where what runs now answers. NULL: nobody knows.
const struct odp_address *odp_managed_target(const struct odp_managed *m);

// A report of ADDRESS, NO_ADDRESS or UNREACHABLE.
void odp_target_report(struct odp_managed *m, const struct odp_proto_message *report);

// The machine's state has changed: what has stopped has no address any more.
void odp_target_on_change(struct odp_managed *m);

// The settings have changed: what was found for others is worth nothing.
void odp_target_on_settings(struct odp_managed *m);

// A try came to nothing. Of several addresses the others have theirs, now and then.
void odp_target_failed(struct odp_managed *m);

// A client was refused where it was ready before: it may be elsewhere now, or have ended.
void odp_target_doubt(struct odp_managed *m);

// It runs, and yet cannot be connected to: why, and what to do. NULL: that is not so.
const char *odp_target_fault(const struct odp_managed *m);

// What is known of an address that is not there, for a reason; NULL: it is there.
const char *odp_target_missing(const struct odp_managed *m);

// Takes over what an odpd before has left; `address` may be "".
void odp_target_resume(struct odp_managed *m, const char *address);

void odp_target_deinit(struct odp_target *t);
