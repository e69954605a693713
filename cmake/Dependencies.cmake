# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The libraries odp links, each found through pkg-config. All missing ones are named at once with
# the Debian package that brings them.

set(odp_missing "")

find_program(ODP_PKG_CONFIG NAMES pkg-config pkgconf)
if(NOT ODP_PKG_CONFIG)
  message(FATAL_ERROR "pkg-config is missing: sudo apt-get install pkg-config")
endif()
find_package(PkgConfig REQUIRED)

function(odp_need prefix module debian_package)
  pkg_check_modules(${prefix} QUIET IMPORTED_TARGET ${module})
  if(NOT ${prefix}_FOUND)
    list(APPEND odp_missing ${debian_package})
    set(odp_missing "${odp_missing}" PARENT_SCOPE)
  endif()
endfunction()

odp_need(UV libuv libuv1-dev)
odp_need(SYSTEMD libsystemd libsystemd-dev)
odp_need(INIH inih libinih-dev)
odp_need(CJSON libcjson libcjson-dev)
if(BUILD_TESTING)
  odp_need(CMOCKA cmocka libcmocka-dev)
endif()

if(odp_missing)
  string(REPLACE ";" " " odp_missing "${odp_missing}")
  message(FATAL_ERROR "Libraries are missing. On Debian: sudo apt-get install ${odp_missing}")
endif()
