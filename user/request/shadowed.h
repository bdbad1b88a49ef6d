/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shadowed.h - asks a roll-out's candidate what a client asks, beside him: he gets the baseline's answer, and never
 * waits for this one (policy/rollout_board.h, ops/rollout.h).
 *
 *	the stages have said which (stage->shadows), its minute has room
 *	   -> the request as nodes are about to get it: to the candidate's pool; with the candidate's prompt; without
 *	      what makes it a stream
 *	   -> one call beside (beside.h: SL_BESIDE_MAX a thread, the lowest class), one attempt
 *	   -> failed? would validation step in? how long did it take? -> the board's list
 *	   -> its answer to the evaluators, whose turn it is (stage/evaluate.h)
 *
 *	not asked            counted as
 *	it has tools         tools: what an answer sets off is not ours to double
 *	no chat completion, or the candidate's form of it cannot be told   form
 *	no place beside, no memory, the candidate's nodes are full         busy
 *	the candidate says the question is wrong (4xx but 401, 403, 404)   refused
 *
 * The answer of a stream comes as a whole here, so its time says nothing. Of an index the stage itself looks the
 * question up in both versions (stage/retrieve.h). Thread: the loop's.
 */
#ifndef SL_REQUEST_SHADOWED_H
#define SL_REQUEST_SHADOWED_H

#include "user/request/request.h"

#define SL_SHADOWED_TIME_MS 60000u /* of one, all in all */

/* The stages are through, and a node is about to be asked. */
void sl_shadowed_run(struct sl_request *request);

#endif
