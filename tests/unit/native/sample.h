/* SPDX-License-Identifier: Apache-2.0 */
/* A small valid config.json, one member of which a test replaces. */
#ifndef BATON_TEST_NATIVE_SAMPLE_H
#define BATON_TEST_NATIVE_SAMPLE_H

#include <stddef.h>

#include "core/base/error.h"
#include "plugins/native/spec.h"

/*
 * Decodes the sample with the member at `path` ("process.user") replaced by the JSON text `value`, in which '
 * stands for "; NULL removes the member. The result of spec_parse; nothing of the text is needed afterwards.
 */
int sample_parse(const char *path, const char *value, struct spec *ret_spec, struct baton_error *err);

/* As sample_parse; fails the test unless it is accepted. */
struct spec sample_accepted(const char *path, const char *value);

/* Fails the test unless it is refused with this errno value and a message that has `word` in it. */
void sample_refused(const char *path, const char *value, int code, const char *word);

/* One test for each row of a table. */
struct sample_fault {
	const char *path;
	const char *value;
	int code;
	const char *word;
};

void sample_all_refused(const struct sample_fault *faults, size_t count);

#endif
