/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * canary_ask.h - one canary question: what is asked, and what of the answer can be measured.
 *
 *   measure    is
 *   length     ln(1 + tokens): completion_tokens of the answer's usage, else its bytes / 4
 *   format     do its checks hold; without checks: does it have text or a call
 *   refusal    a `refusal`, finish_reason content_filter, or an opening of refusals (policy/refusal.h)
 *   meaning    its vector (stage/embed.h), where there is a source
 *
 * The call is one like any stage's (upstream/call.h): what fails there counts for the breaker. Answers are
 * read and checked on a thread of the pool (io/work.h), so that no answer holds the loop up.
 * Thread: the loop's; on a fiber. sl_canary_read(): any.
 */
#ifndef SL_OPS_CANARY_ASK_H
#define SL_OPS_CANARY_ASK_H

#include "user/ops/canary_file.h"
#include "user/stage/embed.h"

struct sl_canary_reading {
	bool answered; /* else `why` */
	bool bad_format;
	bool refusal;
	double length;
	uint64_t latency_us;
	struct sl_span text;
	char model[SL_CONFIG_MODEL_MAX + 1]; /* as the answer names it; "" */
	char fingerprint[64];		     /* the same */
	struct sl_embedding embedding;	     /* vector NULL: none */
	char why[SL_ATTEMPT_DETAIL_BYTES];
};

/* Reads an answer that has come; the vector apart. */
void sl_canary_read(const struct sl_canary_question *question, struct sl_span body,
		    struct sl_arena *arena, struct sl_canary_reading *reading);

/* ground: the stage's fields that calls and vectors need. False: it has been told to leave. */
bool sl_canary_ask(struct sl_stage *ground, const struct sl_upstream_pool *pool,
		   const struct sl_canary_question *question, uint32_t timeout_ms,
		   struct sl_canary_reading *ret_reading);

#endif
