/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/affinity.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "bpf/hash.h"

/*
 * An entry: tag, node and age in one word; 0: empty (slot 0 is never a node).
 *
 *	63        28 27     16 15         12 11    0
 *	tag          slot      incarnation   stamp
 */
#define TAG_SHIFT	  28
#define SLOT_SHIFT	  16
#define SLOT_MASK	  0xfffu
#define INCARNATION_SHIFT 12
#define INCARNATION_MASK  0xfu
#define STAMP_MASK	  0xfffu
#define STAMP_MS_SHIFT	  12 /* one step is 4,096 ms; ages are told apart up to 4.6 hours */
#define SECRET_BYTES	  XXH3_SECRET_DEFAULT_SIZE

static_assert(SL_NODES_MAX <= SLOT_MASK + 1, "an entry holds any slot");
static_assert((SL_AFFINITY_SETS & (SL_AFFINITY_SETS - 1)) == 0, "a hash is masked to a set");
static_assert(SL_AFFINITY_SETS <= 1u << TAG_SHIFT, "tag and set do not overlap much");

struct set {
	uint64_t ways[SL_AFFINITY_WAYS];
} __attribute__((aligned(64)));

/* What a large pool's nodes have in flight together, and their shares; racing threads may mix two
 * sums of the same millisecond, which both are right. */
struct sum {
	uint64_t now_ms, load, share;
};

struct sl_affinity {
	void *room;	  /* of sets: pages that nobody has touched cost nothing */
	struct set *sets; /* SL_AFFINITY_SETS */
	struct sum sums[SL_POOLS_MAX];
	unsigned char secret[SECRET_BYTES];
};

int sl_affinity_open(uint64_t seed, struct sl_affinity **ret_affinity)
{
	struct sl_affinity *affinity = calloc(1, sizeof(*affinity));
	size_t line = sizeof(struct set);

	if (!affinity)
		return -ENOMEM;
	affinity->room = calloc(1, SL_AFFINITY_BYTES + line);
	if (!affinity->room) {
		free(affinity);
		return -ENOMEM;
	}
	affinity->sets = (struct set *)(((uintptr_t)affinity->room + line - 1) & ~(line - 1));
	XXH3_generateSecret_fromSeed(affinity->secret, seed);
	*ret_affinity = affinity;
	return 0;
}

void sl_affinity_close(struct sl_affinity **affinity)
{
	if (*affinity)
		free((*affinity)->room);
	free(*affinity);
	*affinity = NULL;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static struct set *set_of(const struct sl_affinity *affinity, uint64_t hash)
{
	return &affinity->sets[hash & (SL_AFFINITY_SETS - 1)];
}

void sl_affinity_key_prompt(const struct sl_affinity *affinity, const char *salt, size_t salt_len,
			    const char *prompt, size_t prompt_len, struct sl_affinity_key *key)
{
	uint64_t chain = XXH3_64bits_withSecret(salt, salt_len, affinity->secret, SECRET_BYTES);
	uint32_t i;

	key->block_count = (uint32_t)(prompt_len / SL_AFFINITY_BLOCK_BYTES < SL_AFFINITY_BLOCKS_MAX
					      ? prompt_len / SL_AFFINITY_BLOCK_BYTES
					      : SL_AFFINITY_BLOCKS_MAX);
	for (i = 0; i < key->block_count; i++) {
		chain = sl_hash_combine(
			chain, XXH3_64bits_withSecret(prompt + (size_t)i * SL_AFFINITY_BLOCK_BYTES,
						      SL_AFFINITY_BLOCK_BYTES, affinity->secret,
						      SECRET_BYTES));
		key->blocks[i] = chain;
	}
}

/* Without the secret: another process must come to the same node. */
void sl_affinity_key_session(const char *session, size_t len, struct sl_affinity_key *key)
{
	key->session = len ? XXH3_64bits(session, len) | 1 : 0;
}

/* A chain, or a session, in a pool. */
static uint64_t salted(uint64_t hash, uint32_t pool)
{
	return sl_hash_combine(hash, pool);
}

/* ---- the table ------------------------------------------------------------------------------- */

static uint64_t load_way(const uint64_t *way)
{
	return __atomic_load_n(way, __ATOMIC_RELAXED);
}

static bool has_tag(uint64_t entry, uint64_t hash)
{
	return entry && entry >> TAG_SHIFT == hash >> TAG_SHIFT;
}

static uint32_t slot_of(uint64_t entry)
{
	return (uint32_t)(entry >> SLOT_SHIFT) & SLOT_MASK;
}

static uint32_t age_of(uint64_t entry, uint64_t now)
{
	return (uint32_t)(now - entry) & STAMP_MASK;
}

static uint64_t entry_of(uint64_t hash, uint32_t slot, uint32_t incarnation, uint64_t now)
{
	return (hash >> TAG_SHIFT) << TAG_SHIFT | (uint64_t)slot << SLOT_SHIFT |
	       (uint64_t)(incarnation & INCARNATION_MASK) << INCARNATION_SHIFT | (now & STAMP_MASK);
}

/*
 * Remembers the node for the hash, in place of its own entry, else of the oldest one for the same
 * hash when there are `copies` of them, else of nothing, else of the oldest of the set. Returns true
 * when it was known already.
 */
static bool put(struct sl_affinity *affinity, uint64_t hash, uint64_t entry, uint32_t copies)
{
	uint64_t *ways = set_of(affinity, hash)->ways, old;
	uint32_t i, oldest = 0, oldest_copy = 0, count = 0, age;
	uint32_t worst = 0, worst_copy = 0;

	for (i = 0; i < SL_AFFINITY_WAYS; i++) {
		old = load_way(&ways[i]);
		if (has_tag(old, hash) && slot_of(old) == slot_of(entry)) {
			if (old != entry) /* a line of all threads is not written for nothing */
				__atomic_store_n(&ways[i], entry, __ATOMIC_RELAXED);
			return (old ^ entry) >> INCARNATION_SHIFT == 0;
		}
		age = old ? age_of(old, entry) + 1 : UINT32_MAX;
		if (age > worst) {
			worst = age;
			oldest = i;
		}
		if (!has_tag(old, hash))
			continue;
		count++;
		if (age > worst_copy) {
			worst_copy = age;
			oldest_copy = i;
		}
	}
	__atomic_store_n(&ways[count >= copies ? oldest_copy : oldest], entry, __ATOMIC_RELAXED);
	return false;
}

static void drop(struct sl_affinity *affinity, uint64_t hash, uint32_t slot)
{
	uint64_t *ways = set_of(affinity, hash)->ways;
	uint32_t i;

	for (i = 0; i < SL_AFFINITY_WAYS; i++) {
		uint64_t old = load_way(&ways[i]);

		if (has_tag(old, hash) && slot_of(old) == slot)
			__atomic_store_n(&ways[i], 0, __ATOMIC_RELAXED);
	}
}

void sl_affinity_confirm(struct sl_affinity *affinity, const struct sl_affinity_key *key,
			 uint32_t pool, uint32_t slot, uint32_t incarnation, uint64_t now_ms)
{
	uint64_t hash = salted(key->session, pool);

	if (key->session)
		put(affinity, hash, entry_of(hash, slot, incarnation, now_ms >> STAMP_MS_SHIFT), 1);
}

uint32_t sl_affinity_note(struct sl_affinity *affinity, const struct sl_affinity_key *key,
			  uint32_t pool, uint32_t slot, uint32_t incarnation, uint64_t now_ms)
{
	uint64_t now = now_ms >> STAMP_MS_SHIFT;
	uint32_t i, known = 0;

	for (i = 0; i < key->block_count; i++) {
		uint64_t hash = salted(key->blocks[i], pool);

		if (put(affinity, hash, entry_of(hash, slot, incarnation, now),
			SL_AFFINITY_COPIES_MAX) &&
		    known == i)
			known++;
	}
	sl_affinity_confirm(affinity, key, pool, slot, incarnation, now_ms);
	return known;
}

void sl_affinity_forget(struct sl_affinity *affinity, const struct sl_affinity_key *key,
			uint32_t pool, uint32_t slot, uint32_t known)
{
	uint32_t i;

	for (i = known; i < key->block_count; i++)
		drop(affinity, salted(key->blocks[i], pool), slot);
	if (key->session)
		drop(affinity, salted(key->session, pool), slot);
}

/* ---- the bound ------------------------------------------------------------------------------- */

/* One decision. The pool's sums are taken when the first node needs them. */
struct decision {
	const struct sl_choose *in;
	struct sum *kept; /* the pool's */
	uint32_t excess_percent;
	bool summed;
	uint64_t load, share;			   /* of the pool */
	uint32_t refused[SL_AFFINITY_REFUSED_MAX]; /* slots */
	uint32_t refused_count;
	bool refused_load; /* at least one of them for its load */
};

static const struct sl_node_state *node_at(const struct decision *d, uint32_t index)
{
	return &d->in->nodes[d->in->slots[index]];
}

/* A sum over 256 nodes costs as much as all the rest: it is taken once a millisecond there. */
static void sum_up(struct decision *d)
{
	bool large = d->in->slot_count > SL_AFFINITY_EXACT_NODES;
	struct sum *kept = d->kept;

	d->summed = true;
	if (large && __atomic_load_n(&kept->now_ms, __ATOMIC_ACQUIRE) == d->in->now_ms) {
		d->load = __atomic_load_n(&kept->load, __ATOMIC_RELAXED);
		d->share = __atomic_load_n(&kept->share, __ATOMIC_RELAXED);
		return;
	}
	sl_choose_sum(d->in, &d->load, &d->share);
	if (!large)
		return;
	__atomic_store_n(&kept->load, d->load, __ATOMIC_RELAXED);
	__atomic_store_n(&kept->share, d->share, __ATOMIC_RELAXED);
	__atomic_store_n(&kept->now_ms, d->in->now_ms, __ATOMIC_RELEASE);
}

/* Would it be within its bound with one more? */
static bool is_in_bound(struct decision *d, uint32_t index)
{
	uint64_t whole, part, load = sl_choose_load(d->in, index);

	if (!sl_choose_has_kv_room(d->in, index))
		return false;
	if (!load)
		return true; /* the bound is at least one: spares the sum */
	if (!d->summed)
		sum_up(d);
	/* Numbers that no pool has, but a server could say: load decides. */
	if (__builtin_mul_overflow((100u + d->excess_percent) * (d->load + 1),
				   sl_choose_share(d->in, index), &whole))
		return false;
	part = 100u * d->share;
	return part && load + 1 <= (whole + part - 1) / part;
}

static uint32_t index_of(const struct sl_choose *in, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < in->slot_count; i++) {
		if (in->slots[i] == slot)
			return i;
	}
	return SL_CHOOSE_NONE;
}

/* The index of an entry's node if the request may go there for affinity, else SL_CHOOSE_NONE. */
static uint32_t admit(struct decision *d, uint64_t entry)
{
	uint32_t slot = slot_of(entry), index;
	bool open;

	if (sl_choose_is_among(d->refused, d->refused_count, slot) ||
	    (d->in->nodes[slot].incarnation & INCARNATION_MASK) !=
		    (entry >> INCARNATION_SHIFT & INCARNATION_MASK))
		return SL_CHOOSE_NONE;
	index = index_of(d->in, slot);
	open = index != SL_CHOOSE_NONE && sl_choose_is_open(d->in, index);
	if (open && is_in_bound(d, index))
		return index;
	d->refused_load |= open;
	if (d->refused_count < SL_AFFINITY_REFUSED_MAX)
		d->refused[d->refused_count++] = slot;
	return SL_CHOOSE_NONE;
}

/* ---- the choice ------------------------------------------------------------------------------ */

/* Of the nodes known for the hash the one with the lowest score; SL_CHOOSE_NONE: none may be. */
static uint32_t best_known(const struct sl_affinity *affinity, struct decision *d, uint64_t hash)
{
	const struct set *set = set_of(affinity, hash);
	uint32_t i, found = SL_CHOOSE_NONE;
	uint64_t lowest = UINT64_MAX, score;

	for (i = 0; i < SL_AFFINITY_WAYS; i++) {
		uint64_t entry = load_way(&set->ways[i]);
		uint32_t index;

		if (!has_tag(entry, hash))
			continue;
		index = admit(d, entry);
		if (index == SL_CHOOSE_NONE)
			continue;
		score = sl_choose_score(d->in, index);
		if (score < lowest) {
			lowest = score;
			found = index;
		}
	}
	return found;
}

/* The endpoint, not the slot: that is another one in another process. */
static uint64_t rank_of(uint64_t name, const struct sl_endpoint *endpoint)
{
	uint64_t words[2];

	static_assert(sizeof(endpoint->addr) == sizeof(words), "an address is two words");
	memcpy(words, &endpoint->addr, sizeof(words));
	return sl_mix64(name ^ (words[0] * 0x9e3779b97f4a7c15ull) ^
			(words[1] * 0xc2b2ae3d27d4eb4full) ^
			((uint64_t)endpoint->port * 0x165667b19e3779f9ull));
}

/* May the session or adapter go there, if it has no earlier place? */
static bool takes_new(struct decision *d, uint32_t index)
{
	if (!sl_choose_is_open(d->in, index) ||
	    sl_choose_is_among(d->refused, d->refused_count, d->in->slots[index]))
		return false;
	if (is_in_bound(d, index))
		return true;
	d->refused_load = true;
	return false;
}

/* Those that rendezvous is among: of the ring that the request is meant for, else all. */
static uint32_t place_count(const struct decision *d)
{
	return d->in->place ? sl_ring_size(d->in->rings, d->in->place - 1u) : d->in->slot_count;
}

static uint32_t place_at(const struct decision *d, uint32_t i)
{
	const struct sl_ring_map *rings = d->in->rings;

	return d->in->place ? rings->order[sl_ring_begin(rings, d->in->place - 1u) + i] : i;
}

static const struct sl_load *load_of(const struct decision *d, uint32_t index)
{
	return sl_load_fresh(d->in->loads, d->in->slots[index], node_at(d, index)->incarnation,
			     d->in->now_ms);
}

/* With spare: not where another adapter would have to make room. */
static bool is_wanted(struct decision *d, uint32_t index, bool spare)
{
	return (!spare || !sl_load_adapters_full(load_of(d, index))) && takes_new(d, index);
}

/* The node with the first of exponential times, so that each has the odds of its weight. */
static uint32_t rendezvous_weighted(struct decision *d, uint64_t name, bool spare)
{
	uint32_t i, found = SL_CHOOSE_NONE;
	double least = INFINITY;

	for (i = 0; i < place_count(d); i++) {
		const struct sl_node_state *node = node_at(d, place_at(d, i));
		uint64_t rank = rank_of(name, &node->endpoint);
		double time = -log(((double)(rank >> 11) + 1.0) * 0x1p-53) /
			      (node->weight ? node->weight : 1);

		if (time >= least || !is_wanted(d, place_at(d, i), spare))
			continue;
		least = time;
		found = place_at(d, i);
	}
	return found;
}

/* The node that is first for the name among those in bounds; the highest rank, alike the above
 * where all weights are the same, without its logarithms. */
static uint32_t rendezvous(struct decision *d, uint64_t name, bool spare)
{
	uint32_t i, found = SL_CHOOSE_NONE, weight = node_at(d, place_at(d, 0))->weight;
	uint64_t highest = 0;

	for (i = 0; i < place_count(d); i++) {
		const struct sl_node_state *node = node_at(d, place_at(d, i));
		uint64_t rank = rank_of(name, &node->endpoint) | 1;

		if (node->weight != weight)
			return rendezvous_weighted(d, name, spare);
		if (rank <= highest || !is_wanted(d, place_at(d, i), spare))
			continue;
		highest = rank;
		found = place_at(d, i);
	}
	return found;
}

/* Of the nodes that say they have the adapter, the ring's before others, the lowest score. */
static uint32_t best_with_adapter(struct decision *d, uint64_t adapter)
{
	uint32_t i, found = SL_CHOOSE_NONE;
	uint64_t lowest = UINT64_MAX, score;

	for (i = 0; i < d->in->slot_count; i++) {
		if (!sl_load_has_adapter(d->in->loads, d->in->slots[i], load_of(d, i), adapter) ||
		    !takes_new(d, i))
			continue;
		score = sl_choose_score(d->in, i) >> 1;
		if (d->in->place && d->in->rings->of[i] != d->in->place - 1u)
			score |= 1ull << 63;
		if (score < lowest) {
			lowest = score;
			found = i;
		}
	}
	return found;
}

static uint32_t for_adapter(struct decision *d, uint64_t adapter, enum sl_affinity_verdict *verdict)
{
	uint32_t index = best_with_adapter(d, adapter);

	*verdict = SL_AFFINITY_ADAPTER;
	if (index != SL_CHOOSE_NONE)
		return index;
	*verdict = SL_AFFINITY_ADAPTER_NEW;
	index = rendezvous(d, adapter, true);
	return index != SL_CHOOSE_NONE ? index : rendezvous(d, adapter, false);
}

/* Where nobody knows the prompt. */
static void choose_by_name(struct sl_affinity *affinity, struct decision *d,
			   const struct sl_affinity_key *key, uint32_t pool,
			   struct sl_affinity_choice *choice)
{
	choice->verdict = SL_AFFINITY_SESSION;
	if (key->session)
		choice->index = best_known(affinity, d, salted(key->session, pool));
	if (choice->index == SL_CHOOSE_NONE && key->adapter)
		choice->index = for_adapter(d, key->adapter, &choice->verdict);
	else if (choice->index == SL_CHOOSE_NONE && key->session)
		choice->index = rendezvous(d, key->session, false);
	if (choice->index == SL_CHOOSE_NONE)
		choice->verdict = d->refused_load ? SL_AFFINITY_LOAD : SL_AFFINITY_MISS;
}

struct sl_affinity_choice sl_affinity_choose(struct sl_affinity *affinity,
					     const struct sl_affinity_key *key,
					     const struct sl_choose *in, uint32_t pool,
					     uint32_t excess_percent)
{
	struct decision d = {
		.in = in, .kept = &affinity->sums[pool], .excess_percent = excess_percent};
	struct sl_affinity_choice choice = {.index = SL_CHOOSE_NONE};
	uint64_t hashes[SL_AFFINITY_BLOCKS_MAX];
	uint32_t i;

	if ((!key->block_count && !key->session && !key->adapter) || !in->slot_count)
		return choice;
	for (i = 0; i < key->block_count; i++) {
		hashes[i] = salted(key->blocks[i], pool);
		__builtin_prefetch(set_of(affinity, hashes[i]));
	}
	while (i-- > 0 && d.refused_count < SL_AFFINITY_REFUSED_MAX) {
		choice.index = best_known(affinity, &d, hashes[i]);
		if (choice.index == SL_CHOOSE_NONE)
			continue;
		choice.verdict = SL_AFFINITY_PREFIX;
		choice.blocks = i + 1;
		return choice;
	}
	choose_by_name(affinity, &d, key, pool, &choice);
	return choice;
}
