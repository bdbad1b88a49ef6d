/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * affinity.h - which node has seen the beginning of a prompt before, or serves a session.
 *
 * A server keeps the KV cache of prompts that it has read; one that begins alike is answered sooner
 * where that is. What is remembered is which node was asked last for each chain of blocks: block i
 * of a prompt is SL_AFFINITY_BLOCK_BYTES of it, and its chain hash covers blocks 0..i, so that two
 * prompts share the first n hashes exactly when they share the first n blocks. The last, partial
 * block does not count: it is less than the server would need a millisecond for.
 *
 *	                 known to some node     that may be asked, in bounds   verdict
 *	longest chain    yes                    yes                            PREFIX
 *	                 yes                    no: try the shorter ones, then as below
 *	session          its last node          yes                            SESSION
 *	adapter          nodes that say so      yes, the lowest score          ADAPTER
 *	                 else by rendezvous     the first in bounds            ADAPTER_NEW
 *	session          by rendezvous          the first in bounds            SESSION
 *	neither          a known node was refused for its load                 LOAD
 *	                 -                                                     MISS
 *
 * Bounds: a node takes a request for affinity only while its load, that request included, is at most
 * (1 + excess) times its share of the pool's load, rounded up ("Consistent hashing with bounded
 * loads", Mirrokni, Thorup and Zadimoghaddam, 2018). Otherwise the score decides (choose.h), and the
 * node that it takes knows the prompt from then on: a chain has up to SL_AFFINITY_COPIES_MAX nodes,
 * of which the one with the lowest score counts. A session has one.
 *
 * Rendezvous: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998, with
 * weights. It needs no memory, and the same configuration gives the same node in another process.
 *
 * An adapter (LoRA) is a model that a server loads beside its own when first asked for it, and puts
 * aside for another one. Who has it by its own word (load.h) gets its requests; where nobody does, or
 * nobody says anything, rendezvous by the adapter's name keeps it on few nodes, first among those
 * that have room for one more. Where the request is meant for a ring (in->place), rendezvous is among
 * its nodes; and to a ring that it is kept from (in->barred) nothing leads it.
 *
 * The table is a set-associative cache of SL_AFFINITY_BYTES whatever is put into it; a set is one
 * cache line, and its least recently used entry makes room (in steps of about 4 s). An entry is one
 * word, read and written without locks: threads that race lose an entry, never more. A collision
 * (1 in 2^52 a pair of blocks) places a request badly, and that is all: nothing of an answer depends
 * on it. Blocks are hashed under a secret of the process, so that nobody can look for one.
 *
 * Any thread.
 */
#ifndef SL_POLICY_AFFINITY_H
#define SL_POLICY_AFFINITY_H

#include <stddef.h>
#include <stdint.h>
#include "user/policy/choose.h"

#define SL_AFFINITY_BLOCK_BYTES 1024u /* about 250 tokens */
#define SL_AFFINITY_BLOCKS_MAX	64u   /* of one prompt; what follows does not count */
#define SL_AFFINITY_SETS	65536u
#define SL_AFFINITY_WAYS	8u
#define SL_AFFINITY_COPIES_MAX	4u /* nodes that are known for one chain */
#define SL_AFFINITY_BYTES	(SL_AFFINITY_SETS * SL_AFFINITY_WAYS * 8u)
#define SL_AFFINITY_EXACT_NODES 32u /* a larger pool's load is summed up once a millisecond */
#define SL_AFFINITY_REFUSED_MAX 16u /* nodes that one decision turns down before it gives up */

enum sl_affinity_verdict {
	SL_AFFINITY_NONE = 0, /* the request has nothing to go by */
	SL_AFFINITY_PREFIX,
	SL_AFFINITY_SESSION,
	SL_AFFINITY_MISS,
	SL_AFFINITY_LOAD,
	SL_AFFINITY_ADAPTER,
	SL_AFFINITY_ADAPTER_NEW,
	SL_AFFINITY_VERDICTS
};

/* What a request has to go by. All zero: nothing. */
struct sl_affinity_key {
	uint64_t session; /* 0: none */
	uint64_t adapter; /* sl_load_adapter(); 0: none */
	uint32_t block_count;
	uint64_t blocks[SL_AFFINITY_BLOCKS_MAX];
};

struct sl_affinity;

/* Returns 0 or -ENOMEM. seed: of the secret, from sl_random. */
int sl_affinity_open(uint64_t seed, struct sl_affinity **ret_affinity);
void sl_affinity_close(struct sl_affinity **affinity);

/* The blocks of a prompt; salt: what else must be the same, as the model's name. */
void sl_affinity_key_prompt(const struct sl_affinity *affinity, const char *salt, size_t salt_len,
			    const char *prompt, size_t prompt_len, struct sl_affinity_key *key);
/* len 0: none. */
void sl_affinity_key_session(const char *session, size_t len, struct sl_affinity_key *key);

struct sl_affinity_choice {
	uint32_t index; /* into in->slots; SL_CHOOSE_NONE for NONE, MISS and LOAD */
	enum sl_affinity_verdict verdict;
	uint32_t blocks; /* PREFIX: how many the node knows */
};

/*
 * Who should have the request, of those nodes of in->slots that are open (sl_choose_is_open). pool:
 * its slot; excess_percent: (1 + excess) of above.
 */
struct sl_affinity_choice sl_affinity_choose(struct sl_affinity *affinity,
					     const struct sl_affinity_key *key,
					     const struct sl_choose *in, uint32_t pool,
					     uint32_t excess_percent);

/*
 * The node is asked. Returns how many of the prompt's leading blocks it was known for before, for
 * sl_affinity_forget().
 */
uint32_t sl_affinity_note(struct sl_affinity *affinity, const struct sl_affinity_key *key,
			  uint32_t pool, uint32_t slot, uint32_t incarnation, uint64_t now_ms);

/* The node has answered: the session is its own, whoever else was asked meanwhile. */
void sl_affinity_confirm(struct sl_affinity *affinity, const struct sl_affinity_key *key,
			 uint32_t pool, uint32_t slot, uint32_t incarnation, uint64_t now_ms);

/* It did not answer: takes back the blocks from `known` on, and the session. */
void sl_affinity_forget(struct sl_affinity *affinity, const struct sl_affinity_key *key,
			uint32_t pool, uint32_t slot, uint32_t known);

#endif
