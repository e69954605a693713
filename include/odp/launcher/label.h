// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the units are called that odp makes to run its commands in. A service's units bear its
// label: its name, unless units of a renamed one still bear that. Every letter that a service's
// name may have is sound in a unit's name, so nothing is escaped; and each name ends in a word of
// its own kind, so that no two services share one (`a-start` and `a` do not). The number behind a
// colon, which no service's name has, tells a second unit of a kind from the first.
//
//     odp-run-LABEL.service            what runs as the service itself
//     odp-exec-LABEL-start.service     also -stop and -status
//     odp-probe-LABEL.service

#pragma once

#include "odp/core/config.h"
#include "odp/launcher/record.h"

#define ODP_LABEL_MAX     (ODP_NAME_MAX + 2) // NAME:2
#define ODP_UNIT_NAME_MAX 127
#define ODP_UNITS_MAX     9 // of one kind and label

// `number` counts from 1.
void odp_label_unit(const char *label, enum odp_role role, unsigned number,
                    char ret[ODP_UNIT_NAME_MAX + 1]);

// The label of the units that run now, or would be made next. RUNTIME/launcher/NAME.label has it
// where it is not the name itself.
void odp_label_read(const char *directory, const char *name, char ret[ODP_LABEL_MAX + 1]);

// The service is called otherwise from now on, and its units that run are not. Silent where that
// cannot be written, but for a line in the log.
void odp_label_keep(const char *directory, const char *name, const char *label);

// No unit with its label runs any more.
void odp_label_forget(const char *directory, const char *name);
