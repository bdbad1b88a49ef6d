/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * semantic.h - the semantic cache: the answer to a question that means the same (store/semantic.h).
 *
 *	sl_semantic_run     behind the exact cache: vector of the question, search, gates
 *	sl_semantic_keep    a whole answer of a node goes out: kept for others
 *	sl_semantic_filter  the same of a stream, put together from its chunks
 *
 *	the request                                     what becomes of it
 *	not a chat, several choices, log probabilities, passed over; x-sluice-cache: no and Cache-Control
 *	a last message that is no text of the user,     count as "no"
 *	more turns than the route allows, a client
 *	that says no
 *	longer than what a vector tells of              passed over
 *	a near question in the cache passes the gates   answered: x-sluice-cache: semantic,
 *	                                                x-sluice-similarity: 0.912
 *	no vector in time (see embed.h)                 x-sluice-degraded: semantic_cache=skipped; the
 *	                                                model answers
 *	all others                                      the model answers, and that is kept
 *
 * Never kept: errors, answers that were cut, refused or call tools, of another pool than the route's
 * first, made with a step down, for one alone (Set-Cookie, private), or where personal data or secrets are
 * found in question or answer (policy/pii.h). The fingerprint covers: owner (unless shared), route,
 * the pool and its model, every member of the body but those that name the asker or the way of sending,
 * the class of the temperature, all messages but the last one's text, the versions of prompt and index
 * (stage->vary) and the identity of the vectors' model. Thread: the loop's.
 */
#ifndef SL_STAGE_SEMANTIC_H
#define SL_STAGE_SEMANTIC_H

#include "user/stage/stage.h"

enum sl_stage_verdict sl_semantic_run(struct sl_stage *stage);
void sl_semantic_keep(struct sl_stage *stage);
/* NULL with 0 where the answer is not to be kept. */
int sl_semantic_filter(struct sl_stage *stage, struct sl_stage_filter **ret_filter);

#endif
