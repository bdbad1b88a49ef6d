/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * context_count.h - how long a conversation is, by whom it can be told; part of the stage `context`.
 *
 *   by            when                                                       how sure
 *   tokenizer     the pool names a tokenizer.json that could be read         its text exactly; what the
 *                                                                            chat's template adds is learnt
 *   server        the pool says how its nodes count (`tokenize`)             exactly
 *   known         they have counted its beginning                            its end is estimated
 *
 * All of them cost more than an estimate, so they are asked near the limit alone. On the fiber; a
 * tokenizer runs as a job.
 */
#ifndef SL_STAGE_CONTEXT_COUNT_H
#define SL_STAGE_CONTEXT_COUNT_H

#include "user/policy/tokens.h"
#include "user/stage/context.h"

/* The context of the pool: the file's, else what its servers tell (asked now when that is due). 0: not known. */
uint64_t sl_context_limit(struct sl_stage *stage, const struct sl_upstream_pool *pool);

/*
 * Are all its contents text? Images and sounds are what a part of the model makes of them: a tokenizer does
 * not see them, servers count the mark in their place. Such a conversation is estimated.
 */
bool sl_context_is_text(const struct sl_json_field *messages);

/* Tokens of a request to the pool with these messages (a JSON array), as its nodes count. 0: they do not. */
uint64_t sl_context_ask(struct sl_stage *stage, const struct sl_upstream_pool *pool,
			struct sl_span messages);

/*
 * The longest beginning of the conversation that the nodes have counted: its tokens, and how many of its
 * messages they cover. 0: none.
 */
uint64_t sl_context_known(struct sl_stage *stage, const struct sl_upstream_pool *pool,
			  const struct sl_json_field *messages, size_t *ret_covered);

/*
 * Puts the pool's tokenizer's counts into the messages and the frame. frame: what is known of the model's
 * template. False: there is no tokenizer, or it did not run in time: the counts are the raw ones.
 */
bool sl_context_tokenize(struct sl_stage *stage, const struct sl_upstream_pool *pool,
			 const struct sl_tokens *frame, struct sl_context *context);

#endif
