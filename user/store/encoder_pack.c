/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/encoder_pack.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/base/replace.h"
#include "user/store/encoder_source.h"
#include "user/store/linear.h"

#define MAGIC	      "SLUSEPK"
#define VERSION	      1u
#define BYTE_ORDER_IS 0x01020304u
#define HEADER_BYTES  4096u
#define ALIGN	      64u

struct header {
	char magic[8];
	uint32_t version;
	uint32_t byte_order;
	uint8_t source[SL_DIGEST_BYTES];
	uint8_t digest[SL_DIGEST_BYTES];
	uint64_t body_len;
	uint32_t piece_count;
	uint32_t reserved;
};

_Static_assert(sizeof(struct header) <= HEADER_BYTES, "it has a page of its own");

/* Where each tensor lies behind the header, and where the pieces begin. */
static size_t lay_out(size_t offsets[SL_TENSORS])
{
	size_t at = 0;
	int i;

	for (i = 0; i < SL_TENSORS; i++) {
		const struct sl_tensor_shape *shape = &sl_encoder_shapes[i];

		offsets[i] = at;
		at += (size_t)shape->rows * shape->columns * sizeof(float);
		at = (at + ALIGN - 1) / ALIGN * ALIGN;
	}
	return at;
}

static void point(struct sl_encoder_pack *pack, const void *map, size_t map_len)
{
	const struct header *header = map;
	const char *body = (const char *)map + HEADER_BYTES;
	size_t offsets[SL_TENSORS];
	size_t pieces_at = lay_out(offsets);
	int i;

	pack->map = map;
	pack->map_len = map_len;
	for (i = 0; i < SL_TENSORS; i++)
		pack->tensors[i] = (const void *)(body + offsets[i]);
	pack->pieces = (const void *)(body + pieces_at);
	pack->piece_count = header->piece_count;
	memcpy(pack->digest, header->digest, sizeof(pack->digest));
}

static size_t body_length(uint32_t piece_count)
{
	size_t offsets[SL_TENSORS];

	return lay_out(offsets) + piece_count * sizeof(struct sl_piece);
}

static void digest_body(const void *map, uint8_t digest[SL_DIGEST_BYTES])
{
	const struct header *header = map;
	struct sl_span body = {(const char *)map + HEADER_BYTES, header->body_len};

	sl_digest_sha256(&body, 1, digest);
}

/* ---- a packed file --------------------------------------------------------------------------- */

static bool is_whole(const void *map, size_t len, const uint8_t source[SL_DIGEST_BYTES])
{
	const struct header *header = map;
	uint8_t digest[SL_DIGEST_BYTES];

	if (memcmp(header->magic, MAGIC, sizeof(MAGIC)) != 0 || header->version != VERSION ||
	    header->byte_order != BYTE_ORDER_IS || header->piece_count > SL_ENCODER_VOCABULARY ||
	    memcmp(header->source, source, sizeof(header->source)) != 0 ||
	    header->body_len != body_length(header->piece_count) ||
	    len != HEADER_BYTES + header->body_len)
		return false;
	digest_body(map, digest);
	return memcmp(digest, header->digest, sizeof(digest)) == 0;
}

static int open_packed(const char *path, const uint8_t source[SL_DIGEST_BYTES],
		       struct sl_encoder_pack *pack)
{
	struct stat facts;
	void *map;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = -ENOENT;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &facts) == 0 && facts.st_size > (off_t)HEADER_BYTES) {
		map = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map != MAP_FAILED && is_whole(map, (size_t)facts.st_size, source)) {
			point(pack, map, (size_t)facts.st_size);
			rc = 0;
		} else if (map != MAP_FAILED) {
			munmap(map, (size_t)facts.st_size);
		}
	}
	close(fd);
	return rc;
}

/* ---- packing --------------------------------------------------------------------------------- */

static void pack_tensor(const float *from, const struct sl_tensor_shape *shape, float *to)
{
	if (shape->panels)
		sl_linear_pack(from, shape->rows, shape->columns, to);
	else
		memcpy(to, from, (size_t)shape->rows * shape->columns * sizeof(float));
}

static int make_packed(struct sl_encoder_source *source, struct sl_error *error,
		       struct sl_encoder_pack *pack)
{
	size_t offsets[SL_TENSORS], len, pieces_at = lay_out(offsets);
	struct header *header;
	char *map;
	int rc, i;

	rc = sl_encoder_source_load(source, error);
	if (rc < 0)
		return rc;
	len = HEADER_BYTES + body_length(source->piece_count);
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return sl_error_set(error, -ENOMEM, "no memory for %zu bytes of weights", len);
	header = (void *)map;
	*header = (struct header){.version = VERSION, .byte_order = BYTE_ORDER_IS};
	memcpy(header->magic, MAGIC, sizeof(MAGIC));
	memcpy(header->source, source->digest, sizeof(header->source));
	header->piece_count = source->piece_count;
	header->body_len = len - HEADER_BYTES;
	for (i = 0; i < SL_TENSORS; i++)
		pack_tensor(source->tensors[i], &sl_encoder_shapes[i],
			    (void *)(map + HEADER_BYTES + offsets[i]));
	memcpy(map + HEADER_BYTES + pieces_at, source->pieces,
	       source->piece_count * sizeof(struct sl_piece));
	digest_body(map, header->digest);
	mprotect(map, len, PROT_READ);
	point(pack, map, len);
	return 0;
}

/* Then the file is mapped in place of the memory: processes share its pages. */
static void keep(const char *path, const uint8_t source[SL_DIGEST_BYTES],
		 struct sl_encoder_pack *pack)
{
	struct sl_span whole = {pack->map, pack->map_len};
	struct sl_encoder_pack mapped = {};

	pack->write_error = sl_replace_file_parts(path, &whole, 1);
	if (pack->write_error == 0 && open_packed(path, source, &mapped) == 0) {
		munmap((void *)pack->map, pack->map_len);
		*pack = mapped;
	}
	pack->made_now = true;
}

int sl_encoder_pack_open(const char *directory, const char *packed_file, struct sl_error *error,
			 struct sl_encoder_pack *ret_pack)
{
	struct sl_encoder_pack pack = {};
	struct sl_encoder_source source;
	int rc = sl_encoder_source_open(directory, error, &source);

	if (rc < 0)
		return rc;
	if (!packed_file || open_packed(packed_file, source.digest, &pack) < 0) {
		rc = make_packed(&source, error, &pack);
		if (rc == 0 && packed_file)
			keep(packed_file, source.digest, &pack);
		pack.made_now = true;
	}
	sl_encoder_source_close(&source);
	if (rc == 0)
		*ret_pack = pack;
	return rc;
}

void sl_encoder_pack_close(struct sl_encoder_pack *pack)
{
	if (pack->map)
		munmap((void *)pack->map, pack->map_len);
	*pack = (struct sl_encoder_pack){};
}
