// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The functions that stand in for others by the linker's --wrap: every call of NAME from another
// object arrives at __wrap_NAME, and __real_NAME is the replaced one. CMakeLists.txt has the list.

#pragma once

#include <sys/socket.h>

#include "odp/base/fd.h"
#include "odp/core/conn.h"
#include "odp/core/service.h"
#include "odp/net/listen.h"

uint64_t __wrap_odp_now_usec(void);
uint64_t __wrap_odp_boottime_usec(void);
uint64_t __wrap_odp_realtime_usec(void);

int __wrap_odp_close(int fd);
int __wrap_odp_files_read(const char *dir, const char *suffix, size_t max_bytes,
                          struct odp_files *ret);
int __wrap_odp_listen_open(const struct odp_address *a, unsigned socket_mode,
                           const char *socket_owner, char *why, size_t why_size);

ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *buf, size_t n_bytes, int flags);
int __wrap_shutdown(int fd, int how);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_malloc_trim(size_t pad);

int __wrap_odp_service_step(struct odp_service *s, const struct odp_service_event *event,
                            struct odp_service_effects *ret);
int __real_odp_service_step(struct odp_service *s, const struct odp_service_event *event,
                            struct odp_service_effects *ret);
void __wrap_odp_service_set(struct odp_service *s, const struct odp_service_settings *settings,
                            uint64_t idle_timeout_usec, uint64_t now_usec);
void __real_odp_service_set(struct odp_service *s, const struct odp_service_settings *settings,
                            uint64_t idle_timeout_usec, uint64_t now_usec);
unsigned __wrap_odp_conn_step(enum odp_conn_state *state, enum odp_conn_event event);
unsigned __real_odp_conn_step(enum odp_conn_state *state, enum odp_conn_event event);
