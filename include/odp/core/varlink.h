// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Names of the control interface that odpd serves on RUNTIME/control.sock and odp calls: varlink
// (varlink.org), each message one JSON object followed by a NUL byte.
// docs/CONTROL.md describes it for people; odp_varlink_description is what GetInterfaceDescription
// answers.

#pragma once

#define ODP_VARLINK_INTERFACE   "io.odp.Control"
#define ODP_VARLINK_MESSAGE_MAX (1024 * 1024) // bytes of a reply; requests: 64 KiB
#define ODP_VARLINK_REQUEST_MAX (64 * 1024)
#define ODP_CONTROL_SOCKET      "control.sock" // in the runtime directory

// Status(names: ?[]string) -> (version: string, services: []Service)
// Why(name: string) -> (see odp_varlink_description)
// Start(name: string, wait: ?bool) -> (state: string)
// Stop(name: string, wait: ?bool) -> (state: string)
// Reload() -> (see odp_varlink_description)
#define ODP_VARLINK_STATUS ODP_VARLINK_INTERFACE ".Status"
#define ODP_VARLINK_WHY    ODP_VARLINK_INTERFACE ".Why"
#define ODP_VARLINK_START  ODP_VARLINK_INTERFACE ".Start"
#define ODP_VARLINK_STOP   ODP_VARLINK_INTERFACE ".Stop"
#define ODP_VARLINK_RELOAD ODP_VARLINK_INTERFACE ".Reload"

// NoSuchService(name), NotPossible(name, reason), JobFailed(name, reason), ReloadFailed(reason)
#define ODP_VARLINK_E_NO_SUCH_SERVICE ODP_VARLINK_INTERFACE ".NoSuchService"
#define ODP_VARLINK_E_NOT_POSSIBLE    ODP_VARLINK_INTERFACE ".NotPossible"
#define ODP_VARLINK_E_JOB_FAILED      ODP_VARLINK_INTERFACE ".JobFailed"
#define ODP_VARLINK_E_RELOAD_FAILED   ODP_VARLINK_INTERFACE ".ReloadFailed"
#define ODP_VARLINK_E_PERMISSION      "org.varlink.service.PermissionDenied"
#define ODP_VARLINK_E_INVALID         "org.varlink.service.InvalidParameter"
#define ODP_VARLINK_E_NO_METHOD       "org.varlink.service.MethodNotFound"
#define ODP_VARLINK_E_NO_INTERFACE    "org.varlink.service.InterfaceNotFound"

extern const char odp_varlink_description[];
