/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/sim/policies/world.h"

/* Exponential with that mean. By whole numbers: a seed is the same world on every machine. */
static uint64_t exponential(uint64_t mean)
{
	uint64_t x = (uint64_t)sl_random_u32(&w->random) + 1; /* of 2^32 */
	uint32_t whole = 63u - (uint32_t)__builtin_clzll(x), bit;
	uint64_t log2 = (uint64_t)whole << 16, mantissa;

	if (whole == 32)
		return 0;
	mantissa = x << (31u - whole);
	for (bit = 1u << 15; bit; bit >>= 1) {
		mantissa = (mantissa * mantissa) >> 31;
		if (mantissa >> 32) {
			mantissa >>= 1;
			log2 |= bit;
		}
	}
	return mean * ((32ull << 16) - log2) / 65536u * 69315u / 100000u; /* ln 2 */
}

static uint32_t around(uint32_t mean)
{
	return mean ? mean / 2 + sl_random_below(&w->random, mean) + 1 : 1;
}

static void schedule(uint32_t index)
{
	const struct w_source *source = &w->scenario->sources[index];
	uint64_t gap_us;

	if (!source->per_s || !w->load_percent)
		return;
	gap_us = W_S * 100u / ((uint64_t)source->per_s * w->load_percent);
	w_push(w->now_us + exponential(gap_us), W_ARRIVAL, index, 0);
}

static void start(uint32_t index)
{
	const struct w_source *source = &w->scenario->sources[index];
	uint32_t at = w->request_count;
	struct w_request *request = &w->requests[at];

	if (at == W_REQUESTS_MAX) {
		w_fail("more than %u requests", W_REQUESTS_MAX);
		return;
	}
	w->request_count++;
	request->source = index;
	request->prompt = around(source->prompt);
	request->out = around(source->out);
	w_this_second()->arrivals++;
	w_request_start(at);
}

void w_arrive(uint32_t index)
{
	if (w->draining)
		return;
	start(index);
	schedule(index);
}

/* Who keeps requests under way comes with the next one a moment later. */
void w_ended(uint32_t index)
{
	if (w->scenario->sources[index].under_way && !w->draining)
		w_push(w->now_us + 1 + sl_random_below(&w->random, 20000), W_ARRIVAL, index, 0);
}

void w_enter_phase(uint32_t index)
{
	const struct w_phase *phase = &w->scenario->phases[index];
	uint32_t node;

	if (phase->load_percent)
		w->load_percent = phase->load_percent;
	for (node = phase->first; node && node <= phase->last; node++)
		w_server_set(node, phase->health, phase->pace_percent);
}

void w_traffic_begin(void)
{
	const struct w_scenario *scenario = w->scenario;
	uint32_t i, k;

	w->load_percent = 100;
	for (i = 0; i < W_SOURCES_MAX; i++) {
		schedule(i);
		for (k = 0; k < scenario->sources[i].under_way; k++)
			w_push(w->now_us + sl_random_below(&w->random, 1000000), W_ARRIVAL, i, 0);
	}
	for (i = 0; i < W_PHASES_MAX; i++) {
		if (scenario->phases[i].at_s)
			w_push(w->now_us + scenario->phases[i].at_s * W_S, W_PHASE, i, 0);
	}
}
