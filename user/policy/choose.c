/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/choose.h"

#include "bpf/breaker.h"
#include "user/policy/retry.h"

#define SCORE_BITS ((1ull << 29) - 1) /* of a score, beside what counts for more in need */

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
	uint32_t slot, index;
	enum candidate_class class;
	uint64_t score;
	bool others;
	bool full;
	uint32_t seen, healthy; /* nodes looked at, and those that take new work */
};

static bool is_usable(const struct sl_node_state *node)
{
	uint32_t admin = __atomic_load_n(&node->admin, __ATOMIC_RELAXED);

	return (admin & (SL_NODE_PRESENT | SL_NODE_DRAINING)) == SL_NODE_PRESENT;
}

/*
 * The configured one. It alone is what loads are compared by: by limits that nodes have shown, a node
 * whose limit once grew would get more, use it, and have it grow further (found by
 * tests/sim/policies, "slow-node").
 */
static uint32_t limit_of(const struct sl_choose *in, uint32_t index)
{
	return in->limits ? in->limits[index] : 0;
}

uint32_t sl_choose_limit(const struct sl_choose *in, uint32_t index)
{
	uint32_t slot = in->slots[index], limit = limit_of(in, index);

	if (!in->concurrency)
		return limit;
	return sl_concurrency_limit(&in->concurrency[slot], in->nodes[slot].incarnation, limit);
}

static bool is_full(const struct sl_choose *in, uint32_t index)
{
	uint32_t limit = sl_choose_limit(in, index);

	if (in->concurrency &&
	    sl_concurrency_is_laden(&in->concurrency[in->slots[index]], in->tokens_max))
		return true;
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

/* ---- the score ------------------------------------------------------------------------------- */

static const struct sl_node_state *node_at(const struct sl_choose *in, uint32_t index)
{
	return &in->nodes[in->slots[index]];
}

static const struct sl_load *load_of(const struct sl_choose *in, uint32_t index)
{
	return sl_load_fresh(in->loads, in->slots[index], node_at(in, index)->incarnation,
			     in->now_ms);
}

uint64_t sl_choose_ours(const struct sl_node_state *node, uint64_t now_ms)
{
	uint64_t load = __atomic_load_n(&node->requests, __ATOMIC_RELAXED);

	/* A node that never had a flow is spared the sum of its epochs. */
	if (__atomic_load_n(&node->flows_opened, __ATOMIC_RELAXED))
		load += sl_node_flows(node, now_ms * 1000000u);
	return load;
}

static uint64_t ours(const struct sl_choose *in, const struct sl_node_state *node)
{
	return sl_choose_ours(node, in->now_ms);
}

static uint32_t slots_of(const struct sl_choose *in, const struct sl_load *load, uint32_t limit)
{
	uint32_t slots = load ? __atomic_load_n(&load->slots, __ATOMIC_RELAXED) : 0;

	if (!slots)
		slots = limit;
	if (!slots)
		slots = in->nominal ? in->nominal : SL_LOAD_SLOTS_NOMINAL;
	return slots < SL_LOAD_SLOTS_MAX ? slots : SL_LOAD_SLOTS_MAX;
}

uint64_t sl_choose_load(const struct sl_choose *in, uint32_t index)
{
	const struct sl_load *load = load_of(in, index);

	return ours(in, node_at(in, index)) +
	       (load ? __atomic_load_n(&load->others, __ATOMIC_RELAXED) : 0);
}

static uint64_t weight_of(const struct sl_choose *in, const struct sl_node_state *node)
{
	return (uint64_t)sl_breaker_capacity_percent(node, in->slow_start_ms, in->now_ms) *
	       (node->weight ? node->weight : 1);
}

uint64_t sl_choose_share(const struct sl_choose *in, uint32_t index)
{
	uint64_t share = weight_of(in, node_at(in, index)) *
			 slots_of(in, load_of(in, index), limit_of(in, index));

	return share ? share : 1;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t kv_fill(const struct sl_choose *in, uint32_t index, const struct sl_load *load,
			uint64_t own)
{
	uint32_t slot = in->slots[index], capacity;
	uint64_t fill, tokens;

	fill = sl_load_kv_fill(load, own,
			       __atomic_load_n(&in->loads->sent[slot], __ATOMIC_RELAXED));
	capacity = __atomic_load_n(&load->kv_tokens, __ATOMIC_RELAXED);
	if (!capacity || !in->concurrency)
		return fill;
	tokens = __atomic_load_n(&in->concurrency[slot].tokens, __ATOMIC_RELAXED);
	return most(fill, tokens * SL_LOAD_FULL / capacity);
}

bool sl_choose_has_kv_room(const struct sl_choose *in, uint32_t index)
{
	const struct sl_load *load = load_of(in, index);

	return !load || kv_fill(in, index, load, ours(in, node_at(in, index))) <= SL_LOAD_KV_FULL;
}

uint64_t sl_choose_fill(const struct sl_choose *in, uint32_t index)
{
	const struct sl_load *load = load_of(in, index);
	uint64_t own = ours(in, node_at(in, index)), others, fill;
	uint32_t limit = limit_of(in, index), slots = slots_of(in, load, limit);

	if (!load) {
		fill = (own + 1) * SL_LOAD_FULL / slots;
	} else {
		others = __atomic_load_n(&load->others, __ATOMIC_RELAXED);
		fill = (own + others + 1) * SL_LOAD_FULL / slots;
		if (limit && limit != slots)
			fill = most(fill, (own + 1) * SL_LOAD_FULL / limit);
		fill = most(fill, sl_load_queue_fill(load, own));
		fill = most(fill, kv_fill(in, index, load, own));
	}
	return fill < SL_LOAD_FILL_MAX ? fill : SL_LOAD_FILL_MAX;
}

static uint64_t score_of(const struct sl_choose *in, uint32_t index, uint64_t fill)
{
	uint64_t weight = weight_of(in, node_at(in, index));

	return (fill << 16) / (weight ? weight : 1);
}

uint64_t sl_choose_score(const struct sl_choose *in, uint32_t index)
{
	return score_of(in, index, sl_choose_fill(in, index));
}

/* ---- candidates ------------------------------------------------------------------------------ */

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
		load += sl_choose_load(in, i);
		share += sl_choose_share(in, i);
	}
	*ret_load = load;
	*ret_share = share;
}

bool sl_choose_is_open(const struct sl_choose *in, uint32_t index)
{
	uint32_t slot = in->slots[index];

	if (in->barred && in->rings && in->barred >> in->rings->of[index] & 1)
		return false;
	return class_of(in, slot, &in->nodes[slot]) == CLASS_FRESH && !is_full(in, index);
}

static void consider(const struct sl_choose *in, uint32_t index, struct best *best)
{
	uint32_t slot = in->slots[index];
	enum candidate_class class = class_of(in, slot, node_at(in, index));
	uint64_t score;

	best->seen++;
	best->healthy += class != CLASS_NONE && class != CLASS_DOUBTFUL;
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
	score = sl_choose_score(in, index);
	if (class == best->class && score >= best->score)
		return;
	best->slot = slot;
	best->index = index;
	best->class = class;
	best->score = score;
}

static bool is_healthy(const struct sl_choose *in, uint32_t index)
{
	const struct sl_node_state *node = &in->nodes[in->slots[index]];

	return class_of(in, in->slots[index], node) == CLASS_FRESH &&
	       !sl_choose_is_doubtful(in, node);
}

bool sl_choose_any_healthy(const struct sl_choose *in)
{
	uint32_t i;

	for (i = 0; i < in->slot_count; i++) {
		if (is_healthy(in, i))
			return true;
	}
	return false;
}

void sl_choose_count_rings(const struct sl_choose *in, uint32_t ret_fit[SL_RINGS])
{
	for (uint32_t ring = 0; ring < SL_RINGS; ring++)
		ret_fit[ring] = 0;
	for (uint32_t i = 0; i < in->slot_count; i++)
		ret_fit[in->rings->of[i]] += is_healthy(in, i);
}

bool sl_choose_any_place(const struct sl_choose *in)
{
	uint32_t i;

	for (i = 0; i < in->slot_count; i++) {
		if (is_healthy(in, i) && !is_full(in, i))
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

bool sl_choose_in_panic(const struct sl_choose *in)
{
	return sl_choose_available(in) * 100u < in->slot_count * in->panic_percent;
}

/* The least bad: fewest failures in a row, then the nearest, then the lowest score; tried ones last. */
static struct sl_choice least_bad(const struct sl_choose *in)
{
	struct sl_choice found = {.slot = SL_CHOOSE_NONE, .panic = true};
	uint32_t i, slot;
	uint64_t lowest = UINT64_MAX;

	for (i = 0; i < in->slot_count; i++) {
		const struct sl_node_state *node;
		uint32_t index = (i + in->random) % in->slot_count;
		uint64_t badness, score;

		slot = in->slots[index];
		node = &in->nodes[slot];
		if (!is_usable(node) || held_ms(in, slot) ||
		    sl_breaker_state(node->breaker) == SL_BREAKER_FORCED_OPEN)
			continue;
		if (is_full(in, index)) {
			found.full = true;
			continue;
		}
		score = sl_choose_score(in, index);
		badness = (uint64_t)node->consecutive << 31 |
			  (score < SCORE_BITS ? score : SCORE_BITS);
		if (in->rings)
			badness |= (SCORE_BITS + 1) * in->rings->of[index];
		if (sl_choose_is_among(in->tried, in->tried_count, slot))
			badness |= 1ull << 63;
		if (badness < lowest) {
			lowest = badness;
			found.slot = slot;
			found.index = index;
			found.limit = sl_choose_limit(in, index);
		}
	}
	return found;
}

/* ---- looking --------------------------------------------------------------------------------- */

/*
 * The best of the nodes of these indexes; NULL: of all. Which part of them is healthy a sample tells
 * alone: it is right on average, and would not be if it were corrected only where it is empty.
 */
static struct best look(const struct sl_choose *in, const uint32_t *indexes, uint32_t count)
{
	struct best best = {.slot = SL_CHOOSE_NONE, .class = CLASS_NONE, .score = UINT64_MAX};
	uint32_t i, at, random = in->random, seen = 0, healthy = 0;

	if (count > SL_CHOOSE_SCAN_MAX) {
		for (i = 0; i < SL_CHOOSE_SAMPLE; i++) {
			at = (uint32_t)(((uint64_t)random * count) >> 32);
			consider(in, indexes ? indexes[at] : at, &best);
			random = random * 2654435761u + 0x9e3779b9u;
		}
		if (best.class <= CLASS_FRESH)
			return best;
		seen = best.seen;
		healthy = best.healthy;
	}
	for (i = 0, at = count ? in->random % count : 0; i < count; i++, at++) {
		if (at == count)
			at = 0;
		consider(in, indexes ? indexes[at] : at, &best);
	}
	if (seen) {
		best.seen = seen;
		best.healthy = healthy;
	}
	return best;
}

/* Could another node than that one take the request? */
static bool has_other(const struct sl_choose *in, uint32_t slot)
{
	uint32_t i, at = in->random % in->slot_count;

	for (i = 0; i < in->slot_count; i++, at = at + 1 < in->slot_count ? at + 1 : 0) {
		if (in->slots[at] != slot && !is_full(in, at) &&
		    class_of(in, in->slots[at], node_at(in, at)) <= CLASS_DOUBTFUL)
			return true;
	}
	return false;
}

/* ---- rings ----------------------------------------------------------------------------------- */

/* A request on its way outwards. */
struct walk {
	struct best best[SL_RINGS];
	uint8_t seen;	/* bit by ring: it was looked at */
	uint8_t loaded; /* bit by ring: it was meant for it, and there is no room */
	uint8_t turned; /* bit by ring: its dice is beyond the ring's share */
	uint32_t tried; /* nodes of the rings that were looked at and of this one */
	uint32_t taken; /* percent of the requests that are meant for the rings so far */
};

/* May the ring's best have the request? A node that ramps has less room. */
static bool fits(const struct sl_choose *in, const struct best *best, bool home)
{
	uint32_t ramp;

	if (best->class > CLASS_FRESH ||
	    (!home && sl_choose_fill(in, best->index) > in->rings->far_fill))
		return false;
	ramp = sl_breaker_capacity_percent(node_at(in, best->index), in->slow_start_ms, in->now_ms);
	return sl_choose_fill(in, best->index) * 100u < in->rings->near_fill * ramp;
}

/* How many of the ring's nodes this request has tried. */
static uint32_t tried_in(const struct sl_choose *in, uint32_t ring)
{
	uint32_t i = sl_ring_begin(in->rings, ring), count = 0;

	for (; in->tried_count >= SL_CHOOSE_RING_TRIES && i < in->rings->ends[ring]; i++)
		count += sl_choose_is_among(in->tried, in->tried_count,
					    in->slots[in->rings->order[i]]);
	return count;
}

/* Looks at the ring. True: the request is taken there. */
static bool visit(const struct sl_choose *in, uint32_t ring, struct walk *walk)
{
	struct best *best = &walk->best[ring];
	bool home = !walk->seen;
	uint32_t share;

	*best = look(in, in->rings->order + sl_ring_begin(in->rings, ring),
		     sl_ring_size(in->rings, ring));
	walk->seen |= (uint8_t)(1u << ring);
	if (best->class == CLASS_PROBE)
		return true;
	walk->tried += tried_in(in, ring);
	share = SL_RING_SPARE * best->healthy / (best->seen ? best->seen : 1);
	share = share < in->shares[ring] ? share : in->shares[ring];
	walk->taken += share < 100 - walk->taken ? share : 100 - walk->taken;
	if (in->dice >= walk->taken || walk->tried >= SL_CHOOSE_RING_TRIES + ring) {
		walk->turned |= (uint8_t)(1u << ring);
		return false;
	}
	if (fits(in, best, home))
		return true;
	if (best->class <= CLASS_FRESH || (best->class == CLASS_NONE && best->full))
		walk->loaded |= (uint8_t)(1u << ring);
	return false;
}

/* The borders between what was looked at and the ring; of them those that it reaches by load. */
static uint8_t borders_to(const struct walk *walk, uint32_t ring, uint8_t *ret_loaded)
{
	uint8_t passed = 0;

	*ret_loaded = 0;
	for (uint32_t border = 0; border < ring; border++) {
		uint32_t inside = (2u << border) - 1;

		if (walk->seen & inside)
			passed |= (uint8_t)(1u << border);
		if (walk->loaded & inside)
			*ret_loaded |= (uint8_t)(1u << border);
	}
	return passed;
}

/* Of two rings' best. Lower is better: who was turned away, its class, its score. */
static bool is_better(const struct walk *walk, uint32_t ring, uint32_t than)
{
	const struct best *a = &walk->best[ring], *b = &walk->best[than];
	uint32_t turned_a = walk->turned >> ring & 1, turned_b = walk->turned >> than & 1;
	bool doubt_a = a->class > CLASS_FRESH, doubt_b = b->class > CLASS_FRESH;

	if (doubt_a != doubt_b)
		return doubt_b;
	if (turned_a != turned_b)
		return turned_b;
	return a->class != b->class ? a->class < b->class : a->score < b->score;
}

/* The best of the rings that were looked at, where none took it. SL_RINGS: nobody has a place. */
static uint32_t best_of(const struct sl_choose *in, struct walk *walk, bool *ret_full)
{
	uint32_t found = SL_RINGS, home = SL_RINGS;

	for (uint32_t ring = 0; ring < SL_RINGS; ring++) {
		const struct best *best = &walk->best[ring];

		if (!(walk->seen >> ring & 1))
			continue;
		*ret_full |= best->full;
		if (home == SL_RINGS)
			home = ring;
		if (best->slot == SL_CHOOSE_NONE)
			continue;
		if (ring != home && best->class <= CLASS_FRESH &&
		    sl_choose_fill(in, best->index) > in->rings->far_fill) {
			*ret_full = true;
			continue;
		}
		if (found == SL_RINGS || is_better(walk, ring, found))
			found = ring;
	}
	return found;
}

/* Rings that affinity may not choose from: those that it was turned away from, or may not reach. */
static uint8_t barred_of(const struct sl_choose *in, const struct walk *walk, uint32_t ring)
{
	uint32_t barred = 0;

	for (uint32_t other = 0; other < SL_RINGS; other++) {
		if (other < ring && in->shares[other] < 100 && walk->turned >> other & 1)
			barred |= 1u << other;
		for (uint32_t border = ring; border < other; border++) {
			if (in->rings->caps[border] < 100)
				barred |= 1u << other;
		}
	}
	return (uint8_t)barred;
}

static struct sl_choice choice_of(const struct sl_choose *in, const struct best *best)
{
	return (struct sl_choice){
		.slot = best->slot,
		.fresh = best->class == CLASS_FRESH,
		.others = best->others,
		.full = best->full,
		.index = best->index,
		.limit = best->slot != SL_CHOOSE_NONE ? sl_choose_limit(in, best->index) : 0};
}

static struct sl_choice settle(const struct sl_choose *in, const struct walk *walk, uint32_t ring,
			       bool meant, uint8_t kept)
{
	struct sl_choice choice = choice_of(in, &walk->best[ring]);

	choice.lost = borders_to(walk, ring, &choice.loaded) & (uint8_t)~choice.loaded;
	choice.place = (uint8_t)(meant ? ring + 1 : 0);
	choice.barred = barred_of(in, walk, ring);
	choice.kept = kept;
	choice.others = choice.others || has_other(in, choice.slot);
	return choice;
}

/* Is somebody elsewhere due for its probe? */
static bool look_elsewhere(const struct sl_choose *in, struct sl_choice *ret_choice)
{
	struct best all;

	if (in->tried_count || in->random % SL_CHOOSE_ZONE_LOOK_PERIOD)
		return false;
	all = look(in, NULL, in->slot_count);
	*ret_choice = choice_of(in, &all);
	return all.class == CLASS_PROBE;
}

/* From ring to ring outwards. Its slot is SL_CHOOSE_NONE where nobody can take it. */
static struct sl_choice walk_out(const struct sl_choose *in)
{
	struct sl_choice choice = {.slot = SL_CHOOSE_NONE};
	struct walk walk = {.seen = 0};
	uint8_t kept = 0, loaded;
	bool full = false;
	uint32_t ring;

	if (look_elsewhere(in, &choice))
		return choice;
	for (ring = 0; ring < SL_RINGS; ring++) {
		uint32_t closed;

		if (!sl_ring_size(in->rings, ring))
			continue;
		borders_to(&walk, ring, &loaded);
		closed = loaded & ~(uint32_t)in->may_pass;
		if (closed) {
			kept = (uint8_t)closed;
			break;
		}
		if (visit(in, ring, &walk))
			return settle(in, &walk, ring, true, 0);
	}
	ring = best_of(in, &walk, &full);
	if (ring < SL_RINGS)
		return settle(in, &walk, ring, false, kept);
	return (struct sl_choice){.slot = SL_CHOOSE_NONE, .full = full || kept, .kept = kept};
}

/* ---- the choice ------------------------------------------------------------------------------ */

struct sl_choice sl_choose_node(const struct sl_choose *in)
{
	struct sl_choice choice;
	struct best best;

	if (!in->slot_count)
		return (struct sl_choice){.slot = SL_CHOOSE_NONE};
	if (in->rings) {
		choice = walk_out(in);
	} else {
		best = look(in, NULL, in->slot_count);
		choice = choice_of(in, &best);
	}
	if (choice.slot != SL_CHOOSE_NONE || choice.kept || !in->allow_panic)
		return choice;
	if (in->panic_percent && !sl_choose_in_panic(in))
		return (struct sl_choice){.slot = SL_CHOOSE_NONE, .full = choice.full};
	return least_bad(in);
}
