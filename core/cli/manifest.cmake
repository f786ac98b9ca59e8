# SPDX-License-Identifier: Apache-2.0
# From a Compose file to a document: a library of its own for its tests and its fuzz target.
add_library(baton_cli_manifest STATIC env_file.c interpolate.c manifest.c scalar.c yaml.c)
target_link_libraries(baton_cli_manifest PUBLIC baton_base PkgConfig::YAML m)
# What people type and read: a library for its tests.
add_library(baton_cli_text STATIC address.c table.c terminal.c)
target_link_libraries(baton_cli_text PUBLIC baton_base)
