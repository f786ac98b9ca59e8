# SPDX-License-Identifier: Apache-2.0
# Debian packages through CPack: ./dev package BOARD.
set(BATON_PACKAGE_CONTACT "Baton contributors <baton@baton.invalid>" CACHE STRING "Maintainer field of the packages")

if(CMAKE_CROSSCOMPILING)
	set(architecture ${BATON_ARCHITECTURE})
else()
	execute_process(COMMAND dpkg --print-architecture OUTPUT_VARIABLE architecture OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()

# Debian wants a changelog and a copyright file of every package, compressed without a time of its own.
set(debian ${CMAKE_SOURCE_DIR}/cmake/debian)
set(generated ${CMAKE_BINARY_DIR}/generated/debian)
configure_file(${debian}/changelog.in ${generated}/changelog @ONLY)
execute_process(COMMAND gzip -9nc ${generated}/changelog OUTPUT_FILE ${generated}/changelog.gz)
foreach(pair baton:baton formats:baton-image-formats)
	string(REPLACE ":" ";" pair ${pair})
	list(GET pair 0 component)
	list(GET pair 1 package)
	install(FILES ${generated}/changelog.gz ${debian}/copyright DESTINATION share/doc/${package} COMPONENT ${component})
endforeach()
install(FILES ${debian}/lintian-overrides DESTINATION share/lintian/overrides RENAME baton COMPONENT baton)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME baton)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT ${BATON_PACKAGE_CONTACT})
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/package)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
	OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL baton formats)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${architecture})
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)

set(CPACK_DEBIAN_BATON_PACKAGE_NAME baton)
set(CPACK_DEBIAN_BATON_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_BATON_PACKAGE_CONTROL_EXTRA ${debian}/conffiles ${debian}/postinst ${debian}/prerm ${debian}/postrm)
set(CPACK_DEBIAN_BATON_PACKAGE_SUGGESTS baton-image-formats)
if(CONFIG_BROKER_EMBEDDED)
	set(CPACK_DEBIAN_BATON_PACKAGE_RECOMMENDS mosquitto)
endif()
if(CONFIG_RUNTIME_CRUN)
	string(APPEND CPACK_DEBIAN_BATON_PACKAGE_SUGGESTS ", crun")
endif()
set(CPACK_COMPONENT_BATON_DESCRIPTION
"container orchestrator for edge devices
Makes a Compose document that arrives over MQTT true on one machine
or a fleet, and says on other topics what it did and why. Containers
go on without network, broker and daemon.

Built for the board ${BATON_BOARD}.")

set(CPACK_DEBIAN_FORMATS_PACKAGE_NAME baton-image-formats)
set(CPACK_DEBIAN_FORMATS_PACKAGE_SECTION admin)
set(CPACK_COMPONENT_FORMATS_DESCRIPTION
"more image formats for the container orchestrator Baton
Imports images whose layers are in any tar dialect that libarchive
reads, compressed with gzip or zstd. Without it, baton imports plain
and gzip archives.")

# Run when the package is made, as the programs must be there: dpkg-shlibdeps against the sysroot.
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_BINARY_DIR}/generated/package-depends.cmake)
set(plugins)
foreach(plugin native crun)
	if(TARGET ${plugin})
		list(APPEND plugins ${BATON_RUNTIMES_DIR}/${plugin}.so)
	endif()
endforeach()
configure_file(${CMAKE_SOURCE_DIR}/cmake/package-depends.cmake.in ${CPACK_PROJECT_CONFIG_FILE} @ONLY)
include(CPack)
