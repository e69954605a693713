// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between the machine's table (service.c) and how another odpd goes on with it (service_resume.c).

#pragma once

#include "odp/core/service.h"

// *ret asks for `op`, with the next id.
void odp_service_request(struct odp_service *s, enum odp_proto_op op,
                         struct odp_service_effects *ret);
