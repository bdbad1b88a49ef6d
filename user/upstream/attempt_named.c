/* SPDX-License-Identifier: BSD-2-Clause */
/* Which model an answer says it is of. Declared in attempt_parts.h. */
#include <stdio.h>
#include "user/upstream/attempt_parts.h"
#include "user/upstream/identity.h"

#define SHOWN_MAX 60 /* of each name, in the detail */

static struct sl_span span_of(const struct sl_json_field *field)
{
	return field->type == SL_JSON_STRING ? sl_span_make(field->value, field->value_len)
					     : SL_SPAN("");
}

bool sl_attempt_asks_model(const struct sl_attempt *attempt)
{
	return attempt->plan->asked.len && attempt->plan->pool->expect != SL_CONFIG_EXPECT_OFF;
}

bool sl_attempt_take_names(struct sl_attempt *attempt, const struct sl_json_field *model,
			   const struct sl_json_field *fingerprint)
{
	const struct sl_attempt_plan *plan = attempt->plan;
	struct sl_identity_said said = {
		.asked = plan->asked,
		.model = span_of(model),
		.fingerprint = fingerprint ? span_of(fingerprint) : SL_SPAN(""),
	};

	if (said.model.len <= 2) /* it says none, or "" */
		return true;
	attempt->named = true;
	snprintf(attempt->said, sizeof(attempt->said), "%.*s", (int)(said.model.len - 2),
		 said.model.data + 1);
	attempt->changed = sl_identity_note(attempt->up->state.retries->identities, plan->pool,
					    attempt->node, &said);
	if (plan->pool->expect != SL_CONFIG_EXPECT_STRICT ||
	    sl_identity_is_expected(plan->pool, &said))
		return true;
	snprintf(attempt->detail, sizeof(attempt->detail),
		 "the answer is of model %.*s, not of \"%.*s\"",
		 (int)(said.model.len < SHOWN_MAX ? said.model.len : SHOWN_MAX), said.model.data,
		 (int)(plan->asked.len < SHOWN_MAX ? plan->asked.len : SHOWN_MAX),
		 plan->asked.data);
	attempt->status = 0; /* what is held is no answer to show */
	sl_attempt_finish(attempt, SL_ENDING_OTHER_MODEL, NULL);
	return false;
}

bool sl_attempt_read_names(struct sl_attempt *attempt, const char *data, size_t len)
{
	struct sl_json_field chunk[2] = {SL_JSON_FIELD("model"),
					 SL_JSON_FIELD("system_fingerprint")};
	struct sl_json_field message[1] = {SL_JSON_FIELD_IN("message", "model")};
	bool direct = attempt->plan->answer == SL_ATTEMPT_DIRECT;

	if (attempt->named || !sl_attempt_asks_model(attempt) ||
	    sl_json_scan(data, len, direct ? message : chunk, direct ? 1 : 2))
		return true;
	return sl_attempt_take_names(attempt, direct ? message : chunk, direct ? NULL : chunk + 1);
}
