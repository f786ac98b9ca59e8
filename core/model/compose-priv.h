/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the Compose decoder. compose_walk() takes an object and a section of the attribute table; for
 * each member it checks the row's support and JSON types and calls the row's handler, which writes into
 * `target` (the struct of the section). Handlers return nothing: what is wrong goes into the verdict and
 * decoding goes on, so that an operator sees every fault of a document at once.
 */
#ifndef BATON_MODEL_COMPOSE_PRIV_H
#define BATON_MODEL_COMPOSE_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model/compose.h"

/* Where in the document a value stands: a chain on the stack, turned into text only for a finding. */
struct place {
	const struct place *parent; /* NULL: the document */
	const char *name;           /* NULL: an element of an array */
	size_t index;
};

struct decoder {
	struct verdict *verdict;
	struct app app;
	const char *topic_app; /* may be NULL */
	json_t *services;      /* borrowed; decoded last, when name and volumes are known */
	bool failed;           /* there was an error, even if the verdict had no room for it */
	bool out_of_memory;
};

struct attribute;
struct section;
typedef void (*attribute_handler)(struct decoder *decoder, const struct place *place,
        const struct attribute *attribute, json_t *value, void *target);

/* NULL when the text is right, else what it must be ("must be ..."). */
typedef const char *(*text_check)(const char *text);

#define TYPE(json_type) (1U << (unsigned)(json_type))
#define TYPE_OBJECT     TYPE(JSON_OBJECT)
#define TYPE_ARRAY      TYPE(JSON_ARRAY)
#define TYPE_STRING     TYPE(JSON_STRING)
#define TYPE_INTEGER    TYPE(JSON_INTEGER)
#define TYPE_NUMBER     (TYPE(JSON_INTEGER) | TYPE(JSON_REAL))
#define TYPE_BOOL       (TYPE(JSON_TRUE) | TYPE(JSON_FALSE))
#define TYPE_NULL       TYPE(JSON_NULL)

struct attribute {
	struct attribute_row row;
	unsigned types; /* set of TYPE_* */
	attribute_handler handler;
	size_t offset; /* of the member in the section's struct */
	int64_t min;   /* of a number, or bytes of a text */
	int64_t max;
	text_check check;
	const struct section *section; /* of decode_section */
};

/* The attributes of one kind of object, sorted by path. */
struct section {
	const char *prefix; /* of every path in it */
	const struct attribute *attributes;
	size_t n_attributes;
	bool strict; /* no "x-" extensions inside */
};

extern const struct section section_document;
extern const struct section section_volume;
extern const struct section section_service;
extern const struct section section_deploy;
extern const struct section section_logging;
extern const struct section section_mount;
extern const struct section section_ulimit;
extern const struct section section_service_extension;

/* The result of a section_service: a service, and what has to be compared before it is one. */
struct service_draft {
	struct service service;
	bool has_network;
	int64_t scale; /* -1: not given, as replicas */
	int64_t replicas;
	int64_t memory; /* 0: not given, as the next five */
	int64_t deploy_memory;
	int64_t cpu;
	int64_t deploy_cpu;
	int64_t pids;
	int64_t deploy_pids;
	int64_t log_max_size;
	int64_t log_max_files;
	int64_t stop_grace_ms;
};

/* The result of a section_mount. */
struct mount_draft {
	char *type;
	char *source;
	char *target;
	bool read_only;
	bool has_bind;
	bool has_volume;
	bool has_tmpfs;
	bool create_host_path;
	bool nocopy;
	int64_t tmpfs_size;
	int64_t tmpfs_mode; /* TMPFS_MODE_UNSET: not given */
};

#define TMPFS_MODE_UNSET (-1)

struct ulimit_draft {
	int64_t soft; /* ULIMIT_UNSET: not given */
	int64_t hard;
};

#define MEMORY_MIN     (256 << 10) /* what a container starts in, PLATFORM section 2 */
#define PIDS_MAX       4194304     /* PID_MAX_LIMIT of the kernel on 64-bit machines */
#define PATH_BYTES_MAX 4095        /* PATH_MAX without the NUL */
#define CPU_MIN        10 /* thousandths: a quota of 1 ms, the least the kernel takes, in the usual 100 ms */
#define CPU_MAX        (8192 * 1000)      /* NR_CPUS of the largest x86 kernels */
#define BYTES_MAX      (INT64_C(1) << 50) /* 1 PiB */
#define ULIMIT_UNSET   INT64_MIN

/* ---- compose_walk.c ---- */

void compose_walk(struct decoder *decoder, const struct place *place, const struct section *section,
        json_t *object, void *target);
void compose_error(struct decoder *decoder, const struct place *place, const char *limit, const char *format,
        ...) __attribute__((format(printf, 4, 5)));
void compose_warning(struct decoder *decoder, const struct place *place, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* compose_error with a limit that is a number of something: " bytes", " items", "". */
void compose_error_limit(struct decoder *decoder, const struct place *place, int64_t limit, const char *unit,
        const char *reason);

/* False, with an error in the verdict, for a value of a type that is not in the set `types`. */
bool compose_check_type(
        struct decoder *decoder, const struct place *place, const json_t *value, unsigned types);

/* The string of a JSON string of 1 (or `min`) to `max` bytes, else NULL with an error in the verdict. */
const char *compose_text(
        struct decoder *decoder, const struct place *place, const json_t *value, int64_t min, int64_t max);

/* strv_append that notes a failure in the decoder. */
void compose_append(struct decoder *decoder, char ***vector, const char *text);

/* strdup into *slot, replacing what is there; notes a failure in the decoder. */
void compose_assign(struct decoder *decoder, char **slot, const char *text);

/* ---- handlers: compose_scalars.c ---- */

void decode_section(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_flag(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_text(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_integer(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_pids(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_bytes(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_cpus(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_duration(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_mode(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_user(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_restart(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_signal(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_network_mode(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_log_driver(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);

/* ---- handlers: compose_lists.c ---- */

void decode_command(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_entrypoint(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_environment(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_labels(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_sysctls(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_capabilities(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_ulimits(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);

/* ---- handlers: compose_mounts.c ---- */

void decode_tmpfs(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_mounts(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_mount_bind(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_mount_volume(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_mount_tmpfs(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);

/* ---- handlers: compose.c ---- */

void decode_name(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_services(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);
void decode_volumes(struct decoder *, const struct place *, const struct attribute *, json_t *, void *);

/* ---- compose_service.c ---- */

/* Decodes one service into *ret_service, which the caller releases whatever was wrong with it. */
void compose_service(struct decoder *decoder, const struct place *place, json_t *object, const char *name,
        struct service *ret_service);

#endif
