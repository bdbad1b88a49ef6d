/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * call.h - one call of a stage to a dependency: an embeddings API, a vector database, a reranker, a
 * judge, any pool. It reads as a function call on the fiber, and has what each request has: choice of
 * a node by load, breaker, retry budget with backoff, Retry-After, time-outs, the pool's key and TLS.
 *
 *	struct sl_call call = {.pool = pool, .path = SL_SPAN("/v1/embeddings"), .body = body,
 *			       .deadline_ns = deadline_ns, .timeout_ms = 500, .gone = gone};
 *	if (sl_call_run(up, arena, &call, &answer) != SL_ENDING_OK)
 *		step down the ladder; answer.detail says why
 *
 *   ends with                 when                                     what the ladder does
 *   SL_ENDING_OK              status 2xx, accepted                     uses answer.body
 *   SL_ENDING_STATUS_4XX      the call itself is wrong                 the next step; answer.body says
 *   SL_ENDING_BUSY            every node is full, or says so           the next step
 *   SL_ENDING_UNSET           nobody may be asked: breakers, drains    the next step, at no cost
 *   SL_ENDING_CLIENT_GONE     *gone was set                            returns at once
 *   any other                 the last attempt's, see policy/outcome.h the next step
 *
 * A dependency needs no route. Calls do not wait in the pool's queue: full is an answer.
 * Thread: the loop's; only on a fiber.
 */
#ifndef SL_UPSTREAM_CALL_H
#define SL_UPSTREAM_CALL_H

#include "user/base/arena.h"
#include "user/upstream/attempt.h"

#define SL_CALL_ATTEMPTS	 2u	    /* where the call does not say */
#define SL_CALL_ANSWER_BYTES_MAX (8u << 20) /* the same */
#define SL_CALL_BACKOFF_MS	 20u	    /* between two attempts: the first bound, doubling */
#define SL_CALL_BACKOFF_MAX_MS	 500u
#define SL_CALL_CONNECT_MS	 1000u

/* What is asked. All borrowed until sl_call_run() returns. */
struct sl_call {
	const struct sl_upstream_pool *pool;
	const char *method;   /* NULL: POST */
	struct sl_span path;  /* at most SL_CONFIG_URL_MAX; a beginning "/v1/" is the pool's path */
	struct sl_span lines; /* further header lines, each with its CR LF; or empty */
	struct sl_span body;  /* JSON, unless lines name a content-type; or empty */
	/*
	 * The body is a chat completion (without stream), whose model becomes the pool's own; where
	 * the pool speaks another API it is translated both ways. path is not looked at.
	 */
	bool chat;
	bool json_object;	   /* an answer of 2xx that is not a JSON object is a failure */
	uint64_t deadline_ns;	   /* of all attempts, loop time; not 0 */
	uint32_t timeout_ms;	   /* of one attempt; 0: what is left */
	uint32_t attempts_max;	   /* 0: SL_CALL_ATTEMPTS */
	uint32_t answer_bytes_max; /* 0: SL_CALL_ANSWER_BYTES_MAX; over it the call ends BAD */
	uint32_t tokens;	 /* that a node will hold for it, for the pool's load; 0: unknown */
	const char *id;		 /* of the request it is made for: x-request-id; or NULL */
	const char *traceparent; /* of what it is a part of; or NULL, or "" */
	const bool *gone;	 /* set with a wake-up: the call is broken off; NULL: never */
	/*
	 * As in struct sl_attempt_plan: is an answer of 2xx a right one? What is not is the node's failure,
	 * so that its breaker opens and the next call costs nothing. NULL: any is; of a chat, any that
	 * has a message.
	 */
	enum sl_ending (*accept)(void *owner, const char *body, size_t body_len,
				 const char **ret_detail);
	void *owner;
};

struct sl_call_answer {
	enum sl_ending ending;
	int status;	     /* of the last attempt; 0: none came */
	struct sl_span body; /* its whole answer, in the arena, NUL behind it */
	uint32_t attempts;
	char detail[SL_ATTEMPT_DETAIL_BYTES]; /* why it is not OK, for people; else "" */
};

/*
 * Makes the call. The arena holds what is sent and what came: that of the request, or one of the
 * caller's. Returns answer->ending. SL_ENDING_LOCAL: no memory, or a body that cannot be told to the pool.
 */
enum sl_ending sl_call_run(struct sl_upstream *up, struct sl_arena *arena,
			   const struct sl_call *call, struct sl_call_answer *ret_answer);

#endif
