/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upstream.h - one thread's way to the nodes: connections, the breaker's gate, load counts.
 *
 * Node states are shared with the kernel plane and the other threads (struct sl_node_state, plain
 * memory with atomics: no system call). Connections are this thread's own: idle ones wait in a
 * list a node, last in first out, and are closed after idle_ms. Thread: the loop's.
 */
#ifndef SL_UPSTREAM_UPSTREAM_H
#define SL_UPSTREAM_UPSTREAM_H

#include "bpf/breaker.h"
#include "user/base/address.h"
#include "user/base/config.h"
#include "user/base/random.h"
#include "user/base/slab.h"
#include "user/http/client.h"
#include "user/policy/affinity.h"
#include "user/policy/choose.h"
#include "user/policy/concurrency.h"
#include "user/policy/hedge.h"
#include "user/policy/outcome.h"
#include "user/policy/queue.h"
#include "user/policy/retry.h"
#include "user/policy/strike_board.h"
#include "user/upstream/peer.h"

#define SL_UPSTREAM_SWEEP_MS 1000u

struct sl_identities;

/* What the daemon's threads share about trying again; all zero at the start. */
struct sl_upstream_retries {
	struct sl_retry_budget budgets[SL_POOLS_MAX]; /* by pool slot */
	uint64_t holds[SL_NODES_MAX]; /* by node slot: left alone after Retry-After, or not ready */
	uint64_t alive_ns[SL_NODES_MAX];     /* by node slot: last answer or token to one of us */
	uint8_t checked[SL_NODES_MAX];	     /* by node slot: health checks are sent to it */
	uint8_t failing[SL_NODES_MAX];	     /* by node slot: and found it failing, or not ready */
	struct sl_affinity *affinity;	     /* NULL: load alone decides */
	struct sl_loads *loads;		     /* what the servers say; NULL: nothing */
	struct sl_concurrency *concurrency;  /* SL_NODES_MAX, by node slot; NULL: none */
	struct sl_hedge_pool *hedges;	     /* SL_POOLS_MAX, by pool slot */
	struct sl_identities *identities;    /* what the nodes say they are; NULL: nobody looks */
	struct sl_rings rings[SL_POOLS_MAX]; /* by pool slot: what rings are given */
	struct sl_strike_board *strikes;     /* experiments on requests; NULL: there are none */
};

/* What the daemon shares with the kernel plane (or keeps alone, without BPF). */
struct sl_upstream_state {
	struct sl_node_state *nodes;
	struct sl_pool_state *pools;
	const uint64_t *tunables;
	struct sl_upstream_retries *retries;
	struct sl_peers *peers; /* NULL: every node is an address and plain */
	bool kernel_measures;	/* TC measures connect and first-byte times, bytes, last progress */
};

/* One pool of the configuration, resolved to slots. Shared by all threads, immutable. */
struct sl_upstream_pool {
	const char *name;
	uint32_t slot;
	uint32_t node_count;
	const uint32_t *node_slots;
	const uint32_t *limits; /* requests that each node takes at once, 0: any; NULL: all any */
	struct sl_queue_config queue;
	const char *model_json; /* the model's name for the nodes as a JSON string, or NULL */
	size_t model_json_len;
	enum sl_config_api api;
	uint32_t max_tokens;	      /* where its API wants a bound and the request names none */
	const char *path;	      /* stands for /v1 in requests to them, or NULL */
	const char *key_line;	      /* header line with a provider's key: secret; or NULL */
	const struct sl_price *price; /* of its model, the configuration's; NULL: the route's */
	bool takes_rest;	      /* the nodes go on with the beginning of an answer */
	enum sl_config_affinity affinity;
	uint32_t affinity_excess;
	const struct sl_config_names *adapters; /* models that its nodes load when asked */
	enum sl_config_expect expect;
	const struct sl_config_names *expect_names; /* beside the one asked for; or NULL */
	uint32_t nominal;			    /* see choose.h */
	struct sl_ring_map rings;
	struct sl_concurrency_config concurrency; /* all but the tunables */
};

/* This thread's view of one node. */
struct sl_upstream_node {
	uint32_t slot;
	uint32_t incarnation;
	struct sl_node_state *state;
	struct sl_client_conn *idle; /* newest first */
	uint32_t idle_count;
	uint32_t open_count; /* connections of any state */
	struct sockaddr_storage address;
	socklen_t address_len;
	struct sl_peer *peer; /* NULL: the address, in plain HTTP */
	uint32_t peers_generation;
	uint16_t era; /* moves when the peer is another one: older connections are not kept */
	uint32_t next_address; /* of a name: each connect takes the next one */
	char text[SL_PEER_TEXT_SIZE];
};

struct sl_upstream {
	struct sl_loop *loop;
	struct sl_upstream_state state;
	struct sl_upstream_node **by_slot; /* SL_NODES_MAX pointers, filled on first use */
	struct sl_slab conns;
	struct sl_random random;
	uint32_t idle_ms;
	uint32_t idle_max;
	uint32_t conn_count;
	struct sl_timer sweep;
	/* A breaker changed by what this thread reported. */
	void (*changed)(void *owner, const struct sl_upstream_node *node,
			const struct sl_breaker_change *change);
	/* A request of a pool's node has ended; NULL: nobody asks. */
	void (*freed)(void *owner, uint32_t pool_slot, uint32_t node_slot);
	void *owner;
	uint64_t connects, reuses;
	uint64_t probes; /* half-open ones that were sent; read by any thread */
};

int sl_upstream_init(struct sl_upstream *up, struct sl_loop *loop,
		     const struct sl_upstream_state *state);
/* Closes the idle connections; the loop must then run until conn_count is 0 before fini. */
void sl_upstream_drain(struct sl_upstream *up);
void sl_upstream_fini(struct sl_upstream *up);

/* Where a node is that was chosen. */
enum sl_zone {
	SL_ZONE_NONE = 0, /* zones do not count for the pool */
	SL_ZONE_LOCAL,	  /* in this host's */
	SL_ZONE_REGION,	  /* in another one of this host's region */
	SL_ZONE_SPILL,	  /* elsewhere */
	SL_ZONES
};

/* Why it is not in the nearest ring. */
enum sl_zone_left {
	SL_ZONE_STAYED = 0, /* it is; or for another reason: affinity, a probe */
	SL_ZONE_BY_LOAD,
	SL_ZONE_BY_LOSS,
	SL_ZONE_KEPT, /* it is, though full: the cap is used up */
};

/* A node that was chosen and passed its gate. */
struct sl_upstream_grant {
	struct sl_upstream_node *node; /* NULL: nobody can take it */
	uint32_t ticket;
	bool panic;
	bool others; /* the pool has more nodes that this request could be sent to */
	bool full;   /* no node: some would take it, had they a place */
	enum sl_affinity_verdict affinity; /* why it is this one; NONE: not asked, or a probe */
	enum sl_zone zone;
	enum sl_zone_left left;
};

/*
 * Chooses a node of the pool and passes the gate of its breaker. tried: slots used so far. The
 * grant counts as a request in flight until sl_upstream_release().
 */
struct sl_upstream_grant sl_upstream_acquire(struct sl_upstream *up,
					     const struct sl_upstream_pool *pool,
					     const uint32_t *tried, uint32_t tried_count,
					     bool allow_panic);

/* The same, where the key has a say among those that load would choose from; NULL: it has none. */
struct sl_upstream_grant sl_upstream_acquire_near(struct sl_upstream *up,
						  const struct sl_upstream_pool *pool,
						  const struct sl_affinity_key *key,
						  const uint32_t *tried, uint32_t tried_count,
						  bool allow_panic);

/* A grant for a check of that very node: it passes no gate, counts as no load and is never released
 * (struct sl_attempt_plan, check). NULL node without memory. */
struct sl_upstream_grant sl_upstream_grant_check(struct sl_upstream *up, uint32_t slot);

/* The node is known to serve nobody: opens its breaker, as far as the ejection cap allows. */
void sl_upstream_condemn(struct sl_upstream *up, uint32_t slot, enum sl_signal signal);

/* Nobody asks the node until then (loop time); 0: from now on it may be asked. */
void sl_upstream_hold_until(struct sl_upstream *up, uint32_t slot, uint64_t until_ms);

/* By slot, as a configuration has them from now on: what takes the slot of a pool that went inherits none of its
 * rings' shares. Before requests have the new pools. Thread: control. */
void sl_upstream_claim_rings(struct sl_upstream_retries *retries,
			     const struct sl_upstream_pool *const *pool_of_slot);

/* Lets the shares of the pool's rings take their next step, where that is due: for who looks without asking. */
void sl_upstream_look_at_rings(struct sl_upstream_retries *retries, const struct sl_choose *in,
			       const struct sl_upstream_pool *pool);

/* The same for one node of the pool that has just got a place; only while it is healthy. */
struct sl_upstream_grant sl_upstream_acquire_at(struct sl_upstream *up,
						const struct sl_upstream_pool *pool,
						uint32_t node_slot);

/* A grant for that node that another thread made becomes this one's. Its node is NULL, and the grant
 * over, without memory. */
void sl_upstream_adopt(struct sl_upstream *up, struct sl_upstream_grant *grant, uint32_t node_slot);

/* Has the pool a node that takes new requests, full or not, and does not fail? */
bool sl_upstream_any_healthy(struct sl_upstream *up, const struct sl_upstream_pool *pool);

/* Reports one outcome to the node's breaker. */
void sl_upstream_report(struct sl_upstream *up, struct sl_upstream_node *node, uint32_t ticket,
			enum sl_outcome outcome, enum sl_signal signal);
void sl_upstream_release(struct sl_upstream *up, struct sl_upstream_node *node);

/* A grant that is not used: neutral for the breaker, and released. */
void sl_upstream_give_back(struct sl_upstream *up, const struct sl_upstream_grant *grant);

/* ---- trying again: policy/retry.h on the pool's shared budget ---------------------------------- */

/*
 * May a request that failed on `failed` (NULL: none yet, it only waits) be tried again in the pool?
 * tried as for acquire. CHARGED: end it with sl_upstream_retry_done().
 */
enum sl_retry_verdict sl_upstream_retry_take(struct sl_upstream *up,
					     const struct sl_upstream_pool *pool,
					     const struct sl_upstream_node *failed,
					     const uint32_t *tried, uint32_t tried_count);
/* used false: no attempt came of it. */
void sl_upstream_retry_done(struct sl_upstream *up, const struct sl_upstream_pool *pool, bool used);
void sl_upstream_retry_earn(struct sl_upstream *up, const struct sl_upstream_pool *pool);

/* The node asked to be left alone for that long; retry.after_max_ms bounds it. Returns true when
 * it is left alone from now on. */
bool sl_upstream_hold(struct sl_upstream *up, struct sl_upstream_node *node, uint64_t wait_ms);
/* Until the first node of the pool that is left alone may be asked; UINT64_MAX: none is. */
uint64_t sl_upstream_held_ms(struct sl_upstream *up, const struct sl_upstream_pool *pool);

/* ---- a second node beside a slow one: policy/hedge.h on what the threads share of the pool -------- */

/* A request makes its first attempt in the pool. */
void sl_upstream_hedge_earn(struct sl_upstream *up, const struct sl_upstream_pool *pool);
/* One of its attempts answered, or lost, after duration_us. class: sl_hedge_class(). */
void sl_upstream_hedge_note(struct sl_upstream *up, const struct sl_upstream_pool *pool,
			    uint32_t class, uint64_t duration_us);
/* How long the first attempt is waited for alone; SL_HEDGE_NEVER: to its end. */
uint64_t sl_upstream_hedge_after_us(struct sl_upstream *up, const struct sl_upstream_pool *pool,
				    uint32_t class, uint32_t per_mille, uint32_t min_ms);
/*
 * May a request that has tried these nodes be sent to one more? waited: others wait for a place in
 * the pool; key as for sl_upstream_acquire_near(). SL_HEDGE_GO: *ret_grant is the caller's; end the
 * hedge with sl_upstream_hedge_done(), also when it was not sent (used false).
 */
enum sl_hedge_verdict sl_upstream_hedge_take(struct sl_upstream *up,
					     const struct sl_upstream_pool *pool,
					     const struct sl_affinity_key *key, bool waited,
					     const uint32_t *tried, uint32_t tried_count,
					     struct sl_upstream_grant *ret_grant);
void sl_upstream_hedge_done(struct sl_upstream *up, const struct sl_upstream_pool *pool, bool used);

/* An idle connection to the node, or NULL. The caller owns it. */
struct sl_client_conn *sl_upstream_take_idle(struct sl_upstream *up, struct sl_upstream_node *node);

/* What goes into the Host field of requests to the node. */
static inline const char *sl_upstream_host(const struct sl_upstream_node *node)
{
	return node->peer ? node->peer->host : node->text;
}

/* Starts a new connection; ops->connected tells. Returns 0 or -errno: with -EADDRNOTAVAIL the node's
 * name has no address, and error (may be NULL) says why. */
int sl_upstream_connect(struct sl_upstream *up, struct sl_upstream_node *node,
			const struct sl_client_ops *ops, void *owner,
			struct sl_client_conn **ret_conn, struct sl_error *error);

/* A request of so many tokens goes out on it: they count as in flight until it is put or closed. */
void sl_upstream_charge(struct sl_client_conn *conn, uint32_t tokens);

/* Does an experiment keep the store from the request of that id? */
static inline bool sl_upstream_is_down(const struct sl_upstream *up, enum sl_strike_store store,
				       const char *id)
{
	struct sl_strike_board *board = up->state.retries->strikes;

	return sl_strike_board_is_on(board) &&
	       sl_strike_board_is_down(board, store, id, sl_loop_now_ms(up->loop));
}

/* From now on the connection's answer comes as the experiment has it (tap.h), until it is put or closed. */
void sl_upstream_tap(struct sl_client_conn *conn, const struct sl_strike *strike);

/* Gives a connection back after a complete exchange: kept idle when it can serve again. */
void sl_upstream_put(struct sl_upstream *up, struct sl_upstream_node *node,
		     struct sl_client_conn *conn);

/* Closes a connection that its owner walks away from, whatever it is doing: no callback of the
 * owner comes any more. NULL is allowed. */
void sl_upstream_abandon(struct sl_client_conn *conn);

/* The `closed` callback that every ops table for these connections must carry. */
void sl_upstream_conn_closed(struct sl_client_conn *conn);

/* Failed connects to the node that the kernel plane has reported so far, ours and others'. */
uint64_t sl_upstream_kernel_signals(const struct sl_upstream_node *node);

/* The node has sent an answer or a token to a request (not to a check). */
void sl_upstream_note_alive(struct sl_upstream *up, const struct sl_upstream_node *node);
/* When it did so last; where no checks are sent to it, any byte that the kernel plane saw counts. */
uint64_t sl_upstream_alive_ns(const struct sl_upstream *up, const struct sl_upstream_node *node);

/* Measurements where no kernel plane makes them. */
void sl_upstream_note_connect(struct sl_upstream *up, struct sl_upstream_node *node,
			      uint64_t duration_us);
void sl_upstream_note_first_byte(struct sl_upstream *up, struct sl_upstream_node *node,
				 uint64_t duration_us);

#endif
