// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who listens where: the kernel's tables in /proc/net, proc(5), and the processes that have the
// sockets. Whose descriptors may not be seen has none.

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor_internal.h"
#include "odp/base/fd.h"

#define TABLE_BYTES_MAX (64u << 20)
#define LINE_BYTES_MAX  512
#define LISTENS         0x0A    // TCP_LISTEN of net/tcp_states.h
#define ACCEPTS         0x10000 // __SO_ACCEPTCON of a unix socket, linux/net.h

static int add_port(struct odp_ports *p, const struct odp_address *address, unsigned long inode)
{
    struct odp_port *items = reallocarray(p->items, p->n + 1, sizeof(*items));

    if (!items)
        return -ENOMEM;
    p->items = items;
    items[p->n++] = (struct odp_port){.address = *address, .inode = inode};
    return 0;
}

// Words of 32 bits as the machine has them in memory, each printed as one number.
static bool read_ip(const char *hex, size_t n_words, uint8_t *ip)
{
    for (size_t i = 0; i < n_words; i++) {
        char word[9] = {0};
        char *end;

        memcpy(word, hex + i * 8, 8);
        uint32_t value = (uint32_t)strtoul(word, &end, 16);
        if (*end || strlen(word) != 8)
            return false;
        memcpy(ip + i * 4, &value, 4);
    }
    return true;
}

// "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 ..."
static bool read_inet(const char *line, bool is_inet6, struct odp_address *ret,
                      unsigned long *ret_inode)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char local[48];
    unsigned port, state;

    if (sscanf(line, " %*[0-9]: %40[0-9A-F]:%x %*s %x %*s %*s %*s %*s %*s %lu", local, &port,
               &state, ret_inode) != 4 ||
        state != LISTENS || strlen(local) != (is_inet6 ? 32 : 8))
        return false;
    *ret = (struct odp_address){.kind = is_inet6 ? ODP_ADDRESS_INET6 : ODP_ADDRESS_INET,
                                .port = (uint16_t)port};
    if (!read_ip(local, is_inet6 ? 4 : 1, ret->ip))
        return false;
    if (is_inet6 && memcmp(ret->ip, mapped, sizeof(mapped)) == 0) {
        memmove(ret->ip, ret->ip + sizeof(mapped), 4);
        memset(ret->ip + 4, 0, 12);
        ret->kind = ODP_ADDRESS_INET;
    }
    return true;
}

// Copies one line out, since sscanf(3) measures all that is left of a text. Returns where the next
// one begins.
static const char *take_line(const char *at, char *ret, size_t size)
{
    size_t n = strcspn(at, "\n");

    snprintf(ret, size, "%.*s", (int)(n < size ? n : size - 1), at);
    return at + n + (at[n] != '\0');
}

int odp_ports_add_inet(struct odp_ports *p, const char *text, bool is_inet6)
{
    char line[LINE_BYTES_MAX];
    int r = 0;

    while (*text && r == 0) {
        struct odp_address address;
        unsigned long inode;

        text = take_line(text, line, sizeof(line));
        if (read_inet(line, is_inet6, &address, &inode))
            r = add_port(p, &address, inode);
    }
    return r;
}

// "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x.sock"
int odp_ports_add_unix(struct odp_ports *p, const char *text)
{
    char line[LINE_BYTES_MAX];
    int r = 0;

    while (*text && r == 0) {
        struct odp_address address = {.kind = ODP_ADDRESS_UNIX};
        unsigned long inode, flags;

        text = take_line(text, line, sizeof(line));
        if (sscanf(line, "%*[0-9a-fA-F]: %*x %*x %lx %*x %*x %lu %107[^\n]", &flags, &inode,
                   address.path) == 3 &&
            flags & ACCEPTS && address.path[0] == '/')
            r = add_port(p, &address, inode);
    }
    return r;
}

static void add_table(struct odp_ports *p, const char *path, int *r)
{
    char *text;
    size_t n_bytes;

    // A machine without IPv6 has no such table.
    if (*r < 0 || odp_file_read(path, TABLE_BYTES_MAX, &text, &n_bytes) < 0)
        return;
    if (strstr(path, "unix"))
        *r = odp_ports_add_unix(p, text);
    else
        *r = odp_ports_add_inet(p, text, path[strlen(path) - 1] == '6');
    free(text);
}

static bool is_known(const struct odp_ports *p, unsigned long inode)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].inode == inode)
            return true;
    return false;
}

// NULL where it cannot be read, or memory is out.
static char *read_proc(const char *pid, const char *name)
{
    char path[300];
    char *text;
    size_t n_bytes;

    snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
    return odp_file_read(path, 65536, &text, &n_bytes) < 0 ? NULL : text;
}

static void read_program(const char *pid, char *program, size_t size)
{
    ODP_CLEANUP_FREE char *text = read_proc(pid, "comm");

    snprintf(program, size, "%.*s", text ? (int)strcspn(text, "\n") : 1, text ? text : "?");
}

// The last part of "0::/system.slice/x.service/sub" that is a unit; lines before are of cgroup v1.
// Below "user@1000.service" stand units of that user's manager.
void odp_holder_set_unit(struct odp_holder *h, char *text)
{
    static const char manager[] = "user@";
    char *line = strstr(text, "0::"), *save;

    if (!line)
        return;
    line[strcspn(line, "\n")] = '\0';
    for (char *part = strtok_r(line, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        const char *dot = strrchr(part, '.');
        if (!dot || (strcmp(dot, ".service") != 0 && strcmp(dot, ".scope") != 0))
            continue;
        h->is_users |= strncmp(h->unit, manager, strlen(manager)) == 0;
        if (strncmp(part, manager, strlen(manager)) == 0)
            h->uid = (uid_t)strtoul(part + strlen(manager), NULL, 10);
        snprintf(h->unit, sizeof(h->unit), "%s", part);
    }
}

// Such units stand in directories of their own, systemd.unit(5).
static bool is_made(const struct odp_holder *h)
{
    static const char *const kinds[] = {"transient", "generator", "generator.early",
                                        "generator.late"};
    char manager[64] = "/run/systemd", path[64 + 24 + ODP_UNIT_NAME_MAX];

    if (h->is_users)
        snprintf(manager, sizeof(manager), "/run/user/%u/systemd", (unsigned)h->uid);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s/%s", manager, kinds[i], h->unit);
        if (h->unit[0] && access(path, F_OK) == 0)
            return true;
    }
    return false;
}

static int add_holder(struct odp_ports *p, const char *pid, unsigned long inode)
{
    struct odp_holder *holders = reallocarray(p->holders, p->n_holders + 1, sizeof(*holders));

    if (!holders)
        return -ENOMEM;
    p->holders = holders;
    struct odp_holder *h = &holders[p->n_holders++];
    *h = (struct odp_holder){.inode = inode, .pid = atoi(pid)};
    read_program(pid, h->program, sizeof(h->program));
    ODP_CLEANUP_FREE char *text = read_proc(pid, "cgroup");
    if (text)
        odp_holder_set_unit(h, text);
    h->is_made = is_made(h);
    return 0;
}

static int add_process(struct odp_ports *p, const char *pid)
{
    char path[300], link[64];
    int r = 0;

    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    if (!dir) {
        p->blind |= errno == EACCES;
        return 0;
    }
    for (struct dirent *e; r == 0 && (e = readdir(dir));) {
        unsigned long inode;
        ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);

        if (n <= 0)
            continue;
        link[n] = '\0';
        if (sscanf(link, "socket:[%lu]", &inode) == 1 && is_known(p, inode))
            r = add_holder(p, pid, inode);
    }
    closedir(dir);
    return r;
}

int odp_ports_read(struct odp_ports *ret)
{
    static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6", "/proc/net/unix"};
    int r = 0;

    *ret = (struct odp_ports){0};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        add_table(ret, tables[i], &r);
    DIR *dir = opendir("/proc");
    for (struct dirent *e; dir && r == 0 && (e = readdir(dir));)
        if (isdigit((unsigned char)e->d_name[0]))
            r = add_process(ret, e->d_name);
    if (dir)
        closedir(dir);
    return r;
}

int doctor_gather_ports(struct odp_doctor *d)
{
    return odp_ports_read(&d->ports);
}

void odp_ports_deinit(struct odp_ports *p)
{
    free(p->items);
    free(p->holders);
    *p = (struct odp_ports){0};
}

const struct odp_port *odp_ports_next(const struct odp_ports *p, const struct odp_address *address,
                                      const struct odp_port *at)
{
    for (size_t i = at ? (size_t)(at - p->items) + 1 : 0; i < p->n; i++)
        if (odp_address_covers(&p->items[i].address, address) ||
            odp_address_covers(address, &p->items[i].address))
            return &p->items[i];
    return NULL;
}

const struct odp_holder *odp_ports_holder(const struct odp_ports *p, unsigned long inode,
                                          const struct odp_holder *at)
{
    for (size_t i = at ? (size_t)(at - p->holders) + 1 : 0; i < p->n_holders; i++)
        if (p->holders[i].inode == inode)
            return &p->holders[i];
    return NULL;
}
