// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looks at containers. What is seen means something only when no later event is known.

#include <stdio.h>

#include "container_internal.h"

#define PATH_MAX_BYTES 512

// So often the engine may fail in a row: then it is the container's trouble, not its own.
#define N_BAD_MAX 3

static void ask(struct odp_container *c, const char *what, odp_engine_reply_fn *on_reply)
{
    struct odp_engine_watch *w = c->service->watch;
    char path[PATH_MAX_BYTES];

    odp_engine_http_free(c->look);
    c->look = NULL;
    snprintf(path, sizeof(path), "/containers/%s/%s", c->id, what);
    if (odp_engine_watch_call(w, "GET", path, on_reply, c, &c->look) < 0)
        odp_engine_watch_doubt(w, "the launcher is out of memory");
}

static void end(struct odp_container *c)
{
    odp_engine_http_free(c->look);
    c->look = NULL;
    c->is_looking = false;
    if (c->looks_again)
        odp_container_look(c);
    else
        odp_container_step(c->service);
}

static void on_log(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_container *c = userdata;

    // Some drivers keep no log that can be read.
    if (!reply->why && reply->status == 200)
        odp_container_log_read(reply->body, reply->n_body, c->facts.has_tty, c->facts.last_line,
                               sizeof(c->facts.last_line));
    end(c);
}

// One that has lost its files, for instance. The engine is sound, and has others.
static bool is_ill(struct odp_container *c, const struct odp_engine_reply *reply)
{
    c->n_bad = reply->status == 500 ? c->n_bad + 1 : 0;
    if (c->n_bad < N_BAD_MAX)
        return false;
    c->n_bad = N_BAD_MAX;
    c->facts = (struct odp_container_facts){.status = ODP_CONTAINER_ILL};
    odp_engine_message_read(reply->body, reply->n_body, c->facts.last_line,
                            sizeof(c->facts.last_line));
    return true;
}

static void on_told(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_container *c = userdata;
    bool is_sound = true;

    if (reply->why) {
        odp_engine_watch_doubt(c->service->watch, reply->why);
        return;
    }
    if (is_ill(c, reply)) {
        end(c);
        return;
    }
    if (reply->status == 200)
        is_sound = odp_container_facts_read(reply->body, reply->n_body, &c->facts);
    else if (reply->status == 404)
        c->facts = (struct odp_container_facts){.status = ODP_CONTAINER_MISSING};
    if (!is_sound || (reply->status != 200 && reply->status != 404))
        odp_engine_watch_doubt(c->service->watch, "it answers what makes no sense");
    else if (odp_container_has_crashed(&c->facts))
        ask(c, "logs?stdout=1&stderr=1&tail=1", on_log);
    else
        end(c);
}

void odp_container_look(struct odp_container *c)
{
    c->looks_again = c->is_looking;
    if (c->is_looking)
        return;
    c->is_looking = true;
    ask(c, "json", on_told);
}

void odp_container_look_all(struct odp_container_service *s)
{
    if (s->project)
        odp_container_project_list(s); // and looks
    for (size_t i = 0; i < s->n_containers && !s->project; i++)
        odp_container_look(s->containers[i]);
}

bool odp_container_is_looking(const struct odp_container_service *s)
{
    if (odp_container_project_is_listing(s))
        return true;
    for (size_t i = 0; i < s->n_containers; i++)
        if (s->containers[i]->is_looking)
            return true;
    return false;
}

void odp_container_forget_looks(struct odp_container_service *s)
{
    odp_container_project_forget(s);
    for (size_t i = 0; i < s->n_containers; i++) {
        odp_engine_http_free(s->containers[i]->look);
        s->containers[i]->look = NULL;
        s->containers[i]->is_looking = s->containers[i]->looks_again = false;
    }
}
