# SPDX-License-Identifier: Apache-2.0
# A library of its own, so that its test and its only user of libcgroup stay apart from the daemon.
add_library(baton_cgroup STATIC cgroup.c cgroup_device_bpf.c cgroup_discover.c cgroup_limits.c cgroup_root.c
	cgroup_walk.c)
target_link_libraries(baton_cgroup PUBLIC baton_base PRIVATE PkgConfig::CGROUP)
