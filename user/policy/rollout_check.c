/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/rollout_check.h"

#include <assert.h>

const char *sl_rollout_check_state_name(enum sl_rollout_check_state state)
{
	static const char *const names[SL_ROLLOUT_CHECK_STATES] = {
		"none", "waiting", "running", "passed", "failed", "cannot_run"};

	return names[state];
}

const char *sl_rollout_check_end_name(enum sl_rollout_check_end end)
{
	static const char *const names[SL_ROLLOUT_CHECK_ENDS] = {"cannot_run", "passed", "failed"};

	return names[end];
}

enum sl_rollout_check_end sl_rollout_check_end_of(int status)
{
	return status == 0   ? SL_ROLLOUT_CHECK_SAYS_GOOD
	       : status == 1 ? SL_ROLLOUT_CHECK_SAYS_BAD
			     : SL_ROLLOUT_CHECK_SAYS_NOTHING;
}

bool sl_rollout_check_is_due(const struct sl_rollout_check *check, bool ready, uint64_t now_ms)
{
	return ready &&
	       (check->state == SL_ROLLOUT_CHECK_WAITING ||
		(check->state == SL_ROLLOUT_CHECK_CANNOT_RUN && now_ms >= check->again_ms));
}

bool sl_rollout_check_allows(const struct sl_rollout_check *check)
{
	return check->state == SL_ROLLOUT_CHECK_NONE || check->state == SL_ROLLOUT_CHECK_PASSED;
}

void sl_rollout_check_start(struct sl_rollout_check *check)
{
	assert(check->state == SL_ROLLOUT_CHECK_WAITING ||
	       check->state == SL_ROLLOUT_CHECK_CANNOT_RUN);
	check->state = SL_ROLLOUT_CHECK_RUNNING;
}

void sl_rollout_check_end(struct sl_rollout_check *check, enum sl_rollout_check_end end,
			  uint64_t now_ms, uint64_t pause_ms)
{
	static const enum sl_rollout_check_state states[SL_ROLLOUT_CHECK_ENDS] = {
		[SL_ROLLOUT_CHECK_SAYS_NOTHING] = SL_ROLLOUT_CHECK_CANNOT_RUN,
		[SL_ROLLOUT_CHECK_SAYS_GOOD] = SL_ROLLOUT_CHECK_PASSED,
		[SL_ROLLOUT_CHECK_SAYS_BAD] = SL_ROLLOUT_CHECK_FAILED,
	};

	assert(check->state == SL_ROLLOUT_CHECK_RUNNING);
	check->state = states[end];
	check->misses = end == SL_ROLLOUT_CHECK_SAYS_NOTHING ? check->misses + 1 : 0;
	check->again_ms = now_ms + pause_ms;
	check->ends[end]++;
}

void sl_rollout_check_hold(struct sl_rollout_check *check)
{
	assert(check->state != SL_ROLLOUT_CHECK_NONE);
	check->state = SL_ROLLOUT_CHECK_CANNOT_RUN;
	check->again_ms = 0;
}

void sl_rollout_check_rest(struct sl_rollout_check *check)
{
	if (check->state == SL_ROLLOUT_CHECK_NONE || check->state == SL_ROLLOUT_CHECK_FAILED)
		return;
	check->state = SL_ROLLOUT_CHECK_WAITING;
	check->misses = 0;
}
