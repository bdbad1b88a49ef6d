/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * choose.h - which node of a pool takes the next attempt.
 *
 * Pure: reads node states, writes nothing, decides from its arguments alone. The breaker's gate
 * (sl_breaker_admit) comes after the choice, because it may take the half-open probe.
 *
 * Order of preference:
 *   1. a node whose breaker is due for its probe (first attempts only: a request that has failed
 *      once is not risked on a doubtful node while a good one exists)
 *   2. the lowest score among the admitting nodes not yet tried by this request
 *   3. doubtful ones: as many failures in a row as open a breaker, but the ejection cap refused.
 *      One choice in SL_CHOOSE_DOUBT_PERIOD takes them for class 2, so that a node that is well
 *      again is found
 *   4. the lowest score among the admitting nodes that were tried, but not last
 *   5. the one tried last
 *   6. in panic only: the least bad of those that are present and not draining
 * A node that is left alone because it said Retry-After is nobody's choice until then, and one that
 * has as many requests as it takes is none until one of them ends.
 *
 * score = fill / (weight * capacity), fill being how full the node is: the most of
 *	(at the node + 1) / slots	of the server, else of `limits`, else the pool's `nominal`
 *	(ours + 1) / limit		where it has one
 *	queue, KV cache			by what the server says itself, see load.h
 * Pools of up to SL_CHOOSE_SCAN_MAX nodes are scanned whole from a random start; larger ones are
 * sampled (Mitzenmacher, "The power of two choices in randomized load balancing", 2001) and scanned
 * only when the sample has no candidate.
 *
 * Rings (ring.h). With `rings`, the nearest ring is looked at first, then the next. A request is meant for a ring
 * by its share and `dice`, and is taken there by the best node while that one's fill is below near_fill. Else it
 * goes on outwards:
 *	because nodes are lost: its dice is beyond the ring's share, or those who might take it failed it already
 *		(it has tried SL_CHOOSE_RING_TRIES nodes of the zone, or one more of zone and region together: a few
 *		attempts get out of a region that is lost before its breakers know it)
 *	by load: the ring's best is too full, or all are. Past a border with a cap only with `may_pass`
 * Who finds a place in none of the rings it may go to has the best of these: of those that its dice did not turn
 * it away from first; outside the nearest ring only up to far_fill. Where nobody has a place it is told `full`,
 * to wait. (Envoy's priority levels have the shares; its zone-aware routing compares those of hosts and callers,
 * which needs to know the callers of all zones.) One choice in SL_CHOOSE_ZONE_LOOK_PERIOD looks for nodes
 * elsewhere that are due for their probe, so that they are in order by the time they are needed; one that is due
 * in a ring that is looked at is taken. In panic nearer ones go before others with as many failures.
 */
#ifndef SL_POLICY_CHOOSE_H
#define SL_POLICY_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/abi.h"
#include "user/policy/concurrency.h"
#include "user/policy/load.h"
#include "user/policy/ring.h"

#define SL_CHOOSE_SCAN_MAX     16u
#define SL_CHOOSE_SAMPLE       4u
#define SL_CHOOSE_TRIED_MAX    16u /* attempts of one request that are remembered */
#define SL_CHOOSE_DOUBT_PERIOD 16u
#define SL_CHOOSE_NONE	       UINT32_MAX

#define SL_CHOOSE_ZONE_LOOK_PERIOD 16u
#define SL_CHOOSE_RING_TRIES	   2u

struct sl_choose {
	const struct sl_node_state *nodes; /* the whole table, indexed by slot */
	const uint32_t *slots;		   /* the pool's members */
	uint32_t slot_count;
	const uint32_t *tried; /* slots this request has used, oldest first */
	uint32_t tried_count;
	const uint64_t *holds;	/* by slot, see retry.h; NULL: none */
	const uint32_t *limits; /* requests that a node takes at once, as slots; 0 or NULL: any */
	const struct sl_concurrency *concurrency; /* by slot; NULL: none */
	uint64_t tokens_max; /* in flight that a node takes another request with; 0: any */
	uint32_t nominal;    /* slots of a node that has no limit and does not say; 0: any number */
	const struct sl_loads *loads;	 /* what the servers say; NULL: nothing */
	const struct sl_ring_map *rings; /* NULL: how near nodes are does not count */
	uint8_t shares[SL_RINGS]; /* percent that each ring has at most; by sl_ring_percent() */
	uint8_t dice;		  /* 0..99, by sl_rings_dice() */
	uint8_t may_pass;	  /* bit by border: another one may by load */
	uint8_t barred;		  /* for affinity.h: bit by ring that it may not go to, */
	uint8_t place;		  /* and one more than the ring that new names belong to; 0: any */
	uint32_t doubtful;	  /* failures in a row that make a node doubtful; 0: never */
	uint64_t now_ms;
	uint32_t slow_start_ms;
	uint32_t panic_percent;
	uint32_t random;
	bool allow_panic;
};

struct sl_choice {
	uint32_t slot;	/* SL_CHOOSE_NONE: nobody */
	bool panic;	/* the gate must be passed by: the node's breaker refuses */
	bool fresh;	/* it was chosen by its score, among those that nothing speaks against */
	bool others;	/* at least one more admitting node that was not tried was seen */
	bool full;	/* nodes were passed by because they have as many requests as they take */
	uint8_t place;	/* of a ring that it was meant for, one more than that; 0: of no ring */
	uint8_t barred; /* bit by ring: it may not be sent there for affinity */
	uint8_t loaded; /* bit by border: what passes it does by load */
	uint8_t lost;	/* the same: because nodes are lost */
	uint8_t kept;	/* bit by border: it would have passed, and may not */
	uint32_t index; /* of the chosen one in `slots` */
	uint32_t limit; /* of the chosen node, to be checked again when its place is taken */
};

struct sl_choice sl_choose_node(const struct sl_choose *in);

/* Nodes of the pool that would take new work now. */
uint32_t sl_choose_available(const struct sl_choose *in);

/* Do fewer take new work than the panic threshold asks for? */
bool sl_choose_in_panic(const struct sl_choose *in);

/* Is there a node that was not tried, is not doubtful, not left alone, and its breaker closed? */
bool sl_choose_any_healthy(const struct sl_choose *in);

/* And has one of these a place? */
bool sl_choose_any_place(const struct sl_choose *in);

/* Would its breaker be open but for the ejection cap? */
bool sl_choose_is_doubtful(const struct sl_choose *in, const struct sl_node_state *node);

/* Gets no new requests because it fails: open, half-open, or doubtful. */
bool sl_choose_is_out(const struct sl_choose *in, const struct sl_node_state *node);

/* Is the slot one of these few? */
static inline bool sl_choose_is_among(const uint32_t *slots, uint32_t count, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (slots[i] == slot)
			return true;
	}
	return false;
}

/* ---- for affinity.c ---------------------------------------------------------------------------- */

/* May the node be chosen by something else than its score: would nothing but that be asked? */
bool sl_choose_is_open(const struct sl_choose *in, uint32_t index);

/* How many requests the node of that index takes at once; 0: any. */
uint32_t sl_choose_limit(const struct sl_choose *in, uint32_t index);

/*
 * Of one node: requests and flows at it; weight times capacity times slots, at least 1; how full it
 * is (SL_LOAD_FULL); the score made of them.
 */
uint64_t sl_choose_load(const struct sl_choose *in, uint32_t index);
uint64_t sl_choose_share(const struct sl_choose *in, uint32_t index);
uint64_t sl_choose_fill(const struct sl_choose *in, uint32_t index);
uint64_t sl_choose_score(const struct sl_choose *in, uint32_t index);

/* Requests of this process, and flows of this host, at the node. */
uint64_t sl_choose_ours(const struct sl_node_state *node, uint64_t now_ms);

/* Has the node room in its KV cache for work that somebody else could do too? */
bool sl_choose_has_kv_room(const struct sl_choose *in, uint32_t index);

/* Load and share of the nodes together that are present, not in doubt, and their breaker closed. */
void sl_choose_sum(const struct sl_choose *in, uint64_t *ret_load, uint64_t *ret_share);

/* Of each ring: nodes that would take new work and are not in doubt. */
void sl_choose_count_rings(const struct sl_choose *in, uint32_t ret_fit[SL_RINGS]);

/* Until the first of the nodes that are left alone may be asked; UINT64_MAX: none is left alone. */
uint64_t sl_choose_held_ms(const struct sl_choose *in);

#endif
