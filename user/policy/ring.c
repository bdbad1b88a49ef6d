/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/ring.h"
#include "user/base/fnv.h"

#include <string.h>

#define WHOLE 10000u /* of a share */
#define PRICE 100    /* points of one that passes */

#define LOAD(x)	    __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define STORE(x, y) __atomic_store_n(&(x), y, __ATOMIC_RELAXED)

static bool is_same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

enum sl_ring sl_ring_of(const struct sl_ring_place *host, const struct sl_ring_place *node)
{
	if (is_same(host->zone, node->zone))
		return SL_RING_ZONE;
	return is_same(host->region, node->region) ? SL_RING_REGION : SL_RING_FAR;
}

bool sl_ring_build(struct sl_ring_map *map, uint8_t *of, uint32_t *order,
		   const struct sl_ring_place *host, const struct sl_ring_place *places,
		   uint32_t count)
{
	uint32_t done = 0, used = 0;

	for (uint32_t i = 0; i < count; i++)
		of[i] = (uint8_t)sl_ring_of(host, &places[i]);
	for (uint32_t ring = 0; ring < SL_RINGS; ring++) {
		uint32_t begin = done;

		for (uint32_t i = 0; i < count; i++) {
			if (of[i] == ring)
				order[done++] = i;
		}
		map->ends[ring] = done;
		used += done > begin;
	}
	map->of = used > 1 ? of : NULL;
	map->order = order;
	return used > 1;
}

/* ---- shares ---------------------------------------------------------------------------------- */

uint64_t sl_rings_owner(const char *pool)
{
	uint64_t hash = sl_fnv_text(SL_FNV_BASIS, pool ? pool : "");

	return hash ? hash : 1;
}

void sl_rings_claim(struct sl_rings *rings, uint64_t owner)
{
	if (LOAD(rings->owner) == owner)
		return;
	STORE(rings->owner, owner); /* first: nobody else takes a step from now on */
	for (uint32_t ring = 0; ring < SL_RINGS; ring++) {
		struct sl_ring_share *share = &rings->shares[ring];

		STORE(share->missing, 0);
		STORE(share->target, 0);
		STORE(share->flaps, 0);
		STORE(share->moved_ms, 0);
		STORE(share->fit_ms, 0);
		STORE(share->whole_ms, 0);
	}
	for (uint32_t border = 0; border < SL_RING_BORDERS; border++) {
		STORE(rings->points[border], 0);
		STORE(rings->passed_load[border], 0);
		STORE(rings->passed_loss[border], 0);
		STORE(rings->kept[border], 0);
	}
	STORE(rings->looked_ms, 0);
}

bool sl_rings_look(struct sl_rings *rings, uint64_t owner, uint64_t now_ms)
{
	uint64_t looked_ms = LOAD(rings->looked_ms), whose = LOAD(rings->owner);

	return (!whose || whose == owner) && now_ms - looked_ms >= SL_RING_LOOK_MS &&
	       __atomic_compare_exchange_n(&rings->looked_ms, &looked_ms, now_ms, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static uint64_t hold_ms(const struct sl_ring_share *share, uint32_t return_ms)
{
	return ((uint64_t)return_ms / 10) << LOAD(share->flaps);
}

static bool is_fall(uint32_t has, uint32_t target)
{
	return target < has && (!target || has - target > SL_RING_SLACK * 100);
}

static void fall(struct sl_ring_share *share, uint32_t has, uint32_t return_ms, uint64_t now_ms)
{
	uint64_t whole_ms = LOAD(share->whole_ms);
	uint32_t flaps = LOAD(share->flaps);
	bool returning = has < WHOLE && LOAD(share->fit_ms);

	if (has == WHOLE)
		returning = whole_ms && now_ms - whole_ms < (uint64_t)SL_RING_CALM * return_ms;
	flaps = returning ? flaps + 1 : has == WHOLE ? 0 : flaps;
	STORE(share->flaps, flaps < SL_RING_FLAPS_MAX ? flaps : SL_RING_FLAPS_MAX);
	STORE(share->fit_ms, 0);
}

/* What it has after another step up. */
static uint32_t rise(struct sl_ring_share *share, uint32_t has, uint32_t target, uint32_t return_ms,
		     uint64_t now_ms)
{
	uint64_t fit_ms = LOAD(share->fit_ms), from_ms, gain;

	if (!fit_ms) {
		fit_ms = now_ms;
		STORE(share->fit_ms, now_ms);
	}
	from_ms = fit_ms + hold_ms(share, return_ms);
	if (LOAD(share->moved_ms) > from_ms)
		from_ms = LOAD(share->moved_ms);
	if (now_ms <= from_ms)
		return has;
	gain = (now_ms - from_ms) * WHOLE / return_ms;
	if (gain)
		STORE(share->moved_ms, now_ms);
	return gain < target - has ? has + (uint32_t)gain : target;
}

void sl_ring_step(struct sl_ring_share *share, uint32_t fit, uint32_t count, uint32_t return_ms,
		  uint64_t now_ms)
{
	uint32_t has = WHOLE - LOAD(share->missing), target;

	if (!count)
		return;
	target = (uint32_t)((uint64_t)SL_RING_SPARE * 100 * fit / count);
	if (target > WHOLE)
		target = WHOLE;
	STORE(share->target, WHOLE - target);
	if (is_fall(has, target))
		fall(share, has, return_ms, now_ms);
	if (target > has && return_ms) {
		uint32_t was = has;

		has = rise(share, has, target, return_ms, now_ms);
		if (was < WHOLE && has == WHOLE)
			STORE(share->whole_ms, now_ms);
	} else {
		has = target;
	}
	if (has == target)
		STORE(share->fit_ms, 0);
	STORE(share->missing, WHOLE - has);
}

uint32_t sl_ring_percent(const struct sl_ring_share *share)
{
	return (WHOLE - LOAD(share->missing)) / 100;
}

enum sl_ring_state sl_ring_state_of(const struct sl_ring_share *share, uint32_t return_ms,
				    uint64_t now_ms)
{
	uint32_t missing = LOAD(share->missing), target = LOAD(share->target);
	uint64_t fit_ms = LOAD(share->fit_ms);

	if (!missing)
		return SL_RING_WHOLE;
	if (target == WHOLE)
		return SL_RING_LOST;
	if (missing <= target)
		return SL_RING_SHORT;
	return fit_ms && now_ms > fit_ms + hold_ms(share, return_ms) ? SL_RING_RISING
								     : SL_RING_HELD;
}

uint32_t sl_rings_dice(struct sl_rings *rings)
{
	uint32_t turn = __atomic_fetch_add(&rings->turn, 1, __ATOMIC_RELAXED);

	return (uint32_t)((uint64_t)(turn * 2654435769u) * 100u >> 32);
}

/* ---- caps ------------------------------------------------------------------------------------ */

static void add_points(int32_t *points, int32_t more, int32_t most)
{
	int32_t has = __atomic_load_n(points, __ATOMIC_RELAXED), next;

	do {
		next = has + more < most ? has + more : most;
	} while (next != has && !__atomic_compare_exchange_n(points, &has, next, true,
							     __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

void sl_rings_earn(struct sl_rings *rings, const struct sl_ring_map *map)
{
	for (uint32_t border = 0; border < SL_RING_BORDERS; border++) {
		int32_t cap = (int32_t)map->caps[border];

		if (cap < 100)
			add_points(&rings->points[border], cap, (int32_t)SL_RING_SAVED_MAX * cap);
	}
}

bool sl_rings_may_pass(const struct sl_rings *rings, const struct sl_ring_map *map, uint32_t border)
{
	return map->caps[border] >= 100 || LOAD(rings->points[border]) >= PRICE;
}

bool sl_rings_pass(struct sl_rings *rings, const struct sl_ring_map *map, uint32_t border)
{
	int32_t has = LOAD(rings->points[border]);

	if (map->caps[border] >= 100)
		return true;
	while (has >= PRICE) {
		if (__atomic_compare_exchange_n(&rings->points[border], &has, has - PRICE, true,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

void sl_rings_give_back(struct sl_rings *rings, const struct sl_ring_map *map, uint32_t border)
{
	if (map->caps[border] < 100)
		add_points(&rings->points[border], PRICE,
			   (int32_t)(SL_RING_SAVED_MAX * map->caps[border]));
}

const char *sl_ring_name(enum sl_ring ring)
{
	static const char *const names[SL_RINGS] = {"local", "region", "spill"};

	return names[ring];
}

const char *sl_ring_state_name(enum sl_ring_state state)
{
	static const char *const names[SL_RING_STATES] = {"whole", "short", "lost", "held",
							  "rising"};

	return names[state];
}
