// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between managed.c (a service at work) and managed_report.c (what the launcher tells of it).

#pragma once

#include "odp/proxy/manager.h"

// Steps the machine of a service that is served, and carries the effects out. Of the event only
// kind, id and reason need be set.
void managed_step(struct odp_managed *m, struct odp_service_event *event);
