/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * embed.h - the vector of a text, for whichever stage wants one.
 *
 *	configuration            source                                    identity of its model
 *	embedding.pool           POST /v1/embeddings of that pool (call.h)  "api:" and pool_model
 *	embedding.model          the embedded encoder, a job of a worker   "use-lite:" and its digest
 *	neither                  -ENOENT
 *	embedders.NAME           as embedding.pool, for who names it   "api:" and its model
 *
 *	refused                  the pool is down, busy, late, or its answer is none (which its breaker
 *	                         is told); the queue of the workers is full: the stage steps over
 *
 * A text is embedded once in a request: the last one's vector is kept with the stage.
 *
 * Nobody falls back from the one to the other: vectors of different models never meet. Thread: the
 * loop's, on the request's fiber.
 */
#ifndef SL_STAGE_EMBED_H
#define SL_STAGE_EMBED_H

#include "user/stage/stage.h"
#include "user/store/vectors.h"

struct sl_embedding {
	const float *vector; /* of length 1, in the stage's arena */
	uint32_t dimensions;
	const char *model; /* identity, alive as long as the request */
	bool cut;	   /* the text was longer than what the vector tells of */
};

/* The identity that a vector would have now, or NULL: there is no source. */
const char *sl_embed_model(const struct sl_stage *stage);

/*
 * 0; -ENOENT: no source; -EAGAIN: full; -ETIMEDOUT: not by deadline_ns; -ECANCELED: the client has left;
 * -EIO: the pool gave no vector; -ENODATA, -EILSEQ: of the text; -ENOMEM.
 */
int sl_embed_run(struct sl_stage *stage, struct sl_span text, uint64_t deadline_ns,
		 struct sl_embedding *ret_embedding);

/* A pool's embeddings. */
struct sl_embed_pool {
	const struct sl_upstream_pool *pool;
	const char *model;
	uint32_t dimensions; /* that each vector must have; 0: any */
};

/* Where vectors go. */
struct sl_embed_room {
	float *vectors;
	size_t numbers; /* place for */
};

/* The identity of that model of a pool, in the arena; NULL without memory. */
const char *sl_embed_pool_model(const struct sl_stage *stage, const char *model);

/* As sl_embed_run(), by this pool; also -EIO where the vector has not its dimensions. */
int sl_embed_by(struct sl_stage *stage, const struct sl_embed_pool *source, struct sl_span text,
		uint64_t deadline_ns, struct sl_embedding *ret_embedding);

/*
 * Of several texts (SL_EMBEDDING_TEXTS_MAX) in one call, one behind the other, each of length 1. Returns
 * their dimensions, or as sl_embed_run(), with why in error. A stage's loop, pools, up, arena, id and gone
 * are all that it reads.
 */
int sl_embed_ask(struct sl_stage *stage, const struct sl_embed_pool *source,
		 const struct sl_span *texts, uint32_t count, uint64_t deadline_ns,
		 const struct sl_embed_room *room, struct sl_error *error);

/* The vector of the text by that model, where this request has made it already; else NULL. */
const struct sl_embedding *sl_embed_known(const struct sl_stage *stage, struct sl_span text,
					  const char *model);

#endif
