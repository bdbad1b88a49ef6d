/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/reliability.h"

#include <string.h>

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Of times of the wall clock, which may have been set back between them. */
static uint64_t span(uint64_t from_ms, uint64_t to_ms)
{
	return to_ms > from_ms ? to_ms - from_ms : 0;
}

void sl_reliability_of(const struct sl_outage *outages, uint32_t count, uint64_t from_ms,
		       uint64_t now_ms, struct sl_reliability *ret_reliability)
{
	uint64_t repair_ms = 0, detect_ms = 0, reached_ms = from_ms;
	struct sl_reliability sum = {0};

	for (uint32_t i = 0; i < count; i++) {
		const struct sl_outage *outage = &outages[i];
		uint64_t end_ms = outage->ended_ms ? outage->ended_ms : now_ms;
		uint64_t start_ms = later(outage->began_ms, reached_ms);

		if (end_ms > start_ms) { /* what was down already counts once */
			sum.down_ms += end_ms - start_ms;
			reached_ms = end_ms;
		}
		if (outage->began_ms < from_ms)
			continue;
		sum.outages++;
		detect_ms += span(outage->began_ms, outage->found_ms);
		if (!outage->ended_ms)
			continue;
		sum.ended++;
		repair_ms += span(outage->began_ms, outage->ended_ms);
	}
	if (sum.outages) {
		sum.mtbf_ms = span(from_ms + sum.down_ms, now_ms) / sum.outages;
		sum.mttd_ms = detect_ms / sum.outages;
	}
	if (sum.ended)
		sum.mttr_ms = repair_ms / sum.ended;
	*ret_reliability = sum;
}
