/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of the document and of every object in it but a service. Every attribute of the Specification's
 * schema has a row here or below a row that is not supported as a whole;
 * tests/integration/test_manifest_schema.py holds the tables against it.
 */
#include <stdint.h>

#include "core/model/compose_table-priv.h"
#include "core/model/compose_values.h"
#include "core/model/container.h"

#define LOG_SIZE_MIN (4 << 10)

static const struct section section_document_extension = { .prefix = "x-baton.", .strict = true };

static const struct attribute document_rows[] = {
	UNSUPPORTED("configs"),
	UNSUPPORTED("include"),
	UNSUPPORTED("models"),
	SUPPORTED("name", TYPE_STRING, decode_name,
	        "Name of the application, 1 to 63 of a-z, 0-9, \"_\", \".\", \"-\"; must be that of the "
	        "topic. Absent: that of the topic."),
	UNSUPPORTED("networks"),
	UNSUPPORTED("secrets"),
	SUPPORTED("services", TYPE_OBJECT, decode_services,
	        "Mapping from names to services, 1 to " VALUE(
	                CONFIG_MAX_SERVICES) "; names as that of an application."),
	IGNORED("version", "the Specification keeps it for old files only."),
	SUPPORTED("volumes", TYPE_OBJECT, decode_volumes,
	        "Mapping from names to null or an empty object, at most " VALUE(
	                CONFIG_MAX_LIST_ITEMS) ": volumes that are kept on the node."),
	SUPPORTED("x-baton", TYPE_OBJECT, decode_section,
	        "Extensions of Baton; none at the top level so far. Other \"x-\" attributes are ignored "
	        "everywhere.",
	        .section = &section_document_extension),
};
SECTION(section_document, "", document_rows);

static const struct attribute volume_rows[] = {
	UNSUPPORTED("volumes.*.driver"),
	UNSUPPORTED("volumes.*.driver_opts"),
	UNSUPPORTED("volumes.*.external"),
	UNSUPPORTED("volumes.*.labels"),
	UNSUPPORTED("volumes.*.name"),
};
SECTION(section_volume, "volumes.*.", volume_rows);

static const struct attribute mount_bind_rows[] = {
	SUPPORTED("services.*.volumes[].bind.create_host_path", TYPE_BOOL | TYPE_STRING, decode_flag,
	        "Boolean: make a missing source directory. Absent: true.", MOUNT(create_host_path)),
	UNSUPPORTED("services.*.volumes[].bind.propagation"),
	UNSUPPORTED("services.*.volumes[].bind.recursive"),
	IGNORED("services.*.volumes[].bind.selinux",
	        "Baton does not label files; the Specification lets a platform without SELinux ignore it."),
};
static SECTION(section_mount_bind, "services.*.volumes[].bind.", mount_bind_rows);

static const struct attribute mount_tmpfs_rows[] = {
	SUPPORTED("services.*.volumes[].tmpfs.mode", TYPE_NUMBER | TYPE_STRING, decode_mode,
	        "Permission bits: text in octal digits (\"1777\"), or a number (1023 is octal 1777).",
	        MOUNT(tmpfs_mode), .max = 07777),
	SUPPORTED("services.*.volumes[].tmpfs.size", TYPE_NUMBER | TYPE_STRING, decode_bytes,
	        "Bytes, or text like \"64m\". Absent: half of the memory.", MOUNT(tmpfs_size), .min = 1,
	        .max = BYTES_MAX),
};
static SECTION(section_mount_tmpfs, "services.*.volumes[].tmpfs.", mount_tmpfs_rows);

static const struct attribute mount_volume_rows[] = {
	UNSUPPORTED("services.*.volumes[].volume.labels"),
	SUPPORTED("services.*.volumes[].volume.nocopy", TYPE_BOOL | TYPE_STRING, decode_flag,
	        "Boolean: do not fill a new volume from the image.", MOUNT(nocopy)),
	UNSUPPORTED("services.*.volumes[].volume.subpath"),
};
static SECTION(section_mount_volume, "services.*.volumes[].volume.", mount_volume_rows);

static const struct attribute mount_rows[] = {
	SUPPORTED("services.*.volumes[].bind", TYPE_OBJECT, decode_mount_bind, "Options of type bind.",
	        .section = &section_mount_bind),
	UNSUPPORTED("services.*.volumes[].consistency"),
	UNSUPPORTED("services.*.volumes[].image"),
	SUPPORTED("services.*.volumes[].read_only", TYPE_BOOL | TYPE_STRING, decode_flag, "Boolean.",
	        MOUNT(read_only)),
	SUPPORTED("services.*.volumes[].source", TYPE_STRING, decode_text,
	        "Declared volume, or absolute path for type bind. Absent with type volume: anonymous.",
	        MOUNT(source), .min = 1, .max = PATH_BYTES_MAX),
	SUPPORTED("services.*.volumes[].target", TYPE_STRING, decode_text,
	        "Required. Absolute path in the container, each only once.", MOUNT(target), .min = 1,
	        .max = PATH_BYTES_MAX),
	SUPPORTED("services.*.volumes[].tmpfs", TYPE_OBJECT, decode_mount_tmpfs, "Options of type tmpfs.",
	        .section = &section_mount_tmpfs),
	SUPPORTED("services.*.volumes[].type", TYPE_STRING, decode_text, "Required. volume, bind or tmpfs.",
	        MOUNT(type), .min = 1, .max = CONFIG_MAX_STRING_BYTES),
	SUPPORTED("services.*.volumes[].volume", TYPE_OBJECT, decode_mount_volume, "Options of type volume.",
	        .section = &section_mount_volume),
};
SECTION(section_mount, "services.*.volumes[].", mount_rows);

static const struct attribute ulimit_rows[] = {
	SUPPORTED("services.*.ulimits.*.hard", TYPE_INTEGER | TYPE_STRING, decode_integer,
	        "Required. Number, -1 for no limit.", .offset = offsetof(struct ulimit_draft, hard),
	        .min = -1, .max = INT64_MAX),
	SUPPORTED("services.*.ulimits.*.soft", TYPE_INTEGER | TYPE_STRING, decode_integer,
	        "Required. Number up to the hard limit, -1 for no limit.",
	        .offset = offsetof(struct ulimit_draft, soft), .min = -1, .max = INT64_MAX),
};
SECTION(section_ulimit, "services.*.ulimits.*.", ulimit_rows);

static const struct attribute log_options_rows[] = {
	SUPPORTED("services.*.logging.options.max-file", TYPE_INTEGER | TYPE_STRING, decode_integer,
	        "Files, from 1 to 100.", DRAFT(log_max_files), .min = 1, .max = CONTAINER_LOG_FILES_MAX),
	SUPPORTED("services.*.logging.options.max-size", TYPE_NUMBER | TYPE_STRING, decode_bytes,
	        "Bytes of one file, or text like \"64k\"; from 4 KiB to 1 GiB.", DRAFT(log_max_size),
	        .min = LOG_SIZE_MIN, .max = CONTAINER_LOG_SIZE_MAX),
};
static SECTION(section_log_options, "services.*.logging.options.", log_options_rows);

static const struct attribute logging_rows[] = {
	SUPPORTED("services.*.logging.driver", TYPE_STRING, decode_log_driver,
	        "\"local\" or \"json-file\"; both mean bounded files of the node."),
	SUPPORTED("services.*.logging.options", TYPE_OBJECT, decode_section, "See the rows below.",
	        .section = &section_log_options),
};
SECTION(section_logging, "services.*.logging.", logging_rows);

static const struct attribute limits_rows[] = {
	SUPPORTED("services.*.deploy.resources.limits.cpus", TYPE_NUMBER | TYPE_STRING, decode_cpus,
	        "As cpus.", DRAFT(deploy_cpu), .min = CPU_MIN, .max = CPU_MAX),
	SUPPORTED("services.*.deploy.resources.limits.memory", TYPE_NUMBER | TYPE_STRING, decode_bytes,
	        "As mem_limit.", DRAFT(deploy_memory), .min = MEMORY_MIN, .max = BYTES_MAX),
	SUPPORTED("services.*.deploy.resources.limits.pids", TYPE_INTEGER | TYPE_STRING, decode_pids,
	        "As pids_limit.", DRAFT(deploy_pids), .min = -1, .max = PIDS_MAX),
};
static SECTION(section_limits, "services.*.deploy.resources.limits.", limits_rows);

static const struct attribute reservations_rows[] = {
	SUPPORTED("services.*.deploy.resources.reservations.cpus", TYPE_NUMBER | TYPE_STRING, decode_cpus,
	        "CPUs that a node must have left; at most the limit.", DRAFT(service.reserve_cpu),
	        .min = CPU_MIN, .max = CPU_MAX),
	UNSUPPORTED("services.*.deploy.resources.reservations.devices"),
	UNSUPPORTED("services.*.deploy.resources.reservations.generic_resources"),
	SUPPORTED("services.*.deploy.resources.reservations.memory", TYPE_NUMBER | TYPE_STRING, decode_bytes,
	        "Memory that a node must have left; at most the limit.", DRAFT(service.reserve_memory),
	        .min = 1, .max = BYTES_MAX),
};
static SECTION(section_reservations, "services.*.deploy.resources.reservations.", reservations_rows);

static const struct attribute resources_rows[] = {
	SUPPORTED("services.*.deploy.resources.limits", TYPE_OBJECT, decode_section, "See the rows below.",
	        .section = &section_limits),
	SUPPORTED("services.*.deploy.resources.reservations", TYPE_OBJECT, decode_section,
	        "See the rows below.", .section = &section_reservations),
};
static SECTION(section_resources, "services.*.deploy.resources.", resources_rows);

static const struct attribute deploy_rows[] = {
	UNSUPPORTED("services.*.deploy.endpoint_mode"),
	UNSUPPORTED("services.*.deploy.labels"),
	UNSUPPORTED("services.*.deploy.mode"),
	UNSUPPORTED("services.*.deploy.placement"),
	SUPPORTED("services.*.deploy.replicas", TYPE_INTEGER | TYPE_STRING, decode_integer, "As scale.",
	        DRAFT(replicas), .max = CONFIG_MAX_REPLICAS),
	SUPPORTED("services.*.deploy.resources", TYPE_OBJECT, decode_section, "See the rows below.",
	        .section = &section_resources),
	UNSUPPORTED("services.*.deploy.restart_policy"),
	UNSUPPORTED("services.*.deploy.rollback_config"),
	UNSUPPORTED("services.*.deploy.update_config"),
};
SECTION(section_deploy, "services.*.deploy.", deploy_rows);

static const struct attribute placement_rows[] = {
	SUPPORTED("services.*.x-baton.placement.policy", TYPE_STRING, decode_text,
	        "Placement policy, like \"spread\" or \"binpack\". Absent: the default of the controller.",
	        DRAFT(service.placement_policy), .min = 1, .max = CONFIG_MAX_STRING_BYTES,
	        .check = value_check_name),
};
static SECTION(section_placement, "services.*.x-baton.placement.", placement_rows, .strict = true);

static const struct attribute service_extension_rows[] = {
	SUPPORTED("services.*.x-baton.placement", TYPE_OBJECT, decode_section, "See the row below.",
	        .section = &section_placement),
	SUPPORTED("services.*.x-baton.runtime", TYPE_STRING, decode_text,
	        "Runtime plugin, at most 32 bytes. Absent: the default of the node.",
	        DRAFT(service.container.runtime), .min = 1, .max = CONFIG_MAX_STRING_BYTES,
	        .check = value_check_runtime),
};
SECTION(section_service_extension, "services.*.x-baton.", service_extension_rows, .strict = true);

const struct attribute_row *compose_attribute(size_t index)
{
	static const struct section *const sections[] = { &section_document, &section_volume,
		&section_service, &section_mount, &section_mount_bind, &section_mount_tmpfs,
		&section_mount_volume, &section_ulimit, &section_logging, &section_log_options,
		&section_deploy, &section_resources, &section_limits, &section_reservations,
		&section_service_extension, &section_placement };

	for (size_t i = 0; i < array_size(sections); i++) {
		if (index < sections[i]->n_attributes)
			return &sections[i]->attributes[index].row;
		index -= sections[i]->n_attributes;
	}
	return NULL;
}
