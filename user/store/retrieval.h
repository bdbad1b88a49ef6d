/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retrieval.h - what retrieval shares between threads: the indexes, the connections to databases, answers
 * kept for the time of need, and how well each route's documents do.
 *
 * Threads: any, also a loop's: a lock held for less than a microsecond. Open, apply, close: the control
 * thread.
 */
#ifndef SL_STORE_RETRIEVAL_H
#define SL_STORE_RETRIEVAL_H

#include <pthread.h>

#include "user/policy/quality.h"
#include "user/store/cache.h"
#include "user/store/indexes.h"
#include "user/store/postgres.h"

#define SL_RETRIEVAL_ROUTES_MAX	   64u /* whose quality is kept; further ones are not watched */
#define SL_RETRIEVAL_ANSWERS_BYTES (16u << 20)

struct sl_retrieval_counts {
	char model[SL_CONFIG_MODEL_MAX + 1]; /* the route */
	uint64_t questions;		     /* that were looked up */
	uint64_t missed;		     /* that found no good chunk */
	uint64_t chunks;		     /* given to models */
	uint64_t vectors_shared; /* questions whose vector another stage had made already */
	uint64_t empty;		 /* times that a source or an index had no chunk at all */
	uint64_t spread_ppm;	 /* sum over the questions: best score less worst, millionths */
	uint64_t flat;		 /* questions of whose candidates none stood out */
	bool poor;
};

/* What came of one question. */
struct sl_retrieval_finding {
	uint32_t good_chunks;
	uint32_t spread_ppm; /* of their scores */
	bool flat;	     /* none of the candidates stands out: as good as none */
};

struct sl_retrieval {
	struct sl_indexes *indexes;
	struct sl_cache *answers;
	struct sl_postgres *postgres;
	pthread_mutex_t lock;
	uint32_t route_count;
	struct sl_retrieval_route {
		struct sl_retrieval_counts counts;
		struct sl_quality quality;
	} routes[SL_RETRIEVAL_ROUTES_MAX];
};

/* encoder: see sl_indexes_open(). 0, -ENOMEM, -EAGAIN. */
int sl_retrieval_open(const struct sl_config *config, const struct sl_encoder *encoder,
		      struct sl_retrieval **ret_retrieval);
/* encoder: see sl_indexes_apply(). */
void sl_retrieval_apply(struct sl_retrieval *retrieval, const struct sl_config *config,
			const struct sl_encoder *encoder);
void sl_retrieval_close(struct sl_retrieval **retrieval);

/* One question of a route, looked up. Returns whether it is to do without documents. */
bool sl_retrieval_note(struct sl_retrieval *retrieval, const char *model,
		       const struct sl_quality_rule *rule,
		       const struct sl_retrieval_finding *finding);

/* A question of a route was not embedded again: another stage had its vector. */
void sl_retrieval_note_shared(struct sl_retrieval *retrieval, const char *model);

/* A source or an index that a question of the route was put to has no chunk at all. */
void sl_retrieval_note_empty(struct sl_retrieval *retrieval, const char *model);

/* False: there is no such number. */
bool sl_retrieval_read(struct sl_retrieval *retrieval, uint32_t number,
		       struct sl_retrieval_counts *ret_counts);

#endif
