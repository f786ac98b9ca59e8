/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, locking and reading the store. */
#include "core/image/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/image/record.h"
#include "core/image/store-priv.h"

#define ENTRIES_FIRST 16

int image_store_open(const char *root, struct baton_error *err)
{
	cleanup_close int root_fd = dir_open_make(root, 0755, err);
	cleanup_close int fd = -1;
	struct stat status;

	if (root_fd < 0)
		return root_fd;
	fd = dir_open_make_at(root_fd, "images", 0700);
	if (fd < 0)
		return error_errno(err, -fd, "image store \"%s/images\"", root);
	/* Layers hold set-user-ID files: nobody but root may reach one outside a container (CVE-2021-41091).
	 */
	if (fstat(fd, &status) < 0 || ((status.st_mode & 077) != 0 && fchmod(fd, 0700) < 0))
		return error_errno(err, errno, "image store \"%s/images\"", root);
	return steal_fd(&fd);
}

int store_directory(int store_fd, const char *name, struct baton_error *err)
{
	int fd = dir_open_make_at(store_fd, name, 0700);

	return fd < 0 ? error_errno(err, -fd, "directory \"%s\" of the image store", name) : fd;
}

int store_lock(int store_fd, bool wait, struct baton_error *err)
{
	cleanup_close int fd = openat(store_fd, STORE_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return error_errno(err, errno, "lock of the image store");
	do {
		r = flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
	} while (r < 0 && errno == EINTR);
	if (r < 0 && errno == EWOULDBLOCK)
		return error_set(err, EBUSY, "another import or removal of images is running");
	if (r < 0)
		return error_errno(err, errno, "lock of the image store");
	return steal_fd(&fd);
}

bool store_hex_valid(const char *hex)
{
	return strlen(hex) == STORE_HEX_LENGTH && strspn(hex, "0123456789abcdef") == STORE_HEX_LENGTH;
}

bool store_digest_valid(const char *digest)
{
	size_t prefix = strlen(STORE_DIGEST_PREFIX);

	return strncmp(digest, STORE_DIGEST_PREFIX, prefix) == 0 && store_hex_valid(digest + prefix);
}

int store_ref_read(int refs_fd, const char *name, char digest[static IMAGE_DIGEST_SIZE])
{
	cleanup_free char *text = NULL;
	int r = file_read_at(refs_fd, name, IMAGE_DIGEST_SIZE, &text, NULL);

	if (r < 0)
		return r;
	if (!text)
		return -EBADMSG;
	text[strcspn(text, "\n")] = '\0';
	if (!store_digest_valid(text))
		return -EBADMSG;
	memcpy(digest, text, IMAGE_DIGEST_SIZE);
	return 0;
}

void store_record_name(const char *digest, char name[static STORE_RECORD_NAME_SIZE])
{
	(void)snprintf(name, STORE_RECORD_NAME_SIZE, "%.64s.json", digest + strlen(STORE_DIGEST_PREFIX));
}

int store_record_read(int store_fd, const char *digest, struct image *ret_image, struct baton_error *err)
{
	char path[sizeof(STORE_IMAGES "/") + STORE_RECORD_NAME_SIZE];
	char name[STORE_RECORD_NAME_SIZE];
	cleanup_free char *text = NULL;
	size_t length = 0;
	int r;

	store_record_name(digest, name);
	(void)snprintf(path, sizeof(path), STORE_IMAGES "/%s", name);
	r = file_read_at(store_fd, path, IMAGE_RECORD_MAX, &text, &length);
	if (r < 0)
		return error_errno(err, -r, "record of image %s", digest);
	r = image_record_parse(text ? text : "", length, ret_image, err);
	return r < 0 ? error_prefix(err, "record of image %s", digest) : 0;
}

static int find_digest(
        int store_fd, const char *ref, char digest[static IMAGE_DIGEST_SIZE], struct baton_error *err)
{
	char normal[IMAGE_REF_MAX + 1];
	char path[sizeof(STORE_REFS "/") + STORE_REF_FILE_MAX];
	char name[STORE_REF_FILE_MAX + 1];
	const char *at;
	int r = image_ref_normalise(ref, normal, err);

	if (r < 0)
		return r;
	at = strchr(normal, '@');
	if (at) {
		memcpy(digest, at + 1, IMAGE_DIGEST_SIZE);
		return 0;
	}
	r = store_ref_encode(normal, name);
	if (r < 0)
		return error_set(err, -r, "image name \"%s\" is too long", normal);
	(void)snprintf(path, sizeof(path), STORE_REFS "/%s", name);
	r = store_ref_read(store_fd, path, digest);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "image %s is not on this node", normal);
	return r < 0 ? error_errno(err, -r, "name %s in the image store", normal) : 0;
}

int image_lookup(int store_fd, const char *ref, struct image *ret_image, struct baton_error *err)
{
	char digest[IMAGE_DIGEST_SIZE];
	int r = find_digest(store_fd, ref, digest, err);

	if (r < 0)
		return r;
	r = store_record_read(store_fd, digest, ret_image, err);
	return r == -ENOENT ? error_set(err, ENOENT, "image %s is not on this node", ref) : r;
}

static int compare_entries(const void *a, const void *b)
{
	const struct image_entry *left = a;
	const struct image_entry *right = b;

	return strcmp(left->ref, right->ref);
}

/* Names that are not ours (temporary files of a replacement) and refs that vanish meanwhile are passed over.
 */
static bool read_entry(int store_fd, int refs_fd, const char *name, struct image_entry *entry)
{
	struct image image = { .size = 0 };

	*entry = (struct image_entry){ 0 };
	if (name[0] == '.' || store_ref_decode(name, entry->ref) < 0)
		return false;
	if (store_ref_read(refs_fd, name, entry->digest) < 0)
		return false;
	if (store_record_read(store_fd, entry->digest, &image, NULL) == 0) {
		entry->size = image.size;
		image_release(&image);
	}
	return true;
}

struct entry_list {
	struct image_entry *entries;
	size_t capacity;
	size_t count;
};

static void entry_list_release(struct entry_list *list)
{
	free(list->entries);
}

static int entry_list_reserve(struct entry_list *list)
{
	size_t capacity = list->capacity ? list->capacity * 2 : ENTRIES_FIRST;
	struct image_entry *grown;

	if (list->count < list->capacity)
		return 0;
	grown = reallocarray(list->entries, capacity, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->entries = grown;
	list->capacity = capacity;
	return 0;
}

int image_list(int store_fd, struct image_entry **ret_entries, size_t *ret_count, struct baton_error *err)
{
	int refs_fd = store_directory(store_fd, STORE_REFS, err);
	cleanup_dir DIR *directory = refs_fd < 0 ? NULL : fdopendir(refs_fd);
	cleanup_with(entry_list_release) struct entry_list list = { .entries = NULL };
	struct dirent *next;

	if (refs_fd < 0)
		return refs_fd;
	if (!directory) {
		close_fd(&refs_fd);
		return error_set(err, ENOMEM, "out of memory");
	}
	while ((next = readdir(directory))) {
		if (entry_list_reserve(&list) < 0)
			return error_set(err, ENOMEM, "out of memory");
		if (read_entry(store_fd, refs_fd, next->d_name, &list.entries[list.count]))
			list.count++;
	}
	if (list.count > 0)
		qsort(list.entries, list.count, sizeof(*list.entries), compare_entries);
	*ret_count = list.count;
	*ret_entries = steal_ptr(list.entries);
	return 0;
}
