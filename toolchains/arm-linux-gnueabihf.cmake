# SPDX-License-Identifier: Apache-2.0
# 32-bit ARM, as Debian builds it: ARMv7-A with VFPv3-D16, Thumb-2. time_t and off_t have 32 bits by default.
set(BATON_TRIPLET arm-linux-gnueabihf)
set(BATON_ARCHITECTURE armhf)
set(BATON_QEMU qemu-arm-static)
set(BATON_LOADER lib/ld-linux-armhf.so.3)
set(CMAKE_SYSTEM_PROCESSOR armv7l)
include(${CMAKE_CURRENT_LIST_DIR}/debian.cmake)
