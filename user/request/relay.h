/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay.h - an open stream: tokens from a node to a client, without a fiber.
 *
 *   event                          what the client gets              breaker of the node
 *   data, comment                  the event, whole, as it came      -
 *   data: and nothing behind it    nothing: it says nothing          -
 *   [DONE] or a finish_reason,
 *     then the end of the body     the end of the body               -  (success was reported)
 *   error event                    broken: that event                failure
 *   end without either             broken                            failure (stream_cut)
 *   reset, FIN, bad chunk          broken                            failure
 *   event that is not JSON         broken                            failure (bad_body)
 *   silent for inter_token         broken                            failure (stream_stall)
 *   over the request's deadline    an error event, end of the body   failure (total_timeout)
 *   client leaves                  -                                 neutral; upstream RST at once
 *
 * A broken stream goes on, on another node, where that is possible (resume.h): then its events come
 * through a splice, written anew. Else the client gets an error event and the end of the body.
 *
 * Only whole events are forwarded, so an error event always begins on a line of its own; `[DONE]`
 * is forwarded only when the node sent it. Comments pass but are no progress.
 *
 * For clients of another API the same holds in its own events (wire/dialect.h): message_stop and
 * response.completed are written where [DONE] or the end of a finished body would be forwarded, and
 * nowhere else.
 *
 * A node of the Messages API comes in one of two ways. Decoded: its bytes become chat chunks before
 * anything looks at them (wire/messages.h). Direct: its client speaks that API too; its events pass as
 * they came, done_seen is message_stop and nothing else is an end. One that goes on elsewhere is direct no
 * longer (resume_native.h).
 *
 * Cost a token: one receive completion, one scan (about 100 ns), one copy into the client's output,
 * and a share of the turn's system call. State: sizeof(struct sl_relay), no buffer unless an event
 * arrives in pieces. Thread: the loop's.
 */
#ifndef SL_REQUEST_RELAY_H
#define SL_REQUEST_RELAY_H

#include "user/http/sse.h"
#include "user/request/flight.h"
#include "user/request/worker.h"
#include "user/stage/admit.h"
#include "user/wire/dialect.h"
#include "user/wire/messages.h"

#define SL_REQUEST_ID_MAX   63u
#define SL_RELAY_GATHER_MIN 128u /* streams on a thread, from which on tokens may be gathered */

/* Of the events of one receive, written anew: a token of few bytes becomes an event of about 120. */
#define SL_RELAY_ANEW_BYTES_MAX (64u << 20)

struct sl_filtered;

struct sl_relay {
	struct sl_client_owner owner; /* first */
	struct sl_worker *worker;
	struct sl_exchange *client;
	struct sl_client_conn *upstream; /* NULL once the exchange is over */
	struct sl_upstream_node *node;	 /* NULL once it was let go */
	struct sl_relay *next, **pprev;
	const struct sl_route *route;
	struct sl_routes *routes;
	uint32_t ticket;
	uint32_t pool_slot;
	uint32_t inter_token_ms;
	uint32_t reads;	   /* with tokens, since the client last kept the node waiting */
	bool on_trial : 1; /* its settings are tried out: arm.h */
	bool done_seen : 1;
	bool finish_seen : 1;
	bool awaiting : 1;     /* its end is known, and waits for a filter's word */
	bool awaits_done : 1;  /* that end is [DONE] */
	bool ready_later : 1;  /* a filter became ready while the stream had no node */
	bool over : 1;	       /* the client's answer has ended */
	bool paused : 1;       /* the node is not read, because the client is slow */
	bool translated : 1;   /* part of a struct sl_message_relay */
	bool direct : 1;       /* that too, but its events pass as the node sends them */
	bool resuming : 1;     /* a fiber looks for a node to go on with (resume.h) */
	bool resumed : 1;      /* this is not the first node's stream: see splice.h */
	bool wants_usage : 1;  /* the node was asked to count */
	bool strips_usage : 1; /* and the client did not ask */
	bool tells_cost : 1;   /* in a trailer */
	uint64_t start_ns;
	uint64_t deadline_ns;
	uint64_t progress_ns; /* last data event */
	uint64_t tokens;
	uint64_t usage_tokens;		     /* as the node told last; 0: it has not */
	uint32_t usage_prompt, usage_cached; /* of these */
	uint32_t prompt_tokens;		     /* estimated */
	struct sl_tokens *learns;	     /* from the server's count; NULL: nothing */
	uint64_t learns_raw;
	struct sl_admission admission;
	struct sl_resume *resume;     /* NULL: cannot go on elsewhere */
	struct sl_filtered *filtered; /* see filtered.h; NULL: events pass as they are */
	struct sl_flight *flight;     /* that others wait for and the cache may keep; NULL: none */
	struct sl_messages_decoder *decoder; /* of the node's stream; NULL: it is chat, or direct */
	struct sl_trail_ref trail;
	struct sl_timer timer;
	struct sl_text partial; /* beginning of an event that is not whole yet */
	char id[SL_REQUEST_ID_MAX + 1];
};

/* A stream for a client of another API: what it gets is written anew, event by event. */
struct sl_message_relay {
	struct sl_relay relay; /* first */
	const struct sl_dialect *dialect;
	struct sl_dialect_stream stream;
	struct sl_messages_usage usage; /* of one that is direct */
};

/* NULL: the stream is not translated. */
static inline const struct sl_dialect *sl_relay_dialect(struct sl_relay *relay)
{
	return relay->translated ? ((struct sl_message_relay *)relay)->dialect : NULL;
}

/* NULL: what the client gets is not written anew by a dialect. */
static inline const struct sl_dialect *sl_relay_translator(struct sl_relay *relay)
{
	return relay->direct ? NULL : sl_relay_dialect(relay);
}

/* Of one that is translated. */
static inline struct sl_dialect_stream *sl_relay_dialect_stream(struct sl_relay *relay)
{
	return &((struct sl_message_relay *)relay)->stream;
}

/* What the request hands over; the caller fills it in. */
struct sl_relay_start {
	struct sl_exchange *client;
	bool on_trial;			 /* by settings that are tried out: arm.h */
	struct sl_client_conn *upstream; /* NULL when the stream is over already */
	struct sl_upstream_node *node;
	uint32_t ticket;
	uint32_t pool_slot;
	const struct sl_route *route;
	struct sl_routes *routes; /* a reference of the relay's own */
	uint64_t start_ns;
	uint64_t deadline_ns;
	uint32_t inter_token_ms;
	const char *id;
	struct sl_admission *admission; /* taken on success */
	struct sl_flight **flight;	/* taken on success; of none that is translated */
	struct sl_resume **resume;	/* the same */
	struct sl_filtered **filtered;	/* the same */
	struct sl_tokens *learns;	/* see stage/context.h */
	uint64_t learns_raw;
	uint32_t prompt_tokens;
	bool wants_usage, strips_usage, tells_cost;
	struct sl_trail_ref trail;
	const struct sl_dialect *dialect;    /* to translate into; NULL: none */
	bool direct;			     /* the node speaks it itself */
	struct sl_messages_decoder *decoder; /* of the node's stream, or NULL; taken on success */
	const struct sl_text *echo;	     /* of the dialect; borrowed for the call */
	const char *held;		     /* what came before the relay took over */
	size_t held_len;
	bool complete; /* and the body has ended */
};

/* ---- for resume.c ---------------------------------------------------------------------------- */

/* The stream of another node. Connection and grant belong to the relay from then on. */
struct sl_relay_source {
	struct sl_client_conn *upstream; /* NULL when it is over already */
	struct sl_upstream_node *node;
	uint32_t ticket;
	uint32_t pool_slot;
	const char *held; /* what has come of it */
	size_t held_len;
	bool complete;
	struct sl_messages_decoder *decoder; /* of it, or NULL */
};

/* Goes on with it; how: a word for the client. The relay may be over afterwards. */
void sl_relay_attach(struct sl_relay *relay, const struct sl_relay_source *source, const char *how);

/* There is none: ends with the error event of what broke the stream. */
void sl_relay_give_up(struct sl_relay *relay, enum sl_resumption why);

/* The client has left meanwhile. */
void sl_relay_lost(struct sl_relay *relay);

/* ---- start ----------------------------------------------------------------------------------- */

/* Begins the relay: the answer's head has been written. Returns 0 or -ENOMEM (nothing taken). */
int sl_relay_start(struct sl_worker *worker, const struct sl_relay_start *start);

/* A filter has something to say (stage/stage.h, ready). False: the relay is gone. */
bool sl_relay_filters_ready(struct sl_relay *relay);

#endif
