/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of a service. Every attribute of the Specification's schema has a row here or below a
 * row that is not supported as a whole; tests/integration/test_manifest_schema.py holds the tables against
 * it.
 */
#include <stdint.h>

#include "core/model/compose_table-priv.h"
#include "core/model/compose_values.h"

#define IMAGE_MAX    255 /* of core/image */
#define GRACE_MAX_MS (24 * 3600 * 1000)

static const struct attribute service_rows[] = {
	UNSUPPORTED("services.*.annotations"),
	UNSUPPORTED("services.*.attach"),
	UNSUPPORTED("services.*.blkio_config"),
	IGNORED("services.*.build", "Baton does not build images; \"image\" is what runs."),
	SUPPORTED("services.*.cap_add", TYPE_ARRAY, decode_capabilities,
	        "List of names of capabilities(7), with or without CAP_, in either case, or ALL; at "
	        "most " VALUE(CONFIG_MAX_LIST_ITEMS) ". A node may refuse some.",
	        DRAFT(service.container.cap_add)),
	SUPPORTED("services.*.cap_drop", TYPE_ARRAY, decode_capabilities,
	        "As cap_add; taken away from the default set.", DRAFT(service.container.cap_drop)),
	UNSUPPORTED("services.*.cgroup"),
	UNSUPPORTED("services.*.cgroup_parent"),
	SUPPORTED("services.*.command", TYPE_STRING | TYPE_ARRAY | TYPE_NULL, decode_command,
	        "List of at most " VALUE(
	                CONFIG_MAX_LIST_ITEMS) " words, or a string split like a POSIX shell splits words "
	                                       "(quotes, no expansion). Replaces that of the image, also "
	                                       "when empty; null does not."),
	UNSUPPORTED("services.*.configs"),
	UNSUPPORTED("services.*.container_name"),
	UNSUPPORTED("services.*.cpu_count"),
	UNSUPPORTED("services.*.cpu_percent"),
	UNSUPPORTED("services.*.cpu_period"),
	UNSUPPORTED("services.*.cpu_quota"),
	UNSUPPORTED("services.*.cpu_rt_period"),
	UNSUPPORTED("services.*.cpu_rt_runtime"),
	UNSUPPORTED("services.*.cpu_shares"),
	SUPPORTED("services.*.cpus", TYPE_NUMBER | TYPE_STRING, decode_cpus,
	        "CPUs, from 0.01 to 8192, in thousandths: 0.5 or \"0.5\".", DRAFT(cpu), .min = CPU_MIN,
	        .max = CPU_MAX),
	UNSUPPORTED("services.*.cpuset"),
	UNSUPPORTED("services.*.credential_spec"),
	UNSUPPORTED("services.*.depends_on"),
	SUPPORTED("services.*.deploy", TYPE_OBJECT, decode_section, "See the rows below.",
	        .section = &section_deploy),
	UNSUPPORTED("services.*.develop"),
	UNSUPPORTED("services.*.device_cgroup_rules"),
	UNSUPPORTED("services.*.devices"),
	UNSUPPORTED("services.*.dns"),
	UNSUPPORTED("services.*.dns_opt"),
	UNSUPPORTED("services.*.dns_search"),
	UNSUPPORTED("services.*.domainname"),
	SUPPORTED("services.*.entrypoint", TYPE_STRING | TYPE_ARRAY | TYPE_NULL, decode_entrypoint,
	        "As command. An entrypoint drops the command of the image too."),
	UNSUPPORTED("services.*.env_file"),
	SUPPORTED("services.*.environment", TYPE_ARRAY | TYPE_OBJECT, decode_environment,
	        "List of NAME=value, or mapping to text, number or boolean; at most " VALUE(
	                CONFIG_MAX_LIST_ITEMS) ". A name without a value is an error: nothing can be "
	                                       "inherited on a node.",
	        DRAFT(service.container.environment)),
	UNSUPPORTED("services.*.expose"),
	UNSUPPORTED("services.*.extends"),
	UNSUPPORTED("services.*.external_links"),
	UNSUPPORTED("services.*.extra_hosts"),
	UNSUPPORTED("services.*.gpus"),
	UNSUPPORTED("services.*.group_add"),
	UNSUPPORTED("services.*.healthcheck"),
	SUPPORTED("services.*.hostname", TYPE_STRING, decode_text, "Host name of RFC 1123, at most 64 bytes.",
	        DRAFT(service.container.hostname), .min = 1, .max = CONFIG_MAX_STRING_BYTES,
	        .check = value_check_hostname),
	SUPPORTED("services.*.image", TYPE_STRING, decode_text,
	        "Required. Image reference, at most 255 bytes.", DRAFT(service.container.image), .min = 1,
	        .max = IMAGE_MAX, .check = value_check_image),
	SUPPORTED("services.*.init", TYPE_BOOL | TYPE_STRING, decode_flag,
	        "Boolean: run an init process as PID 1 that reaps and forwards signals.",
	        DRAFT(service.container.init)),
	UNSUPPORTED("services.*.ipc"),
	UNSUPPORTED("services.*.isolation"),
	UNSUPPORTED("services.*.label_file"),
	SUPPORTED("services.*.labels", TYPE_ARRAY | TYPE_OBJECT, decode_labels,
	        "List of name=value, or mapping to text, number, boolean or null; at most " VALUE(
	                CONFIG_MAX_LIST_ITEMS) ".",
	        DRAFT(service.container.labels)),
	UNSUPPORTED("services.*.links"),
	SUPPORTED("services.*.logging", TYPE_OBJECT, decode_section, "See the rows below.",
	        .section = &section_logging),
	UNSUPPORTED("services.*.mac_address"),
	SUPPORTED("services.*.mem_limit", TYPE_NUMBER | TYPE_STRING, decode_bytes,
	        "Bytes, or text like \"64m\"; from 256 KiB to 1 PiB.", DRAFT(memory), .min = MEMORY_MIN,
	        .max = BYTES_MAX),
	UNSUPPORTED("services.*.mem_reservation"),
	UNSUPPORTED("services.*.mem_swappiness"),
	UNSUPPORTED("services.*.memswap_limit"),
	UNSUPPORTED("services.*.models"),
	SUPPORTED("services.*.network_mode", TYPE_STRING, decode_network_mode,
	        "\"none\" or \"host\" (the node must allow it). Absent: as \"none\", with a warning."),
	UNSUPPORTED("services.*.networks"),
	UNSUPPORTED("services.*.oom_kill_disable"),
	UNSUPPORTED("services.*.oom_score_adj"),
	UNSUPPORTED("services.*.pid"),
	SUPPORTED("services.*.pids_limit", TYPE_NUMBER | TYPE_STRING, decode_pids,
	        "Processes, from 1 to 4194304, or -1 for no limit.", DRAFT(pids), .min = -1, .max = PIDS_MAX),
	UNSUPPORTED("services.*.platform"),
	UNSUPPORTED("services.*.ports"),
	UNSUPPORTED("services.*.post_start"),
	UNSUPPORTED("services.*.pre_stop"),
	UNSUPPORTED("services.*.privileged"),
	UNSUPPORTED("services.*.profiles"),
	UNSUPPORTED("services.*.provider"),
	UNSUPPORTED("services.*.pull_policy"),
	UNSUPPORTED("services.*.pull_refresh_after"),
	SUPPORTED("services.*.read_only", TYPE_BOOL | TYPE_STRING, decode_flag,
	        "Boolean: the root file system can not be written to.", DRAFT(service.container.read_only)),
	SUPPORTED("services.*.restart", TYPE_STRING, decode_restart,
	        "\"no\" (quote it in YAML), \"always\", \"unless-stopped\" (the same), \"on-failure\" or "
	        "\"on-failure:N\" (at most N times, 0 for no limit). Absent: always, because services of a "
	        "fleet are to run.",
	        DRAFT(service.restart)),
	UNSUPPORTED("services.*.runtime"),
	SUPPORTED("services.*.scale", TYPE_INTEGER | TYPE_STRING, decode_integer,
	        "Replicas, from 0 to " VALUE(CONFIG_MAX_REPLICAS) ". Absent: 1.", DRAFT(scale),
	        .max = CONFIG_MAX_REPLICAS),
	UNSUPPORTED("services.*.secrets"),
	UNSUPPORTED("services.*.security_opt"),
	UNSUPPORTED("services.*.shm_size"),
	UNSUPPORTED("services.*.stdin_open"),
	SUPPORTED("services.*.stop_grace_period", TYPE_STRING, decode_duration,
	        "Duration like \"1m30s\" (h, m, s, ms, us), at most 24 hours. Absent: 10 seconds.",
	        DRAFT(stop_grace_ms), .max = GRACE_MAX_MS),
	SUPPORTED("services.*.stop_signal", TYPE_INTEGER | TYPE_STRING, decode_signal,
	        "Signal, \"SIGTERM\", \"TERM\", \"SIGRTMIN+3\" or its number. Absent: that of the image, "
	        "else SIGTERM.",
	        DRAFT(service.container.stop_signal)),
	UNSUPPORTED("services.*.storage_opt"),
	SUPPORTED("services.*.sysctls", TYPE_ARRAY | TYPE_OBJECT, decode_sysctls,
	        "List of name=value, or mapping to text or number; at most " VALUE(
	                CONFIG_MAX_LIST_ITEMS) ". Only what a namespace keeps inside the container: "
	                                       "fs.mqueue.*, kernel.{domainname, msgmax, msgmnb, msgmni, "
	                                       "sem, shmall, shmmax, shmmni, shm_rmid_forced}, and net.* "
	                                       "unless network_mode is host.",
	        DRAFT(service.container.sysctls)),
	SUPPORTED("services.*.tmpfs", TYPE_STRING | TYPE_ARRAY, decode_tmpfs,
	        "PATH or PATH:OPTIONS, or a list of them; options size= (like 64m) and mode= (octal)."),
	UNSUPPORTED("services.*.tty"),
	SUPPORTED("services.*.ulimits", TYPE_OBJECT, decode_ulimits,
	        "Mapping from a name of getrlimit(2) in lower case to a number for both limits, or to {soft, "
	        "hard}; -1 for no limit."),
	UNSUPPORTED("services.*.use_api_socket"),
	SUPPORTED("services.*.user", TYPE_INTEGER | TYPE_STRING, decode_user,
	        "USER or USER:GROUP, names or numbers up to 2147483647.", DRAFT(service.container.user),
	        .min = 1, .max = CONFIG_MAX_STRING_BYTES, .check = value_check_user),
	UNSUPPORTED("services.*.userns_mode"),
	UNSUPPORTED("services.*.uts"),
	SUPPORTED("services.*.volumes", TYPE_ARRAY, decode_mounts,
	        "List of [SOURCE:]TARGET[:ro|rw|z|Z] or of the long form below; at most " VALUE(
	                CONFIG_MAX_MOUNTS) " mounts with those of tmpfs. A source is a declared volume or an "
	                                   "absolute path of the node; without one the volume is anonymous."),
	UNSUPPORTED("services.*.volumes_from"),
	SUPPORTED("services.*.working_dir", TYPE_STRING, decode_text, "Absolute path.",
	        DRAFT(service.container.working_dir), .min = 1, .max = PATH_BYTES_MAX,
	        .check = value_check_path),
	SUPPORTED("services.*.x-baton", TYPE_OBJECT, decode_section, "See the rows below.",
	        .section = &section_service_extension),
};
SECTION(section_service, "services.*.", service_rows);
