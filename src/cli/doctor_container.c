// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads what container engines have said. Pure; what has an unexpected shape is not there.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/cli/doctor_engine.h"
#include "odp/core/container_way.h"

static const cJSON *member(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

// "HostConfig.NetworkMode"
static const cJSON *find(const cJSON *json, const char *keys)
{
    char key[64];

    while (json && *keys) {
        size_t n = strcspn(keys, ".");

        snprintf(key, sizeof(key), "%.*s", (int)n, keys);
        json = member(json, key);
        keys += n + (keys[n] == '.');
    }
    return json;
}

static const char *text(const cJSON *json)
{
    const char *s = cJSON_GetStringValue(json);

    return s ? s : "";
}

const char *odp_container_text(const struct odp_container *c, const char *keys)
{
    return text(find(c->inspect, keys));
}

bool odp_container_is(const struct odp_container *c, const char *keys)
{
    return cJSON_IsTrue(find(c->inspect, keys));
}

const char *odp_container_label(const struct odp_container *c, const char *label)
{
    return cJSON_GetStringValue(member(find(c->inspect, "Config.Labels"), label));
}

bool odp_container_runs(const struct odp_container *c)
{
    return odp_container_is(c, "State.Running");
}

time_t odp_container_started(const struct odp_container *c)
{
    struct tm tm = {0};
    const char *rest = strptime(odp_container_text(c, "State.StartedAt"), "%Y-%m-%dT%H:%M:%S", &tm);

    if (!rest || tm.tm_year <= 0 || rest[strspn(rest, ".0123456789")] != 'Z')
        return 0;
    return timegm(&tm);
}

unsigned odp_container_restarts(const struct odp_container *c)
{
    const cJSON *n = find(c->inspect, "RestartCount");

    return cJSON_IsNumber(n) && n->valueint > 0 ? (unsigned)n->valueint : 0;
}

bool odp_container_has(const struct odp_container *c, const char *keys, const char *name)
{
    return member(find(c->inspect, keys), name);
}

const char *odp_container_network(const struct odp_container *c, size_t n)
{
    const cJSON *network = find(c->inspect, "NetworkSettings.Networks");

    for (network = network ? network->child : NULL; network && n > 0; network = network->next)
        n--;
    return network ? network->string : NULL;
}

uint64_t odp_container_span(const struct odp_container *c, const char *keys)
{
    const cJSON *nsec = find(c->inspect, keys);

    return cJSON_IsNumber(nsec) && nsec->valuedouble >= 1000 ? (uint64_t)(nsec->valuedouble / 1000)
                                                             : 0;
}

// "Test": ["CMD-SHELL", "..."]; ["NONE"] takes away what the image has.
bool odp_container_is_checked(const struct odp_container *c)
{
    const char *kind = text(cJSON_GetArrayItem(find(c->inspect, "Config.Healthcheck.Test"), 0));

    return *kind && strcmp(kind, "NONE") != 0;
}

bool odp_container_is_on_host(const struct odp_container *c)
{
    return strcmp(odp_container_text(c, "HostConfig.NetworkMode"), "host") == 0;
}

bool odp_container_is_guest(const struct odp_container *c)
{
    static const char of[] = "container:"; // a project's `service:vpn` is that, too

    return strncmp(odp_container_text(c, "HostConfig.NetworkMode"), of, sizeof(of) - 1) == 0;
}

// ---- published ports ----------------------------------------------------------------------------

// An empty HostIp is every address, IPv4 and IPv6.
static bool read_address(const cJSON *binding, struct odp_address *ret)
{
    const char *ip = text(member(binding, "HostIp")), *port = text(member(binding, "HostPort"));
    char address[ODP_ADDRESS_TEXT_MAX], why[256];

    if (!*port)
        port = "0";
    if (!*ip)
        snprintf(address, sizeof(address), "%s", port);
    else
        snprintf(address, sizeof(address), strchr(ip, ':') ? "[%s]:%s" : "%s:%s", ip, port);
    return odp_address_parse(address, ret, why, sizeof(why)) == 0;
}

// "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18080"}], ...}
bool odp_container_published(const struct odp_container *c, size_t n, struct odp_published *ret)
{
    const cJSON *port, *binding;

    cJSON_ArrayForEach(port, find(c->inspect, "HostConfig.PortBindings"))
    {
        if (!strstr(port->string, "/tcp"))
            continue;
        cJSON_ArrayForEach(binding, port) if (read_address(binding, &ret->address) && n-- == 0)
        {
            ret->inside = (unsigned)strtoul(port->string, NULL, 10);
            return true;
        }
    }
    return false;
}

// ---- the engine ---------------------------------------------------------------------------------

const char *odp_engine_program(const struct odp_engine_facts *e)
{
    return *e->program ? e->program : e->place.engine;
}

bool odp_engine_publishes(const struct odp_engine_facts *e, unsigned port)
{
    const cJSON *container, *published;

    cJSON_ArrayForEach(container, e->running)
        cJSON_ArrayForEach(published, member(container, "Ports"))
    {
        const cJSON *number = member(published, "PublicPort");
        if (cJSON_IsNumber(number) && number->valueint == (int)port &&
            strcmp(text(member(published, "Type")), "tcp") == 0)
            return true;
    }
    return !cJSON_IsArray(e->running);
}

bool odp_engine_has_network(const struct odp_engine_facts *e, const char *name)
{
    const cJSON *network;

    cJSON_ArrayForEach(network, e->networks)
    {
        if (strcmp(text(member(network, "Name")), name) == 0 ||
            strcmp(text(member(network, "Id")), name) == 0)
            return true;
    }
    return !cJSON_IsArray(e->networks);
}

// Podman gives the bridge of an internal network no address on this machine.
bool odp_engine_network_is_beside(const struct odp_engine_facts *e, const char *name)
{
    bool is_podman = strcmp(e->place.engine, "podman") == 0;
    const cJSON *network;

    cJSON_ArrayForEach(network, e->networks)
    {
        if (strcmp(text(member(network, "Name")), name) == 0)
            return odp_network_is_beside(text(member(network, "Driver"))) ||
                   (is_podman && cJSON_IsTrue(member(network, "Internal")));
    }
    return false;
}
