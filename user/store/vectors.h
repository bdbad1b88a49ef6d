/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vectors.h - vectors by id, and the ones nearest to a given one.
 *
 * All are of one length (dimensions) and one model, whose identity the file carries: vectors of
 * different models have nothing to do with each other, so a file of another model is refused. The
 * score of two is their product, for vectors of length 1 the cosine: 1 is the same.
 *
 *	entries                   a search looks at
 *	up to flat_max            all, one behind the other: exact, 40 ns each
 *	over it, while it grows   all still; each insertion moves some into the graph
 *	in the graph              a few hundred (HNSW, Malkov and Yashunin 2016, by hnswlib) by 8 bits
 *	                          a number, then the nearest of those as they are: nearly exact
 *
 * A removed entry's place is taken by the next insertion. Nothing is ever moved out of the graph
 * again. Memory: 4 * dimensions bytes an entry, and dimensions + 210 more in the graph.
 *
 * Threads: any. Searches share a lock, changes take it alone, so an insertion (about 0.5 ms at
 * 100 k entries, 8 ms while it grows) holds up the searches beside it: never on a loop's thread, but for
 * an index that stays flat and small.
 */
#ifndef SL_STORE_VECTORS_H
#define SL_STORE_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/base/error.h"

#define SL_VECTORS_DIMENSIONS_MAX   8192u
#define SL_VECTORS_ENTRIES_MAX	    10000000u
#define SL_VECTORS_RESULTS_MAX	    256u
#define SL_VECTORS_MODEL_BYTES	    96u /* of a model's identity, with its NUL */
#define SL_VECTORS_FLAT_MAX_DEFAULT 2000u
#define SL_VECTORS_POOL_PREFIX	    "api:" /* of the identity of a model that a pool serves */

struct sl_vectors;

struct sl_vectors_options {
	uint32_t dimensions;  /* 1 to SL_VECTORS_DIMENSIONS_MAX */
	uint32_t entries_max; /* 1 to SL_VECTORS_ENTRIES_MAX */
	uint32_t flat_max;    /* 0: SL_VECTORS_FLAT_MAX_DEFAULT */
	const char *model;    /* identity, shorter than SL_VECTORS_MODEL_BYTES */
};

struct sl_vectors_result {
	uint64_t id;
	float score;
};

/* Empty. Returns 0, -EINVAL (options out of their range) or -ENOMEM. */
int sl_vectors_open(const struct sl_vectors_options *options, struct sl_vectors **ret_vectors);

void sl_vectors_close(struct sl_vectors **vectors);

/*
 * Copies `dimensions` numbers under the id (not UINT64_MAX), in place of what the id had. Returns 0,
 * -ENOSPC (entries_max are there), -EINVAL (the id, or a number that is not finite) or -ENOMEM.
 */
int sl_vectors_add(struct sl_vectors *vectors, uint64_t id, const float *vector);

/* False when it was not there. */
bool sl_vectors_remove(struct sl_vectors *vectors, uint64_t id);

/*
 * The at most `count` (SL_VECTORS_RESULTS_MAX) entries with the highest scores, highest first; equal
 * scores by id. Returns their number or -ENOMEM.
 */
int sl_vectors_search(struct sl_vectors *vectors, const float *query, uint32_t count,
		      struct sl_vectors_result *ret_results);

uint32_t sl_vectors_count(struct sl_vectors *vectors);

/* Of the heap, nearly. */
size_t sl_vectors_bytes(struct sl_vectors *vectors);

/* True once searches go by the graph. */
bool sl_vectors_has_graph(struct sl_vectors *vectors);

/*
 * Writes all into the file, replaced whole (see replace.h), with a SHA-256 of what it holds. Changes
 * wait meanwhile, searches do not. 0 or -errno.
 */
int sl_vectors_save(struct sl_vectors *vectors, const char *path);

/*
 * What sl_vectors_save() wrote. Of the options the model and the dimensions must be those of the file,
 * the rest is taken. Returns 0; -ENOENT, -EACCES, ... of the file; -EBADMSG: torn, or no such file;
 * -EPROTO: of another model, length or version; -ENOSPC: more than entries_max; -ENOMEM.
 */
int sl_vectors_load(const char *path, const struct sl_vectors_options *options,
		    struct sl_error *error, struct sl_vectors **ret_vectors);

#endif
