/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/rollout.h"

#include <stdio.h>
#include <string.h>

/* Answers that the one gave are not the other's. */
static void mix(struct sl_stage *stage, uint8_t id)
{
	stage->vary ^= (id + 1u) * 0x9e3779b97f4a7c15u;
}

/* The configuration was chosen before there was a stage; here it is told. */
static void tell_configuration(struct sl_stage *stage)
{
	uint8_t mark = stage->rollouts[SL_ROLLOUT_CONFIG];
	const struct sl_rollout_item *item;
	char line[SL_ROLLOUT_NAME_BYTES + 16];

	if (!mark)
		return;
	if (sl_rollout_mark_candidate(mark))
		mix(stage, sl_rollout_mark_id(mark));
	item = sl_rollout_board_id(stage->stores->rollouts, sl_rollout_mark_id(mark));
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
		mix(stage, item->id);
		break;
	}
	return SL_STAGE_GO_ON;
}
