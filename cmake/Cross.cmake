# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the toolchain files share. ODP_SYSROOT is a directory that tests/cross/sysroot has made.

set(ODP_SYSROOT "${CMAKE_CURRENT_LIST_DIR}/../build/sysroot-${CMAKE_SYSTEM_PROCESSOR}" CACHE PATH
  "Libraries of the other architecture")
get_filename_component(CMAKE_SYSROOT "${ODP_SYSROOT}/root" ABSOLUTE)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ODP_SYSROOT)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_DIR} "")
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR}
  ${CMAKE_SYSROOT}/usr/lib/${odp_triplet}/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)

# ctest runs what was built by it. The loader is named because with -L qemu would look for every file
# in the sysroot first.
find_program(ODP_QEMU ${odp_qemu})
if(ODP_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${ODP_QEMU};${CMAKE_SYSROOT}/lib/${odp_loader};--library-path
    ${CMAKE_SYSROOT}/lib/${odp_triplet}:${CMAKE_SYSROOT}/usr/lib/${odp_triplet})
endif()
