/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/choose.h"

#include "bpf/breaker.h"
#include "user/policy/retry.h"

/* Lower is better; a candidate of a lower class always wins. */
enum candidate_class {
	CLASS_PROBE = 0,
	CLASS_FRESH,
	CLASS_DOUBTFUL,
	CLASS_TRIED,
	CLASS_LAST,
	CLASS_NONE,
};

struct best {
	uint32_t slot;
	enum candidate_class class;
	uint64_t score;
	bool others;
	bool full;
	uint32_t limit;
};

static bool is_usable(const struct sl_node_state *node)
{
	uint32_t admin = __atomic_load_n(&node->admin, __ATOMIC_RELAXED);

	return (admin & (SL_NODE_PRESENT | SL_NODE_DRAINING)) == SL_NODE_PRESENT;
}

static uint32_t limit_of(const struct sl_choose *in, uint32_t index)
{
	return in->limits ? in->limits[index] : 0;
}

static bool is_full(const struct sl_choose *in, uint32_t index)
{
	uint32_t limit = limit_of(in, index);

	return limit &&
	       __atomic_load_n(&in->nodes[in->slots[index]].requests, __ATOMIC_SEQ_CST) >= limit;
}

static uint64_t held_ms(const struct sl_choose *in, uint32_t slot)
{
	if (!in->holds)
		return 0;
	return sl_retry_held_ms(__atomic_load_n(&in->holds[slot], __ATOMIC_RELAXED),
				in->nodes[slot].incarnation, in->now_ms);
}

bool sl_choose_is_doubtful(const struct sl_choose *in, const struct sl_node_state *node)
{
	return in->doubtful &&
	       __atomic_load_n(&node->consecutive, __ATOMIC_RELAXED) >= in->doubtful &&
	       sl_breaker_state(node->breaker) == SL_BREAKER_CLOSED;
}

bool sl_choose_is_out(const struct sl_choose *in, const struct sl_node_state *node)
{
	uint32_t state = sl_breaker_state(node->breaker);

	return state == SL_BREAKER_OPEN || state == SL_BREAKER_HALF_OPEN ||
	       sl_choose_is_doubtful(in, node);
}

uint64_t sl_choose_load(const struct sl_choose *in, const struct sl_node_state *node)
{
	uint64_t load = __atomic_load_n(&node->requests, __ATOMIC_RELAXED);

	/* A node that never had a flow is spared the sum of its epochs. */
	if (__atomic_load_n(&node->flows_opened, __ATOMIC_RELAXED))
		load += sl_node_flows(node, in->now_ms * 1000000u);
	return load;
}

uint64_t sl_choose_share(const struct sl_choose *in, const struct sl_node_state *node)
{
	uint64_t share = sl_breaker_capacity_percent(node, in->slow_start_ms, in->now_ms);

	share *= node->weight ? node->weight : 1;
	return share ? share : 1;
}

uint64_t sl_choose_score(const struct sl_choose *in, const struct sl_node_state *node)
{
	return ((sl_choose_load(in, node) + 1) << 20) / sl_choose_share(in, node);
}

static enum candidate_class class_of(const struct sl_choose *in, uint32_t slot,
				     const struct sl_node_state *node)
{
	enum sl_breaker_verdict verdict = sl_breaker_peek(node, in->now_ms);
	uint32_t i;

	if (!is_usable(node) || verdict == SL_BREAKER_REFUSE || held_ms(in, slot))
		return CLASS_NONE;
	for (i = 0; i < in->tried_count; i++) {
		if (in->tried[i] == slot)
			return i + 1 == in->tried_count ? CLASS_LAST : CLASS_TRIED;
	}
	if (verdict == SL_BREAKER_ADMIT_PROBE)
		return in->tried_count ? CLASS_TRIED : CLASS_PROBE;
	if (sl_choose_is_doubtful(in, node) &&
	    (in->tried_count || in->random % SL_CHOOSE_DOUBT_PERIOD))
		return CLASS_DOUBTFUL;
	return CLASS_FRESH;
}

void sl_choose_sum(const struct sl_choose *in, uint64_t *ret_load, uint64_t *ret_share)
{
	uint64_t load = 0, share = 0;
	uint32_t i;

	for (i = 0; i < in->slot_count; i++) {
		const struct sl_node_state *node = &in->nodes[in->slots[i]];

		if (!is_usable(node) || sl_breaker_state(node->breaker) != SL_BREAKER_CLOSED ||
		    sl_choose_is_doubtful(in, node))
			continue;
		load += sl_choose_load(in, node);
		share += sl_choose_share(in, node);
	}
	*ret_load = load;
	*ret_share = share;
}

bool sl_choose_is_open(const struct sl_choose *in, uint32_t index)
{
	uint32_t slot = in->slots[index];

	return class_of(in, slot, &in->nodes[slot]) == CLASS_FRESH && !is_full(in, index);
}

static void consider(const struct sl_choose *in, uint32_t index, struct best *best)
{
	uint32_t slot = in->slots[index];
	const struct sl_node_state *node = &in->nodes[slot];
	enum candidate_class class = class_of(in, slot, node);
	uint64_t score;

	if (class == CLASS_NONE)
		return;
	if (is_full(in, index)) {
		best->full = true;
		return;
	}
	if (class <= CLASS_DOUBTFUL && best->class <= CLASS_DOUBTFUL && slot != best->slot)
		best->others = true;
	if (class > best->class)
		return;
	score = sl_choose_score(in, node);
	if (class < best->class || score < best->score)
		*best = (struct best){slot,	    class,	score,
				      best->others, best->full, limit_of(in, index)};
}

bool sl_choose_any_healthy(const struct sl_choose *in)
{
	uint32_t i;

	for (i = 0; i < in->slot_count; i++) {
		const struct sl_node_state *node = &in->nodes[in->slots[i]];

		if (class_of(in, in->slots[i], node) == CLASS_FRESH &&
		    !sl_choose_is_doubtful(in, node))
			return true;
	}
	return false;
}

uint64_t sl_choose_held_ms(const struct sl_choose *in)
{
	uint64_t first_ms = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < in->slot_count; i++) {
		uint64_t wait_ms = held_ms(in, in->slots[i]);

		if (wait_ms && wait_ms < first_ms && is_usable(&in->nodes[in->slots[i]]))
			first_ms = wait_ms;
	}
	return first_ms;
}

uint32_t sl_choose_available(const struct sl_choose *in)
{
	uint32_t i, count = 0;

	for (i = 0; i < in->slot_count; i++) {
		const struct sl_node_state *node = &in->nodes[in->slots[i]];

		if (is_usable(node) && sl_breaker_peek(node, in->now_ms) != SL_BREAKER_REFUSE)
			count++;
	}
	return count;
}

/* The least bad: fewest failures in a row, then the lowest score; tried ones last. */
static struct sl_choice least_bad(const struct sl_choose *in)
{
	struct sl_choice found = {.slot = SL_CHOOSE_NONE, .panic = true};
	uint32_t i, slot;
	uint64_t lowest = UINT64_MAX;

	for (i = 0; i < in->slot_count; i++) {
		const struct sl_node_state *node;
		uint32_t index = (i + in->random) % in->slot_count;
		uint64_t badness;

		slot = in->slots[index];
		node = &in->nodes[slot];
		if (!is_usable(node) || held_ms(in, slot) ||
		    sl_breaker_state(node->breaker) == SL_BREAKER_FORCED_OPEN)
			continue;
		if (is_full(in, index)) {
			found.full = true;
			continue;
		}
		badness = (uint64_t)node->consecutive << 32 |
			  (sl_choose_score(in, node) & UINT32_MAX);
		if (sl_choose_is_among(in->tried, in->tried_count, slot))
			badness |= 1ull << 63;
		if (badness < lowest) {
			lowest = badness;
			found.slot = slot;
			found.limit = limit_of(in, index);
		}
	}
	return found;
}

struct sl_choice sl_choose_node(const struct sl_choose *in)
{
	struct best best = {.slot = SL_CHOOSE_NONE, .class = CLASS_NONE, .score = UINT64_MAX};
	uint32_t i, available;

	if (!in->slot_count)
		return (struct sl_choice){.slot = SL_CHOOSE_NONE};
	if (in->slot_count > SL_CHOOSE_SCAN_MAX) {
		uint32_t random = in->random;

		for (i = 0; i < SL_CHOOSE_SAMPLE; i++) {
			consider(in, (uint32_t)(((uint64_t)random * in->slot_count) >> 32), &best);
			random = random * 2654435761u + 0x9e3779b9u;
		}
	}
	if (best.class > CLASS_FRESH) {
		for (i = 0; i < in->slot_count; i++)
			consider(in, (i + in->random % in->slot_count) % in->slot_count, &best);
	}
	if (best.slot != SL_CHOOSE_NONE || !in->allow_panic)
		return (struct sl_choice){.slot = best.slot,
					  .fresh = best.class == CLASS_FRESH,
					  .others = best.others,
					  .full = best.full,
					  .limit = best.limit};
	available = sl_choose_available(in);
	if (available * 100u >= in->slot_count * in->panic_percent && in->panic_percent)
		return (struct sl_choice){.slot = SL_CHOOSE_NONE, .full = best.full};
	return least_bad(in);
}
