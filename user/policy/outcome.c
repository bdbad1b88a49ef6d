/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/outcome.h"

#include <assert.h>

#define RULE(cls, sig, ...) .outcome = SL_OUTCOME_##cls, .signal = SL_SIGNAL_##sig, __VA_ARGS__

static const struct sl_outcome_rule rules[SL_ENDING_COUNT] = {
	[SL_ENDING_UNSET] = {"unset", RULE(NEUTRAL, NONE, .retry = false)},
	[SL_ENDING_OK] = {"ok", RULE(SUCCESS, SUCCESS, .final_answer = true)},
	[SL_ENDING_CLIENT_GONE] = {"client_gone", RULE(NEUTRAL, CLIENT_GONE, .retry = false)},
	[SL_ENDING_CONNECT_ERROR] = {"connect_error", RULE(FAILURE, CONNECT_ERROR, .retry = true)},
	[SL_ENDING_CONNECT_TIMEOUT] = {"connect_timeout",
				       RULE(FAILURE, CONNECT_TIMEOUT, .retry = true)},
	[SL_ENDING_STALE] = {"stale_connection",
			     RULE(NEUTRAL, NONE, .retry = true, .free_retry = true)},
	[SL_ENDING_RESET] = {"reset", RULE(FAILURE, RESET, .retry = true)},
	[SL_ENDING_CUT] = {"cut", RULE(FAILURE, STREAM_CUT, .retry = true)},
	[SL_ENDING_BAD] = {"bad_body", RULE(FAILURE, BAD_BODY, .retry = true)},
	[SL_ENDING_OTHER_MODEL] = {"other_model",
				   RULE(FAILURE, BAD_BODY, .retry = true, .elsewhere = true)},
	[SL_ENDING_TTFT_TIMEOUT] = {"ttft_timeout",
				    RULE(FAILURE, TTFT_TIMEOUT, .retry = true, .elsewhere = true)},
	[SL_ENDING_TOTAL_TIMEOUT] = {"total_timeout", RULE(FAILURE, TOTAL_TIMEOUT, .retry = true,
							   .elsewhere = true)},
	[SL_ENDING_STALL] = {"stall",
			     RULE(FAILURE, STREAM_STALL, .retry = true, .elsewhere = true)},
	[SL_ENDING_ERROR_EVENT] = {"error_event", RULE(FAILURE, BAD_BODY, .retry = true)},
	[SL_ENDING_BUSY] = {"busy", RULE(NEUTRAL, BUSY, .retry = true, .elsewhere = true,
					 .final_answer = true)},
	[SL_ENDING_STATUS_5XX] = {"status_5xx", RULE(FAILURE, HTTP_5XX, .retry = true)},
	[SL_ENDING_STATUS_RETRY] = {"status_retry", RULE(NEUTRAL, CLIENT_ERROR, .retry = true,
							 .final_answer = true)},
	[SL_ENDING_STATUS_4XX] = {"status_4xx", RULE(NEUTRAL, CLIENT_ERROR, .final_answer = true)},
	[SL_ENDING_LOCAL] = {"local", RULE(NEUTRAL, NONE, .retry = true)},
	[SL_ENDING_LOST] = {"cancelled", RULE(NEUTRAL, NONE, .retry = false)},
};

const struct sl_outcome_rule *sl_outcome_of(enum sl_ending ending)
{
	assert(ending < SL_ENDING_COUNT);
	return &rules[ending];
}

bool sl_outcome_is_overload(enum sl_ending ending, uint64_t sent_ns, uint64_t last_byte_ns)
{
	return (ending == SL_ENDING_TTFT_TIMEOUT || ending == SL_ENDING_TOTAL_TIMEOUT) &&
	       last_byte_ns > sent_ns;
}

enum sl_ending sl_outcome_of_status(int status, bool has_retry_after, bool model_missing)
{
	if (status >= 200 && status < 300)
		return SL_ENDING_OK;
	if (status == 429 || status == 529 || (status == 503 && has_retry_after))
		return SL_ENDING_BUSY;
	if (status == 501 || status == 505)
		return SL_ENDING_STATUS_4XX; /* says something about the request, not the node */
	if (status >= 500)
		return SL_ENDING_STATUS_5XX;
	if (status == 408 || status == 409 || status == 425 || (status == 404 && model_missing))
		return SL_ENDING_STATUS_RETRY;
	if (status >= 400)
		return SL_ENDING_STATUS_4XX;
	return SL_ENDING_BAD; /* an inference server does not redirect */
}
