# SPDX-License-Identifier: Apache-2.0
# What a device gets, and where. Component "baton" is the package baton, "formats" is baton-image-formats.

# A file of the board: of the fragments of this build, of the board itself, or the one that all share.
function(baton_board_file name ret_path)
	foreach(folder ${BATON_FRAGMENTS} ${BATON_BOARD} common)
		if(EXISTS ${CMAKE_SOURCE_DIR}/boards/${folder}/files/${name})
			set(${ret_path} ${CMAKE_SOURCE_DIR}/boards/${folder}/files/${name} PARENT_SCOPE)
			return()
		endif()
	endforeach()
	message(FATAL_ERROR "No board file ${name}")
endfunction()

function(baton_install_board_file name folder target)
	baton_board_file(${name} path)
	install(FILES ${path} DESTINATION ${folder} RENAME ${target} COMPONENT baton)
endfunction()

install(TARGETS baton RUNTIME DESTINATION bin COMPONENT baton)
# baton-control lies beside batond, which looks for it there.
install(TARGETS batond baton-control RUNTIME DESTINATION sbin COMPONENT baton)
install(TARGETS baton-init baton-unpack RUNTIME DESTINATION lib/baton COMPONENT baton)
install(TARGETS baton-unpack-formats RUNTIME DESTINATION lib/baton COMPONENT formats)
foreach(plugin native crun)
	if(TARGET ${plugin})
		install(TARGETS ${plugin} LIBRARY DESTINATION lib/baton/runtimes COMPONENT baton)
	endif()
endforeach()

baton_install_board_file(baton.conf /etc/baton baton.conf)
baton_install_board_file(batond.service lib/systemd/system batond.service)
baton_install_board_file(sysusers.conf lib/sysusers.d baton.conf)
baton_install_board_file(tmpfiles.conf lib/tmpfiles.d baton.conf)

set(completion ${CMAKE_BINARY_DIR}/generated/completion.bash)
add_custom_command(OUTPUT ${completion}
	COMMAND ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:baton> completion bash > ${completion} DEPENDS baton VERBATIM)
add_custom_target(completion ALL DEPENDS ${completion})
install(FILES ${completion} DESTINATION share/bash-completion/completions RENAME baton COMPONENT baton)
