/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unpack/documents.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/image/store.h"
#include "core/unpack/platform.h"

#define BLOBS            "blobs/sha256/"
#define DIGEST_PREFIX    "sha256:"
#define MANIFESTS_MAX    256
#define CHOICES_TEXT_MAX 240   /* of what there is, in an error message */
#define RANK_UNKNOWN     10000 /* no platform given: worse than any that fits */
#define ANNOTATION_REF   "org.opencontainers.image.ref.name"
#define ANNOTATION_DOCKER                                                                                    \
	"io.containerd.image.name" /* docker save since 25: the whole name; the other is the tag */

static int read_descriptor(const json_t *object, struct descriptor *ret_descriptor, struct baton_error *err)
{
	const char *digest = json_get_string(object, "digest", "");
	int64_t size = json_get_int(object, "size", -1);

	if (strncmp(digest, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) != 0 ||
	        !digest_is_valid(digest + strlen(DIGEST_PREFIX)) || size < 0)
		return error_set(
		        err, EINVAL, "a descriptor must have a \"digest\" with sha256 and a \"size\"");
	memcpy(ret_descriptor->hex, digest + strlen(DIGEST_PREFIX), DIGEST_HEX_SIZE);
	ret_descriptor->size = size;
	return 0;
}

static const char *entry_name(const json_t *entry)
{
	const json_t *annotations = json_object_get(entry, "annotations");

	return json_get_string(
	        annotations, ANNOTATION_DOCKER, json_get_string(annotations, ANNOTATION_REF, NULL));
}

/* Two ways of writing one reference are the same name; what is no reference is compared as it is. */
static bool same_name(const char *a, const char *b)
{
	char left[IMAGE_REF_MAX + 1];
	char right[IMAGE_REF_MAX + 1];

	if (image_ref_normalise(a, left, NULL) < 0 || image_ref_normalise(b, right, NULL) < 0)
		return strcmp(a, b) == 0;
	return strcmp(left, right) == 0;
}

static int entry_rank(const json_t *entry, const char *machine)
{
	const json_t *platform = json_object_get(entry, "platform");

	if (!json_is_object(platform))
		return RANK_UNKNOWN;
	return platform_rank(machine, json_get_string(platform, "os", ""),
	        json_get_string(platform, "architecture", NULL), json_get_string(platform, "variant", NULL));
}

/* Adds ", TEXT" while there is room; the list is only for people. */
static void add_choice(struct buf *buf, const char *text)
{
	(void)buf_appendf(buf, "%s%.64s", buf->length > 0 ? ", " : "", text);
}

static int no_platform(const json_t *manifests, const char *machine, struct baton_error *err)
{
	cleanup_buf struct buf choices = { .data = NULL };
	const json_t *entry;
	size_t i;

	buf_init(&choices, CHOICES_TEXT_MAX);
	json_array_foreach(manifests, i, entry) {
		const json_t *platform = json_object_get(entry, "platform");
		const char *variant = json_get_string(platform, "variant", "");
		char text[96];

		(void)snprintf(text, sizeof(text), "%.20s/%.20s%s%.20s", json_get_string(platform, "os", "?"),
		        json_get_string(platform, "architecture", "?"), *variant ? "/" : "", variant);
		add_choice(&choices, text);
	}
	return error_set(err, ENOENT, "no image for this machine (linux/%s); there is: %s",
	        platform_architecture(machine), choices.data ? choices.data : "nothing");
}

static int ambiguous(const json_t *manifests, struct baton_error *err)
{
	cleanup_buf struct buf choices = { .data = NULL };
	const json_t *entry;
	size_t i;

	buf_init(&choices, CHOICES_TEXT_MAX);
	json_array_foreach(manifests, i, entry) {
		const char *name = entry_name(entry);

		add_choice(&choices, name ? name : "(one without a name)");
	}
	return error_set(err, EINVAL, "there are several images, say which one by its name: %s",
	        choices.data ? choices.data : "");
}

static bool any_named(const json_t *manifests, const char *wanted)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(manifests, i, entry) {
		const char *name = entry_name(entry);

		if (name && same_name(name, wanted))
			return true;
	}
	return false;
}

/* Entries of one platform that lead to different images under different names, or under none. */
static bool conflicts(const struct manifest_choice *a, const struct manifest_choice *b, int rank)
{
	if (strcmp(a->descriptor.hex, b->descriptor.hex) == 0)
		return false;
	if (a->name && b->name)
		return !same_name(a->name, b->name);
	return a->name || b->name || rank == RANK_UNKNOWN;
}

int index_choose(const json_t *index, const char *machine, const char *wanted,
        struct manifest_choice *ret_choice, struct baton_error *err)
{
	json_t *manifests = NULL;
	struct manifest_choice best = { .name = NULL };
	int best_rank = PLATFORM_UNFIT;
	bool by_name;
	const json_t *entry;
	size_t i;
	int r = json_need_array(index, "manifests", MANIFESTS_MAX, &manifests, err);

	if (r < 0)
		return r;
	by_name = *wanted && any_named(manifests, wanted);
	json_array_foreach(manifests, i, entry) {
		struct manifest_choice choice = { .name = entry_name(entry) };
		int rank = entry_rank(entry, machine);

		if (rank == PLATFORM_UNFIT || (by_name && !(choice.name && same_name(choice.name, wanted))))
			continue;
		r = read_descriptor(entry, &choice.descriptor, err);
		if (r < 0)
			return r;
		if (best_rank != PLATFORM_UNFIT && conflicts(&best, &choice, rank))
			return ambiguous(manifests, err);
		if (best_rank == PLATFORM_UNFIT || rank < best_rank) {
			best = choice;
			best_rank = rank;
		}
	}
	if (best_rank == PLATFORM_UNFIT)
		return no_platform(manifests, machine, err);
	*ret_choice = best;
	return 0;
}

static int blob_path(const char *hex, char **ret_path)
{
	char *path = NULL;

	if (asprintf(&path, BLOBS "%s", hex) < 0)
		return -ENOMEM;
	*ret_path = path;
	return 0;
}

static bool is_one_of(const char *text, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(text, *list) == 0)
			return true;
	}
	return false;
}

static int check_config_type(const json_t *descriptor, struct baton_error *err)
{
	static const char *const types[] = { "application/vnd.oci.image.config.v1+json",
		"application/vnd.docker.container.image.v1+json", NULL };
	const char *type = json_get_string(descriptor, "mediaType", types[0]);

	return is_one_of(type, types) ? 0
	                              : error_set(err, ENOTSUP, "not a container image but \"%.64s\"", type);
}

/* The compression is found from the bytes; this only refuses what is no tar archive, or encrypted. */
static int check_layer_type(const json_t *descriptor, struct baton_error *err)
{
	static const char *const types[] = {
		"application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
		NULL,
	};
	const char *type = json_get_string(descriptor, "mediaType", types[0]);

	return is_one_of(type, types)
	               ? 0
	               : error_set(err, ENOTSUP, "layers of type \"%.64s\" are not supported", type);
}

static int allocate_layers(struct manifest *manifest, size_t count, struct baton_error *err)
{
	if (count == 0 || count > CONFIG_IMAGE_LAYERS_MAX)
		return error_set(err, EINVAL, "the image has %zu layers, it must have 1 to %d", count,
		        CONFIG_IMAGE_LAYERS_MAX);
	manifest->layers = calloc(count, sizeof(*manifest->layers));
	if (!manifest->layers)
		return error_set(err, ENOMEM, "out of memory");
	manifest->n_layers = count;
	return 0;
}

static int read_layer(const json_t *layer, struct manifest_layer *own, struct baton_error *err)
{
	struct descriptor descriptor = { .size = 0 };
	int r = check_layer_type(layer, err);

	if (r == 0)
		r = read_descriptor(layer, &descriptor, err);
	if (r == 0 && blob_path(descriptor.hex, &own->path) < 0)
		r = error_set(err, ENOMEM, "out of memory");
	if (r < 0)
		return r;
	memcpy(own->blob_hex, descriptor.hex, sizeof(own->blob_hex));
	own->blob_size = descriptor.size;
	return 0;
}

static int fill_manifest(const json_t *document, struct manifest *manifest, struct baton_error *err)
{
	const json_t *layers = json_object_get(document, "layers");
	const json_t *config = json_object_get(document, "config");
	int r = check_config_type(config, err);

	if (r == 0)
		r = read_descriptor(config, &manifest->config, err);
	if (r == 0 && blob_path(manifest->config.hex, &manifest->config_path) < 0)
		r = error_set(err, ENOMEM, "out of memory");
	if (r == 0)
		r = allocate_layers(manifest, json_array_size(layers), err);
	if (r < 0)
		return r;
	assert(manifest->layers);
	for (size_t i = 0; r == 0 && i < manifest->n_layers; i++)
		r = read_layer(json_array_get(layers, i), &manifest->layers[i], err);
	return r;
}

int manifest_read(const json_t *document, struct manifest *ret_manifest, struct baton_error *err)
{
	struct manifest manifest = { .config.size = -1 };
	int r = fill_manifest(document, &manifest, err);

	if (r < 0) {
		manifest_release(&manifest);
		return error_prefix(err, "manifest");
	}
	*ret_manifest = manifest;
	return 0;
}

static const char *find_tag(const json_t *image, const char *wanted)
{
	const json_t *tags = json_object_get(image, "RepoTags");
	const json_t *tag;
	size_t i;

	json_array_foreach(tags, i, tag) {
		const char *text = json_string_value(tag);

		if (text && (!*wanted || same_name(text, wanted)))
			return text;
	}
	return NULL;
}

static int ambiguous_tags(const json_t *document, struct baton_error *err)
{
	cleanup_buf struct buf choices = { .data = NULL };
	const json_t *image;
	size_t i;

	buf_init(&choices, CHOICES_TEXT_MAX);
	json_array_foreach(document, i, image) {
		const char *tag = find_tag(image, "");

		add_choice(&choices, tag ? tag : "(one without a name)");
	}
	return error_set(err, EINVAL, "there are several images, say which one by its name: %s",
	        choices.data ? choices.data : "");
}

static int choose_docker_image(
        const json_t *document, const char *wanted, const json_t **ret_image, struct baton_error *err)
{
	const json_t *image;
	size_t i;

	if (!json_is_array(document) || json_array_size(document) == 0 ||
	        json_array_size(document) > MANIFESTS_MAX)
		return error_set(
		        err, EINVAL, "manifest.json must be an array of 1 to %d images", MANIFESTS_MAX);
	json_array_foreach(document, i, image) {
		if (json_array_size(document) == 1 || (*wanted && find_tag(image, wanted))) {
			*ret_image = image;
			return 0;
		}
	}
	return ambiguous_tags(document, err);
}

/* "HEX.json", or "blobs/sha256/HEX" since Docker 25: the name of the configuration is its digest. */
static void config_digest(const char *path, char hex[static DIGEST_HEX_SIZE])
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char candidate[DIGEST_HEX_SIZE];

	(void)snprintf(candidate, sizeof(candidate), "%.*s", (int)strcspn(name, "."), name);
	if (digest_is_valid(candidate))
		memcpy(hex, candidate, DIGEST_HEX_SIZE);
}

static int copy_path(const json_t *value, char **ret_path, struct baton_error *err)
{
	const char *text = json_string_value(value);
	char *copy;

	if (!text || *text == '\0' || strlen(text) > CONFIG_IMAGE_PATH_MAX)
		return error_set(err, EINVAL, "\"Config\" and \"Layers\" must name files of the archive");
	copy = strdup(text);
	if (!copy)
		return error_set(err, ENOMEM, "out of memory");
	*ret_path = copy;
	return 0;
}

static int fill_docker_manifest(
        const json_t *image, const char *wanted, struct manifest *manifest, struct baton_error *err)
{
	const json_t *layers = json_object_get(image, "Layers");
	const char *tag = find_tag(image, wanted);
	int r = copy_path(json_object_get(image, "Config"), &manifest->config_path, err);

	if (!tag)
		tag = find_tag(image, "");
	if (r == 0 && tag) {
		manifest->name = strdup(tag);
		r = manifest->name ? 0 : error_set(err, ENOMEM, "out of memory");
	}
	if (r == 0 && manifest->config_path) {
		config_digest(manifest->config_path, manifest->config.hex);
		r = allocate_layers(manifest, json_array_size(layers), err);
	}
	for (size_t i = 0; r == 0 && i < manifest->n_layers; i++) {
		manifest->layers[i].blob_size = -1;
		r = copy_path(json_array_get(layers, i), &manifest->layers[i].path, err);
	}
	return r;
}

int docker_manifest_read(
        const json_t *document, const char *wanted, struct manifest *ret_manifest, struct baton_error *err)
{
	struct manifest manifest = { .config.size = -1 };
	const json_t *image = NULL;
	int r = choose_docker_image(document, wanted, &image, err);

	if (r == 0)
		r = fill_docker_manifest(image, wanted, &manifest, err);
	if (r < 0) {
		manifest_release(&manifest);
		return error_prefix(err, "manifest.json");
	}
	*ret_manifest = manifest;
	return 0;
}

void manifest_release(struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->n_layers; i++)
		free(manifest->layers[i].path);
	free(manifest->layers);
	free(manifest->config_path);
	free(manifest->name);
	*manifest = (struct manifest){ .config.size = -1 };
}
