/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds every file of a corpus directory to the fuzz target: how ./dev test replays what fuzzing found. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

#define CORPUS_FILE_MAX (4U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	cleanup_dir DIR *corpus = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	unsigned replayed = 0;

	if (!corpus) {
		(void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return EXIT_FAILURE;
	}
	while ((entry = readdir(corpus))) {
		cleanup_free char *data = NULL;
		size_t length;

		if (entry->d_name[0] == '.')
			continue;
		if (file_read_at(dirfd(corpus), entry->d_name, CORPUS_FILE_MAX, &data, &length) < 0) {
			(void)fprintf(stderr, "cannot read %s/%s\n", argv[1], entry->d_name);
			return EXIT_FAILURE;
		}
		(void)LLVMFuzzerTestOneInput((const uint8_t *)(data ? data : ""), length);
		replayed++;
	}
	(void)printf("%u inputs of %s replayed\n", replayed, argv[1]);
	return replayed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
