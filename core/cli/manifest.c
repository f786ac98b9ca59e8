/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/manifest.h"

#include <baton/kconfig.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/strv.h"
#include "core/cli/env_file.h"
#include "core/cli/interpolate.h"
#include "core/cli/yaml.h"

#define BLANKS           " \t\r\n"
#define PROJECT_VARIABLE "COMPOSE_PROJECT_NAME"

struct environment {
	json_t *files;       /* variables of the env files */
	json_t *warned;      /* names that are not set, told once */
	const char *project; /* the name of the application once it is known */
};

/* ---- variables ---- */

static const char *variable(void *arg, const char *name)
{
	const struct environment *environment = arg;
	const char *value;

	/* Compose Specification, "Version and name": values may refer to the name that was chosen. */
	if (environment->project && strcmp(name, PROJECT_VARIABLE) == 0)
		return environment->project;
	value = getenv(name);
	return value ? value : json_get_string(environment->files, name, NULL);
}

static void unset(void *arg, const char *name)
{
	struct environment *environment = arg;

	if (json_object_get(environment->warned, name))
		return;
	(void)json_object_set_new(environment->warned, name, json_true()); /* else it is told again */
	(void)fprintf(stderr, "baton: warning: the variable %s is not set: it counts as empty\n", name);
}

static bool is_input(const char *path)
{
	return strcmp(path, "-") == 0;
}

/* In messages. */
static const char *shown(const char *path)
{
	return is_input(path) ? "standard input" : path;
}

/* The directory of the file; that of the process for standard input. free() it, NULL when out of memory. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (is_input(path) || !slash)
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int read_env_files(const struct manifest_source *source, const char *directory,
        struct environment *environment, struct baton_error *err)
{
	const struct variables known = { variable, unset, environment };
	cleanup_free char *own = NULL;
	struct stat status;
	int r = 0;
	char **path;

	STRV_FOREACH(path, source->env_files) {
		if (r == 0)
			r = env_file_read(*path, &known, environment->files, err);
	}
	if (source->env_files)
		return r;
	if (asprintf(&own, "%s/.env", directory) < 0) {
		own = NULL; /* undefined after a failure, see asprintf(3) */
		return error_set(err, ENOMEM, "out of memory");
	}
	/* A directory of that name is a common place for a Python environment. */
	if (stat(own, &status) < 0 || S_ISDIR(status.st_mode))
		return 0;
	return env_file_read(own, &known, environment->files, err);
}

/* ---- the name ---- */

/* As the Compose tools make a project's name from a directory's. free() it. */
static char *normal_name(const char *directory)
{
	cleanup_free char *whole = realpath(directory, NULL);
	const char *slash = whole ? strrchr(whole, '/') : NULL;
	char *name = slash ? strdup(slash + 1) : NULL;
	size_t used = 0;

	for (const char *c = name; c && *c; c++) {
		char letter = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
		bool first = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');

		if (first || (used > 0 && (letter == '_' || letter == '-')))
			name[used++] = letter;
	}
	if (name)
		name[used] = '\0';
	return name;
}

/* What the document says, its variables replaced; *ret_name stays as it is when it says nothing. */
static int own_name(
        const json_t *document, const struct variables *variables, char **ret_name, struct baton_error *err)
{
	const json_t *member = json_object_get(document, "name");
	char *name;

	if (!member)
		return 0;
	if (!json_is_string(member))
		return error_set(err, EINVAL, "must be text; a number needs quotes");
	if (variables)
		return interpolate_text(json_string_value(member), variables, ret_name, err);
	name = strdup(json_string_value(member));
	if (!name)
		return error_set(err, ENOMEM, "out of memory");
	*ret_name = name;
	return 0;
}

/* `variables` is NULL for a document whose text is taken as it is. */
static int choose_name(const struct manifest_source *source, const char *directory,
        struct environment *environment, const struct variables *variables, struct manifest *manifest,
        struct baton_error *err)
{
	cleanup_free char *own = NULL;
	const char *project;
	const char *given;
	int r = own_name(manifest->document, variables, &own, err);

	if (r < 0)
		return error_prefix(err, "%s: $.name", shown(source->path));
	project = variable(environment, PROJECT_VARIABLE);
	given = source->name ? source->name : own ? own : project && project[0] ? project : NULL;
	manifest->name = given ? strdup(given) : normal_name(directory);
	if (manifest->name && manifest->name[0])
		return 0;
	return error_set(err, EINVAL, "%s: the manifest has no name; add \"name: NAME\", or use --name",
	        shown(source->path));
}

/* ---- JSON and YAML ---- */

static int read_json(
        const char *path, const char *text, size_t length, json_t **ret_document, struct baton_error *err)
{
	const struct json_limits limits = { CONFIG_CLI_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };
	int r = json_parse(text, length, limits, ret_document, err);

	return r < 0 ? error_prefix(err, "%s", path) : 0;
}

static int read_yaml(
        const char *path, const char *text, size_t length, json_t **ret_document, struct baton_error *err)
{
	cleanup_json json_t *document = NULL;
	int r = yaml_read(path, text, length, &document, err);

	if (r < 0)
		return r;
	if (!json_is_object(document))
		return error_set(err, EINVAL, "%s: a manifest is a mapping with the key \"services\"", path);
	*ret_document = steal_ptr(document);
	return 0;
}

/* What is published: the bytes of a JSON file, unless --name changes it. */
static int make_text(const struct manifest_source *source, bool is_json, char **bytes,
        struct manifest *manifest, struct baton_error *err)
{
	const char *own = json_get_string(manifest->document, "name", NULL);

	if (is_json && (!source->name || (own && strcmp(own, source->name) == 0))) {
		manifest->text = steal_ptr(*bytes);
		return 0;
	}
	if (json_object_set_new(manifest->document, "name", json_string(manifest->name)) < 0)
		return error_set(err, EINVAL, "--name: not UTF-8");
	manifest->text = json_text(manifest->document);
	return manifest->text ? 0 : error_set(err, ENOMEM, "out of memory");
}

static int read_bytes(const char *path, char **ret_bytes, size_t *ret_length, struct baton_error *err)
{
	int r = is_input(path)
	                ? file_read_fd(STDIN_FILENO, CONFIG_CLI_DOCUMENT_BYTES, ret_bytes, ret_length)
	                : file_read_at(AT_FDCWD, path, CONFIG_CLI_DOCUMENT_BYTES, ret_bytes, ret_length);

	if (r == -EFBIG)
		return error_set(
		        err, EFBIG, "%s: larger than %d bytes", shown(path), CONFIG_CLI_DOCUMENT_BYTES);
	return r < 0 ? error_errno(err, -r, "%s", shown(path)) : 0;
}

/* The name first: other values may refer to it. */
static int finish_yaml(const struct manifest_source *source, const char *directory,
        struct environment *environment, struct manifest *manifest, struct baton_error *err)
{
	const struct variables variables = { variable, unset, environment };
	int r = choose_name(source, directory, environment, &variables, manifest, err);

	if (r < 0)
		return r;
	environment->project = manifest->name;
	r = interpolate_tree(manifest->document, &variables, err);
	return r < 0 ? error_prefix(err, "%s", shown(source->path)) : 0;
}

static int load(const struct manifest_source *source, struct environment *environment,
        struct manifest *manifest, struct baton_error *err)
{
	cleanup_free char *directory = directory_of(source->path);
	const char *path = shown(source->path);
	cleanup_free char *bytes = NULL;
	size_t length;
	bool is_json;
	int r;

	if (!directory)
		return error_set(err, ENOMEM, "out of memory");
	r = read_bytes(source->path, &bytes, &length, err);
	if (r < 0)
		return r;
	is_json = bytes[strspn(bytes, BLANKS)] == '{';
	r = read_env_files(source, directory, environment, err);
	if (r == 0)
		r = (is_json ? read_json : read_yaml)(path, bytes, length, &manifest->document, err);
	if (r == 0 && is_json)
		r = choose_name(source, directory, environment, NULL, manifest, err);
	else if (r == 0)
		r = finish_yaml(source, directory, environment, manifest, err);
	return r < 0 ? r : make_text(source, is_json, &bytes, manifest, err);
}

int manifest_load(
        const struct manifest_source *source, struct manifest *ret_manifest, struct baton_error *err)
{
	cleanup_json json_t *files = json_object();
	cleanup_json json_t *warned = json_object();
	struct environment environment = { files, warned, NULL };
	struct manifest manifest = { .name = NULL };
	int r;

	if (!files || !warned)
		return error_set(err, ENOMEM, "out of memory");
	r = load(source, &environment, &manifest, err);
	if (r == 0)
		*ret_manifest = manifest;
	else
		manifest_release(&manifest);
	return r;
}

void manifest_release(struct manifest *manifest)
{
	free(manifest->name);
	free(manifest->text);
	json_decref(manifest->document);
}
