/* SPDX-License-Identifier: Apache-2.0 */
/* From a Compose file to the document that is published. */
#ifndef BATON_CLI_MANIFEST_H
#define BATON_CLI_MANIFEST_H

#include <jansson.h>

#include "core/base/error.h"

struct manifest_source {
	const char *path; /* "-": standard input */
	char **env_files; /* NULL: ".env" beside the file, if there is one */
	const char
	        *name; /* of the application; NULL: its own, $COMPOSE_PROJECT_NAME, that of the directory */
};

struct manifest {
	char *name;
	char *text; /* what is published */
	json_t *document;
};

/*
 * A file that begins with "{" is JSON: it is published byte for byte, as mosquitto_pub would. Everything else
 * is YAML: variables are replaced (a warning on standard error for each that is not set), and `name` is put
 * in. 0 and *ret_manifest (manifest_release it), or negative errno with FILE:LINE or the JSON path.
 */
int manifest_load(
        const struct manifest_source *source, struct manifest *ret_manifest, struct baton_error *err);
void manifest_release(struct manifest *manifest);

#endif
