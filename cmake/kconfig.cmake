# SPDX-License-Identifier: Apache-2.0
# Runs Kconfig at configure time: boards/BOARD/defconfig, or the .config that menuconfig saved in the build directory.

# FindPython3 may pick a Python without kconfiglib (pyenv): probe the import.
foreach(candidate python3 /usr/bin/python3)
	execute_process(COMMAND ${candidate} -c "import kconfiglib" RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
	if(result EQUAL 0)
		set(BATON_PYTHON ${candidate})
		break()
	endif()
endforeach()
if(NOT BATON_PYTHON)
	message(FATAL_ERROR "No python3 with kconfiglib found: apt-get install python3-kconfiglib")
endif()

set(defconfig ${CMAKE_SOURCE_DIR}/boards/${BATON_BOARD}/defconfig)
if(NOT EXISTS ${defconfig})
	message(FATAL_ERROR "No board \"${BATON_BOARD}\": ${defconfig} does not exist")
endif()
set(saved_config ${CMAKE_BINARY_DIR}/.config)
set(generated ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${generated}/baton)
# What menuconfig saved wins for ever: a newer defconfig must not throw the user's edits away.
set(BATON_FRAGMENTS "" CACHE STRING "Folders below boards/ whose \"config\" is laid over the defconfig, such as minimal")
if(EXISTS ${saved_config})
	set(kconfig_input ${saved_config})
else()
	set(kconfig_input ${defconfig})
	foreach(fragment ${BATON_FRAGMENTS})
		list(APPEND kconfig_input ${CMAKE_SOURCE_DIR}/boards/${fragment}/config)
	endforeach()
endif()
list(TRANSFORM kconfig_input PREPEND "--input=" OUTPUT_VARIABLE kconfig_input_options)
execute_process(
	COMMAND ${CMAKE_COMMAND} -E env srctree=${CMAKE_SOURCE_DIR} ${BATON_PYTHON} ${CMAKE_SOURCE_DIR}/scripts/kconfig.py
		--kconfig ${CMAKE_SOURCE_DIR}/Kconfig ${kconfig_input_options} --config ${generated}/config
		--header ${generated}/baton/kconfig.h --cmake ${generated}/kconfig-variables.cmake
	RESULT_VARIABLE result)
if(NOT result EQUAL 0)
	message(FATAL_ERROR "Kconfig refused ${kconfig_input}, see the lines above")
endif()
include(${generated}/kconfig-variables.cmake)
file(GLOB_RECURSE kconfig_files ${CMAKE_SOURCE_DIR}/Kconfig ${CMAKE_SOURCE_DIR}/core/*/Kconfig)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${kconfig_files} ${kconfig_input}
	${CMAKE_SOURCE_DIR}/broker/Kconfig ${CMAKE_SOURCE_DIR}/lua/Kconfig ${CMAKE_SOURCE_DIR}/plugins/Kconfig
	${CMAKE_SOURCE_DIR}/scripts/kconfig.py)
