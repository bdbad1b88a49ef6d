/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/slo.h"

#include <string.h>

static uint64_t bucket_of(const struct sl_slo_window *window, uint64_t wall_ms)
{
	uint64_t bucket_ms = window->length_ms / SL_SLO_BUCKETS;

	return wall_ms / (bucket_ms ? bucket_ms : 1);
}

static void empty(struct sl_slo_window *window, uint64_t newest)
{
	uint64_t length_ms = window->length_ms;

	memset(window, 0, sizeof(*window));
	window->length_ms = length_ms;
	window->newest = newest;
}

static void advance(struct sl_slo_window *window, uint64_t wall_ms)
{
	uint64_t bucket = bucket_of(window, wall_ms);

	/* all of it is too old, or the clock was set back further than it reaches */
	if (bucket >= window->newest + SL_SLO_BUCKETS ||
	    bucket + SL_SLO_BUCKETS <= window->newest) {
		empty(window, bucket);
		return;
	}
	while (window->newest < bucket) {
		uint64_t place = ++window->newest % SL_SLO_BUCKETS;

		window->good -= window->goods[place];
		window->bad -= window->bads[place];
		window->goods[place] = window->bads[place] = 0;
	}
}

void sl_slo_advance(struct sl_slo *slo, uint64_t wall_ms)
{
	for (uint32_t i = 0; i < SL_SLO_WINDOWS; i++) {
		if (slo->windows[i].length_ms)
			advance(&slo->windows[i], wall_ms);
	}
}

void sl_slo_note(struct sl_slo *slo, uint64_t wall_ms, bool good)
{
	slo->good += good;
	slo->bad += !good;
	for (uint32_t i = 0; i < SL_SLO_WINDOWS; i++) {
		struct sl_slo_window *window = &slo->windows[i];
		uint64_t place;

		if (!window->length_ms)
			continue;
		advance(window, wall_ms);
		/* one that ended a little before the newest belongs where it ended */
		place = bucket_of(window, wall_ms) % SL_SLO_BUCKETS;
		window->goods[place] += good;
		window->bads[place] += !good;
		window->good += good;
		window->bad += !good;
	}
}

/* A window of that length among those of before, or an empty one. */
static void take(const struct sl_slo *before, uint64_t length_ms, struct sl_slo_window *ret_window)
{
	for (uint32_t i = 0; i < SL_SLO_WINDOWS && length_ms; i++) {
		if (before->windows[i].length_ms == length_ms) {
			*ret_window = before->windows[i];
			return;
		}
	}
	memset(ret_window, 0, sizeof(*ret_window));
	ret_window->length_ms = length_ms;
}

void sl_slo_fit(struct sl_slo *slo, const struct sl_slo_rules *rules)
{
	const struct sl_slo before = *slo;

	memset(slo->burns, 0, sizeof(slo->burns));
	take(&before, rules->budget_ms, &slo->windows[0]);
	for (uint32_t i = 0; i < SL_SLO_PAIRS_MAX; i++) {
		const struct sl_slo_pair *pair = &rules->pairs[i];
		bool used = i < rules->pair_count;

		take(&before, used ? pair->long_ms : 0, sl_slo_long(slo, i));
		take(&before, used ? pair->short_ms : 0, sl_slo_short(slo, i));
		/* the same pair in the same place has been told of already */
		slo->burns[i] = used && before.burns[i] &&
				before.windows[1 + 2 * i].length_ms == pair->long_ms &&
				before.windows[2 + 2 * i].length_ms == pair->short_ms;
	}
}

double sl_slo_burn(const struct sl_slo_window *window, uint64_t objective)
{
	uint64_t all = window->good + window->bad;

	if (!all)
		return 0;
	return (double)window->bad / (double)all / ((double)(SL_SLO_ONE - objective) / SL_SLO_ONE);
}

double sl_slo_left(const struct sl_slo *slo, uint64_t objective)
{
	return 1 - sl_slo_burn(&slo->windows[0], objective);
}

static bool is_burning(const struct sl_slo_rules *rules, const struct sl_slo_pair *pair,
		       const struct sl_slo_window *longer, const struct sl_slo_window *shorter,
		       uint64_t objective)
{
	double rate = (double)pair->burn / 1e9;

	return longer->good + longer->bad >= rules->events_min &&
	       longer->bad >= rules->failures_min && shorter->bad &&
	       sl_slo_burn(longer, objective) >= rate && sl_slo_burn(shorter, objective) >= rate;
}

uint32_t sl_slo_judge(struct sl_slo *slo, const struct sl_slo_rules *rules, uint64_t objective)
{
	uint32_t changed = 0;

	for (uint32_t i = 0; i < rules->pair_count; i++) {
		bool burns = is_burning(rules, &rules->pairs[i], sl_slo_long(slo, i),
					sl_slo_short(slo, i), objective);

		changed |= (uint32_t)(burns != slo->burns[i]) << i;
		slo->burns[i] = burns;
	}
	return changed;
}

const char *sl_slo_kind_name(enum sl_slo_kind kind)
{
	static const char *const names[SL_SLO_KINDS] = {"availability", "ttft", "latency",
							"quality"};

	return names[kind];
}

const char *sl_slo_level_name(enum sl_slo_level level)
{
	return level == SL_SLO_PAGE ? "page" : "ticket";
}
