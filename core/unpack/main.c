/* SPDX-License-Identifier: Apache-2.0 */
/*
 * baton-unpack: the half of an import that reads hostile bytes. Started by image_import()
 * (core/image/import.h) with a source, an empty directory and a report to fill; confines itself before it
 * reads anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/image/import.h"
#include "core/unpack/layer.h"
#include "core/unpack/plan.h"
#include "core/unpack/sandbox.h"

struct unpack {
	int work_fd;
	const struct unpack_limits *limits;
	struct unpack_totals totals;
	const struct manifest_layer **layers; /* those of `paths` */
	char **paths;                         /* of the layers to unpack */
};

static int unpack_layer(void *arg, size_t index, const struct stream *blob, struct baton_error *err)
{
	struct unpack *unpack = arg;
	const struct manifest_layer *layer = unpack->layers[index];
	cleanup_close int fd = -1;
	int r;

	if (mkdirat(unpack->work_fd, layer->diff_id, 0755) < 0)
		return error_errno(err, errno, "layer %s", layer->diff_id);
	fd = openat(unpack->work_fd, layer->diff_id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "layer %s", layer->diff_id);
	r = layer_unpack(blob, layer, fd, unpack->limits, &unpack->totals, err);
	return r < 0 ? error_prefix(err, "layer %.12s", layer->diff_id) : 0;
}

static int unpack_layers(struct unpack *unpack, const struct source *source, const struct manifest *manifest,
        char *const *known, struct baton_error *err)
{
	cleanup_strv char **done = NULL;
	int r = strv_copy(known, &done);

	unpack->layers = calloc(manifest->n_layers, sizeof(const struct manifest_layer *));
	if (!unpack->layers)
		r = -ENOMEM;
	for (size_t i = 0, used = 0; r == 0 && i < manifest->n_layers; i++) {
		const struct manifest_layer *layer = &manifest->layers[i];

		if (strv_contains(done, layer->diff_id))
			continue;
		unpack->layers[used++] = layer;
		r = strv_append(&unpack->paths, layer->path);
		if (r == 0)
			r = strv_append(&done, layer->diff_id);
	}
	r = r < 0 ? error_set(err, -r, "out of memory")
	          : source_blobs(source, unpack->paths, unpack_layer, unpack, err);
	free(unpack->layers);
	strv_free(unpack->paths);
	return r;
}

static int make_report(const struct plan *plan, const struct unpack_totals *totals, json_t **ret_report)
{
	cleanup_json json_t *report = json_object();

	if (!report || json_object_set(report, "image", plan->record) < 0 ||
	        json_object_set_new(report, "name", json_string(plan->name)) < 0 ||
	        json_object_set_new(
	                report, "dropped_xattrs", json_integer((json_int_t)totals->dropped_xattrs)) < 0)
		return -ENOMEM;
	*ret_report = steal_ptr(report);
	return 0;
}

static int run(const char *wanted, char *const *known, json_t **ret_report, struct baton_error *err)
{
	static const struct unpack_limits limits = {
		.bytes = (uint64_t)CONFIG_IMAGE_BYTES_MAX_MIB << 20,
		.files = CONFIG_IMAGE_FILES_MAX,
		.path = CONFIG_IMAGE_PATH_MAX,
		.symlink = CONFIG_IMAGE_SYMLINK_MAX,
	};
	cleanup_with(plan_release) struct plan plan = { .record = NULL };
	struct unpack unpack = { .work_fd = IMPORT_WORK_FD, .limits = &limits };
	struct source *source = NULL;
	struct utsname system;
	char warm_up[DIGEST_HEX_SIZE];
	int source_fd = IMPORT_SOURCE_FD;
	int r;

	/* libcrypto reads its configuration and may load providers at the first use: not below a root of
	 * others. */
	if (digest_sha256("", 0, warm_up) < 0 || uname(&system) < 0)
		return error_set(err, EIO, "cannot start");
	r = sandbox_enter(&source_fd, &unpack.work_fd, err);
	if (r == 0)
		r = source_open(source_fd, &limits, &source, err);
	if (r == 0)
		r = plan_read(source, system.machine, wanted, &plan, err);
	if (r == 0)
		r = unpack_layers(&unpack, source, &plan.manifest, known, err);
	source_free(source);
	if (r == 0 && make_report(&plan, &unpack.totals, ret_report) < 0)
		r = error_set(err, ENOMEM, "out of memory");
	return r;
}

/* JSON wants UTF-8, and a path of an archive may be any bytes. */
static json_t *error_report(struct baton_error *error)
{
	for (char *c = error->message; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	return json_pack("{s:s, s:i}", "error", error->message, "code", error->code);
}

int main(int argc, char **argv)
{
	struct baton_error error = { 0 };
	struct stat status;
	cleanup_json json_t *report = NULL;
	cleanup_free char *text = NULL;

	if (argc < 3 || strcmp(argv[1], IMPORT_ARGUMENT) != 0 || fstat(IMPORT_SOURCE_FD, &status) < 0 ||
	        fstat(IMPORT_WORK_FD, &status) < 0 || !S_ISDIR(status.st_mode) ||
	        fstat(IMPORT_REPORT_FD, &status) < 0) {
		(void)fprintf(stderr,
		        "usage: baton-unpack is started by \"baton image import\" and does nothing alone\n");
		return 2;
	}
	if (run(argv[2], argv + 3, &report, &error) < 0)
		report = error_report(&error);
	text = report ? json_dumps(report, JSON_COMPACT) : NULL;
	if (!text || file_write_all(IMPORT_REPORT_FD, text, strlen(text)) < 0)
		_exit(1);
	/* Not exit(3): what sanitizers and libraries do there needs system calls that are gone. */
	_exit(0);
}
