# SPDX-License-Identifier: Apache-2.0
# 64-bit ARM, as Debian builds it: ARMv8-A.
set(BATON_TRIPLET aarch64-linux-gnu)
set(BATON_ARCHITECTURE arm64)
set(BATON_QEMU qemu-aarch64-static)
set(BATON_LOADER lib/ld-linux-aarch64.so.1)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
include(${CMAKE_CURRENT_LIST_DIR}/debian.cmake)
