/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/autoscale.h"

static bool is_high(const struct sl_autoscale_config *config, uint32_t depth, uint64_t oldest_ms)
{
	return (config->depth && depth >= config->depth) ||
	       (config->wait_ms && oldest_ms >= config->wait_ms);
}

static bool is_low(const struct sl_autoscale_config *config, uint32_t depth, uint64_t oldest_ms)
{
	return (!config->depth || depth <= config->depth / 2) &&
	       (!config->wait_ms || oldest_ms <= config->wait_ms / 2);
}

enum sl_autoscale_call sl_autoscale_look(struct sl_autoscale *state,
					 const struct sl_autoscale_config *config, uint32_t depth,
					 uint64_t oldest_ms, uint64_t now_ms)
{
	if (is_high(config, depth, oldest_ms))
		state->pressed = true;
	if (!state->pressed || !is_low(config, depth, oldest_ms))
		state->calm_since_ms = 0;
	else if (!state->calm_since_ms)
		state->calm_since_ms = now_ms ? now_ms : 1;
	if (state->calm_since_ms && now_ms - state->calm_since_ms >= config->calm_ms) {
		state->pressed = false;
		state->calm_since_ms = 0;
	}
	if (now_ms < state->next_ms)
		return SL_AUTOSCALE_NONE;
	if (state->pressed != state->told)
		return state->pressed ? SL_AUTOSCALE_UP : SL_AUTOSCALE_DOWN;
	return state->pressed && now_ms - state->told_ms >= config->every_ms ? SL_AUTOSCALE_UP
									     : SL_AUTOSCALE_NONE;
}

void sl_autoscale_made(struct sl_autoscale *state, const struct sl_autoscale_config *config,
		       enum sl_autoscale_call call, bool ok, uint64_t now_ms, uint32_t random)
{
	uint32_t delay_ms = SL_AUTOSCALE_RETRY_MS;
	uint32_t i;

	if (ok) {
		state->told = call == SL_AUTOSCALE_UP;
		state->told_ms = now_ms;
		state->next_ms = now_ms + config->every_ms;
		state->failures = 0;
		return;
	}
	for (i = 0; i < state->failures && delay_ms < SL_AUTOSCALE_RETRY_MS_MAX; i++)
		delay_ms *= 2;
	if (delay_ms > SL_AUTOSCALE_RETRY_MS_MAX)
		delay_ms = SL_AUTOSCALE_RETRY_MS_MAX;
	state->failures++;
	state->next_ms = now_ms + delay_ms / 2 + random % (delay_ms / 2 + 1);
}
