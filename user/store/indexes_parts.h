/* SPDX-License-Identifier: BSD-2-Clause */
/* indexes_parts.h - one index of the daemon. Only for indexes*.c. */
#ifndef SL_STORE_INDEXES_PARTS_H
#define SL_STORE_INDEXES_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "user/store/indexes.h"

/* The asker, and who is in it. */
struct sl_index_lent {
	pthread_mutex_t lock; /* held by the builder while it asks */
	_Atomic(const struct sl_indexes_asker *) asker;
};

struct sl_index {
	/* constant */
	struct sl_config_index config;	    /* its strings are in `strings`, and those of: */
	struct sl_config_embedder embedder; /* pool NULL: none */
	char *strings;
	const struct sl_encoder *encoder; /* NULL: words alone */
	struct sl_index_lent *lent;
	pthread_mutex_t *lock; /* of all that follows, but for the builder's */
	atomic_bool gone;      /* the configuration has it no more, or the daemon stops */

	struct sl_index *next_dead; /* dropped by the set; the builder closes it */
	struct sl_documents *current, *before, *candidate;
	_Atomic uint32_t candidate_wanted; /* the builder looks without the lock */
	struct sl_indexes_status status;
	bool ordered;
	enum sl_indexes_order order;
	uint32_t order_version;

	/* the builder's alone */
	uint64_t look_due_ms; /* CLOCK_MONOTONIC */
	bool loaded;
	uint32_t candidate_tried; /* what was opened, or could not be */
	struct sl_error said;	  /* what was logged last: a failure that stays is said once */
};

/* Opens what `current` points to, and the version before it, and serves them. */
int sl_index_load(struct sl_index *index, struct sl_error *error);

/* Opens or closes the candidate, as it is wanted by now. */
void sl_index_open_candidate(struct sl_index *index);

/* Refuses a version that could not be served. */
int sl_index_try(const struct sl_index *index, uint32_t version, struct sl_error *error);

/*
 * Looks at the documents; makes a version when any changed, or from all of them when `all`, and checks it.
 * serve: it is promoted. *ret_version: its number, 0: nothing has changed.
 */
int sl_index_refresh(struct sl_index *index, bool all, bool serve, uint32_t *ret_version,
		     struct sl_error *error);

/* Counts what is stale in the served version; a failure changes nothing. */
void sl_index_look(struct sl_index *index);

/* What a check found. */
struct sl_index_checked {
	struct sl_documents_facts facts;
	uint32_t samples, samples_found; /* chunks looked for by their own text */
	uint32_t questions;		 /* of indexes.NAME.questions; all are answered */
};

/*
 * Reads the file whole, then asks it: for some of its own chunks, of which three quarters must be found
 * (more would be too much where documents repeat each other), and the questions of the configuration, for
 * each of which its document must be among the first. -EBADMSG with what is wrong, or the database's.
 */
int sl_index_check(const struct sl_index *index, const char *path,
		   struct sl_index_checked *ret_checked, struct sl_error *error);

/* Whose vectors it should have, the pool's first; returns how many, 0: words alone. */
uint32_t sl_index_models(const struct sl_index *index,
			 struct sl_documents_model models[SL_DOCUMENTS_MODELS_MAX]);

/* Are its vectors a pool's, or some of them? */
bool sl_index_is_by_pool(const struct sl_index *index);
bool sl_index_is_by_builtin(const struct sl_index *index);

/*
 * The vectors of the texts (at most SL_DOCUMENTS_BATCH_MAX) by the model of that number, each to
 * vectors + its place * stride. One in which the embedded encoder knows nothing gets a vector that is near to
 * none. -EAGAIN: there is nobody to ask the pool; else why it gave none.
 */
int sl_index_embed(const struct sl_index *index, uint32_t model, const struct sl_span *texts,
		   uint32_t count, float *vectors, uint32_t stride, struct sl_error *error);

#endif
