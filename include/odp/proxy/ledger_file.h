// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The file STATE/ledger, in which the sums of all services outlive odpd; core/ledger_text says what
// stands in it. It is written when a service's state changes and when odpd ends, never on a timer
// and never for a connection. Whatever happens to it, services are served: the ledger alone
// suffers, with one warning.

#pragma once

#include "odp/proxy/link.h"

struct odp_ledger_file;
struct odp_managed;
struct odp_manager;

// Reads the file into the services' ledgers, making the directory where it is missing. What is no
// ledger is kept beside it as `ledger.damaged`, and the sums begin at zero. To be called only by
// the odpd that serves the runtime directory. Returns 0, or -ENOMEM and *ret NULL.
int odp_ledger_file_new(struct odp_manager *mgr, struct odp_ledger_file **ret);

// Something in it has changed: it is written once this turn of the loop is over. NULL is fine.
void odp_ledger_file_changed(struct odp_ledger_file *f);

// A service is new in the files: it gets the sums that were kept of one of its name.
void odp_ledger_file_join(struct odp_ledger_file *f, struct odp_managed *m);

// A service has another name, and brings its sums along: those kept under that name go.
void odp_ledger_file_rename(struct odp_ledger_file *f, const struct odp_managed *m);

// Services had other names in the odpd before: each gets the sums that were read under that one.
void odp_ledger_file_follow(struct odp_ledger_file *f, const struct odp_link_rename *renames,
                            size_t n);

// A service is about to be freed: its sums are kept, unless another one has its name by now.
void odp_ledger_file_part(struct odp_ledger_file *f, struct odp_managed *m);

// Writes it at once, for the last time. NULL is fine. The services' ledgers stay the manager's.
void odp_ledger_file_free(struct odp_ledger_file *f);
