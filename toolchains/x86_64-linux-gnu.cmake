# SPDX-License-Identifier: Apache-2.0
# 64-bit x86 against a Debian 12 sysroot, whatever this machine has installed.
set(BATON_TRIPLET x86_64-linux-gnu)
set(BATON_ARCHITECTURE amd64)
set(BATON_QEMU qemu-x86_64-static)
set(BATON_LOADER lib64/ld-linux-x86-64.so.2)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
include(${CMAKE_CURRENT_LIST_DIR}/debian.cmake)
