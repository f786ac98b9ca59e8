# SPDX-License-Identifier: Apache-2.0
add_executable(bench_stamp stamp.c)
set_target_properties(bench_stamp PROPERTIES POSITION_INDEPENDENT_CODE OFF)
target_compile_options(bench_stamp PRIVATE -ffreestanding -fno-stack-protector -fno-sanitize=all -fno-pie -Os
	-U_FORTIFY_SOURCE -fcf-protection=none -fno-asynchronous-unwind-tables)
target_link_options(bench_stamp PRIVATE -nostdlib -static -no-pie -fno-sanitize=all -Wl,--build-id=none -s)

add_executable(bench_empty_batond empty_batond.c)
target_link_libraries(bench_empty_batond PRIVATE PkgConfig::EVENT PkgConfig::JANSSON PkgConfig::LIBCONFIG PkgConfig::CGROUP
	PkgConfig::SECCOMP)
add_executable(bench_empty_control empty_control.c)
target_link_libraries(bench_empty_control PRIVATE PkgConfig::EVENT PkgConfig::JANSSON PkgConfig::LIBCONFIG
	PkgConfig::MOSQUITTO PkgConfig::LUA PkgConfig::CRYPTO PkgConfig::SECCOMP)
set_target_properties(bench_stamp bench_empty_batond bench_empty_control PROPERTIES
	RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)

add_executable(start_floor start_floor.c measure.c)
target_link_libraries(start_floor PRIVATE baton_base)
add_executable(plugin_start plugin_start.c measure.c)
target_link_libraries(plugin_start PRIVATE baton_supervisor)
set_target_properties(start_floor plugin_start PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
