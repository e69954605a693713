// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What stands for a service's name in the names of its units (core/command.h), when it has been
// renamed while they ran: small files that keep two services apart.

#pragma once

#include "odp/core/command.h"

// The label of the units that run now, or would be made next. RUNTIME/launcher/NAME.label has it
// where it is not the name itself.
void odp_label_read(const char *directory, const char *name, char ret[ODP_LABEL_MAX + 1]);

// The service is called otherwise from now on, and its units that run are not. Silent where that
// cannot be written, but for a line in the log.
void odp_label_keep(const char *directory, const char *name, const char *label);

// No unit with its label runs any more.
void odp_label_forget(const char *directory, const char *name);
