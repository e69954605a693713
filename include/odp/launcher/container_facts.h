// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What container engines say, as facts: the JSON of the Docker Engine API 1.41 and of Podman's
// compatible one, and what is said of it to people. Pure.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "odp/core/proto.h"
#include "odp/launcher/container_order.h"

enum odp_container_status {
    ODP_CONTAINER_MISSING, // there is none of that name
    ODP_CONTAINER_CREATED,
    ODP_CONTAINER_RUNNING,
    ODP_CONTAINER_PAUSED,
    ODP_CONTAINER_RESTARTING, // it has ended, and the engine will start it again
    ODP_CONTAINER_STOPPING,   // Podman's: it runs, and has been told to end
    ODP_CONTAINER_REMOVING,
    ODP_CONTAINER_EXITED,
    ODP_CONTAINER_DEAD, // the engine could not remove it
    ODP_CONTAINER_ILL,  // the engine fails when it is asked about it
};

// Of its health check, HEALTHCHECK or --health-cmd.
enum odp_container_health {
    ODP_CONTAINER_UNCHECKED, // it has none
    ODP_CONTAINER_STARTING,  // not known yet; of one that does not run, too
    ODP_CONTAINER_HEALTHY,
    ODP_CONTAINER_UNHEALTHY,
};

#define ODP_CONTAINER_LINE_MAX 128

struct odp_container_facts {
    char id[65]; // the whole
    enum odp_container_status status;
    enum odp_container_health health;
    int exit_code;         // of its last end
    bool had_oom;          // something in it was killed for want of memory, perhaps itself
    bool has_tty;          // its log is plain
    bool is_job;           // as made to run to its end: no port, no health check, no restart policy
    uint64_t started_usec; // of the real-time clock, of its last start and end; 0: never
    uint64_t ended_usec;
    unsigned n_restarts; // by the engine, since somebody started it
    // Of its log, where it has ended badly; of one that is ill what the engine says; "" for none.
    char last_line[ODP_CONTAINER_LINE_MAX];
    char health_said[ODP_CONTAINER_LINE_MAX]; // the last line of its latest health check
};

struct odp_container_id {
    const char *name;   // as the file has it
    const char *engine; // docker, podman: as people call it
    const char *asked;  // as the engine is asked for it
};

// GET /containers/NAME/json. Returns false where it makes no sense.
bool odp_container_facts_read(const char *body, size_t n_bytes, struct odp_container_facts *ret);

// The beginning of all paths, "/v1.41", by which an engine is asked that has not refused it.
#define ODP_ENGINE_PREFIX_MAX 16
void odp_engine_version_usual(char ret[ODP_ENGINE_PREFIX_MAX]);

// GET /version to that beginning. Returns false where there is no version in common.
bool odp_engine_version_read(const char *body, size_t n_bytes, char ret[ODP_ENGINE_PREFIX_MAX]);

enum odp_engine_events {
    ODP_ENGINE_EVENTS_LIFE,    // it is started, paused, renamed, ends ...
    ODP_ENGINE_EVENTS_HEALTH,  // health checks: Docker tells what has changed, Podman of each one
    ODP_ENGINE_EVENTS_PROJECT, // as LIFE; and it is created, or somebody sends it a signal
    ODP_ENGINE_EVENTS_READY,   // health checks, and what begins and ends them
};

struct odp_engine_event {
    char action[32];
    char id[65];
    char name[256], old_name[256]; // "" for none
};

// The path of GET /events about some containers, or NULL when out of memory; the caller's. `filter`
// is ready for a URL: "%22container%22:[%22a%22,%22b%22]". Events from that second on, since an
// engine begins its answer before it listens.
char *odp_engine_events_path(const char *prefix, enum odp_engine_events events, time_t since_sec,
                             const char *filter);

// GET /containers/json: is there none but those that are `is_own`, by its id or its Compose project
// ("" for none)? False where it makes no sense.
typedef bool odp_engine_own_fn(const void *userdata, const char *id, const char *project);
bool odp_engine_runs_only(const char *body, size_t n_bytes, odp_engine_own_fn *is_own,
                          const void *userdata);

// The message of a refusal, made one line; "" for none.
void odp_engine_message_read(const char *body, size_t n_bytes, char *ret, size_t size);

// A line of GET /events. Returns false where it makes no sense.
bool odp_engine_event_read(const char *line, size_t n_bytes, struct odp_engine_event *ret);

// True where it is about the container that a file calls `name`: by its name or by at least 12
// digits of its id.
bool odp_engine_event_is_of(const struct odp_engine_event *e, const char *name);

// The last line of a log that is not blank (GET /containers/NAME/logs), without its frames:
// 8 bytes, the last four of which are the length of what follows, big endian.
void odp_container_log_read(const char *body, size_t n_bytes, bool has_tty, char *ret, size_t size);

// Nothing of it runs.
bool odp_container_is_down(const struct odp_container_facts *f);

// It has ended by its own fault: not with 0, nor by SIGTERM or SIGKILL, which is how somebody
// stops it. SIGKILL is how the kernel ends it, too.
bool odp_container_has_crashed(const struct odp_container_facts *f);

// The engine starts it again and again.
bool odp_container_is_looping(const struct odp_container_facts *f);

// Why it does not run.
void odp_container_why_down(const struct odp_container_id *id, const struct odp_container_facts *f,
                            char *ret, size_t size);

// Why it will not come to what `then` waits for, though it runs; *ret is left alone where it may
// well do.
void odp_container_why_never(const struct odp_container_id *id, const struct odp_container_facts *f,
                             enum odp_condition condition, const char *then, char *ret,
                             size_t size);

// Why it does not count as healthy.
void odp_container_why_not_healthy(const struct odp_container_id *id,
                                   const struct odp_container_facts *f, char *ret, size_t size);

// Refusals to start, by Docker's books: a port is another container's; or nobody's, see
// engine_mend.h. Something of it is there already, and Docker knows nothing of that.
bool odp_container_is_port_allocated(const char *message);
bool odp_container_is_left_behind(const char *message);

// A refusal to make one: there is another of that name.
bool odp_container_is_name_taken(const char *message);

// A refusal for want of containerd, which may have been cut off in the middle of it.
bool odp_container_is_containerd_away(const char *message);

// What the engine's refusal means.
void odp_container_why_refused(const struct odp_container_id *id, unsigned status,
                               const char *message, char *ret, size_t size);
