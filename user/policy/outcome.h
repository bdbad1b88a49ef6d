/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outcome.h - what the end of one attempt means: for the node's breaker, and for the request.
 *
 * One table (outcome.c) decides both, so that docs/breaker.md, the retry loop and the breaker can
 * not disagree. Pure.
 */
#ifndef SL_POLICY_OUTCOME_H
#define SL_POLICY_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/abi.h"

/* How an attempt ended. */
enum sl_ending {
	SL_ENDING_UNSET = 0,
	SL_ENDING_OK,		 /* an answer for the client, whole or streaming */
	SL_ENDING_CLIENT_GONE,	 /* the client left */
	SL_ENDING_CONNECT_ERROR, /* refused, unreachable */
	SL_ENDING_CONNECT_TIMEOUT,
	SL_ENDING_STALE,       /* reused connection that was closed meanwhile */
	SL_ENDING_RESET,       /* broken before the answer */
	SL_ENDING_CUT,	       /* ended before the answer was whole */
	SL_ENDING_BAD,	       /* framing, type or body is not valid */
	SL_ENDING_OTHER_MODEL, /* whole, but of another model than the one asked for */
	SL_ENDING_TTFT_TIMEOUT,
	SL_ENDING_TOTAL_TIMEOUT,
	SL_ENDING_STALL,       /* stream silent for too long */
	SL_ENDING_ERROR_EVENT, /* an error as a stream's first event, or with status 200 */
	SL_ENDING_BUSY,	       /* 429, 529, or 503 with Retry-After */
	SL_ENDING_STATUS_5XX,
	SL_ENDING_STATUS_RETRY, /* 408, 409, 425; 404 for a model the node does not have */
	SL_ENDING_STATUS_4XX,	/* the request's own fault: the answer goes to the client */
	SL_ENDING_LOCAL,	/* no memory, no descriptor: our fault */
	SL_ENDING_LOST,		/* another attempt of the request was first: cancelled */
	SL_ENDING_COUNT
};

struct sl_outcome_rule {
	const char *name; /* as in metrics and error texts */
	enum sl_outcome outcome;
	enum sl_signal signal;
	bool retry;	   /* another node may do better */
	bool free_retry;   /* does not cost an attempt (once) */
	bool elsewhere;	   /* a retry never asks the same node: it was silent, or said it is full */
	bool final_answer; /* the node's own answer is what the client should see at last */
};

const struct sl_outcome_rule *sl_outcome_of(enum sl_ending ending);

/*
 * A time-out of a node that has sent something to somebody since this request was sent: it works, and
 * has too much to do. Counted as busy, not as a failure: breakers that open in an overload leave its
 * load to fewer nodes, which then time out too, and so on, long after the overload has ended (found
 * by tests/unit/policy/gateway.c). A node that answers nobody stays a failure.
 */
bool sl_outcome_is_overload(enum sl_ending ending, uint64_t sent_ns, uint64_t last_byte_ns);

/* How a complete answer with this status ended; has_retry_after: the server named a time. */
enum sl_ending sl_outcome_of_status(int status, bool has_retry_after, bool model_missing);

#endif
