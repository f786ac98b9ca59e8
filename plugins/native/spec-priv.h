/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that decode config.json. */
#ifndef BATON_NATIVE_SPEC_PRIV_H
#define BATON_NATIVE_SPEC_PRIV_H

#include "plugins/native/spec.h"

/* `process`, `linux` without its paths, and `mounts`; each into *spec. 0 or negative errno with the path in
 * err. */
int spec_decode_process(const json_t *process, struct spec *spec, struct baton_error *err);
int spec_decode_mounts(const json_t *mounts, struct spec *spec, struct baton_error *err);
int spec_decode_linux(const json_t *linux_member, struct spec *spec, struct baton_error *err);

/*
 * Member of this type; NULL when it is missing or null. -EINVAL for another type: what is ignored in silence
 * could be what the container was to be kept from.
 */
int spec_member(const json_t *object, const char *name, json_type type, const json_t **ret_member,
        struct baton_error *err);

/* Boolean member; false when it is missing or null, -EINVAL for anything that is not a boolean. */
int spec_flag(const json_t *object, const char *name, bool *ret_flag, struct baton_error *err);

/* True for what says nothing: missing, null, "", [] and {}. */
bool spec_is_empty(const json_t *value);

/*
 * Array of strings without NUL, at most `max`; a missing one is an empty vector. The vector is the caller's
 * (free(), not strv_free()), its strings the document's.
 */
int spec_strings(
        const json_t *array, const char *path, size_t max, char ***ret_vector, struct baton_error *err);

/* An absolute path without ".." components, or -EINVAL. */
int spec_check_path(const char *path, const char *where, struct baton_error *err);

/* Integer member in [0, max]; `fallback` when missing. */
int spec_number(const json_t *object, const char *name, uint64_t max, uint64_t fallback, uint64_t *ret_number,
        struct baton_error *err);

#endif
