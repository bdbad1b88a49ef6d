/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/allowance.h"

static const uint64_t period_ms[SL_ALLOWANCE_PERIODS] = {60000u, 86400000u};

void sl_allowance_turn(struct sl_allowance *allowance, uint64_t wall_ms)
{
	for (int i = 0; i < SL_ALLOWANCE_PERIODS; i++) {
		uint64_t number = wall_ms / period_ms[i];

		if (allowance->number[i] == number)
			continue;
		allowance->number[i] = number;
		allowance->tokens[i] = 0;
		allowance->spent[i] = false;
		if (i == SL_ALLOWANCE_MINUTE)
			allowance->answers = 0;
	}
}

bool sl_allowance_take_answer(struct sl_allowance *allowance,
			      const struct sl_allowance_rules *rules)
{
	if (allowance->answers >= rules->answers)
		return false;
	allowance->answers++;
	return true;
}

bool sl_allowance_has_tokens(struct sl_allowance *allowance, const struct sl_allowance_rules *rules,
			     uint64_t tokens)
{
	bool has = true;

	for (int i = 0; i < SL_ALLOWANCE_PERIODS; i++) {
		if (!rules->tokens[i] || allowance->tokens[i] + tokens <= rules->tokens[i])
			continue;
		allowance->spent[i] = true;
		has = false;
	}
	return has;
}

void sl_allowance_spend(struct sl_allowance *allowance, uint64_t tokens)
{
	for (int i = 0; i < SL_ALLOWANCE_PERIODS; i++)
		allowance->tokens[i] += tokens;
}
