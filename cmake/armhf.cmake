# SPDX-License-Identifier: LGPL-2.1-or-later
#
# 32-bit Raspberry Pis, built on another architecture. See aarch64.cmake.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armhf)
set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)

set(odp_triplet arm-linux-gnueabihf)
set(odp_loader ld-linux-armhf.so.3)
set(odp_qemu qemu-arm)
include(${CMAKE_CURRENT_LIST_DIR}/Cross.cmake)
