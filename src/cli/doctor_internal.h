// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the files of `odp doctor` share among themselves: those that gather facts, and the checks.

#pragma once

#include "odp/cli/doctor.h"
#include "odp/cli/run.h"

#define DOCTOR_PATIENCE_SEC     10 // that a question, or a look at a disk, may take
#define DOCTOR_FIX_PATIENCE_SEC 60 // that a command of --fix may take

// Each gathers its part. Returns 0 or -ENOMEM.
int doctor_gather_odpd(struct odp_doctor *d, const char *socket);
int doctor_gather_managers(struct odp_doctor *d);
int doctor_gather_scripts(struct odp_doctor *d); // once the units are known
int doctor_gather_ports(struct odp_doctor *d);
int doctor_gather_places(struct odp_doctor *d);
int doctor_gather_system(struct odp_doctor *d);
int doctor_gather_engines(struct odp_doctor *d);
void doctor_engines_deinit(struct odp_doctor *d);
int doctor_gather_prunes(struct odp_doctor *d); // once the engines are known

// `s` as a shell takes it for one word, in buf or as it is. In QUOTED() it lives as long as the
// block.
#define DOCTOR_QUOTED_MAX 8192
#define QUOTED(s)         doctor_quote((s), (char[DOCTOR_QUOTED_MAX]){0})
const char *doctor_quote(const char *s, char buf[DOCTOR_QUOTED_MAX]);

// Gives the last finding the command that adds KEY=VALUE to a unit, in a file of its own, and goes
// on with `then` ("" or " && ...").
void doctor_command_dropin(struct odp_findings *f, bool is_user, const char *unit,
                           const char *section, const char *key, const char *value,
                           const char *then);

// Gives the last finding the command that makes a container of the service anew, changed so: what
// it is made of cannot be altered. NULL: as it is.
void doctor_command_recreate(struct odp_findings *f, const struct odp_engine_facts *e,
                             const struct odp_config_service *s, const struct odp_container *c,
                             const char *change);

// True for all addresses of the machine.
bool doctor_is_wildcard(const struct odp_address *a);

// Whether it is containers that the service starts itself, by an engine.
bool doctor_is_of_engine(const struct odp_config_service *s);

// Whether it is units that run its containers, which may not be there while it sleeps.
bool doctor_is_beside(const struct odp_config_service *s);

// Whether these units start containers that are there, and make none: what is removed is missed.
bool doctor_keeps_containers(const struct odp_doctor *d, const struct odp_config_service *s);

// Whether it is known that none of the service's containers runs.
bool doctor_containers_sleep(const struct odp_doctor *d, const struct odp_config_service *s);

// Whether a docker-proxy has a port that no container publishes.
bool doctor_is_orphan(const struct odp_doctor *d, const struct odp_holder *h, unsigned port);

// The engine whose helper it is, that has a published port for a container; NULL: none's.
const char *doctor_publisher(const struct odp_holder *h);
// The command by which what has the port ends, or is found.
void doctor_command_end(struct odp_findings *f, const struct odp_doctor *d,
                        const struct odp_holder *h, unsigned port);

// Reads the value of a socket unit's Listen=. False for what is no stream.
bool doctor_read_listen(const char *value, struct odp_address *ret);

// The checks, in files by what they look at.
void doctor_check_files(const struct odp_doctor *d, struct odp_findings *f);
void doctor_check_system(const struct odp_doctor *d, struct odp_findings *f);
void doctor_check_odpd(const struct odp_doctor *d, struct odp_findings *f);
void doctor_check_generator(const struct odp_doctor *d, struct odp_findings *f);
void doctor_check_strays(const struct odp_doctor *d, struct odp_findings *f);
void doctor_check_sockets(const struct odp_doctor *d, const struct odp_config_service *s,
                          struct odp_findings *f);
void doctor_check_units(const struct odp_doctor *d, const struct odp_config_service *s,
                        struct odp_findings *f);
void doctor_check_engines(const struct odp_doctor *d, struct odp_findings *f);
void doctor_check_containers(const struct odp_doctor *d, const struct odp_config_service *s,
                             struct odp_findings *f);
void doctor_check_health(const struct odp_doctor *d, const struct odp_config_service *s,
                         struct odp_findings *f);
void doctor_check_reach(const struct odp_doctor *d, const struct odp_config_service *s,
                        struct odp_findings *f);
void doctor_check_published(const struct odp_doctor *d, const struct odp_config_service *s,
                            struct odp_findings *f);
void doctor_check_prunes(const struct odp_doctor *d, struct odp_findings *f);
void doctor_check_docker(const struct odp_doctor *d, const struct odp_config_service *s,
                         struct odp_findings *f);
void doctor_check_ports(const struct odp_doctor *d, const struct odp_config_service *s,
                        struct odp_findings *f);
void doctor_check_places(const struct odp_doctor *d, const struct odp_config_service *s,
                         struct odp_findings *f);
void doctor_check_state(const struct odp_doctor *d, const struct odp_config_service *s,
                        struct odp_findings *f);
