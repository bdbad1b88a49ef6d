/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retrieve.h - the stage that gives the model documents with a question.
 *
 *	step            asked                                         steps down when
 *	(the first)     the vector database, or the index by meaning   it fails, is late, or has none
 *	retrieve=index  the index by meaning, where a database is first the same
 *	retrieve=backup the index's version before, or another index    the same
 *	retrieve=words  the index, else its backup, by words            the same
 *	retrieve=answer an answer kept from better times                there is none
 *	retrieve=none   nobody: the model gets the disclaimer           it cannot be placed
 *	retrieve=bare   nobody, and the model gets the question alone   -
 *
 * Beside them: retrieve=unranked (no reranker: the order found is kept) and retrieve=poor (the route's
 * documents do not answer its questions, see policy/quality.h; the model gets none) and retrieve=ungrounded
 * (its answers do not say what its documents say, see retrieve_grounded.h; the same).
 *
 * While the index is rolled out (ops/rollout.h) a share of those who ask has the candidate version looked in first; when
 * that fails, the served one answers. What the candidate finds is evidence of it alone: neither retrieve=poor nor
 * retrieve=ungrounded hears of it, and no answer made with it is kept for the time of need. In the shadow a question is
 * looked up in both, beside the client, and no model is asked.
 *
 * Each step has retrieve.timeout, and no more than a quarter of what is left to the request: the answer
 * needs the rest. Thread: the loop's, on the request's fiber.
 */
#ifndef SL_STAGE_RETRIEVE_H
#define SL_STAGE_RETRIEVE_H

#include "user/stage/stage.h"

/* The route is configured to retrieve. */
bool sl_retrieve_wanted(const struct sl_config_route *route);

/* before: mixes the served version into the cache's key, so that a new one brings new answers. */
enum sl_stage_verdict sl_retrieve_vary(struct sl_stage *stage);

/* prepare */
enum sl_stage_verdict sl_retrieve_run(struct sl_stage *stage);

/* kept: an answer that was made with documents is kept for the time of need. */
void sl_retrieve_kept(struct sl_stage *stage);

/* filter: gathers a stream that is to be judged (retrieve_grounded.h). */
int sl_retrieve_filter(struct sl_stage *stage, struct sl_stage_filter **ret_filter);

#endif
