/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plan.h - what one attempt of a request sends to its node, and how long it waits for the answer.
 * Thread: the loop's.
 */
#ifndef SL_REQUEST_PLAN_H
#define SL_REQUEST_PLAN_H

#include "user/request/request.h"

/*
 * Plans an attempt in the pool on the node. last: nobody else could be asked after it, so it may
 * have all the time that is left. The plan lives in the request's arena and borrows from the
 * client's request: it ends with either. Returns 0, -ENOMEM, or the error of an edit that does not
 * fit.
 */
int sl_plan_make(struct sl_request *request, const struct sl_upstream_pool *pool,
		 const struct sl_upstream_node *node, bool last, struct sl_attempt_plan *ret_plan);

/*
 * The same for one more node of the pool beside an attempt that is under way, from that one's plan:
 * its body is shared, which a plan of its own might write anew while it is still to be sent.
 */
int sl_plan_for_another(struct sl_request *request, const struct sl_upstream_node *node, bool last,
			const struct sl_attempt_plan *from, struct sl_attempt_plan *ret_plan);

#endif
