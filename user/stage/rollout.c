/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/rollout.h"

#include <stdio.h>
#include <string.h>
#include "user/base/fnv.h"

/*
 * Answers that the one gave are not the other's. By the salt, name and start of the roll-out: the ids begin anew
 * with the daemon, and kept answers may outlive it.
 */
static void mix(struct sl_stage *stage, const char *salt)
{
	stage->vary ^= sl_fnv_text(SL_FNV_BASIS, salt);
}

/* The configuration was chosen before there was a stage; here it is told. */
static void tell_configuration(struct sl_stage *stage)
{
	uint8_t mark = stage->rollouts[SL_ROLLOUT_CONFIG];
	const struct sl_rollout_item *item;
	char line[SL_ROLLOUT_NAME_BYTES + 16];

	if (!mark)
		return;
	item = sl_rollout_board_id(stage->stores->rollouts, sl_rollout_mark_id(mark));
	if (sl_rollout_mark_candidate(mark))
		mix(stage, item ? item->salt : "");
	if (!item)
		return; /* it has just ended */
	snprintf(line, sizeof(line), "%s=%s", item->name,
		 sl_rollout_mark_candidate(mark) ? "candidate" : "baseline");
	stage->ops->header(stage, "x-sluice-rollout", line);
}

enum sl_stage_verdict sl_rollout_stage_run(struct sl_stage *stage)
{
	struct sl_span route = sl_span_string(stage->route->model);
	const struct sl_rollout_item *item =
		sl_rollout_board_find(stage->stores->rollouts, SL_ROLLOUT_MODEL, route);
	uint32_t i;

	tell_configuration(stage);
	for (i = 0; item && i < stage->config->pool_count; i++) {
		if (strcmp(stage->config->pools[i].name, item->candidate) != 0)
			continue;
		if (!sl_stage_rollout(stage, SL_ROLLOUT_MODEL, route))
			break;
		stage->ops->set_pool(stage, i);
		mix(stage, item->salt);
		break;
	}
	return SL_STAGE_GO_ON;
}
