/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vectors_parts.h - what vectors.c and vectors_file.c share.
 *
 * A place is an index into ids, chain and flat, and the label in the graph. Occupied places below
 * in_graph are in the graph, in 8 bits a number; `flat` has the vectors of all.
 */
#ifndef SL_STORE_VECTORS_PARTS_H
#define SL_STORE_VECTORS_PARTS_H

#include <pthread.h>
#include "user/store/vectors.h"
#include "user/store/vectors_graph.h"

#define SL_VECTORS_FREE	    UINT64_MAX
#define SL_VECTORS_NO_PLACE UINT32_MAX

struct sl_linear;

struct sl_vectors {
	pthread_rwlock_t lock; /* guards all below */
	struct sl_vectors_options options;
	char model[SL_VECTORS_MODEL_BYTES];
	const struct sl_linear *linear;
	uint64_t *ids;	   /* of a place; SL_VECTORS_FREE */
	uint32_t *chain;   /* the next place in its bucket, or the next free one */
	uint32_t *buckets; /* capacity, a power of two */
	float *flat;
	struct sl_graph *graph;
	uint32_t capacity, places, count, in_graph;
	uint32_t first_free;
	bool by_graph; /* all are in it, and will be: searches go by it */
};

/* Room for that many places, and the buckets made anew from ids. 0 or -ENOMEM. */
int sl_vectors_grow(struct sl_vectors *vectors, uint32_t capacity);

#endif
