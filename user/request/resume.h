/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resume.h - a stream that broke after its first token goes on, on another node.
 *
 *   relay (no fiber)            resume (a fiber)                       relay
 *   the node's stream breaks -> choose a way (policy/failover.h),  ->  the other node's stream, looked
 *                               a node, an attempt; again, while       through a splice (wire/splice.h)
 *                               attempts, budget and deadline last
 *                                                                  ->  or the error event of the cause
 *
 * Asked are the nodes of the pool whose stream broke, then the pools behind it in `pools` that serve
 * the model by the same name; another model would not be one answer. A node whose stream broke comes
 * last, and not at all if it fell silent. The attempts of the request go on counting, its deadline
 * stays, and each attempt has to have a place in the pool's retry budget. Where all of them have as
 * many requests as they take it waits in the pool's queue, as a request would (wait.h).
 *
 * What it takes is kept only where going on is possible at all (sl_resume_new): the client's request
 * stays in its connection, and the text that was sent in the splice, up to SL_SPLICE_BYTES_MAX.
 * Measured: some 8 KB a stream, and the text. Thread: the loop's.
 */
#ifndef SL_REQUEST_RESUME_H
#define SL_REQUEST_RESUME_H

#include "user/request/request.h"
#include "user/wire/splice.h"

#define SL_RESUME_BODY_BYTES_MAX  (1u << 20) /* a larger request is not kept */
#define SL_RESUME_FAULT_BYTES_MAX 4096u	     /* of a node's error event */
#define SL_RESUME_CAUSE_BYTES_MAX 256u

/* Where and how it may. */
struct sl_resume_ways {
	const struct sl_upstream_pool *pool; /* whose node streams, or did last */
	bool native;			     /* began in the client's own API (resume_native.h) */
	bool untold;			     /* not to be said as a chat completion */
	bool same_again;		     /* temperature 0 or a seed */
	bool may_continue;
	bool may_continue_native; /* asked in the client's own API */
};

struct sl_resume {
	struct sl_splice splice;
	struct sl_text chat;  /* of a dialect: the request as chat completion */
	struct sl_text fault; /* the node's own error event; of a dialect: its data, unless as_is */
	struct sl_text cause; /* what broke the stream, for people */
	enum sl_ending ending;
	enum sl_openai_error_id error;
	enum sl_openai_endpoint endpoint;
	struct sl_resume_ways ways;
	struct sl_upstream_node *failed;      /* whose stream broke last */
	uint32_t attempts;		      /* of the request, all together */
	uint32_t broken[SL_CHOOSE_TRIED_MAX]; /* slots of nodes whose stream broke, oldest first */
	uint32_t broken_count;
	uint32_t silent[SL_CHOOSE_TRIED_MAX]; /* of those: fell silent */
	uint32_t silent_count;
	uint64_t tokens;	 /* sent when it broke last */
	enum sl_resumption lost; /* when the splice is: why */
	bool broke;		 /* before */
	bool fault_as_is;
	struct sl_messages_decoder *passed; /* native: of what passed as it came */
	bool gone;			    /* the client, while the fiber is at work */
	struct sl_fiber *fiber;		    /* at work, or NULL */
	struct sl_request *request;	    /* of the fiber, while it is at work; or NULL */
};

/*
 * For the request's stream to that client, whose body is still there. NULL: the stream cannot go on
 * elsewhere, or there is no memory. Takes request->chat over.
 */
struct sl_resume *sl_resume_new(struct sl_request *request, const struct sl_exchange *client);
void sl_resume_free(struct sl_resume **resume);

/* Forgets what was sent: from now on the stream cannot go on elsewhere. */
void sl_resume_lose(struct sl_relay *relay, enum sl_resumption why);

/*
 * The stream of the relay's node, which has let go of it, broke. The fiber ends in sl_relay_attach(),
 * sl_relay_give_up() or sl_relay_lost(). False: it cannot go on (counted); the caller ends it.
 */
bool sl_resume_start(struct sl_relay *relay, struct sl_upstream_node *node);

/* "continued", "no_node", ...: label of the metric, and for the log. */
const char *sl_resume_word(enum sl_resumption why);

/* Counts one that came to nothing. */
void sl_resume_count(struct sl_relay *relay, enum sl_resumption why);

/* The client has left while the fiber is at work. */
void sl_resume_leave(struct sl_resume *resume);

#endif
