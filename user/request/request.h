/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * request.h - one request from its last byte to the first byte of its answer, on a fiber.
 *
 *   read the body -> find the route -> for each pool of the chain, for each node worth a try:
 *   back off, acquire, attempt -> answer, open a relay, or report the cause
 *
 * One deadline (the route's total time-out) and one number of attempts span retries and fallbacks.
 * Until the answer's head is written any failure stays unseen by the client.
 *
 *   chain position moves on when   every admitting node of the pool was tried, or
 *                                  no more attempts are left than pools behind it, or
 *                                  the pool's retry budget is spent (policy/retry.h)
 *   no place in the pool           waits in its queue, without a fiber (wait.h), then on from there
 *   second round (panic allowed)   when no pool of the chain had a node to try at all
 *   a further round                when nodes said Retry-After, and it fits into the deadline
 *   from the start once more       when a node is back, after a wait where none could be reached
 *
 * Requests are pooled a thread, with their arena's first block. Thread: the loop's.
 */
#ifndef SL_REQUEST_REQUEST_H
#define SL_REQUEST_REQUEST_H

#include "user/base/arena.h"
#include "user/request/chain.h"
#include "user/request/flight.h"
#include "user/http/h1_write.h"
#include "user/request/relay.h"
#include "user/request/worker.h"
#include "user/stage/admit.h"
#include "user/stage/stage.h"
#include "user/upstream/attempt.h"
#include "user/wire/dialect.h"
#include "user/wire/openai.h"

#define SL_REQUEST_ARENA_BYTES_MAX (16u << 20)
#define SL_REQUESTS_KEPT	   128u	       /* a burst does not stay in memory */
#define SL_REQUEST_BODY_KEPT_BYTES (64u << 10) /* a larger answer buffer is not kept for reuse */

/* What became of the request's hedge (hedged.h). */
enum sl_hedged {
	SL_HEDGED_NONE = 0, /* there was none */
	SL_HEDGED_LOST,	    /* another attempt decided */
	SL_HEDGED_WON,
};

enum sl_wait {
	SL_WAIT_NONE = 0,
	SL_WAIT_WAITS, /* in a queue, without a fiber; see wait.h */
	SL_WAIT_OVER,
};

struct sl_request {
	struct sl_client_owner owner; /* first */
	struct sl_request *next_free;
	struct sl_worker *worker;
	struct sl_exchange *client; /* NULL once gone */
	bool gone;
	const char *client_name;	   /* subject of its certificate, in the arena; or NULL */
	struct sl_routes *routes, *former; /* former: see sl_wait_move(); or NULL */
	uint8_t arm;   /* sl_rollout_mark() of the configuration: arm.h; 0: none is rolled out */
	bool on_trial; /* it is answered by one that has a share only */
	const struct sl_route *route;
	struct sl_openai_request facts;
	struct sl_openai_error error;
	struct sl_admission admission;
	uint64_t wait_ns; /* of a refusal by a limit */
	char refusal_text[SL_ADMIT_TEXT_BYTES];
	bool thrifty;	  /* walks the chain of the cause quota, see charge.h */
	bool wants_usage; /* a stream's server is asked for it */
	uint64_t cost;	  /* nano, once it is settled, where it is priced */
	bool priced;
	const struct sl_dialect *dialect; /* translated both ways; NULL: the servers' own API */
	struct sl_text chat;		  /* dialect: the request as chat completion, else empty */
	struct sl_text message; /* dialect: the whole answer, or the node's error, translated */
	struct sl_text echo;	/* dialect: what the answer repeats of the request */
	bool may_direct;	/* a dialect that nodes may speak themselves */
	bool direct;		/* the last attempt's node does: neither way is translated */
	bool resumes; /* a stream that broke: read as chat completion whatever the node speaks */
	struct sl_span rest; /* resumes: what such a node is asked; data NULL: the client's body */
	struct sl_openai_error untold; /* why it cannot be a chat completion; id OK: it is one */
	struct sl_text native;	       /* the request as the node's API has it, if not chat */
	const struct sl_upstream_pool *native_of; /* for this pool; NULL: not made */
	uint8_t unfit; /* enum sl_fit of the pool it has just passed over */
	char param[SL_DIALECT_PARAM_BYTES];
	struct sl_arena arena;
	struct sl_attempt attempt;
	struct sl_fiber *fiber;
	uint64_t start_ns;
	uint64_t deadline_ns;
	uint32_t tried[SL_CHOOSE_TRIED_MAX]; /* in the present pool, oldest first */
	uint32_t tried_count;
	uint32_t shunned[SL_CHOOSE_TRIED_MAX]; /* of those: silent or full, not asked again */
	uint32_t shunned_count;
	struct sl_flight *flight;    /* that this request leads, or NULL */
	struct sl_cache_value *kept; /* its answer, found early (sl_recall_hold), or NULL */
	enum sl_recall recall;
	enum sl_hedged hedged;
	struct sl_affinity_key *near;	   /* see near.h; NULL: not made yet */
	enum sl_config_affinity near_by;   /* what it was made for */
	enum sl_affinity_verdict affinity; /* why the last node was chosen */
	enum sl_zone zone;		   /* where it is */
	/* the queue, see wait.h */
	struct sl_waiter waiter;
	struct sl_upstream_grant granted; /* by the queue, not used yet; node NULL: none */
	const struct sl_upstream_pool *wait_pool;
	enum sl_wait wait;
	enum sl_queue_verdict wait_verdict; /* of the last wait */
	bool holds;			    /* it is for a node, not for a place */
	bool fiber_waits;		    /* its fiber is parked, not ended */
	bool was_full;
	uint32_t hold_count;
	uint64_t wait_born_ns, wait_start_ns; /* of the first wait, of the last one */
	uint64_t queued_ns;		      /* all waits together */
	uint64_t place_until_ns, hold_until_ns;
	uint64_t retry_wait_ns;	   /* what one who was refused is told */
	struct sl_timer keepalive; /* of comments while it waits, see keepalive.h */
	bool head_sent;		   /* by the first of them: failures are told in the stream */
	uint32_t attempts_max;
	uint32_t attempts;	/* made so far, all pools */
	uint32_t free_retries;	/* stale connections, in the present pool */
	uint32_t pool_attempts; /* of those in the present pool */
	struct sl_chain_walk chain;
	bool any_attempt;
	const struct sl_upstream_pool *last_pool;
	const struct sl_upstream_pool *refused_pool; /* whose budget refused a retry, or NULL */
	enum sl_ending last_ending;
	char last_node[SL_ADDRESS_TEXT_SIZE];
	uint16_t last_slot, last_incarnation; /* of it; 0: none */
	struct sl_stage *stage;		      /* of a route with stages, see stages.h; NULL: none */
	struct sl_span stage_lines;	      /* of the answer's head */
	uint64_t degraded;		      /* bit by enum sl_step */
	const struct sl_route_chain *own_chain; /* instead of the route's `pools`; or NULL */
	uint64_t again_tokens, again_cost;	/* of answers that stages sent back */
	struct sl_trail_ref trail;
	char id[SL_REQUEST_ID_MAX + 1];
};

/* Takes a complete POST to an inference endpoint over. Answers by itself in every case. */
void sl_request_start(struct sl_worker *worker, struct sl_exchange *client,
		      enum sl_openai_endpoint endpoint);

/* The wait is over: the request goes on, on a new fiber. */
void sl_request_go_on(struct sl_request *request);

/* The chain that it walks first. */
static inline const struct sl_route_chain *sl_request_chain(const struct sl_request *request)
{
	if (request->own_chain && !request->thrifty)
		return request->own_chain;
	return &request->route->chains[request->thrifty ? SL_CAUSE_QUOTA : SL_CAUSE_ERROR];
}

/* Frees a pooled request's memory (sl_worker_fini). */
void sl_request_free(struct sl_request *request);

/* x-request-id of the client when it is a valid one, else a new one. */
void sl_request_id_of(struct sl_worker *worker, const struct sl_exchange *client,
		      char out[SL_REQUEST_ID_MAX + 1]);

/* ---- for hedged.c: the request's own account of its attempts ----------------------------------- */

/* One more begins, on that node. */
void sl_request_note_attempt(struct sl_request *request, const struct sl_upstream_node *node);
/* That one came to nothing, as if it had not been. */
void sl_request_forget_attempt(struct sl_request *request, const struct sl_upstream_node *node);
/* How one ended: its node may not be asked again, or be left alone by everybody for a while. */
void sl_request_note_ending(struct sl_request *request, const struct sl_attempt *attempt,
			    enum sl_ending ending);
/* Could nobody else be asked after the newest one, which has that grant? */
bool sl_request_is_last(const struct sl_request *request, const struct sl_upstream_grant *grant);

/* Status of an error of ours for this request's API. */
int sl_request_error_status(const struct sl_request *request, enum sl_openai_error_id id);

/*
 * Writes an error's body in the shape of the API that the request came by (head may be NULL:
 * OpenAI's). Returns its length, *ret_status the status that goes with it.
 */
size_t sl_request_error_body(const struct sl_h1_head *head, const struct sl_openai_error *error,
			     const char *id, char out[SL_OPENAI_ERROR_BYTES_MAX], int *ret_status);

/* The id of a request as header lines: x-request-id, on the Messages API request-id too. */
void sl_request_write_id(struct sl_h1_out *out, const struct sl_h1_head *head, const char *id);

/* An error of ours as the whole answer, with its id and, when spent, x-should-retry. */
void sl_request_respond_error(struct sl_exchange *client, const struct sl_openai_error *error,
			      const char *id, bool spent);

/* ---- for resume.c ---------------------------------------------------------------------------- */

/* A request of the pool, of which only arena and attempt are ready; NULL without memory. */
struct sl_request *sl_request_take(struct sl_worker *worker);
/* Lets go of what it still holds. */
void sl_request_put(struct sl_request *request);

#endif
