// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The odpd that starts: reads what the one before has left. What makes no sense is passed over.

#include "handover_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/net/systemd.h"

#define TEXT_MAX (256 * 1024 * 1024) // bytes; 100,000 connections with a box each

// ---- reading -----------------------------------------------------------------------------------

static int read_text(struct odp_handover *h)
{
    ODP_CLEANUP_CLOSE int fd = odp_carried_take(&h->carried, 0);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > TEXT_MAX)
        return -EBADMSG;
    h->text = malloc((size_t)st.st_size + 1);
    if (!h->text)
        return -ENOMEM;
    while (h->n_bytes < (size_t)st.st_size) {
        ssize_t n =
            pread(fd, h->text + h->n_bytes, (size_t)st.st_size - h->n_bytes, (off_t)h->n_bytes);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            h->n_bytes += (size_t)n;
    }
    return 0;
}

static enum odp_backend_type backend_from_word(const char *word)
{
    static const enum odp_backend_type types[] = {ODP_BACKEND_NONE, ODP_BACKEND_EXEC,
                                                  ODP_BACKEND_SYSTEMD, ODP_BACKEND_CONTAINER,
                                                  ODP_BACKEND_COMPOSE};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(odp_backend_type_to_string(types[i]), word) == 0)
            return types[i];
    return ODP_BACKEND_PROCESS; // or a later odpd's: it starts something, which is what matters
}

static struct odp_config_service *config_of(const struct odp_handover_service *s)
{
    struct odp_config_service *c = calloc(1, sizeof(*c));
    char why[128];

    if (!c)
        return NULL;
    memcpy(c->name, s->name, sizeof(c->name));
    c->file = strdup("");
    c->description = strdup(s->name);
    c->target_text = strdup(s->target);
    (void)odp_address_parse_target(s->target, &c->target, why, sizeof(why)); // or of no kind
    c->enabled = s->enabled;
    c->backend = backend_from_word(s->backend);
    c->backend_digest = s->backend_digest;
    c->stop_timeout_usec = s->stop_timeout_usec;
    if (c->file && c->description && c->target_text)
        return c;
    odp_config_service_free(c);
    return NULL;
}

static int add_left(struct odp_handover *h, const struct odp_handover_service *s)
{
    struct left *more = reallocarray(h->left, h->n_left + 1, sizeof(*more));

    if (!more)
        return -ENOMEM;
    h->left = more;
    more[h->n_left] = (struct left){.service = *s, .config = config_of(s)};
    return more[h->n_left++].config ? 0 : -ENOMEM;
}

static int add_listen(struct odp_config_service *c, const char *text)
{
    struct odp_config_listen *more = reallocarray(c->listen, c->n_listen + 1, sizeof(*more));
    char why[128];

    if (!more)
        return -ENOMEM;
    c->listen = more;
    more[c->n_listen] = (struct odp_config_listen){.text = strdup(text)};
    if (!more[c->n_listen].text)
        return -ENOMEM;
    (void)odp_address_parse(text, &more[c->n_listen++].address, why, sizeof(why));
    return 0;
}

// The services and what belongs to them; the clients are taken later.
static int read_services(struct odp_handover *h)
{
    struct odp_handover_reader reader = h->records;
    struct odp_handover_record r;
    int result = 0, more = 0;

    while (result == 0 && (more = odp_handover_next(&reader, &r)) == 1) {
        if (r.kind == ODP_HANDOVER_SERVICE)
            result = add_left(h, &r.service);
        else if (r.kind == ODP_HANDOVER_LISTEN && h->n_left > 0)
            result = add_listen(h->left[h->n_left - 1].config, r.listen.address);
    }
    if (more == 0)
        h->bytes = reader.at;
    else if (more < 0)
        odp_log(ODP_LOG_WARNING, NULL,
                "what the odpd before has left is not whole: it goes on "
                "with what there is");
    if (reader.n_damaged > 0)
        odp_log(ODP_LOG_WARNING, NULL, "of what the odpd before has left %zu lines make no sense",
                reader.n_damaged);
    return result;
}

static int read_all(struct odp_handover *h)
{
    unsigned version = 0;
    int r = read_text(h);

    if (r == 0)
        r = odp_handover_open(&h->records, h->text, h->n_bytes, &version);
    if (r == 0)
        return read_services(h);
    if (r == -EPROTONOSUPPORT)
        odp_log(ODP_LOG_ERR, NULL,
                "what the odpd before has left is of version %u, this one reads %d: its "
                "connections end",
                version, ODP_HANDOVER_VERSION);
    else
        odp_log(ODP_LOG_ERR, NULL,
                "what the odpd before has left cannot be read (%s): its connections end",
                strerror(-r));
    return r;
}

static void receive(struct odp_handover *h, int store)
{
    struct odp_carried carried;
    int r = odp_carried_receive(store, &carried);

    if (r < 0)
        odp_log(ODP_LOG_WARNING, NULL,
                "not all that the odpd before has left could be taken over: %s", strerror(-r));
    if (carried.n == 0) // an odpd that ended early has emptied it already
        return;
    odp_carried_deinit(&h->carried); // one that was not removed from the store: this one is later
    h->carried = carried;
}

struct odp_handover *odp_handover_read(struct odp_manager *mgr, struct odp_passed *passed,
                                       int n_passed)
{
    struct odp_handover *h = NULL;

    for (int i = 0; i < n_passed; i++) {
        if (!passed[i].is_carrier)
            continue;
        if (!h)
            h = calloc(1, sizeof(*h));
        if (h)
            receive(h, passed[i].fd);
        passed[i].fd = odp_close(passed[i].fd);
    }
    if (!h)
        return NULL;
    h->manager = mgr;
    (void)odp_systemd_notify(
        "FDSTOREREMOVE=1\nFDNAME=" ODP_CARRIER_NAME); // or the next one gets it, too
    if (h->carried.n > 0 && read_all(h) == 0)
        return h;
    odp_handover_free(h);
    return NULL;
}

void odp_handover_free(struct odp_handover *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n_left; i++)
        odp_config_service_free(h->left[i].config);
    odp_carried_deinit(&h->carried);
    free(h->left);
    free(h->left_of);
    free(h->text);
    free(h);
}
