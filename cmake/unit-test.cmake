# SPDX-License-Identifier: Apache-2.0
# baton_unit_test(NAME SOURCE LIBRARIES...): one cmocka program, one ctest.
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# Programs that user mode emulation (QEMU 7.2) cannot run, and what it lacks. They are built for every board, counted
# as skipped here, and belong in the rigs, where there is a kernel.
if(BATON_QEMU_USER)
	set(tests_for_rigs
		"test_agent_follow|openat2"
		"test_base_files|openat2"
		"test_base_pidfd|clone3"
		"test_base_process|clone3"
		"test_cgroup|programs of bpf(2)"
		"test_cgroup_files|RLIMIT_NOFILE of the guest"
		"test_control|clone3"
		"test_image_rootfs|openat2"
		"test_image_users|openat2"
		"test_native_child_path|openat2"
		"test_native_seccomp_cache|openat2"
		"test_native_seccomp_compile|seccomp filters"
		"test_supervisor_container|programs of bpf(2)"
		"test_supervisor_plugin|openat2"
		"test_supervisor_trash|clone3"
		"test_supervisor_volumes|openat2, open_tree"
		"test_unpack_layer|openat2"
		"test_unpack_layer_formats|openat2"
		"test_unpack_sandbox|open_tree, seccomp filters")
endif()

# Disables a test that is in the table, unless it is not emulated.
function(baton_leave_to_rigs name)
	foreach(row ${tests_for_rigs})
		string(REGEX MATCH "^([^|]*)\\|(.*)$" matched "${row}")
		if(CMAKE_MATCH_1 STREQUAL name)
			set_tests_properties(${name} PROPERTIES DISABLED TRUE)
			message(VERBOSE "${name} is for the rigs: qemu-user lacks ${CMAKE_MATCH_2}")
		endif()
	endforeach()
endfunction()

function(baton_unit_test name source)
	add_executable(${name} ${source})
	target_link_libraries(${name} PRIVATE ${ARGN} PkgConfig::CMOCKA)
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
	add_test(NAME ${name} COMMAND ${name})
	set_tests_properties(${name} PROPERTIES TIMEOUT 120)
	baton_leave_to_rigs(${name})
endfunction()
# baton_fuzz_target(NAME SOURCE CORPUS LIBRARIES...): a libFuzzer program with BATON_FUZZ, else a replay of its corpus.
function(baton_fuzz_target name source corpus)
	if(BATON_FUZZ)
		add_executable(${name} ${source})
		target_link_libraries(${name} PRIVATE ${ARGN} -fsanitize=fuzzer)
	else()
		add_executable(${name} ${source} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
		target_link_libraries(${name} PRIVATE ${ARGN})
		add_test(NAME ${name}_replay COMMAND ${name} ${corpus})
		set_tests_properties(${name}_replay PROPERTIES TIMEOUT 120)
	endif()
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endfunction()

# As baton_fuzz_target, of a program that reads JSON: libFuzzer then changes values and members instead of bytes.
function(baton_fuzz_json_target name)
	baton_fuzz_target(${name} ${ARGN})
	if(BATON_FUZZ)
		target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/json_mutator.c)
	endif()
endfunction()
