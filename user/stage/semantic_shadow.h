/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * semantic_shadow.h - kept answers beside the model's own: what the semantic cache's hits are worth
 * (policy/shadow.h).
 *
 *	a hit, and its turn has come (percent, the hour's tokens)
 *	   -> beside the client: the route's first pool is asked the same, once
 *	   -> the two texts are one: agreed; else the judge says (shadow_judge, semantic_judge.c)
 *	   -> no judge, or none that answers (counted): their vectors are near enough, or not
 *	   -> the rate moves the route's threshold
 *
 *	not asked            a hit that only did for a rule in need (degrade.h); SL_BESIDE_MAX on the way;
 *	                     the hour's tokens are used up: counted as spared
 *	no judgement         the pool is full, down or late; its answer calls a tool, was cut or refused:
 *	                     counted as failed
 *
 * What is asked is the request as the cache saw it: with its prompt, before documents and cuts. A route
 * that retrieves has no shadows, for its kept answers were made from documents. The states are the
 * process's, one a route. Threads: the loops'; what is read, any.
 */
#ifndef SL_STAGE_SEMANTIC_SHADOW_H
#define SL_STAGE_SEMANTIC_SHADOW_H

#include "user/policy/shadow.h"
#include "user/stage/stage.h"

#define SL_SHADOW_ROUTES_MAX 1024u  /* by struct sl_stage, number; those past the end have none */
#define SL_SHADOW_TIME_MS    60000u /* of one, all in all */

struct sl_shadows;

/* Returns 0 or -ENOMEM. */
int sl_shadows_open(struct sl_shadows **ret_shadows);
void sl_shadows_close(struct sl_shadows **shadows);

/* Of a route: a copy. False: it has none, or no hit yet. shadows may be NULL. */
bool sl_shadows_read(struct sl_shadows *shadows, uint32_t number, struct sl_shadow *ret_shadow);

/* The similarity that the route asks for now, in billionths. */
uint64_t sl_semantic_threshold(const struct sl_stage *stage);

/* The answer is given: asks the model as well, if its turn has come. similarity: of the questions. */
void sl_semantic_shadow(struct sl_stage *stage, struct sl_span question, struct sl_span answer,
			float similarity);

#endif
