/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load.h - what the servers say of their own load, kept where a choice of a node reads it.
 *
 * A server has other callers than this process, and its requests differ in size. What it says of
 * itself (its page of metrics, its beacon) is taken in by one thread, ops/telemetry.h, as a reading a
 * node, and read by all that choose. A reading is trusted until its `until_ms`; from then on the
 * node is judged by what this process has in flight alone, as if nothing had ever been read.
 *
 * A reading is a second old on average, and a whole second's requests must not follow the same one.
 * So what we did since is added: others(reading) + ours(now) stand for the requests at the node, a
 * queue grows by what we added, and the use of the KV cache by the tokens that we sent (`sent`), or,
 * where the cache's size is not known, in proportion to the requests.
 *
 *	at the node   ours + max(0, running + waiting - ours then), so the larger of both at the reading
 *	queue	      waiting + ours - ours then, where it said that any waits
 *	KV cache      use + tokens sent since / capacity, or use * (at the node + 1) / (there then);
 *		      at least the tokens that we have in flight / capacity
 *
 * Words are written and read one by one: a reader may see parts of two readings that follow each
 * other, which is as right as either. Integers only.
 */
#ifndef SL_POLICY_LOAD_H
#define SL_POLICY_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/limits.h"

#define SL_LOAD_SLOTS_NOMINAL 256u /* requests at once of a server that does not say */
#define SL_LOAD_SLOTS_MAX     65535u
#define SL_LOAD_QUEUE_FULL    5u /* requests that wait in a server that is taken for full */
#define SL_LOAD_FULL	      (1u << 20)
#define SL_LOAD_FILL_MAX      (1ull << 40)
#define SL_LOAD_KV_FULL	      (SL_LOAD_FULL / 100 * 95) /* above it nobody is sent for affinity */
#define SL_LOAD_OTHERS_MAX    100000u			/* more is as many */
#define SL_LOAD_ADAPTERS_MAX  16u			/* of one node; more are not kept */

/* What a server said. */
struct sl_load_reading {
	uint32_t running;
	uint32_t waiting;
	uint32_t kv_permille;
	uint32_t kv_tokens; /* capacity of its KV cache; 0: not known */
	uint32_t slots;	    /* requests that it works on at once; 0: not known */
	uint32_t adapter_count;
	uint32_t adapter_max;			 /* that it holds at once; 0: not known */
	uint32_t adapters_used;			 /* places taken, where it does not name them */
	uint64_t adapters[SL_LOAD_ADAPTERS_MAX]; /* sl_load_adapter() of those in use */
};

/* Of one node. One cache line. */
struct sl_load {
	uint64_t until_ms; /* trusted until then; 0: nothing was read */
	uint32_t incarnation;
	uint32_t others; /* requests at the node that were not ours */
	uint32_t ours;	 /* and those that were */
	uint32_t waiting;
	uint32_t slots;
	uint32_t kv_permille;
	uint32_t kv_tokens;
	uint32_t sent; /* tokens, as counted then */
	uint32_t adapter_count;
	uint32_t adapter_max;
	uint32_t adapters_used;
	uint32_t pad;
} __attribute__((aligned(64)));

/* By node slot. All zero: nothing was read. */
struct sl_loads {
	struct sl_load nodes[SL_NODES_MAX];
	uint32_t sent[SL_NODES_MAX]; /* tokens, wraps; every thread adds */
	uint64_t adapters[SL_NODES_MAX][SL_LOAD_ADAPTERS_MAX];
	void *room; /* of all this, to be freed; pages that nobody has touched cost nothing */
};

/* Returns 0 or -ENOMEM. */
int sl_loads_open(struct sl_loads **ret_loads);
void sl_loads_close(struct sl_loads **loads);

/* Takes a reading in. ours: requests of this process at the node when the server said it. */
void sl_load_take(struct sl_loads *loads, uint32_t slot, uint32_t incarnation,
		  const struct sl_load_reading *reading, uint32_t ours, uint64_t until_ms);

/* Nothing is known of the slot any more. */
void sl_load_forget(struct sl_loads *loads, uint32_t slot);

/* The reading of the slot if it may be trusted, else NULL. loads NULL: NULL. */
const struct sl_load *sl_load_fresh(const struct sl_loads *loads, uint32_t slot,
				    uint32_t incarnation, uint64_t now_ms);

/* An adapter by its name; never 0. */
uint64_t sl_load_adapter(const char *name, size_t len);

/* Is the adapter in use on the node, by a reading that may be trusted? */
bool sl_load_has_adapter(const struct sl_loads *loads, uint32_t slot, const struct sl_load *load,
			 uint64_t adapter);

/* Would the node have to put another adapter aside for one more? False: not, or it is not known. */
bool sl_load_adapters_full(const struct sl_load *load);

/* How full a queue, a KV cache is, in SL_LOAD_FULL, when `ours` are there now. sent: as counted now. */
uint64_t sl_load_queue_fill(const struct sl_load *load, uint64_t ours);
uint64_t sl_load_kv_fill(const struct sl_load *load, uint64_t ours, uint32_t sent);

#endif
