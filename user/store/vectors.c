/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/vectors.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "user/store/linear.h"
#include "user/store/vectors_parts.h"

#define MOVE_MAX   16u /* entries that one insertion moves into the graph */
#define LINE_BYTES 64u
#define PLACES_MIN 4u /* many sets of the semantic cache hold one */

/* ---- ids to places --------------------------------------------------------------------------- */

static uint32_t bucket_of(const struct sl_vectors *vectors, uint64_t id)
{
	return (uint32_t)((id * 0x9e3779b97f4a7c15u) >> 32) & (vectors->capacity - 1);
}

/* The place of the id, or SL_VECTORS_NO_PLACE. */
static uint32_t find_place(const struct sl_vectors *vectors, uint64_t id)
{
	uint32_t place =
		vectors->capacity ? vectors->buckets[bucket_of(vectors, id)] : SL_VECTORS_NO_PLACE;

	while (place != SL_VECTORS_NO_PLACE && vectors->ids[place] != id)
		place = vectors->chain[place];
	return place;
}

static void link_place(struct sl_vectors *vectors, uint32_t place, uint64_t id)
{
	uint32_t *bucket = &vectors->buckets[bucket_of(vectors, id)];

	vectors->ids[place] = id;
	vectors->chain[place] = *bucket;
	*bucket = place;
}

static void unlink_place(struct sl_vectors *vectors, uint32_t place)
{
	uint32_t *at = &vectors->buckets[bucket_of(vectors, vectors->ids[place])];

	while (*at != place)
		at = &vectors->chain[*at];
	*at = vectors->chain[place];
	vectors->ids[place] = SL_VECTORS_FREE;
	vectors->chain[place] = vectors->first_free;
	vectors->first_free = place;
}

/* Room for that many places; nothing changes on an error. */
int sl_vectors_grow(struct sl_vectors *vectors, uint32_t capacity)
{
	size_t row = vectors->options.dimensions * sizeof(float);
	uint32_t *buckets, *chain, i;
	uint64_t *ids;
	float *flat;

	while (capacity & (capacity - 1))
		capacity += capacity & -capacity;
	flat = realloc(vectors->flat, capacity * row);
	if (!flat)
		return -ENOMEM;
	vectors->flat = flat;
	ids = realloc(vectors->ids, capacity * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	vectors->ids = ids;
	chain = realloc(vectors->chain, capacity * sizeof(*chain));
	if (!chain)
		return -ENOMEM;
	vectors->chain = chain;
	buckets = malloc(capacity * sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	free(vectors->buckets);
	vectors->buckets = buckets;
	vectors->capacity = capacity;
	memset(buckets, 0xff, capacity * sizeof(*buckets));
	vectors->first_free = SL_VECTORS_NO_PLACE;
	for (i = vectors->places; i-- > 0;) {
		if (ids[i] != SL_VECTORS_FREE) {
			link_place(vectors, i, ids[i]);
		} else {
			chain[i] = vectors->first_free;
			vectors->first_free = i;
		}
	}
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Searches that never end would else keep every change out. */
static void init_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t kind;

	pthread_rwlockattr_init(&kind);
	pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &kind);
	pthread_rwlockattr_destroy(&kind);
}

int sl_vectors_open(const struct sl_vectors_options *options, struct sl_vectors **ret_vectors)
{
	struct sl_vectors *vectors;

	if (!options->dimensions || options->dimensions > SL_VECTORS_DIMENSIONS_MAX ||
	    !options->entries_max || options->entries_max > SL_VECTORS_ENTRIES_MAX ||
	    !options->model || strlen(options->model) >= SL_VECTORS_MODEL_BYTES)
		return -EINVAL;
	vectors = calloc(1, sizeof(*vectors));
	if (!vectors)
		return -ENOMEM;
	vectors->options = *options;
	if (!vectors->options.flat_max)
		vectors->options.flat_max = SL_VECTORS_FLAT_MAX_DEFAULT;
	strcpy(vectors->model, options->model);
	vectors->options.model = vectors->model;
	vectors->linear = sl_linear_best();
	vectors->first_free = SL_VECTORS_NO_PLACE;
	init_lock(&vectors->lock);
	*ret_vectors = vectors;
	return 0;
}

void sl_vectors_close(struct sl_vectors **vectors)
{
	struct sl_vectors *gone = *vectors;

	*vectors = NULL;
	if (!gone)
		return;
	sl_graph_close(&gone->graph);
	pthread_rwlock_destroy(&gone->lock);
	free(gone->buckets);
	free(gone->chain);
	free(gone->ids);
	free(gone->flat);
	free(gone);
}

/* ---- changes --------------------------------------------------------------------------------- */

static float *flat_row(const struct sl_vectors *vectors, uint32_t place)
{
	return vectors->flat + (size_t)place * vectors->options.dimensions;
}

/* A failure leaves all as it is: the searches look at the flat ones on. */
static void move_some(struct sl_vectors *vectors)
{
	uint32_t moved;

	if (!vectors->graph &&
	    sl_graph_open(vectors->options.dimensions, vectors->capacity, &vectors->graph) < 0)
		return;
	for (moved = 0; moved < MOVE_MAX && vectors->in_graph < vectors->places; moved++) {
		uint32_t place = vectors->in_graph;

		if (vectors->ids[place] != SL_VECTORS_FREE &&
		    sl_graph_add(vectors->graph, place, flat_row(vectors, place)) < 0)
			return;
		vectors->in_graph++;
	}
	vectors->by_graph = vectors->in_graph == vectors->places;
}

/* A place for one more; in a graph that is complete, its end is the graph's. */
static int take_place(struct sl_vectors *vectors, uint32_t *ret_place)
{
	int rc;

	if (vectors->first_free != SL_VECTORS_NO_PLACE) {
		*ret_place = vectors->first_free;
		vectors->first_free = vectors->chain[*ret_place];
		return 0;
	}
	if (vectors->places == vectors->capacity) {
		rc = sl_vectors_grow(vectors,
				     vectors->capacity ? 2 * vectors->capacity : PLACES_MIN);
		if (rc < 0)
			return rc;
	}
	*ret_place = vectors->places++;
	if (vectors->by_graph)
		vectors->in_graph = vectors->places;
	return 0;
}

static int put(struct sl_vectors *vectors, uint32_t place, const float *vector)
{
	int rc = place < vectors->in_graph ? sl_graph_add(vectors->graph, place, vector) : 0;

	if (rc == 0)
		memcpy(flat_row(vectors, place), vector,
		       vectors->options.dimensions * sizeof(*vector));
	return rc;
}

static int add(struct sl_vectors *vectors, uint64_t id, const float *vector)
{
	uint32_t place = find_place(vectors, id);
	int rc;

	if (place != SL_VECTORS_NO_PLACE)
		return put(vectors, place, vector);
	if (vectors->count == vectors->options.entries_max)
		return -ENOSPC;
	rc = take_place(vectors, &place);
	if (rc < 0)
		return rc;
	link_place(vectors, place, id);
	rc = put(vectors, place, vector);
	if (rc < 0) {
		unlink_place(vectors, place);
		return rc;
	}
	vectors->count++;
	if (!vectors->by_graph && (vectors->graph || vectors->count > vectors->options.flat_max))
		move_some(vectors);
	return 0;
}

int sl_vectors_add(struct sl_vectors *vectors, uint64_t id, const float *vector)
{
	uint32_t i;
	int rc;

	if (id == SL_VECTORS_FREE)
		return -EINVAL;
	for (i = 0; i < vectors->options.dimensions; i++) {
		if (!isfinite(vector[i]))
			return -EINVAL;
	}
	pthread_rwlock_wrlock(&vectors->lock);
	rc = add(vectors, id, vector);
	pthread_rwlock_unlock(&vectors->lock);
	return rc;
}

bool sl_vectors_remove(struct sl_vectors *vectors, uint64_t id)
{
	uint32_t place = SL_VECTORS_NO_PLACE;

	if (id == SL_VECTORS_FREE)
		return false;
	pthread_rwlock_wrlock(&vectors->lock);
	place = find_place(vectors, id);
	if (place != SL_VECTORS_NO_PLACE) {
		if (place < vectors->in_graph)
			sl_graph_remove(vectors->graph, place);
		unlink_place(vectors, place);
		vectors->count--;
	}
	pthread_rwlock_unlock(&vectors->lock);
	return place != SL_VECTORS_NO_PLACE;
}

/* ---- searches -------------------------------------------------------------------------------- */

static bool is_before(const struct sl_vectors_result *a, float score, uint64_t id)
{
	return a->score > score || (a->score == score && a->id < id);
}

/* Into its place of the best so far. Returns how many there are then. */
static uint32_t keep(struct sl_vectors_result *results, uint32_t have, uint32_t count, float score,
		     uint64_t id)
{
	uint32_t at = have;

	if (have == count) {
		if (is_before(&results[have - 1], score, id))
			return have;
		at--;
	}
	while (at && !is_before(&results[at - 1], score, id)) {
		results[at] = results[at - 1];
		at--;
	}
	results[at] = (struct sl_vectors_result){id, score};
	return have < count ? have + 1 : have;
}

static float score(const struct sl_vectors *vectors, const float *query, uint32_t place)
{
	return vectors->linear->dot(query, flat_row(vectors, place), vectors->options.dimensions);
}

static uint32_t search_flat(const struct sl_vectors *vectors, const float *query, uint32_t count,
			    struct sl_vectors_result *results)
{
	uint32_t have = 0, place;

	for (place = 0; place < vectors->places; place++) {
		if (vectors->ids[place] != SL_VECTORS_FREE)
			have = keep(results, have, count, score(vectors, query, place),
				    vectors->ids[place]);
	}
	return have;
}

static void fetch_row(const struct sl_vectors *vectors, uint32_t place)
{
	const float *row = flat_row(vectors, place);

	for (uint32_t i = 0; i < vectors->options.dimensions; i += LINE_BYTES / sizeof(*row))
		__builtin_prefetch(row + i);
}

/*
 * The graph is coarse: what it names is measured again, the nearest first, until the rest cannot be among
 * those asked for. Of its 40, each of which is a wait for memory, that is mostly the first few.
 */
static int search_graph(const struct sl_vectors *vectors, const float *query, uint32_t count,
			struct sl_vectors_result *results)
{
	struct sl_graph_near near[SL_VECTORS_RESULTS_MAX];
	uint32_t have = 0;
	int i, found = sl_graph_search(vectors->graph, query, count, near);

	for (i = 0; i < found && i < (int)count; i++)
		fetch_row(vectors, near[i].place);
	for (i = 0; i < found; i++) {
		if (have == count && near[i].score + near[i].rounding < results[have - 1].score)
			break;
		if (vectors->ids[near[i].place] != SL_VECTORS_FREE)
			have = keep(results, have, count, score(vectors, query, near[i].place),
				    vectors->ids[near[i].place]);
	}
	return found < 0 ? found : (int)have;
}

int sl_vectors_search(struct sl_vectors *vectors, const float *query, uint32_t count,
		      struct sl_vectors_result *ret_results)
{
	int found = 0;

	if (count > SL_VECTORS_RESULTS_MAX)
		count = SL_VECTORS_RESULTS_MAX;
	pthread_rwlock_rdlock(&vectors->lock);
	if (count && vectors->count)
		found = vectors->by_graph ? search_graph(vectors, query, count, ret_results)
					  : (int)search_flat(vectors, query, count, ret_results);
	pthread_rwlock_unlock(&vectors->lock);
	return found;
}

/* ---- counts ---------------------------------------------------------------------------------- */

uint32_t sl_vectors_count(struct sl_vectors *vectors)
{
	uint32_t count;

	pthread_rwlock_rdlock(&vectors->lock);
	count = vectors->count;
	pthread_rwlock_unlock(&vectors->lock);
	return count;
}

size_t sl_vectors_bytes(struct sl_vectors *vectors)
{
	size_t bytes;

	pthread_rwlock_rdlock(&vectors->lock);
	bytes = sizeof(*vectors) +
		(size_t)vectors->capacity * (sizeof(uint64_t) + 2 * sizeof(uint32_t) +
					     vectors->options.dimensions * sizeof(float));
	if (vectors->graph)
		bytes += sl_graph_bytes(vectors->graph);
	pthread_rwlock_unlock(&vectors->lock);
	return bytes;
}

bool sl_vectors_has_graph(struct sl_vectors *vectors)
{
	bool has;

	pthread_rwlock_rdlock(&vectors->lock);
	has = vectors->by_graph;
	pthread_rwlock_unlock(&vectors->lock);
	return has;
}
