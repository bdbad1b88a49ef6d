/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/rollout.h"

#include <string.h>

enum sl_stage_verdict sl_rollout_stage_run(struct sl_stage *stage)
{
	struct sl_span route = sl_span_string(stage->route->model);
	const struct sl_rollout_item *item =
		sl_rollout_board_find(stage->stores->rollouts, SL_ROLLOUT_MODEL, route);
	uint32_t i;

	for (i = 0; item && i < stage->config->pool_count; i++) {
		if (strcmp(stage->config->pools[i].name, item->candidate) != 0)
			continue;
		if (!sl_stage_rollout(stage, SL_ROLLOUT_MODEL, route))
			break;
		stage->ops->set_pool(stage, i);
		/* Answers that the one gave are not the other's. */
		stage->vary ^= (item->id + 1u) * 0x9e3779b97f4a7c15u;
		break;
	}
	return SL_STAGE_GO_ON;
}
