# SPDX-License-Identifier: Apache-2.0
# Language, warnings and hardening for every target.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)

option(BATON_SANITIZE "Address and undefined behaviour sanitizers" OFF)
option(BATON_UNDEFINED "Undefined behaviour sanitizer alone, which also runs in user mode emulation" OFF)
option(BATON_FUZZ "libFuzzer targets (clang)" OFF)
option(BATON_ANALYZE "gcc -fanalyzer" OFF)

add_compile_definitions(_GNU_SOURCE _FILE_OFFSET_BITS=64)
add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wformat=2 -Wvla -Wundef
	-Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wwrite-strings -Wpointer-arith -Wimplicit-fallthrough
	-fno-common -ffunction-sections -fdata-sections -fstack-protector-strong)
if(CMAKE_C_COMPILER_ID STREQUAL GNU)
	add_compile_options(-Wjump-misses-init)
endif()
add_compile_options(-Werror)
add_link_options(-Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--as-needed)
if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-Og -g")

if(BATON_SANITIZE)
	add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
	add_link_options(-fsanitize=address,undefined)
else()
	add_compile_definitions($<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
	add_link_options($<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>)
endif()
if(BATON_UNDEFINED)
	add_compile_options(-fsanitize=undefined -fno-sanitize-recover=all)
	add_link_options(-fsanitize=undefined)
endif()
if(BATON_ANALYZE)
	# It does not see attribute cleanup, and takes what is moved out of a scope for lost, or for never
	# written: the sanitizers own leaks, the warnings of two compilers own initial values.
	add_compile_options(-fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-file-leak
		-Wno-analyzer-use-of-uninitialized-value)
endif()
if(BATON_FUZZ)
	add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
	add_link_options(-fsanitize=address,undefined)
endif()
