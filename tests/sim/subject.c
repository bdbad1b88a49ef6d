/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The breaker under test. This file alone is compiled with -fsanitize=thread and linked without its
 * run-time library: the compiler puts a call before every access to memory, hooks.c receives it.
 * So breaker.h needs no seam, and an access that somebody adds to it is a point to switch at too.
 */
#include "tests/sim/sim.h"

static const enum sl_signal signals[] = {SL_SIGNAL_BUSY, SL_SIGNAL_SUCCESS,
					 SL_SIGNAL_FIRST_BYTE_SLOW, SL_SIGNAL_RESET};

static void keep(struct sim_result *result, const struct sl_breaker_change *change)
{
	if (change->changed)
		result->edge = (uint8_t)SIM_EDGE(change->from, change->to);
	result->cap_denied = change->cap_denied;
	result->lost = change->lost;
}

void sim_subject_op(struct sim_world *world, const struct sl_breaker_config *config,
		    const struct sim_op *op, enum sl_plane plane, int32_t *ticket,
		    struct sim_result *ret_result)
{
	struct sl_node_state *node = &world->nodes[op->node];
	struct sl_pool_state *pool = &world->pools[1];
	struct sl_breaker_change change = {0};
	uint64_t now_ms = SIM_T0 + (int64_t)op->at_ms;
	struct sim_result result = {0};

	switch (op->verb) {
	case SIM_ADMIT:
		result.verdict = (uint8_t)sl_breaker_admit(node, pool, config, now_ms, 0,
							   &result.ticket, &change);
		*ticket = (int32_t)result.ticket;
		if (result.verdict == SL_BREAKER_REFUSE)
			*ticket |= SIM_REFUSED;
		break;
	case SIM_PANIC:
	case SIM_REPORT:
		result.ticket = (uint32_t)(*ticket & ~SIM_REFUSED);
		sl_breaker_report(node, pool, config, now_ms, 0, result.ticket,
				  (enum sl_outcome)op->arg, signals[op->arg], plane, &change);
		break;
	case SIM_FORCE:
		result.verdict =
			(uint8_t)sl_breaker_force(node, pool, (enum sl_breaker_order)op->arg,
						  now_ms, SL_PLANE_OPERATOR, &change);
		break;
	case SIM_ADMIN_SET:
		__sync_fetch_and_or(&node->admin, op->arg);
		break;
	case SIM_ADMIN_CLEAR:
		__sync_fetch_and_and(&node->admin, ~(uint32_t)op->arg);
		break;
	case SIM_RESIZE:
		*(volatile uint32_t *)&pool->node_count = op->arg;
		break;
	default:
		break;
	}
	keep(&result, &change);
	*ret_result = result;
}

int sim_subject_available(const struct sl_node_state *node, uint64_t now_ms)
{
	return sl_breaker_available(node, now_ms);
}
