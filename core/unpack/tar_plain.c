/* SPDX-License-Identifier: Apache-2.0 */
/* ustar and pax (POSIX.1-2017 pax), and the long names of GNU tar: what writers of images write. */
#include "core/unpack/tar.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/unpack/pax.h"

#define BLOCK         512
#define PIECE         65536
#define EXTENSION_MAX (1 << 20) /* of one extended header or long name */
#define EXTENSIONS    16        /* in a row */
#define NAME_SIZE     100
#define PREFIX_SIZE   155
#define POSIX_MAGIC                                                                                          \
	"ustar" /* and a NUL: GNU tar has a blank there, and other things in place of the prefix */

struct header {
	char name[NAME_SIZE];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char linkname[NAME_SIZE];
	char magic[6];
	char version[2];
	char uname[32];
	char gname[32];
	char devmajor[8];
	char devminor[8];
	char prefix[PREFIX_SIZE];
	char padding[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

/* What stands before an entry and changes it. */
struct extension {
	char *text;
	size_t length;
};

struct tar {
	const struct stream *input;
	bool ended;
	int64_t left;     /* data of the entry that nobody has read */
	int64_t padding;  /* after them */
	int64_t position; /* in the file */
	struct extension pax_text;
	struct extension long_name;
	struct extension long_link;
	struct pax pax;
	char name[PREFIX_SIZE + 1 + NAME_SIZE + 1];
	char linkname[NAME_SIZE + 1];
	char piece[PIECE];
};

static void forget(struct extension *extension)
{
	free(extension->text);
	*extension = (struct extension){ NULL, 0 };
}

void tar_free(struct tar *tar)
{
	if (!tar)
		return;
	forget(&tar->pax_text);
	forget(&tar->long_name);
	forget(&tar->long_link);
	free(tar);
}

int tar_new(const struct stream *input, struct tar **ret_tar, struct baton_error *err)
{
	struct tar *tar = calloc(1, sizeof(*tar));

	if (!tar)
		return error_set(err, ENOMEM, "out of memory");
	tar->input = input;
	*ret_tar = tar;
	return 0;
}

static int damaged(struct baton_error *err, const char *what)
{
	return error_set(err, EINVAL, "damaged archive: %s", what);
}

/* `size` bytes, or fewer at the end of the stream. */
static ssize_t read_fully(struct tar *tar, void *buffer, size_t size, struct baton_error *err)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = tar->input->read(tar->input->arg, (char *)buffer + done, size - done, err);

		if (got < 0)
			return got;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static int skip(struct tar *tar, int64_t size, struct baton_error *err)
{
	while (size > 0) {
		size_t want = size < PIECE ? (size_t)size : PIECE;
		ssize_t got = read_fully(tar, tar->piece, want, err);

		if (got < 0)
			return (int)got;
		if ((size_t)got < want)
			return damaged(err, "it ends within a file");
		size -= got;
	}
	return 0;
}

/* ---- fields ---- */

/* Base 256, big-endian two's complement, with the highest bit as mark: what does not fit into octal digits.
 */
static int parse_binary(const unsigned char *field, size_t size, int64_t *ret_number)
{
	bool negative = (field[0] & 0x40) != 0;
	uint64_t number = negative ? UINT64_MAX : 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char byte =
		        i == 0 ? (unsigned char)((field[0] & 0x7f) | (negative ? 0x80 : 0)) : field[i];

		/* Only copies of the sign may leave at the top. */
		if ((number >> 55) != (negative ? UINT64_MAX >> 55 : 0))
			return -ERANGE;
		number = number << 8 | byte;
	}
	*ret_number = (int64_t)number;
	return 0;
}

static int parse_field(const char *field, size_t size, int64_t *ret_number)
{
	uint64_t number = 0;
	size_t i = 0;

	if ((unsigned char)field[0] & 0x80)
		return parse_binary((const unsigned char *)field, size, ret_number);
	while (i < size && field[i] == ' ')
		i++;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
		number = number << 3 | (uint64_t)(field[i] - '0'); /* at most 12 digits, 36 bits */
	if (i < size && field[i] != ' ' && field[i] != '\0')
		return -EINVAL;
	*ret_number = (int64_t)number;
	return 0;
}

static bool is_zero(const struct header *header)
{
	const char *bytes = (const char *)header;

	for (size_t i = 0; i < BLOCK; i++) {
		if (bytes[i] != '\0')
			return false;
	}
	return true;
}

/* With its own field taken as blanks. Some writers of the past added signed bytes. */
static bool checksum_fits(const struct header *header)
{
	const char *bytes = (const char *)header;
	const size_t first = offsetof(struct header, checksum);
	int64_t written;
	int64_t sum = 0;
	int64_t signed_sum = 0;

	for (size_t i = 0; i < BLOCK; i++) {
		bool own = i >= first && i < first + sizeof(header->checksum);

		sum += own ? ' ' : (unsigned char)bytes[i];
		signed_sum += own ? ' ' : (signed char)bytes[i];
	}
	return parse_field(header->checksum, sizeof(header->checksum), &written) == 0 &&
	       (written == sum || written == signed_sum);
}

/* 1 with a header, 0 at the end. */
static int read_header(struct tar *tar, struct header *header, struct baton_error *err)
{
	ssize_t got = read_fully(tar, header, BLOCK, err);

	if (got < 0)
		return (int)got;
	if (got == 0 || (got == BLOCK && is_zero(header)))
		return 0;
	if (got < BLOCK)
		return damaged(err, "it ends within a header");
	return checksum_fits(header) ? 1 : damaged(err, "not a tar header");
}

/* ---- extensions ---- */

static int read_extension(struct tar *tar, int64_t size, struct extension *extension, struct baton_error *err)
{
	ssize_t got;

	if (size < 0 || size > EXTENSION_MAX)
		return error_set(
		        err, ENAMETOOLONG, "an extended header or name of more than %d bytes", EXTENSION_MAX);
	forget(extension);
	extension->text = malloc((size_t)size + 1);
	if (!extension->text)
		return error_set(err, ENOMEM, "out of memory");
	got = read_fully(tar, extension->text, (size_t)size, err);
	if (got < 0)
		return (int)got;
	if (got < size)
		return damaged(err, "it ends within an extended header");
	extension->text[size] = '\0';
	extension->length = (size_t)size;
	return skip(tar, -size & (BLOCK - 1), err);
}

/* 1 when the header was one that only describes the next, 0 when it is an entry itself. */
static int take_extension(struct tar *tar, const struct header *header, int64_t size, struct baton_error *err)
{
	int r;

	switch (header->type) {
	case 'x': r = read_extension(tar, size, &tar->pax_text, err); break;
	case 'L': r = read_extension(tar, size, &tar->long_name, err); break;
	case 'K': r = read_extension(tar, size, &tar->long_link, err); break;
	case 'g': /* for all that follow; nothing that writes images says anything there */
	case 'V': /* the label of a tape */
		if (size < 0 || size > EXTENSION_MAX)
			return damaged(err, "a global header");
		r = skip(tar, size + (-size & (BLOCK - 1)), err);
		break;
	default: return 0;
	}
	if (r == 0 && header->type == 'x')
		r = pax_parse(tar->pax_text.text, tar->pax_text.length, &tar->pax, err);
	return r < 0 ? r : 1;
}

/* ---- entries ---- */

static const struct {
	char code;
	mode_t type;
} types[] = {
	{ '0', S_IFREG },
	{ '\0', S_IFREG },
	{ '7', S_IFREG },
	{ '1', S_IFREG }, /* hard link */
	{ '2', S_IFLNK },
	{ '3', S_IFCHR },
	{ '4', S_IFBLK },
	{ '5', S_IFDIR },
	{ '6', S_IFIFO },
};

static mode_t type_of(char code)
{
	for (size_t i = 0; i < array_size(types); i++) {
		if (types[i].code == code)
			return types[i].type;
	}
	return 0;
}

static const char *path_of(struct tar *tar, const struct header *header)
{
	size_t length = 0;

	if (tar->pax.path)
		return tar->pax.path;
	if (tar->long_name.text)
		return tar->long_name.text;
	if (memcmp(header->magic, POSIX_MAGIC, sizeof(header->magic)) == 0 && header->prefix[0] != '\0') {
		length = strnlen(header->prefix, PREFIX_SIZE);
		memcpy(tar->name, header->prefix, length);
		tar->name[length++] = '/';
	}
	memcpy(tar->name + length, header->name, NAME_SIZE);
	tar->name[length + NAME_SIZE] = '\0';
	return tar->name;
}

static const char *link_of(struct tar *tar, const struct header *header)
{
	if (tar->pax.linkpath)
		return tar->pax.linkpath;
	if (tar->long_link.text)
		return tar->long_link.text;
	memcpy(tar->linkname, header->linkname, NAME_SIZE);
	tar->linkname[NAME_SIZE] = '\0';
	return tar->linkname;
}

static int parse_numbers(struct tar *tar, const struct header *header, struct tar_entry *entry)
{
	int64_t mtime;
	int64_t mode;

	if (parse_field(header->mode, sizeof(header->mode), &mode) < 0 ||
	        parse_field(header->uid, sizeof(header->uid), &entry->uid) < 0 ||
	        parse_field(header->gid, sizeof(header->gid), &entry->gid) < 0 ||
	        parse_field(header->mtime, sizeof(header->mtime), &mtime) < 0)
		return -EINVAL;
	entry->mode = (mode_t)(mode & 07777);
	entry->mtime = (struct timespec){ .tv_sec = (time_t)mtime };
	if (tar->pax.has_uid)
		entry->uid = tar->pax.uid;
	if (tar->pax.has_gid)
		entry->gid = tar->pax.gid;
	if (tar->pax.has_size)
		entry->size = tar->pax.size;
	if (tar->pax.has_mtime)
		entry->mtime = tar->pax.mtime;
	return 0;
}

static int make_entry(struct tar *tar, const struct header *header, int64_t size, struct tar_entry *ret_entry,
        struct baton_error *err)
{
	struct tar_entry entry = { .type = type_of(header->type), .size = size };
	size_t length;

	if (header->type == 'S')
		return error_set(err, ENOTSUP, "a sparse file, which needs the package baton-image-formats");
	entry.path = path_of(tar, header);
	if (parse_numbers(tar, header, &entry) < 0 || entry.size < 0)
		return damaged(err, "a number of a header");
	if (entry.path[0] == '\0')
		return damaged(err, "an entry without a name");
	/* Before POSIX, only the name told a directory. */
	length = strlen(entry.path);
	if (header->type == '\0' && entry.path[length - 1] == '/')
		entry.type = S_IFDIR;
	if (header->type == '1')
		entry.hardlink = link_of(tar, header);
	else if (header->type == '2')
		entry.symlink = link_of(tar, header);
	/* Only files have data; some writers give links the size of what they point to. */
	if (entry.type != S_IFREG || entry.hardlink)
		entry.size = 0;
	entry.xattrs = tar->pax.xattrs;
	entry.n_xattrs = tar->pax.n_xattrs;
	tar->left = entry.size;
	tar->padding = -entry.size & (BLOCK - 1);
	tar->position = 0;
	*ret_entry = entry;
	return 1;
}

int tar_next(struct tar *tar, struct tar_entry *ret_entry, struct baton_error *err)
{
	struct header header;
	int64_t size = 0;
	int r = tar->ended ? 0 : skip(tar, tar->left, err);

	if (r == 0 && !tar->ended)
		r = skip(tar, tar->padding, err);
	tar->left = tar->padding = 0;
	forget(&tar->pax_text);
	forget(&tar->long_name);
	forget(&tar->long_link);
	tar->pax = (struct pax){ .path = NULL };
	if (r < 0 || tar->ended)
		return r;
	for (int count = 0;; count++) {
		r = read_header(tar, &header, err);
		if (r > 0 && parse_field(header.size, sizeof(header.size), &size) < 0)
			r = damaged(err, "the size of an entry");
		if (r <= 0) {
			tar->ended = true;
			return r;
		}
		r = take_extension(tar, &header, size, err);
		if (r == 0)
			return make_entry(tar, &header, size, ret_entry, err);
		if (r > 0 && count == EXTENSIONS)
			r = damaged(err, "extended headers without end");
		if (r < 0)
			return r;
	}
}

int tar_read_piece(struct tar *tar, struct tar_piece *ret_piece, struct baton_error *err)
{
	ssize_t got = tar_read(tar, tar->piece, PIECE, err);

	if (got <= 0)
		return (int)got;
	*ret_piece =
	        (struct tar_piece){ .data = tar->piece, .size = (size_t)got, .offset = tar->position - got };
	return 1;
}

ssize_t tar_read(void *arg, void *buffer, size_t size, struct baton_error *err)
{
	struct tar *tar = arg;
	ssize_t got;

	if (tar->left == 0)
		return 0;
	if ((uint64_t)tar->left < size)
		size = (size_t)tar->left;
	got = tar->input->read(tar->input->arg, buffer, size, err);
	if (got == 0)
		return damaged(err, "it ends within a file");
	if (got > 0) {
		tar->left -= got;
		tar->position += got;
	}
	return got;
}
