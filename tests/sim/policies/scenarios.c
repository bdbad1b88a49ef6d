/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server has 16 slots; full, it answers 10 requests of 400 + 40 tokens a second (a stream takes
 * 1.6 s). Four of them 40: NORMAL is 70 % of that.
 */
#include "tests/sim/policies/world.h"

#include <inttypes.h>

#define NORMAL	   28u
#define RECOVERY_S 60u

#define SERVER                                                                              \
	{                                                                                   \
		.a_us = 20000, .b_us = 1000, .prefill_us = 20, .slots = 16, .waits = 100000 \
	}
#define USUAL(rate)                                                                   \
	{                                                                             \
		{                                                                     \
			.tenant = 1, .class = SL_KEY_CLASS_STANDARD, .per_s = (rate), \
			.prompt = 400, .out = 40                                      \
		}                                                                     \
	}

/* ---- what was seen --------------------------------------------------------------------------- */

struct seen {
	uint32_t requests, answered;
	uint64_t ttft_us; /* mean of those that had a first token */
};

/* Of the requests that began in [from_s, to_s). */
static struct seen seen_in(uint32_t from_s, uint32_t to_s)
{
	struct seen seen = {0};
	uint64_t sum_us = 0;
	uint32_t i, count = 0;

	for (i = 0; i < w->request_count; i++) {
		const struct w_request *request = &w->requests[i];
		uint32_t second = w_second_of(request->start_us);

		if (second < from_s || second >= to_s)
			continue;
		seen.requests++;
		seen.answered += request->outcome == W_ANSWERED;
		if (request->first_us) {
			sum_us += request->first_us - request->start_us;
			count++;
		}
	}
	seen.ttft_us = count ? sum_us / count : 0;
	return seen;
}

static uint32_t last_phase_s(void)
{
	uint32_t i, at_s = 0;

	for (i = 0; i < W_PHASES_MAX; i++) {
		if (w->scenario->phases[i].at_s > at_s)
			at_s = w->scenario->phases[i].at_s;
	}
	return at_s;
}

/* 60 s after the trigger's end everybody is answered, as fast as before it. */
static void judge_recovery(void)
{
	uint32_t from_s = last_phase_s() + RECOVERY_S;
	struct seen before = seen_in(5, w->scenario->phases[0].at_s);
	struct seen after = seen_in(from_s, w->scenario->seconds);

	if (after.answered < after.requests)
		w_fail("%u of %u requests were answered, %u s and more after the trigger's end",
		       after.answered, after.requests, RECOVERY_S);
	if (after.ttft_us > before.ttft_us * 2 + 100000)
		w_fail("the first token takes %" PRIu64 " us, %u s and more after the trigger's "
		       "end; it took %" PRIu64,
		       after.ttft_us, RECOVERY_S, before.ttft_us);
}

/* And the nodes share what comes then as if nothing had been. */
static void judge_shares(void)
{
	uint32_t sent[W_NODES_MAX + 1] = {0}, i, least = UINT32_MAX, most = 0;

	for (i = 1; i <= w->attempt_count; i++)
		sent[w->attempts[i].node] +=
			w_second_of(w->attempts[i].sent_us) >= last_phase_s() + RECOVERY_S;
	for (i = 1; i <= w->scenario->nodes; i++) {
		least = sent[i] < least ? sent[i] : least;
		most = sent[i] > most ? sent[i] : most;
	}
	if (most > least + least / 2)
		w_fail("a node has %u requests, another one %u, and they are alike", most, least);
	judge_recovery();
}

static void judge_quiet(void)
{
	if (w->attempt_count != w->request_count)
		w_fail("%u attempts of %u requests, and nothing is wrong", w->attempt_count,
		       w->request_count);
}

/* The tenants, all of which want more than there is, have the same within a tenth. */
static void judge_fair(void)
{
	uint64_t granted[W_SOURCES_MAX] = {0}, sum = 0, mean;
	uint32_t s, i, count = 0;

	for (i = 0; i < W_SOURCES_MAX && w->scenario->sources[i].tenant; i++, count++) {
		for (s = 20; s < w->scenario->seconds; s++)
			granted[i] += w->seconds[s].granted[i];
		sum += granted[i];
	}
	mean = sum / count;
	for (i = 0; i < count; i++) {
		if (granted[i] * 10 < mean * 9 || granted[i] * 10 > mean * 11)
			w_fail("tenant %u has %" PRIu64 " tokens, the mean is %" PRIu64, i + 1,
			       granted[i], mean);
	}
}

/* Throughput by latency, as a share of the best, in thousandths: n / (a + b n)^2. */
static uint64_t power_of(uint64_t n)
{
	const struct w_server_kind *kind = &w->scenario->kind;
	uint64_t best = kind->a_us / kind->b_us, step = kind->a_us + kind->b_us * n;
	uint64_t best_step = kind->a_us + kind->b_us * best;

	return n * best_step * best_step * 1000u / best / (step * step);
}

/* Of the seconds from s on: what the limits stood at, and where that is on the curve. */
static void judge_gap(void)
{
	uint64_t sum = 0, power = 0;
	uint32_t s, from_s = w->scenario->seconds / 2, count = 0;

	for (s = from_s; s < w->scenario->seconds; s++) {
		uint32_t n = w->seconds[s].limit / w->scenario->nodes;

		sum += n;
		power += power_of(n);
		count++;
	}
	if (power / count < 900)
		w_fail("limits of %" PRIu64 " a node, best are %u: %" PRIu64
		       " thousandths of the best ratio of throughput to latency",
		       sum / count, w->scenario->kind.a_us / w->scenario->kind.b_us, power / count);
}

/* A server that says when it has enough is asked for about as much, and seldom for more. */
static void judge_busy(void)
{
	uint32_t s, cap = w->scenario->kind.slots + w->scenario->kind.waits;
	uint64_t busy = 0, in_flight = 0, count = 0, bound;

	for (s = w->scenario->seconds / 3; s < w->scenario->seconds; s++) {
		busy += w->seconds[s].busy;
		in_flight += w->seconds[s].in_flight;
		count++;
	}
	in_flight = in_flight * 100 / count / w->scenario->nodes / cap;
	bound = count * w->scenario->nodes * 3 / (2 * SL_CONCURRENCY_HOLD_WINDOWS);
	if (busy > bound)
		w_fail("%" PRIu64 " busy answers in %" PRIu64 " s, it should be %" PRIu64
		       " at most",
		       busy, count, bound);
	if (in_flight < 80)
		w_fail("nodes that bear %u have %" PRIu64 " %% of that", cap, in_flight);
}

/* What keeps a hedge back is met at all in these worlds, or nothing is shown by what does not happen. */
static void judge_hedges(uint64_t asked_at_most_per_mille)
{
	uint64_t asked = 0;
	uint32_t i;

	for (i = 0; i < SL_HEDGE_VERDICTS; i++)
		asked += w->hedge_verdicts[i];
	if (!w->hedge_verdicts[SL_HEDGE_GO])
		w_fail("nothing was hedged");
	if (asked * 1000 > asked_at_most_per_mille * w->request_count)
		w_fail("%" PRIu64 " of %u requests were late enough to be hedged", asked,
		       w->request_count);
}

/* Alike nodes, none of them slow: one in twenty is later than the percentile says, by its nature. */
static void judge_hedged_quiet(void)
{
	judge_hedges(120);
}

/* One node takes long: who is hedged is answered by another one, mostly. */
static void judge_hedged_slow(void)
{
	uint32_t i, hedged = 0, won = 0;

	judge_hedges(1000);
	for (i = 0; i < w->request_count; i++) {
		const struct w_request *request = &w->requests[i];
		uint32_t second = w_second_of(request->start_us);

		if (!request->hedged || second < w->scenario->phases[0].at_s ||
		    second >= last_phase_s() || request->tried[0] != 1)
			continue;
		hedged++;
		won += request->last_node != 1;
	}
	if (!hedged || won * 2 < hedged)
		w_fail("%u of %u hedges won against the slow node", won, hedged);
	if (!w->hedge_verdicts[SL_HEDGE_BUDGET])
		w_fail("the budget of hedges was never used up");
	judge_recovery();
}

static void judge_hedged_full(void)
{
	judge_hedges(1000);
	if (!w->hedge_verdicts[SL_HEDGE_NO_PLACE])
		w_fail("no hedge was due while all places were taken");
	judge_recovery();
}

static void judge_hedged_spent(void)
{
	judge_hedges(1000);
	if (!w->hedge_verdicts[SL_HEDGE_RETRIES])
		w_fail("no hedge was due while the retry budget was spent");
	judge_recovery();
}

/* ---- worlds ---------------------------------------------------------------------------------- */

#define TRIGGER_JUDGED(by, ...)                                                          \
	.phases = {__VA_ARGS__}, .seconds = 140, .ttft_ms = 4000, .total_ms = 60000,     \
	.wait_ms = 20000, .target_ms = 5000, .seeds = 36, .judge = by, .may_fail = true, \
	.may_refuse = true, .may_cut = true
#define TRIGGER(...) TRIGGER_JUDGED(judge_recovery, __VA_ARGS__)

const struct w_scenario w_scenarios[] = {
	{.name = "quiet",
	 .nodes = 4,
	 .limit = 24,
	 .kind = SERVER,
	 .sources = USUAL(NORMAL),
	 .seconds = 60,
	 .ttft_ms = 4000,
	 .total_ms = 60000,
	 .wait_ms = 20000,
	 .target_ms = 5000,
	 .seeds = 18,
	 .judge = judge_quiet},
	{.name = "deaths",
	 .nodes = 4,
	 .limit = 16,
	 .kind = SERVER,
	 .sources = USUAL(16),
	 .phases = {{20, 0, 1, 1, W_REFUSES, 0},
		    {35, 0, 1, 1, W_WELL, 0},
		    {60, 0, 2, 2, W_FAILS, 0},
		    {75, 0, 2, 2, W_WELL, 0},
		    {100, 0, 3, 4, W_REFUSES, 0},
		    {115, 0, 3, 4, W_WELL, 0}},
	 .seconds = 185,
	 .ttft_ms = 4000,
	 .total_ms = 60000,
	 .wait_ms = 20000,
	 .target_ms = 5000,
	 .seeds = 36,
	 .judge = judge_recovery,
	 .may_cut = true},
	{.name = "overload-of-slots",
	 .nodes = 4,
	 .limit = 16,
	 .kind = SERVER,
	 .sources = USUAL(NORMAL),
	 TRIGGER({20, 300, 0, 0, W_WELL, 0}, {50, 100, 0, 0, W_WELL, 0})},
	{.name = "overload-without-slots",
	 .nodes = 4,
	 .kind = SERVER,
	 .sources = USUAL(NORMAL),
	 TRIGGER({20, 300, 0, 0, W_WELL, 0}, {50, 100, 0, 0, W_WELL, 0})},
	{.name = "overload-long-prompts",
	 .nodes = 4,
	 .may_open = true,
	 .kind = {.a_us = 20000, .b_us = 1000, .prefill_us = 50, .slots = 4, .waits = 100000},
	 .sources = {{.tenant = 1,
		      .class = SL_KEY_CLASS_STANDARD,
		      .per_s = 10,
		      .prompt = 4000,
		      .out = 20}},
	 TRIGGER({20, 300, 0, 0, W_WELL, 0}, {50, 100, 0, 0, W_WELL, 0})},
	{.name = "half-refuse",
	 .nodes = 4,
	 .limit = 16,
	 .kind = SERVER,
	 .sources = USUAL(NORMAL),
	 TRIGGER({20, 0, 1, 2, W_REFUSES, 0}, {50, 0, 1, 2, W_WELL, 0})},
	{.name = "half-silent",
	 .nodes = 4,
	 .kind = SERVER,
	 .sources = USUAL(NORMAL),
	 TRIGGER({20, 0, 1, 2, W_SILENT, 0}, {50, 0, 1, 2, W_WELL, 0})},
	{.name = "all-refuse",
	 .nodes = 4,
	 .limit = 16,
	 .kind = SERVER,
	 .sources = USUAL(NORMAL),
	 TRIGGER({20, 0, 1, 4, W_REFUSES, 0}, {50, 0, 1, 4, W_WELL, 0})},
	{.name = "all-fail",
	 .nodes = 4,
	 .kind = SERVER,
	 .sources = USUAL(NORMAL),
	 TRIGGER({20, 0, 1, 4, W_FAILS, 0}, {50, 0, 1, 4, W_WELL, 0})},
	{.name = "all-silent",
	 .nodes = 4,
	 .kind = SERVER,
	 .sources = USUAL(NORMAL),
	 TRIGGER({20, 0, 1, 4, W_SILENT, 0}, {50, 0, 1, 4, W_WELL, 0})},
	{.name = "all-busy",
	 .nodes = 4,
	 .kind = {.a_us = 20000,
		  .b_us = 1000,
		  .prefill_us = 20,
		  .slots = 16,
		  .waits = 100000,
		  .after_ms = 2000},
	 .concurrency = {.mode = SL_CONCURRENCY_BUSY},
	 .sources = USUAL(NORMAL),
	 TRIGGER({20, 0, 1, 4, W_BUSY, 0}, {50, 0, 1, 4, W_WELL, 0})},
	{.name = "slow-node",
	 .nodes = 4,
	 .kind = SERVER,
	 .concurrency = {.mode = SL_CONCURRENCY_GAP},
	 .sources = USUAL(NORMAL),
	 TRIGGER_JUDGED(judge_shares, {20, 0, 1, 1, W_WELL, 600}, {50, 0, 1, 1, W_WELL, 100})},
	{.name = "overload-in-mode-gap",
	 .nodes = 4,
	 .kind = {.a_us = 20000, .b_us = 1000, .prefill_us = 20, .slots = 256, .waits = 100000},
	 .concurrency = {.mode = SL_CONCURRENCY_GAP},
	 .sources = USUAL(NORMAL),
	 TRIGGER({20, 400, 0, 0, W_WELL, 0}, {50, 100, 0, 0, W_WELL, 0})},

	{.name = "hedged-quiet",
	 .nodes = 4,
	 .limit = 24,
	 .kind = SERVER,
	 .sources = USUAL(NORMAL),
	 .seconds = 140,
	 .ttft_ms = 4000,
	 .total_ms = 60000,
	 .wait_ms = 20000,
	 .target_ms = 5000,
	 .hedge_per_mille = 950,
	 .seeds = 18,
	 .judge = judge_hedged_quiet},
	{.name = "hedged-slow-node",
	 .nodes = 4,
	 .limit = 16,
	 .kind = SERVER,
	 .sources = USUAL(16),
	 .hedge_per_mille = 950,
	 TRIGGER_JUDGED(judge_hedged_slow, {30, 0, 1, 1, W_WELL, 600}, {60, 0, 1, 1, W_WELL, 100})},
	{.name = "hedged-overload",
	 .nodes = 4,
	 .limit = 16,
	 .kind = SERVER,
	 .sources = USUAL(NORMAL),
	 .hedge_per_mille = 950,
	 TRIGGER_JUDGED(judge_hedged_full, {30, 300, 0, 0, W_WELL, 0}, {60, 100, 0, 0, W_WELL, 0})},
	{.name = "hedged-failures",
	 .nodes = 4,
	 .kind = SERVER,
	 .sources = USUAL(NORMAL),
	 .hedge_per_mille = 900,
	 TRIGGER_JUDGED(judge_hedged_spent, {30, 0, 1, 2, W_FAILS, 0}, {30, 0, 3, 3, W_WELL, 300},
			{60, 0, 1, 2, W_WELL, 0}, {60, 0, 3, 3, W_WELL, 100})},

	{.name = "tenants",
	 .nodes = 2,
	 .limit = 16,
	 .kind = SERVER,
	 .sources = {{.tenant = 1,
		      .class = SL_KEY_CLASS_STANDARD,
		      .per_s = 60,
		      .prompt = 100,
		      .out = 20},
		     {.tenant = 2,
		      .class = SL_KEY_CLASS_STANDARD,
		      .per_s = 20,
		      .prompt = 800,
		      .out = 60},
		     {.tenant = 3,
		      .class = SL_KEY_CLASS_STANDARD,
		      .under_way = 60,
		      .prompt = 400,
		      .out = 40}},
	 .seconds = 160,
	 .ttft_ms = 4000,
	 .total_ms = 60000,
	 .wait_ms = 30000,
	 .seeds = 30,
	 .judge = judge_fair,
	 .may_refuse = true},
	{.name = "classes",
	 .nodes = 2,
	 .limit = 16,
	 .kind = SERVER,
	 .sources = {{.tenant = 1,
		      .class = SL_KEY_CLASS_BATCH,
		      .per_s = 10,
		      .prompt = 400,
		      .out = 40},
		     {.tenant = 1,
		      .class = SL_KEY_CLASS_STANDARD,
		      .per_s = 10,
		      .prompt = 400,
		      .out = 40},
		     {.tenant = 2,
		      .class = SL_KEY_CLASS_INTERACTIVE,
		      .per_s = 10,
		      .prompt = 400,
		      .out = 40},
		     {.tenant = 3,
		      .class = SL_KEY_CLASS_CRITICAL,
		      .under_way = 60,
		      .prompt = 400,
		      .out = 40}},
	 .seconds = 100,
	 .ttft_ms = 4000,
	 .total_ms = 60000,
	 .wait_ms = 30000,
	 .seeds = 30,
	 .may_refuse = true},
	{.name = "best-of-20",
	 .nodes = 2,
	 .kind = {.a_us = 20000, .b_us = 1000, .prefill_us = 5, .slots = 1024, .waits = 0},
	 .concurrency = {.mode = SL_CONCURRENCY_GAP},
	 .sources = {{.tenant = 1,
		      .class = SL_KEY_CLASS_STANDARD,
		      .under_way = 200,
		      .prompt = 400,
		      .out = 40}},
	 .seconds = 160,
	 .ttft_ms = 10000,
	 .total_ms = 100000,
	 .wait_ms = 90000,
	 .seeds = 24,
	 .judge = judge_gap},
	{.name = "best-of-60-long-prompts",
	 .nodes = 1,
	 .kind = {.a_us = 30000, .b_us = 500, .prefill_us = 20, .slots = 1024, .waits = 0},
	 .concurrency = {.mode = SL_CONCURRENCY_GAP},
	 .sources = {{.tenant = 1,
		      .class = SL_KEY_CLASS_STANDARD,
		      .under_way = 200,
		      .prompt = 300,
		      .out = 100},
		     {.tenant = 2,
		      .class = SL_KEY_CLASS_STANDARD,
		      .per_s = 1,
		      .prompt = 40000,
		      .out = 20}},
	 .seconds = 160,
	 .ttft_ms = 10000,
	 .total_ms = 150000,
	 .wait_ms = 100000,
	 .seeds = 24,
	 .judge = judge_gap,
	 .may_refuse = true},
	{.name = "best-of-40-long-answers",
	 .nodes = 1,
	 .kind = {.a_us = 20000, .b_us = 500, .prefill_us = 5, .slots = 1024, .waits = 0},
	 .concurrency = {.mode = SL_CONCURRENCY_GAP},
	 .sources = {{.tenant = 1,
		      .class = SL_KEY_CLASS_STANDARD,
		      .under_way = 150,
		      .prompt = 400,
		      .out = 600}},
	 .seconds = 300,
	 .ttft_ms = 10000,
	 .total_ms = 280000,
	 .wait_ms = 200000,
	 .seeds = 24,
	 .judge = judge_gap,
	 .may_refuse = true},
	{.name = "busy-at-24",
	 .nodes = 2,
	 .kind = {.a_us = 20000, .b_us = 1000, .prefill_us = 20, .slots = 16, .waits = 8},
	 .concurrency = {.mode = SL_CONCURRENCY_BUSY},
	 .sources = {{.tenant = 1,
		      .class = SL_KEY_CLASS_STANDARD,
		      .under_way = 120,
		      .prompt = 400,
		      .out = 40}},
	 .seconds = 160,
	 .ttft_ms = 10000,
	 .total_ms = 100000,
	 .wait_ms = 90000,
	 .seeds = 24,
	 .judge = judge_busy,
	 .may_fail = true},
};

const size_t w_scenario_count = sizeof(w_scenarios) / sizeof(w_scenarios[0]);
