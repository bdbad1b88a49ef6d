/* SPDX-License-Identifier: BSD-2-Clause */
/* vectors_file.c - an index of vectors written to a file and read from it. See vectors.h. */
#include "user/store/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/base/digest.h"
#include "user/base/replace.h"
#include "user/store/vectors_parts.h"

#define MAGIC	      "SLVECTR"
#define VERSION	      2u /* 1: the graph held the vectors themselves */
#define BYTE_ORDER_IS 0x01020304u
#define PARTS	      5u /* header, ids, vectors, base, links */

/* Then of each place 8 bytes of ids and its vector, base_len of the graph, links_len of its upper levels. */
struct header {
	char magic[8];
	uint32_t version;
	uint32_t byte_order;
	uint8_t digest[SL_DIGEST_BYTES]; /* of all that follows it */
	char model[SL_VECTORS_MODEL_BYTES];
	uint32_t dimensions;
	uint32_t places;
	uint32_t count;
	uint32_t has_graph;
	uint64_t base_len;
	uint64_t links_len;
};

#define DIGESTED_FROM offsetof(struct header, model)

static void digest(const struct header *header, const struct sl_span parts[PARTS],
		   uint8_t out[SL_DIGEST_BYTES])
{
	struct sl_span digested[PARTS] = {
		{(const char *)header + DIGESTED_FROM, sizeof(*header) - DIGESTED_FROM}};

	memcpy(digested + 1, parts + 1, (PARTS - 1) * sizeof(*parts));
	sl_digest_sha256(digested, PARTS, out);
}

int sl_vectors_save(struct sl_vectors *vectors, const char *path)
{
	struct header header = {.magic = MAGIC, .version = VERSION, .byte_order = BYTE_ORDER_IS};
	struct sl_span parts[PARTS] = {{(const char *)&header, sizeof(header)}};
	struct sl_text links;
	int rc = 0;

	sl_text_init(&links, (size_t)1 << 34);
	pthread_rwlock_rdlock(&vectors->lock);
	memcpy(header.model, vectors->model, sizeof(header.model));
	header.dimensions = vectors->options.dimensions;
	header.places = vectors->places;
	header.count = vectors->count;
	header.has_graph = vectors->by_graph;
	parts[1] = sl_span_make((const char *)vectors->ids, vectors->places * sizeof(uint64_t));
	parts[2] = sl_span_make((const char *)vectors->flat,
				(size_t)vectors->places * header.dimensions * sizeof(float));
	if (header.has_graph)
		rc = sl_graph_write(vectors->graph, &parts[3], &links);
	parts[4] = sl_text_span(&links);
	header.base_len = parts[3].len;
	header.links_len = parts[4].len;
	digest(&header, parts, header.digest);
	if (rc == 0)
		rc = sl_replace_file_parts(path, parts, PARTS);
	pthread_rwlock_unlock(&vectors->lock);
	sl_text_fini(&links);
	return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int check(const char *path, struct sl_span file, const struct sl_vectors_options *options,
		 struct sl_error *error, struct sl_span parts[PARTS])
{
	const struct header *header = (const void *)file.data;
	uint8_t sum[SL_DIGEST_BYTES];
	uint64_t ids_len, flat_len;

	if (file.len < sizeof(*header) || memcmp(header->magic, MAGIC, sizeof(MAGIC)) != 0)
		return sl_error_set(error, -EBADMSG, "%s: not an index of vectors", path);
	if (header->version != VERSION || header->byte_order != BYTE_ORDER_IS)
		return sl_error_set(error, -EPROTO,
				    "%s: an index of vectors of version %u, this sluice reads %u: "
				    "build it anew",
				    path, header->version, VERSION);
	ids_len = (uint64_t)header->places * sizeof(uint64_t);
	flat_len = (uint64_t)header->places * header->dimensions * sizeof(float);
	if (flat_len > file.len || header->base_len > file.len || header->links_len > file.len ||
	    sizeof(*header) + ids_len + flat_len + header->base_len + header->links_len != file.len)
		return sl_error_set(error, -EBADMSG, "%s: cut off", path);
	parts[0] = sl_span_make(file.data, sizeof(*header));
	parts[1] = sl_span_make(parts[0].data + parts[0].len, ids_len);
	parts[2] = sl_span_make(parts[1].data + ids_len, flat_len);
	parts[3] = sl_span_make(parts[2].data + flat_len, header->base_len);
	parts[4] = sl_span_make(parts[3].data + header->base_len, header->links_len);
	digest(header, parts, sum);
	if (memcmp(sum, header->digest, sizeof(sum)) != 0)
		return sl_error_set(error, -EBADMSG, "%s: its checksum does not fit: torn", path);
	if (memchr(header->model, 0, sizeof(header->model)) == NULL ||
	    strcmp(header->model, options->model) != 0 || header->dimensions != options->dimensions)
		return sl_error_set(error, -EPROTO,
				    "%s: vectors of the model \"%.95s\" (%u numbers), wanted are "
				    "those of \"%s\" (%u): build it anew",
				    path, header->model, header->dimensions, options->model,
				    options->dimensions);
	if (header->count > options->entries_max)
		return sl_error_set(error, -ENOSPC, "%s: %u vectors, at most %u", path,
				    header->count, options->entries_max);
	return 0;
}

static int fill(struct sl_vectors *vectors, const struct header *header,
		const struct sl_span parts[PARTS])
{
	uint32_t place, count = 0;
	int rc;

	if (!header->places)
		return header->count ? -EBADMSG : 0;
	if (header->has_graph) {
		rc = sl_graph_read(header->dimensions, parts[3], parts[4], &vectors->graph);
		if (rc < 0)
			return rc;
		vectors->in_graph = header->places;
		vectors->by_graph = true;
	}
	rc = sl_vectors_grow(vectors, header->places);
	if (rc < 0)
		return rc;
	memcpy(vectors->ids, parts[1].data, parts[1].len);
	memcpy(vectors->flat, parts[2].data, parts[2].len);
	vectors->places = header->places;
	for (place = 0; place < header->places; place++)
		count += vectors->ids[place] != SL_VECTORS_FREE;
	vectors->count = count;
	return count == header->count ? sl_vectors_grow(vectors, vectors->capacity) : -EBADMSG;
}

int sl_vectors_load(const char *path, const struct sl_vectors_options *options,
		    struct sl_error *error, struct sl_vectors **ret_vectors)
{
	struct sl_span parts[PARTS];
	struct sl_vectors *vectors = NULL;
	struct stat facts;
	void *map;
	int rc, fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return sl_error_set_errno(error, -errno, "%s", path);
	rc = fstat(fd, &facts) == 0 ? 0 : -errno;
	map = rc == 0 && facts.st_size > 0
		      ? mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
		      : MAP_FAILED;
	close(fd);
	if (map == MAP_FAILED)
		return sl_error_set(error, rc < 0 ? rc : -EBADMSG, "%s: empty or unreadable", path);
	rc = check(path, sl_span_make(map, (size_t)facts.st_size), options, error, parts);
	if (rc == 0) {
		rc = sl_vectors_open(options, &vectors);
		if (rc == 0)
			rc = fill(vectors, map, parts);
		if (rc < 0)
			sl_error_set_errno(error, rc, "%s", path);
	}
	munmap(map, (size_t)facts.st_size);
	if (rc < 0)
		sl_vectors_close(&vectors);
	else
		*ret_vectors = vectors;
	return rc;
}
