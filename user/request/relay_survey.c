/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/relay_survey.h"

#include "user/request/relay.h"

static void raise_to(uint64_t *value, uint64_t wanted)
{
	uint64_t old = __atomic_load_n(value, __ATOMIC_RELAXED);

	while (old < wanted && !__atomic_compare_exchange_n(value, &old, wanted, false,
							    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

void sl_relay_survey(const struct sl_worker *worker, struct sl_relay_survey *nodes)
{
	const struct sl_relay *relay;

	for (relay = worker->relay_list; relay; relay = relay->next) {
		if (!relay->upstream || relay->paused)
			continue;
		__atomic_fetch_add(&nodes[relay->node->slot].streams, 1, __ATOMIC_RELAXED);
		raise_to(&nodes[relay->node->slot].progress_ns, relay->progress_ns);
	}
}

/* By their own timers: what a stall means for a stream is relay.c's to say. */
void sl_relay_stall_node(struct sl_worker *worker, uint32_t slot)
{
	struct sl_relay *relay;

	for (relay = worker->relay_list; relay; relay = relay->next) {
		if (!relay->upstream || relay->paused || relay->node->slot != slot)
			continue;
		relay->progress_ns = 0;
		sl_timer_set(worker->loop, &relay->timer, 0);
	}
}
