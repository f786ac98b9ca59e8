/* SPDX-License-Identifier: Apache-2.0 */
/* baton image: the image store of this machine, directly and as root. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/cli/bus.h"
#include "core/cli/helper.h"
#include "core/cli/table.h"
#include "core/image/import.h"
#include "core/image/store.h"
#include "core/supervisor/record.h"

#define SIZE_TEXT_SIZE 24

static void format_size(uint64_t bytes, char text[static SIZE_TEXT_SIZE])
{
	static const char units[] = "kMGT";
	double value = (double)bytes / 1000;
	size_t unit = 0;

	while (value >= 1000 && units[unit + 1] != '\0') {
		value /= 1000;
		unit++;
	}
	(void)snprintf(text, SIZE_TEXT_SIZE, "%.1f %cB", value, units[unit]);
}

static int fail(const struct baton_error *err)
{
	const char *advice = "";

	if (err->code == EACCES || err->code == EPERM)
		advice = "; run this as root";
	return cli_error(err->code == ENOENT ? CLI_NOT_FOUND : CLI_FAILED, "%s%s", err->message, advice);
}

/* ---- import ---- */

static int import(const struct cli *cli, const struct config *config)
{
	cleanup_free char *helper = helper_unpack(config);
	cleanup_json json_t *document = NULL;
	struct image_import result;
	struct baton_error err;

	if (cli->n_operands != 2)
		return cli_error(CLI_USAGE, "usage: baton image import [--name NAME] PATH");
	if (!helper)
		return cli_error(CLI_FAILED, "out of memory");
	if (image_import(config->root, cli->operands[1], cli->options.name, helper, &result, &err) < 0)
		return fail(&err);
	if (result.dropped_xattrs > 0)
		cli_warning(
		        "%" PRIu64
		        " extended attributes were left out: only security.capability and user.* are kept",
		        result.dropped_xattrs);
	if (!cli->options.json) {
		(void)printf("%s %s\n", result.ref, result.digest);
		return CLI_OK;
	}
	document = json_pack("{s:s, s:s}", "name", result.ref, "digest", result.digest);
	return json_write(document, stdout) < 0 ? CLI_FAILED : CLI_OK;
}

/* ---- ls ---- */

static json_t *entries_json(const struct image_entry *entries, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(array,
		        json_pack("{s:s, s:s, s:I}", "name", entries[i].ref, "digest", entries[i].digest,
		                "size",
		                (json_int_t)entries[i].size)); /* out of memory leaves it out of a listing */
	return array;
}

static void write_entries(const struct image_entry *entries, size_t count)
{
	static const char *const titles[] = { "NAME", "DIGEST", "SIZE", NULL };
	struct table *table = table_new(titles);

	for (size_t i = 0; i < count; i++) {
		char digest[IMAGE_DIGEST_SIZE];
		char size[SIZE_TEXT_SIZE];
		const char *const cells[] = { entries[i].ref, digest, size };

		(void)snprintf(
		        digest, sizeof(digest), "%.19s", entries[i].digest); /* "sha256:" and 12 digits */
		format_size(entries[i].size, size);
		table_add(table, cells);
	}
	table_write(table, stdout);
}

static int list(const struct cli *cli, const struct config *config)
{
	struct baton_error err;
	cleanup_close int store = image_store_open(config->root, &err);
	cleanup_free struct image_entry *entries = NULL;
	cleanup_json json_t *document = NULL;
	size_t count;

	if (cli->n_operands != 1)
		return cli_error(CLI_USAGE, "usage: baton image ls");
	if (store < 0 || image_list(store, &entries, &count, &err) < 0)
		return fail(&err);
	if (!cli->options.json) {
		write_entries(entries, count);
		return CLI_OK;
	}
	document = json_pack("{s:o}", "images", entries_json(entries, count));
	return json_write(document, stdout) < 0 ? CLI_FAILED : CLI_OK;
}

/* ---- rm ---- */

struct use {
	const struct config *config;
	int store_fd;
	char name[IMAGE_REF_MAX + 1]; /* that shall go, or has gone */
	struct image image;           /* what it names, or named */
	char **layers;           /* that containers of this node need, whatever their images are called now */
	char user[NAME_MAX + 1]; /* an instance that runs `image`, "" without */
};

static int note_layers(struct use *use, const char *id, const struct image *image, struct baton_error *err)
{
	char **layer;

	if (strcmp(image->digest, use->image.digest) == 0)
		(void)snprintf(use->user, sizeof(use->user), "%s", id);
	STRV_FOREACH(layer, image->layers) {
		if (strv_append(&use->layers, *layer) < 0)
			return error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int note_image(struct use *use, const char *id, const char *ref, struct baton_error *err)
{
	struct image image;
	int r;

	if (strcmp(ref, use->name) == 0)
		return note_layers(use, id, &use->image, err);
	r = image_lookup(use->store_fd, ref, &image, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r; /* its record is gone, and the layers with it */
	r = note_layers(use, id, &image, err);
	image_release(&image);
	return r;
}

/*
 * The digest is written when the container is made. Until then its image is what has the name now; what is no
 * name of an image will not start.
 */
static int note_record(struct use *use, const char *id, const struct record *record, struct baton_error *err)
{
	char by_digest[sizeof(record->image_digest) + sizeof("any@")];
	char normal[IMAGE_REF_MAX + 1];
	struct baton_error unused;

	if (record->phase == RECORD_ENDED)
		return 0;
	if (record->image_digest[0]) {
		(void)snprintf(by_digest, sizeof(by_digest), "any@%s", record->image_digest);
		return note_image(use, id, by_digest, err);
	}
	if (!record->spec.image || image_ref_normalise(record->spec.image, normal, &unused) < 0)
		return 0;
	return note_image(use, id, normal, err);
}

static int note_container(struct use *use, int containers_fd, const char *id, struct baton_error *err)
{
	cleanup_close int fd = file_open_beneath(containers_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	struct record record;
	int r;

	if (fd < 0)
		return 0; /* it has just gone */
	r = record_read(fd, &record, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = note_record(use, id, &record, err);
	record_release(&record);
	return r;
}

static int note_containers(struct use *use, struct baton_error *err)
{
	cleanup_free char *path = NULL;
	cleanup_dir DIR *directory = NULL;
	struct dirent *entry;
	int r = 0;

	if (asprintf(&path, "%s/containers", use->config->run) < 0) {
		path = NULL; /* undefined after a failure, see asprintf(3) */
		return error_set(err, ENOMEM, "out of memory");
	}
	directory = opendir(path);
	if (!directory)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", path);
	while (r == 0 && (entry = readdir(directory))) {
		if (entry->d_name[0] != '.')
			r = note_container(use, dirfd(directory), entry->d_name, err);
	}
	return r;
}

/*
 * The second look, when the name is gone. A container that started since the first one, by that name, has
 * written its record before it looked the image up: it keeps its layers.
 */
static int used(void *arg, char ***layers, struct baton_error *err)
{
	struct use *use = arg;
	int r;

	strv_free(use->layers);
	use->layers = NULL;
	r = note_containers(use, err);
	if (r == 0)
		*layers = steal_ptr(use->layers);
	return r;
}

static int remove_image(struct use *use, const char *ref, uint64_t *ret_freed, struct baton_error *err)
{
	int r = image_ref_normalise(ref, use->name, err);

	if (r == 0)
		r = image_lookup(use->store_fd, ref, &use->image, err);
	if (r == 0)
		r = note_containers(use, err);
	if (r == 0 && use->user[0])
		r = error_set(err, EBUSY, "%s runs \"%s\"; remove its application first", use->user, ref);
	return r == 0 ? image_remove(use->store_fd, ref, used, use, ret_freed, err) : r;
}

static int removed(const struct cli *cli, uint64_t freed)
{
	cleanup_json json_t *document = NULL;
	char size[SIZE_TEXT_SIZE];

	if (!cli->options.json) {
		format_size(freed, size);
		(void)printf("%s is removed, %s freed\n", cli->operands[1], size);
		return CLI_OK;
	}
	document = json_pack("{s:s, s:I}", "removed", cli->operands[1], "freed", (json_int_t)freed);
	return json_write(document, stdout) < 0 ? CLI_FAILED : CLI_OK;
}

static int removal(const struct cli *cli, const struct config *config)
{
	struct baton_error err;
	cleanup_close int store = -1;
	struct use use = { .config = config };
	uint64_t freed = 0;
	int r;

	if (cli->n_operands != 2)
		return cli_error(CLI_USAGE, "usage: baton image rm NAME");
	store = use.store_fd = image_store_open(config->root, &err);
	r = store < 0 ? store : remove_image(&use, cli->operands[1], &freed, &err);
	strv_free(use.layers);
	image_release(&use.image);
	return r < 0 ? fail(&err) : removed(cli, freed);
}

int verb_image(const struct cli *cli)
{
	static const struct {
		const char *name;
		int (*run)(const struct cli *cli, const struct config *config);
	} verbs[] = { { "import", import }, { "ls", list }, { "rm", removal } };
	struct config config;
	int code = cli_load_config(cli, &config);

	if (code != CLI_OK)
		return code;
	code = -1;
	for (size_t i = 0; i < array_size(verbs); i++) {
		if (strcmp(cli->operands[0], verbs[i].name) == 0)
			code = verbs[i].run(cli, &config);
	}
	config_release(&config);
	if (code < 0)
		return cli_error(CLI_USAGE, "image: \"%s\" is none of import, ls, rm", cli->operands[0]);
	return code;
}
