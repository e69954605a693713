// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Facts about containers in plain words, with what to do.

#include <string.h>

#include "odp/launcher/container_facts.h"
#include "odp/launcher/reason.h"

static void tell_exit(const struct odp_container_id *id, const struct odp_container_facts *f,
                      char *ret, size_t size)
{
    const char *colon = f->last_line[0] ? ": " : "";

    if (f->had_oom && f->exit_code == 128 + 9)
        odp_reason_format(ret, size,
                          "container %s: was killed for want of memory: give it more, or see "
                          "%s logs %s",
                          id->name, id->engine, id->name);
    else if (f->had_oom && f->exit_code != 0)
        odp_reason_format(ret, size,
                          "container %s: has exited with status %d (something in it was killed "
                          "for want of memory)%s%s",
                          id->name, f->exit_code, colon, f->last_line);
    else if (f->exit_code > 128 && f->exit_code < 128 + 65)
        odp_reason_format(ret, size, "container %s: was ended by signal %d%s%s", id->name,
                          f->exit_code - 128, colon, f->last_line);
    else
        odp_reason_format(ret, size, "container %s: has exited with status %d%s%s", id->name,
                          f->exit_code, colon, f->last_line);
}

void odp_container_why_down(const struct odp_container_id *id, const struct odp_container_facts *f,
                            char *ret, size_t size)
{
    ret[0] = '\0';
    switch (f->status) {
    case ODP_CONTAINER_MISSING:
        odp_reason_format(ret, size, "%s has no container %s: create it, see %s ps -a", id->engine,
                          id->name, id->engine);
        break;
    case ODP_CONTAINER_CREATED:
        odp_reason_format(ret, size, "container %s: was created and never started", id->name);
        break;
    case ODP_CONTAINER_RESTARTING:
        odp_reason_format(ret, size,
                          "container %s: %s starts it again and again, %u times already (last "
                          "status %d): see %s logs %s",
                          id->name, id->engine, f->n_restarts, f->exit_code, id->engine, id->name);
        break;
    case ODP_CONTAINER_STOPPING:
        odp_reason_format(ret, size, "container %s: is being stopped", id->name);
        break;
    case ODP_CONTAINER_REMOVING:
        odp_reason_format(ret, size, "container %s: is being removed", id->name);
        break;
    case ODP_CONTAINER_PAUSED:
        odp_reason_format(ret, size, "container %s: somebody has paused it: %s unpause %s",
                          id->name, id->engine, id->name);
        break;
    case ODP_CONTAINER_DEAD:
        odp_reason_format(ret, size,
                          "container %s: is dead, %s could not remove it: %s rm --force %s",
                          id->name, id->engine, id->engine, id->name);
        break;
    case ODP_CONTAINER_ILL:
        odp_reason_format(ret, size, "container %s: %s cannot tell how it is: create it anew (%s)",
                          id->name, id->engine, f->last_line);
        break;
    case ODP_CONTAINER_EXITED: tell_exit(id, f, ret, size); break;
    case ODP_CONTAINER_RUNNING: break;
    }
}

void odp_container_why_never(const struct odp_container_id *id, const struct odp_container_facts *f,
                             enum odp_condition condition, const char *then, char *ret, size_t size)
{
    bool wants_health = condition == ODP_CONDITION_HEALTHY || condition == ODP_CONDITION_SOUND;

    if (wants_health && f->health == ODP_CONTAINER_UNHEALTHY)
        odp_reason_format(ret, size, "container %s: is unhealthy, and %s waits for it%s%s",
                          id->name, then, f->health_said[0] ? ": " : "", f->health_said);
    else if (condition == ODP_CONDITION_HEALTHY && f->health == ODP_CONTAINER_UNCHECKED)
        odp_reason_format(ret, size,
                          "container %s: has no health check, and %s waits for it to be healthy",
                          id->name, then);
    else if (condition == ODP_CONDITION_COMPLETED && f->status == ODP_CONTAINER_RESTARTING &&
             f->exit_code == 0)
        odp_reason_format(
            ret, size,
            "container %s: has run to its end, and %s starts it again, while %s waits "
            "for its end: write `restart: \"no\"` for it in the project's file",
            id->name, id->engine, then);
}

void odp_container_why_not_healthy(const struct odp_container_id *id,
                                   const struct odp_container_facts *f, char *ret, size_t size)
{
    const char *colon = f->health_said[0] ? ": " : "";

    if (f->status == ODP_CONTAINER_MISSING)
        odp_reason_format(ret, size, "%s has no container %s", id->engine, id->name);
    else if (f->status != ODP_CONTAINER_RUNNING)
        odp_reason_format(ret, size, "container %s: does not run yet", id->name);
    else if (f->health == ODP_CONTAINER_UNHEALTHY)
        odp_reason_format(ret, size, "container %s: its health check says unhealthy%s%s", id->name,
                          colon, f->health_said);
    else if (f->health_said[0])
        odp_reason_format(ret, size, "container %s: is not healthy yet: %s", id->name,
                          f->health_said);
    else
        odp_reason_format(ret, size,
                          "container %s: its first health check has not ended yet: see its "
                          "interval, or write `probe = tcp` in [ready]",
                          id->name);
}

bool odp_container_is_port_allocated(const char *message)
{
    return strstr(message, "already allocated");
}

// containerd has it from a dockerd that was killed while it started it, and the next one does not
// know, nor does a restart help: mkdir /run/containerd/ID: file exists; task ID: already exists.
bool odp_container_is_left_behind(const char *message)
{
    return strstr(message, "id already in use") ||
           (strstr(message, "/containerd/") && strstr(message, "file exists")) ||
           (strstr(message, "task ") && strstr(message, ": already exists"));
}

bool odp_container_is_name_taken(const char *message)
{
    return strstr(message, "container name") && strstr(message, "already in use");
}

// gRPC's word, at the end of what it says about its connection.
bool odp_container_is_containerd_away(const char *message)
{
    static const char word[] = ": unavailable";
    size_t n = strlen(message);

    return n >= sizeof(word) - 1 && strcmp(message + n - (sizeof(word) - 1), word) == 0;
}

static bool is_port_clash(const char *message)
{
    return strstr(message, "address already in use");
}

// The container's image, as Docker and Podman say it.
static bool is_image_gone(const char *message)
{
    return strstr(message, "No such image") || strstr(message, "image not known") ||
           strstr(message, "layer not known");
}

// A prune takes the networks in which nothing runs. Docker looks for them by their ids: one that
// was made anew under its name does not count.
static bool is_network_gone(const char *message)
{
    return (strstr(message, "network ") && strstr(message, " not found")) ||
           strstr(message, "network not found");
}

// Docker names the one that is not there.
static bool is_another_gone(const char *message, const char *asked)
{
    static const char words[] = "No such container: ";
    const char *at = strstr(message, words);

    return at && !strstr(at + sizeof(words) - 1, asked);
}

static const char *cause_of(const char *message)
{
    return odp_reason_cause(message, 140);
}

void odp_container_why_refused(const struct odp_container_id *id, unsigned status,
                               const char *message, char *ret, size_t size)
{
    if (is_image_gone(message)) // of storage that is damaged Podman says so with status 500
        odp_reason_format(ret, size, "container %s: its image is gone: create it anew (%s)",
                          id->name, cause_of(message));
    else if (status == 404 && is_another_gone(message, id->asked))
        odp_reason_format(ret, size,
                          "container %s: the container in whose network it is has gone: create it "
                          "anew (%s)",
                          id->name, cause_of(message));
    else if (strstr(message, "network of a non running container"))
        odp_reason_format(ret, size,
                          "container %s: the container in whose network it is does not run: start "
                          "it, or name it in a `container` line before (%s)",
                          id->name, cause_of(message));
    else if (status == 404 && strcasestr(message, "no such container"))
        odp_reason_format(ret, size, "%s has no container %s: create it, see %s ps -a", id->engine,
                          id->name, id->engine);
    else if (status == 404 && is_network_gone(message))
        odp_reason_format(ret, size,
                          "container %s: its network is gone: create it anew, as one of a Compose "
                          "project by up -d --force-recreate (%s)",
                          id->name, cause_of(message));
    else if (odp_container_is_port_allocated(message))
        odp_reason_format(ret, size,
                          "container %s: a port that it publishes is taken: give it another, or "
                          "end what has it (%s ps); where nothing has: systemctl restart %s (%s)",
                          id->name, id->engine, id->engine, cause_of(message));
    else if (odp_container_is_left_behind(message))
        odp_reason_format(ret, size,
                          "container %s: %s or containerd was killed while it started this, and "
                          "containerd still has it: create it anew, or restart the machine",
                          id->name, id->engine);
    else if (odp_container_is_containerd_away(message))
        odp_reason_format(
            ret, size,
            "container %s: containerd does not answer, by which %s runs it: systemctl "
            "restart containerd (%s)",
            id->name, id->engine, cause_of(message));
    else if (is_port_clash(message))
        odp_reason_format(ret, size,
                          "container %s: a port that it publishes is taken: give it another, or "
                          "end what listens there (%s)",
                          id->name, cause_of(message));
    else if (message[0])
        odp_reason_format(ret, size, "container %s: %s", id->name, cause_of(message));
    else
        odp_reason_format(ret, size, "container %s: %s answers status %u", id->name, id->engine,
                          status);
}
