/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/rollout_board.h"

#include "user/policy/share.h"

const struct sl_rollout_item *sl_rollout_board_find(const struct sl_rollout_board *board,
						    enum sl_rollout_kind kind,
						    struct sl_span subject)
{
	const struct sl_rollout_set *set =
		board ? __atomic_load_n(&board->set, __ATOMIC_ACQUIRE) : NULL;
	uint32_t i;

	for (i = 0; set && i < set->count; i++) {
		const struct sl_rollout_item *item = set->items[i];

		if (item->kind == kind && sl_span_equal(sl_span_string(item->subject), subject))
			return item;
	}
	return NULL;
}

bool sl_rollout_item_takes(const struct sl_rollout_item *item, struct sl_span asker)
{
	uint32_t share = __atomic_load_n(&item->share, __ATOMIC_RELAXED);

	return share && sl_share_takes(asker, sl_span_string(item->salt), share);
}

void sl_rollout_board_tell(struct sl_rollout_board *board, const uint8_t marks[SL_ROLLOUT_KINDS],
			   bool bad)
{
	int kind;

	for (kind = 0; kind < SL_ROLLOUT_KINDS; kind++) {
		if (!marks[kind])
			continue;
		if (board->signal_count == SL_ROLLOUT_SIGNALS_MAX)
			board->signals_lost++;
		else
			board->signals[board->signal_count++] =
				(struct sl_rollout_signal){marks[kind], bad};
	}
}
