/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/arm.h"

#include "user/policy/share.h"
#include "user/stage/stage.h"

void sl_arm_choose(struct sl_request *request)
{
	struct sl_worker *worker = request->worker;
	const struct sl_rollout_item *item;
	struct sl_routes *candidate = worker->candidate;
	bool takes;

	if (!candidate)
		return;
	item = sl_rollout_board_find(worker->stores->rollouts, SL_ROLLOUT_CONFIG,
				     SL_SPAN(SL_ARM_SUBJECT));
	if (!item || item->id != worker->candidate_id)
		return;
	takes = sl_rollout_item_takes(
		item,
		sl_stage_asker_of(&request->facts, request->client->head, request->admission.key));
	request->arm = sl_rollout_mark(item, takes);
	if (!takes)
		return;
	request->on_trial = __atomic_load_n(&item->share, __ATOMIC_RELAXED) < SL_SHARE_WHOLE;
	sl_routes_put(&request->routes);
	request->routes = sl_routes_get(candidate);
}

void sl_worker_set_candidate(struct sl_worker *worker, struct sl_routes *routes, uint8_t id)
{
	struct sl_routes *old = worker->candidate;

	worker->candidate = routes;
	worker->candidate_id = id;
	if (old)
		sl_routes_put(&old);
}
