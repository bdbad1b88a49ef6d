/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring.h - how near a pool's nodes are to this host, what share of the pool's requests each ring is given, and
 * how many may leave one by load.
 *
 *   ring     its nodes                                         border behind it
 *   ZONE     in this host's zone                               the zone's
 *   REGION   in its region, in other zones                     the region's
 *   FAR      anywhere else, or nobody knows where              -
 *
 * Share. A ring with `fit` of `count` nodes has SL_RING_SPARE * fit / count percent of the requests, 100 at
 * most; what it has not is the next ring's (Envoy's priority levels have this rule and the number). Its share
 * falls at once and comes back slowly:
 *
 *   state    share                      leaves by
 *   WHOLE    all                        fit nodes fewer                        -> SHORT, LOST
 *   SHORT    what its fit nodes allow   more of them are fit                   -> HELD
 *   LOST     none                       one of them is fit                     -> HELD
 *   HELD     as it was                  return_ms / 10 * 2^flaps without loss  -> RISING
 *   RISING   100 percent a return_ms    there                                  -> WHOLE, SHORT
 *
 * and from each by a loss. A fall of more than SL_RING_SLACK percent while it was HELD or RISING, or less than
 * SL_RING_CALM times return_ms after it was whole again, is a flap: the next HELD lasts twice as long.
 *
 * Caps. Of the requests that a ring's share is meant for and that its nodes are too full for, no more than
 * `cap` percent of the pool's pass its border: each first attempt earns `cap` points, each passing costs 100,
 * and SL_RING_SAVED_MAX * cap are saved at most. So of any N requests in a row at most cap percent of
 * (N + SL_RING_SAVED_MAX) do. What leaves because nodes are lost costs nothing.
 *
 * Pure but for atomics on the caller's memory: any thread.
 */
#ifndef SL_POLICY_RING_H
#define SL_POLICY_RING_H

#include <stdbool.h>
#include <stdint.h>

#define SL_RING_SPARE	  140u /* percent: what fit nodes take of the others' share */
#define SL_RING_SLACK	  10u
#define SL_RING_CALM	  4u
#define SL_RING_FLAPS_MAX 5u
#define SL_RING_SAVED_MAX 100u
#define SL_RING_LOOK_MS	  100u

enum sl_ring { SL_RING_ZONE = 0, SL_RING_REGION, SL_RING_FAR, SL_RINGS };
#define SL_RING_BORDERS (SL_RINGS - 1)

enum sl_ring_state {
	SL_RING_WHOLE = 0,
	SL_RING_SHORT,
	SL_RING_LOST,
	SL_RING_HELD,
	SL_RING_RISING,
	SL_RING_STATES
};

/* Where somebody is; NULL: not said. */
struct sl_ring_place {
	const char *zone, *region;
};

enum sl_ring sl_ring_of(const struct sl_ring_place *host, const struct sl_ring_place *node);

/* A pool's nodes by ring, and its bounds. Immutable; all zero: the pool has none. */
struct sl_ring_map {
	const uint8_t *of;	 /* enum sl_ring by index of the node; NULL: rings do not count */
	const uint32_t *order;	 /* indexes, ring by ring */
	uint32_t ends[SL_RINGS]; /* of each in `order` */
	uint64_t near_fill;	 /* how full a ring's least full node may be, in SL_LOAD_FULL */
	uint64_t far_fill;	 /* the same of a node that takes what is another ring's */
	uint32_t caps[SL_RING_BORDERS]; /* percent that may pass by load */
	uint32_t return_ms;		/* from no share to all; 0: at once */
	uint64_t owner;			/* sl_rings_owner() of the pool */
};

/* Fills `of` and `order` (room for count) and the ends; places: of the nodes. False: all are in one ring. */
bool sl_ring_build(struct sl_ring_map *map, uint8_t *of, uint32_t *order,
		   const struct sl_ring_place *host, const struct sl_ring_place *places,
		   uint32_t count);

static inline uint32_t sl_ring_begin(const struct sl_ring_map *map, uint32_t ring)
{
	return ring ? map->ends[ring - 1] : 0;
}

static inline uint32_t sl_ring_size(const struct sl_ring_map *map, uint32_t ring)
{
	return map->ends[ring] - sl_ring_begin(map, ring);
}

/* One ring of one pool. Written by whoever got sl_rings_look(). */
struct sl_ring_share {
	uint32_t missing; /* of 10,000; 0: it has all */
	uint32_t target;  /* of 10,000 that are missing by its nodes alone */
	uint32_t flaps;
	uint64_t moved_ms; /* its last step up */
	uint64_t fit_ms;   /* since when more is possible; 0: it is not */
	uint64_t whole_ms; /* since when it is whole again; 0: it always was */
};

/* What all threads share of one pool's slot. All zero at the start. */
struct sl_rings {
	uint64_t owner; /* sl_rings_owner() of the pool that has the slot; 0: nobody has said */
	struct sl_ring_share shares[SL_RINGS];
	uint64_t looked_ms;
	uint32_t turn;
	int32_t points[SL_RING_BORDERS];
	uint64_t passed_load[SL_RING_BORDERS], passed_loss[SL_RING_BORDERS];
	uint64_t kept[SL_RING_BORDERS]; /* would have passed by load, and the cap was used up */
};

/* Whose they are, by its name; NULL: no pool has the slot. Never 0. */
uint64_t sl_rings_owner(const char *pool);

/*
 * The slot is that pool's from now on: of another one that had it nothing stays, neither shares nor points nor
 * counts. That of who has it already changes nothing. One caller at a time.
 */
void sl_rings_claim(struct sl_rings *rings, uint64_t owner);

/* Is it time to look at the nodes, for this thread? Never for a pool whose they are not any more: requests of one that
 * was removed end later than their slot is another's. */
bool sl_rings_look(struct sl_rings *rings, uint64_t owner, uint64_t now_ms);

/* One step of a ring's share, of which so many nodes are fit. count 0: nothing. */
void sl_ring_step(struct sl_ring_share *share, uint32_t fit, uint32_t count, uint32_t return_ms,
		  uint64_t now_ms);

/* 0..100. */
uint32_t sl_ring_percent(const struct sl_ring_share *share);
enum sl_ring_state sl_ring_state_of(const struct sl_ring_share *share, uint32_t return_ms,
				    uint64_t now_ms);

/*
 * 0..99, the next of a sequence that is even in itself (multiples of the golden ratio): of any N the part below
 * P differs from P percent by a few, not by the root of N.
 */
uint32_t sl_rings_dice(struct sl_rings *rings);

/* A first attempt earns points; may one pass; it passes, or the points are gone; it did not after all. */
void sl_rings_earn(struct sl_rings *rings, const struct sl_ring_map *map);
bool sl_rings_may_pass(const struct sl_rings *rings, const struct sl_ring_map *map,
		       uint32_t border);
bool sl_rings_pass(struct sl_rings *rings, const struct sl_ring_map *map, uint32_t border);
void sl_rings_give_back(struct sl_rings *rings, const struct sl_ring_map *map, uint32_t border);

const char *sl_ring_name(enum sl_ring ring);		  /* "local", "region", "spill" */
const char *sl_ring_state_name(enum sl_ring_state state); /* "whole", ... */

#endif
