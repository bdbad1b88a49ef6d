/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/rollout_board.h"

#include <stdlib.h>
#include "user/policy/share.h"

#define MS_OF_MINUTE 60000u

struct sl_rollout_item *sl_rollout_board_find(const struct sl_rollout_board *board,
					      enum sl_rollout_kind kind, struct sl_span subject)
{
	const struct sl_rollout_set *set =
		board ? __atomic_load_n(&board->set, __ATOMIC_ACQUIRE) : NULL;
	uint32_t i;

	for (i = 0; set && i < set->count; i++) {
		struct sl_rollout_item *item = set->items[i];

		if (item->kind == kind && sl_span_equal(sl_span_string(item->subject), subject))
			return item;
	}
	return NULL;
}

const struct sl_rollout_item *sl_rollout_board_id(const struct sl_rollout_board *board, uint8_t id)
{
	const struct sl_rollout_set *set = __atomic_load_n(&board->set, __ATOMIC_ACQUIRE);
	uint32_t i;

	for (i = 0; set && i < set->count; i++) {
		if (set->items[i]->id == id)
			return set->items[i];
	}
	return NULL;
}

bool sl_rollout_item_takes(const struct sl_rollout_item *item, struct sl_span asker)
{
	uint32_t share = __atomic_load_n(&item->share, __ATOMIC_RELAXED);

	return share && sl_share_takes(asker, sl_span_string(item->salt), share);
}

/* One of this minute's: false when all are used up. */
static bool has_ask(struct sl_rollout_item *item, uint64_t now_ms)
{
	uint64_t minute = now_ms / MS_OF_MINUTE & UINT32_MAX;
	uint64_t before = __atomic_load_n(&item->asks, __ATOMIC_RELAXED), after;

	do {
		after = before >> 32 == minute ? before + 1 : minute << 32 | 1;
		if ((uint32_t)after > item->asks_max)
			return false;
	} while (!__atomic_compare_exchange_n(&item->asks, &before, after, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

bool sl_rollout_item_shadows(struct sl_rollout_item *item, struct sl_span request, uint64_t now_ms)
{
	uint32_t share = __atomic_load_n(&item->shadow, __ATOMIC_RELAXED);

	if (!share || !sl_share_takes(request, sl_span_string(item->salt), share))
		return false;
	if (has_ask(item, now_ms))
		return true;
	sl_rollout_item_spare(item, SL_ROLLOUT_SPARED_BUDGET);
	return false;
}

void sl_rollout_item_spare(struct sl_rollout_item *item, enum sl_rollout_spared why)
{
	__atomic_fetch_add(&item->spared[why], 1, __ATOMIC_RELAXED);
}

const char *sl_rollout_spared_name(enum sl_rollout_spared why)
{
	static const char *const names[SL_ROLLOUT_SPAREDS] = {"budget", "busy", "tools", "form",
							      "refused"};

	return names[why];
}

bool sl_rollout_board_shadowed(struct sl_rollout_board *board,
			       const struct sl_rollout_shadowed *shadowed)
{
	struct sl_rollout_shadowed *copy = malloc(sizeof(*copy));

	if (!copy)
		return false;
	*copy = *shadowed;
	copy->next = __atomic_load_n(&board->shadowed, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&board->shadowed, &copy->next, copy, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return true;
}

struct sl_rollout_shadowed *sl_rollout_board_take(struct sl_rollout_board *board)
{
	return __atomic_exchange_n(&board->shadowed, NULL, __ATOMIC_ACQUIRE);
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
