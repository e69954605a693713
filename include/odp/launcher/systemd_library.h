// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The sd-bus functions that are used, borrowed at run time: a launcher without a service of type
// systemd loads nothing, and runs where there is no libsystemd at all.

#pragma once

#include <systemd/sd-bus.h>

// Every function under its name without sd_bus_.
#define ODP_SD_BUS_FUNCTIONS(X)                                                                    \
    X(add_filter)                                                                                  \
    X(add_match_async)                                                                             \
    X(call_async)                                                                                  \
    X(call_method_asyncv)                                                                          \
    X(close_unref)                                                                                 \
    X(get_events)                                                                                  \
    X(get_fd)                                                                                      \
    X(get_timeout)                                                                                 \
    X(is_open)                                                                                     \
    X(message_append)                                                                              \
    X(message_append_array)                                                                        \
    X(message_close_container)                                                                     \
    X(message_enter_container)                                                                     \
    X(message_exit_container)                                                                      \
    X(message_get_error)                                                                           \
    X(message_is_signal)                                                                           \
    X(message_new_method_call)                                                                     \
    X(message_open_container)                                                                      \
    X(message_read)                                                                                \
    X(message_rewind)                                                                              \
    X(message_skip)                                                                                \
    X(message_unref)                                                                               \
    X(open_system)                                                                                 \
    X(open_user)                                                                                   \
    X(path_encode)                                                                                 \
    X(process)                                                                                     \
    X(slot_unref)

struct odp_sd_bus {
#define X(name) __typeof__(sd_bus_##name) *name;
    ODP_SD_BUS_FUNCTIONS(X)
#undef X
};

// Loads the library at the first call, for good. Returns NULL and one line in *ret_why where that
// is not possible; it is tried again by the next call.
const struct odp_sd_bus *odp_sd_bus_load(const char **ret_why);
