// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the commands of a service's file are there for, and what the units are called that odp makes
// to run them in. Pure.
//
// A service's units bear its label: its name, unless units of a renamed one still bear that. Every
// letter that a service's name may have is sound in a unit's name, so nothing is escaped; and each
// name ends in a word of its own kind, so that no two services share one (`a-start` and `a` do
// not). The number behind a colon, which no service's name has, tells a second unit of a kind from
// the first.
//
//     odp-run-LABEL.service            what runs as the service itself
//     odp-exec-LABEL-start.service     also -stop and -status
//     odp-probe-LABEL.service
//     odp-compose-LABEL.service

#pragma once

#include "odp/core/config.h"

#define ODP_LABEL_MAX        (ODP_NAME_MAX + 2) // NAME:2
#define ODP_COMMAND_UNIT_MAX 127
#define ODP_COMMAND_UNITS    9 // of one role, at most

// The letters stand in the records of processes.
enum odp_role {
    ODP_ROLE_SERVICE = 's', // is the service itself
    ODP_ROLE_START = 'u',   // starts it
    ODP_ROLE_STOP = 'd',    // stops it
    ODP_ROLE_STATUS = 'q',  // asks whether it runs
    ODP_ROLE_PROBE = 'p',   // asks whether it answers
    ODP_ROLE_COMPOSE = 'c', // makes the containers of its Compose project
};

// `number` counts from 1. Returns ret.
const char *odp_command_unit(const char *label, enum odp_role role, unsigned number,
                             char ret[ODP_COMMAND_UNIT_MAX + 1]);
