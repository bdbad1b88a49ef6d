/* SPDX-License-Identifier: BSD-2-Clause */
/* An attempt that an experiment means, before anything is sent. Declared in attempt_parts.h. */
#include <stdio.h>
#include "user/base/clock.h"
#include "user/upstream/attempt_parts.h"

#define TEXT_BYTES 96u

/* The answer that no node gives, in the API that the node would speak. */
static void answer_error(struct sl_attempt *attempt)
{
	static const char lines[] = "content-type: application/json\r\n";
	const struct sl_strike *strike = &attempt->strike;
	char text[TEXT_BYTES];
	enum sl_ending ending;

	attempt->status = (int)strike->status;
	attempt->is_json = true;
	attempt->lines = lines;
	attempt->lines_len = sizeof(lines) - 1;
	sl_text_printf(
		&attempt->body,
		attempt->plan->answer == SL_ATTEMPT_DIRECT
			? "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":"
			  "\"experiment %u\"}}"
			: "{\"error\":{\"message\":\"experiment %u\",\"type\":\"server_error\","
			  "\"param\":null,\"code\":null}}",
		strike->number);
	attempt->fault = sl_openai_fault_read(attempt->status, sl_text_string(&attempt->body),
					      attempt->body.len,
					      &(struct sl_json_field){.type = SL_JSON_ABSENT});
	snprintf(text, sizeof(text), "status %d, by experiment %u", attempt->status,
		 strike->number);
	ending = sl_attempt_ending_of_status(attempt);
	sl_attempt_conclude(attempt, ending, text);
}

static void refuse(struct sl_attempt *attempt)
{
	char text[TEXT_BYTES];

	snprintf(text, sizeof(text), "connect: refused by experiment %u", attempt->strike.number);
	attempt->kernel_signals = sl_upstream_kernel_signals(attempt->node); /* it saw nothing */
	sl_attempt_conclude(attempt, SL_ENDING_CONNECT_ERROR, text);
}

static void hold(struct sl_attempt *attempt, uint64_t key)
{
	uint32_t delay_ms = sl_strike_delay_ms(&attempt->strike, key);

	attempt->strike.delay_ms = delay_ms;
	attempt->held_until_ns = sl_loop_now_ns(attempt->up->loop) + delay_ms * SL_NS_PER_MS;
}

bool sl_attempt_is_struck(struct sl_attempt *attempt)
{
	const struct sl_attempt_plan *plan = attempt->plan;
	uint64_t key = 0;

	if (!sl_strike_board_pick(attempt->up->state.retries->strikes, attempt->node->slot,
				  plan->id, plan->check, sl_loop_now_ms(attempt->up->loop),
				  &attempt->strike, &key))
		return false;
	switch (attempt->strike.kind) {
	case SL_STRIKE_ERROR:
		answer_error(attempt);
		return true;
	case SL_STRIKE_REFUSE:
		refuse(attempt);
		return true;
	case SL_STRIKE_HANG: /* it is under way, and nothing is */
		return true;
	case SL_STRIKE_DELAY:
		hold(attempt, key);
		return true;
	default: /* its answer will be: sl_attempt_strike_sent() */
		return false;
	}
}

void sl_attempt_strike_sent(struct sl_attempt *attempt)
{
	if (attempt->strike.kind ==
	    SL_STRIKE_DELAY) /* the node was asked then, as all who wait see it */
		attempt->sent_ns -= attempt->strike.delay_ms * SL_NS_PER_MS;
	else
		sl_upstream_tap(attempt->conn, &attempt->strike);
}
