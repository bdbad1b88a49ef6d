/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/quality.h"

#include <assert.h>
#include <string.h>

bool sl_quality_note(struct sl_quality *q, const struct sl_quality_rule *rule, bool good)
{
	uint64_t share;

	assert(rule->questions >= 1 && rule->questions <= SL_QUALITY_QUESTIONS_MAX);
	if (q->questions != rule->questions) {
		memset(q, 0, sizeof(*q));
		q->questions = rule->questions;
	}
	if (q->count == q->questions)
		q->misses -= q->missed[q->next];
	else
		q->count++;
	q->missed[q->next] = !good;
	q->misses += !good;
	q->next = (q->next + 1) % q->questions;
	share = q->misses * SL_QUALITY_ONE / q->count;
	if (rule->poor == 0)
		q->poor = false;
	else if (!q->poor)
		q->poor = q->count == q->questions && share >= rule->poor;
	else
		q->poor = share > rule->back;
	return q->poor;
}
