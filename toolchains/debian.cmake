# SPDX-License-Identifier: Apache-2.0
# What the toolchains of Debian's three architectures share. A toolchain file sets BATON_TRIPLET,
# BATON_ARCHITECTURE (Debian's name), BATON_QEMU, BATON_LOADER and CMAKE_SYSTEM_PROCESSOR, and includes this.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${BATON_TRIPLET}-gcc)
set(CMAKE_STRIP ${BATON_TRIPLET}-strip)
set(CMAKE_LIBRARY_ARCHITECTURE ${BATON_TRIPLET})

# One step for the user: the first configuration of an architecture makes its sysroot.
if(NOT IS_DIRECTORY "${BATON_SYSROOT}")
	execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/../scripts/sysroot.sh ${BATON_ARCHITECTURE}
		OUTPUT_VARIABLE made OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE result)
	if(NOT result EQUAL 0)
		message(FATAL_ERROR "There is no sysroot for ${BATON_ARCHITECTURE}, see the lines above")
	endif()
	set(BATON_SYSROOT ${made} CACHE PATH "Debian tree of the target, see scripts/sysroot.sh" FORCE)
endif()
# CMake reads this file again for each of its test programs, without the cache.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES BATON_SYSROOT)

set(CMAKE_SYSROOT ${BATON_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_DIR} "")
set(ENV{PKG_CONFIG_LIBDIR}
	"${BATON_SYSROOT}/usr/lib/${BATON_TRIPLET}/pkgconfig:${BATON_SYSROOT}/usr/share/pkgconfig")
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${BATON_SYSROOT})
# The linker checks the symbols of the libraries that our libraries need, and does not search the sysroot for them.
set(rpath_link "-Wl,-rpath-link,${BATON_SYSROOT}/lib/${BATON_TRIPLET}:${BATON_SYSROOT}/usr/lib/${BATON_TRIPLET}")
set(CMAKE_EXE_LINKER_FLAGS_INIT ${rpath_link})
set(CMAKE_MODULE_LINKER_FLAGS_INIT ${rpath_link})

# Unit tests, and files that our own programs write for their package, need programs of the target to run: in user mode
# emulation (binfmt_misc is not needed), or, where they run natively, with the libraries of the sysroot.
if(CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL CMAKE_SYSTEM_PROCESSOR)
	set(CMAKE_CROSSCOMPILING_EMULATOR ${BATON_SYSROOT}/${BATON_LOADER}
		--library-path ${BATON_SYSROOT}/usr/lib/${BATON_TRIPLET})
else()
	find_program(BATON_QEMU_USER ${BATON_QEMU} NO_CMAKE_FIND_ROOT_PATH)
	if(NOT BATON_QEMU_USER)
		message(FATAL_ERROR "There is no ${BATON_QEMU}: apt-get install qemu-user-static")
	endif()
	set(CMAKE_CROSSCOMPILING_EMULATOR ${BATON_QEMU_USER} -L ${BATON_SYSROOT})
endif()
