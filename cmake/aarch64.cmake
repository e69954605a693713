# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Raspberry Pi's architecture, built on another one: gcc-aarch64-linux-gnu, Debian's arm64 libraries
# in a sysroot (tests/cross/sysroot), and qemu's user mode, which runs what was built.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

set(odp_triplet aarch64-linux-gnu)
set(odp_loader ld-linux-aarch64.so.1)
set(odp_qemu qemu-aarch64)
include(${CMAKE_CURRENT_LIST_DIR}/Cross.cmake)
