/* SPDX-License-Identifier: BSD-2-Clause */
/* semantic_parts.h - what the files of the stage semantic share. See semantic.h. */
#ifndef SL_STAGE_SEMANTIC_PARTS_H
#define SL_STAGE_SEMANTIC_PARTS_H

#include "user/stage/embed.h"
#include "user/stage/stage.h"
#include "user/store/semantic.h"

/* What a request asks, once it is seen to be fit for the cache; in the arena. */
struct sl_semantic_asked {
	struct sl_span question;
	uint8_t fingerprint[SL_DIGEST_BYTES];
	struct sl_embedding embedding; /* vector NULL: there is none */
	const char *owner;	       /* tenant, or key; "" */
};

/*
 * Is the request fit, and what does it ask? model: identity of the vectors' model. False: it is to be
 * passed over.
 */
bool sl_semantic_read(struct sl_stage *stage, const char *model,
		      struct sl_semantic_asked *ret_asked);

/*
 * The text of a whole chat completion of one choice that came to its own end; false: it calls tools, was
 * cut or refused, or is empty.
 */
bool sl_semantic_text(struct sl_span body, struct sl_arena *arena, struct sl_span *ret_text);

#define SL_SEMANTIC_JUDGED_BYTES (64u << 10) /* question and answers; longer ones are not judged */
#define SL_SEMANTIC_JUDGE_MS	 20000u

enum sl_semantic_judgement {
	SL_SEMANTIC_UNJUDGED = 0, /* the judge is down, late, full, or says something else */
	SL_SEMANTIC_SAME,
	SL_SEMANTIC_DIFFERENT,
};

/* The one word or the other; anything else is no judgement. */
enum sl_semantic_judgement sl_semantic_judge_read(struct sl_span body, struct sl_arena *arena);

/*
 * Puts the question and both answers to the pool `shadow_judge`, which the route has; on a fiber.
 * *ret_answer: what it said, for its tokens; untouched when unjudged.
 */
enum sl_semantic_judgement sl_semantic_judge(struct sl_stage *stage, struct sl_span question,
					     struct sl_span kept, struct sl_span fresh,
					     struct sl_span *ret_answer);

/* Hands an answer to a worker, which keeps it. Copies all. */
struct sl_semantic_insertion;
struct sl_semantic_insertion *sl_semantic_insertion_new(const struct sl_stage *stage,
							const struct sl_semantic_asked *asked);
void sl_semantic_insertion_free(struct sl_semantic_insertion **insertion);
/* Takes the insertion in any case. */
void sl_semantic_insertion_post(struct sl_semantic_insertion **insertion, struct sl_span answer);

#endif
