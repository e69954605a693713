// SPDX-License-Identifier: LGPL-2.1-or-later
//
// JSON to the address of a container; see the header. Of several networks those are taken that this
// machine has a way into: IPv4 addresses before IPv6 addresses, and among these by the networks'
// names, so that it is the same order at each start.

#include "odp/launcher/container_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/container_way.h"
#include "odp/core/json.h"
#include "odp/launcher/reason.h"

#define INTERNAL "internal" // in the place of a driver

// As it may stand in the path of a request.
static bool is_plain(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t n = strspn(name, plain);

    return n > 0 && n < ODP_REASON_MAX && !name[n];
}

// ---- networks ----------------------------------------------------------------------------------

static void network_deinit(struct odp_container_network *n)
{
    free(n->name);
    free(n->id);
    free(n->driver);
}

static struct odp_container_network *find(const struct odp_container_networks *networks,
                                          const char *name)
{
    for (size_t i = 0; i < networks->n; i++)
        if (strcmp(networks->items[i].name, name) == 0)
            return &networks->items[i];
    return NULL;
}

// One that was made anew under the same name has another id, and perhaps another driver.
static const struct odp_container_network *find_same(const struct odp_container_networks *networks,
                                                     const char *name, const char *id)
{
    struct odp_container_network *n = find(networks, name);

    if (!n || !id[0] || strcmp(n->id, id) == 0)
        return n;
    if (n->id[0])
        return NULL;
    char *copy = strdup(id);
    if (copy) {
        free(n->id);
        n->id = copy;
    }
    return n;
}

static int add(struct odp_container_networks *networks, const char *name, const char *driver)
{
    struct odp_container_network n = {
        .name = strdup(name), .id = strdup(""), .driver = strdup(driver)};
    struct odp_container_network *old = find(networks, name), *more = NULL;

    if (n.name && n.id && n.driver && old) {
        network_deinit(old);
        *old = n;
        return 0;
    }
    if (n.name && n.id && n.driver)
        more = reallocarray(networks->items, networks->n + 1, sizeof(*more));
    if (!more) {
        network_deinit(&n);
        return -ENOMEM;
    }
    networks->items = more;
    more[networks->n++] = n;
    return 0;
}

// Podman gives the bridge of an internal network no address of its own, and says so in this word.
static bool has_no_way_in(const cJSON *json)
{
    const cJSON *configs = odp_json_member(odp_json_member(json, "IPAM"), "Config"), *config;
    bool is_internal = cJSON_IsTrue(odp_json_member(json, "Internal"));

    cJSON_ArrayForEach(config, configs)
    {
        if (strcmp(odp_json_text(config, "Gateway"), "<nil>") != 0)
            return false;
    }
    return is_internal && cJSON_GetArraySize(configs) > 0;
}

int odp_container_networks_read(struct odp_container_networks *networks, const char *name,
                                const char *body, size_t n_bytes)
{
    cJSON *json = cJSON_ParseWithLength(body, n_bytes);
    const char *driver = has_no_way_in(json) ? INTERNAL : odp_json_text(json, "Driver");
    bool is_gone = !odp_json_member(json, "Driver") && odp_json_member(json, "message");
    int r = driver[0] || is_gone ? add(networks, name, driver) : -EBADMSG;

    cJSON_Delete(json);
    return r;
}

void odp_container_networks_deinit(struct odp_container_networks *networks)
{
    for (size_t i = 0; i < networks->n; i++)
        network_deinit(&networks->items[i]);
    free(networks->items);
    *networks = (struct odp_container_networks){0};
}

static bool is_beside(const char *driver)
{
    return odp_network_is_beside(driver) || strcmp(driver, INTERNAL) == 0;
}

// ---- a container -------------------------------------------------------------------------------

static bool exposes(const cJSON *json, uint16_t port)
{
    char name[sizeof("65535/tcp")];

    odp_reason_format(name, sizeof(name), "%u/tcp", (unsigned)port);
    return odp_json_member(odp_json_member(odp_json_member(json, "Config"), "ExposedPorts"), name);
}

static bool is_ip(int family, const char *s)
{
    unsigned char ip[sizeof(struct in6_addr)];

    return inet_pton(family, s, ip) == 1;
}

__attribute__((format(printf, 3, 4))) static void
say(struct odp_container_address *ret, enum odp_container_place is, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    odp_reason_vformat(ret->text, sizeof(ret->text), format, args);
    va_end(args);
    ret->is = is;
}

struct choice {
    const char *name, *ip; // of the network, in it
    bool is_ip6;
};

struct choices {
    struct choice items[ODP_PROTO_ADDRESSES_MAX]; // the best first
    size_t n;
};

static bool is_better(const struct choice *a, const struct choice *b)
{
    return a->is_ip6 == b->is_ip6 ? strcmp(a->name, b->name) < 0 : b->is_ip6;
}

static void add_choice(struct choices *c, const struct choice *new)
{
    size_t at = c->n;

    while (at > 0 && is_better(new, &c->items[at - 1]))
        at--;
    if (at == ODP_PROTO_ADDRESSES_MAX)
        return;
    c->n += c->n < ODP_PROTO_ADDRESSES_MAX;
    memmove(&c->items[at + 1], &c->items[at], (c->n - 1 - at) * sizeof(*new));
    c->items[at] = *new;
}

static void consider(const cJSON *network, struct choices *c)
{
    const struct choice ip4 = {network->string, odp_json_text(network, "IPAddress"), false};
    const struct choice ip6 = {network->string, odp_json_text(network, "GlobalIPv6Address"), true};

    if (is_ip(AF_INET, ip4.ip))
        add_choice(c, &ip4);
    if (is_ip(AF_INET6, ip6.ip))
        add_choice(c, &ip6);
}

static void say_choices(const struct odp_container_question *q, const struct choices *c,
                        struct odp_container_address *ret)
{
    size_t n = 0;

    ret->is = ODP_PLACE_AT;
    for (size_t i = 0; i < c->n; i++) {
        odp_reason_format(ret->text + n, sizeof(ret->text) - n,
                          c->items[i].is_ip6 ? "%s[%s]:%u" : "%s%s:%u", i > 0 ? " " : "",
                          c->items[i].ip, (unsigned)q->port);
        n = strlen(ret->text);
    }
}

static void read_networks(const struct odp_container_question *q, const cJSON *list,
                          struct odp_container_networks *known, struct odp_container_address *ret)
{
    const struct odp_container_network *beside = NULL;
    struct choices choices = {0};
    const cJSON *network;

    cJSON_ArrayForEach(network, list)
    {
        const struct odp_container_network *n =
            find_same(known, network->string, odp_json_text(network, "NetworkID"));
        if (!n && is_plain(network->string)) {
            say(ret, ODP_PLACE_ASK, "%s", network->string);
            return;
        }
        if (n && is_beside(n->driver))
            beside = n;
        else
            consider(network, &choices);
    }
    if (choices.n > 0)
        say_choices(q, &choices, ret);
    else if (beside)
        say(ret, ODP_PLACE_NEVER,
            "container %s: this machine has no way into its network %s (%s): put it into a bridge "
            "network as well, for instance %s network connect %s %s",
            q->name, beside->name, beside->driver, q->engine, odp_network_bridge(q->engine),
            q->name);
    else
        say(ret, ODP_PLACE_NOT_YET, "container %s: %s tells no address of it", q->name, q->engine);
}

static void say_publish(const struct odp_container_question *q, const char *network,
                        struct odp_container_address *ret)
{
    say(ret, ODP_PLACE_NEVER,
        "container %s: this machine has no way into its network (%s): publish the port, for "
        "instance --publish 127.0.0.1:1%04u:%u, and write it as target",
        q->name, network, (unsigned)q->port % 10000, (unsigned)q->port);
}

// What stands in HostConfig.NetworkMode is how it was created, and says more than its networks
// where it has none.
static void read_mode(const struct odp_container_question *q, const cJSON *json,
                      struct odp_container_networks *known, struct odp_container_address *ret)
{
    const char *mode = odp_json_text(odp_json_member(json, "HostConfig"), "NetworkMode");
    const char *host = odp_container_way_guest(mode);

    switch (odp_container_way(mode, q->engine, q->is_rootless)) {
    case ODP_WAY_GUEST:
        if (is_plain(host))
            say(ret, ODP_PLACE_GUEST, "%s", host);
        else
            say(ret, ODP_PLACE_NOT_YET, "container %s: %s tells no address of it", q->name,
                q->engine);
        break;
    case ODP_WAY_NONE:
        say(ret, ODP_PLACE_NEVER,
            "container %s is in no network: create it with one, for instance --network %s", q->name,
            odp_network_bridge(q->engine));
        break;
    case ODP_WAY_HOST: say(ret, ODP_PLACE_AT, "127.0.0.1:%u", (unsigned)q->port); break;
    case ODP_WAY_PRIVATE:
        say_publish(q, q->is_rootless ? "of a rootless engine" : mode, ret);
        break;
    case ODP_WAY_NETWORKS:
        read_networks(q, odp_json_member(odp_json_member(json, "NetworkSettings"), "Networks"),
                      known, ret);
        break;
    }
}

bool odp_container_address_read(const struct odp_container_question *q, const char *body,
                                size_t n_bytes, struct odp_container_networks *networks,
                                struct odp_container_address *ret)
{
    cJSON *json = cJSON_ParseWithLength(body, n_bytes);
    const cJSON *running = odp_json_member(odp_json_member(json, "State"), "Running");
    bool is_sound = cJSON_IsBool(running);

    *ret = (struct odp_container_address){.is = ODP_PLACE_NOT_YET};
    if (is_sound) {
        ret->exists = true;
        ret->exposes = exposes(json, q->port);
        read_mode(q, json, networks, ret);
        // What it has to do with networks is found out beforehand, while nobody waits.
        if (!cJSON_IsTrue(running) && ret->is != ODP_PLACE_ASK)
            say(ret, ODP_PLACE_NOT_YET, "container %s does not run", q->name);
    }
    cJSON_Delete(json);
    return is_sound;
}
