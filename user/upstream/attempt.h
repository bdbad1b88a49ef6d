/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attempt.h - one try of one request on one node, as straight-line code for a fiber.
 *
 *   take an idle connection, or connect -> send -> wait for what decides the attempt:
 *     a whole answer (not streaming, or any status but 200)     -> body holds it
 *     the first token or error of a stream                     -> held holds what came so far
 *     a failure, a time-out, the client's leaving
 *
 * Nothing has gone to the client when an attempt is settled, so the caller may forget it and try
 * elsewhere. A stream's connection then either moves into a relay (sl_attempt_take_stream) or is
 * closed. Every ending is reported to the node's breaker exactly once here. Comments, and a chunk
 * that only names the role, do not count as its first event.
 *
 *   state      meaning                              leaves by
 *   idle       nothing under way                    start
 *   under way  connecting or exchanging             poll returns true
 *   over       `ending` says how                    settle -> idle
 *
 * sl_attempt_run() is all of it for a fiber that waits for nothing else. A fiber may have several
 * attempts under way: it parks until the earliest sl_attempt_due_ns(), then polls each of them. What
 * happens to an attempt wakes it.
 *
 * Thread: the loop's; run only on a fiber.
 */
#ifndef SL_UPSTREAM_ATTEMPT_H
#define SL_UPSTREAM_ATTEMPT_H

#include "user/base/arena.h"
#include "user/base/text.h"
#include "user/http/sse.h"
#include "user/io/fiber.h"
#include "user/upstream/upstream.h"
#include "user/wire/messages.h"
#include "user/wire/openai.h"

#define SL_ATTEMPT_BODY_BYTES_MAX  (64u << 20) /* a whole answer */
#define SL_ATTEMPT_HELD_BYTES_MAX  (1u << 20)  /* of a stream before its first token */
#define SL_ATTEMPT_LINES_BYTES_MAX 16384u      /* end-to-end header lines of an answer */
#define SL_ATTEMPT_DETAIL_BYTES	   160u
#define SL_ATTEMPT_SAID_BYTES	   48u

/* The API of the node's answer, and what becomes of it. */
enum sl_attempt_answer {
	SL_ATTEMPT_CHAT = 0, /* OpenAI's: as it is */
	SL_ATTEMPT_DECODED,  /* Messages: body and stream are made chat completions here */
	SL_ATTEMPT_DIRECT,   /* Messages: as it is, for a client of that API */
};

/* What to send and how long to wait; all borrowed until the attempt is settled. */
struct sl_attempt_plan {
	const char *head; /* request head, complete */
	size_t head_len;
	const char *body;
	size_t body_len;
	bool stream;	  /* the client asked for a stream */
	bool json_answer; /* a whole answer must be a JSON object */
	bool on_trial;	  /* by settings that are tried out: a failure is neutral for the node */
	bool own_key;	  /* the node gets a key of the pool, not the client's */
	enum sl_attempt_answer answer;
	struct sl_messages_names names; /* of what is decoded */
	/* An answer that the model refused, before its first token, is no answer (4xx, content policy). */
	bool refusal_leaves;
	/*
	 * A health check (ops/checks.h): on a connection of its own, and neither reported to the
	 * breaker nor counted as a sign of life; its grant is of sl_upstream_grant_check(). head_len
	 * 0: the connect is all of it.
	 */
	bool check;
	uint32_t connect_ms;  /* bound of the connect */
	uint64_t answer_ns;   /* the answer, or a stream's first token, by this time */
	uint64_t deadline_ns; /* the request's deadline */
	/*
	 * A stream counts as opened only with so many bytes, or so long after its first token, or at
	 * its end: what breaks it before is the attempt's failure. buffer_bytes 0: at its first
	 * token.
	 */
	uint32_t buffer_bytes;
	uint32_t buffer_ms;
	const bool *gone; /* set when the client has left (with a wake-up) */
	const char *id;	  /* of the request; NULL: it has none */
	uint32_t tokens;  /* that the node will hold for it, as estimated; see policy/load.h */
	const struct sl_affinity_key *affinity; /* who is asked, and who answers, is remembered for
						   it; NULL: is not */
	const struct sl_upstream_pool *pool;	/* the node's; of a check, where it asks a model */
	struct sl_span asked;	 /* name of the model that the node is asked for; empty: none */
	uint64_t dropped_fields; /* header fields of the answer not to keep, beside ours to say */
	uint8_t number; /* of the attempt in its request's trail, see request/trail.h; 0: none */
	/*
	 * Looks at a whole answer of status 2xx that is a JSON object without an error. Returns
	 * SL_ENDING_OK, or how the attempt ends instead (with *ret_detail a constant for people).
	 * NULL: any is right.
	 */
	enum sl_ending (*accept)(void *owner, const char *body, size_t body_len,
				 const char **ret_detail);
	void *owner;
};

struct sl_attempt {
	struct sl_upstream *up;
	struct sl_arena *arena; /* for lines; the request's */
	const struct sl_attempt_plan *plan;
	struct sl_upstream_node *node;
	uint32_t ticket;
	struct sl_client_conn *conn;
	struct sl_fiber *fiber;
	bool done; /* the exchange came to an ending, see `ending` */
	bool is_stream;
	bool connecting;
	bool connect_done;
	int connect_error;
	bool complete; /* the answer's last byte has come */
	bool finished; /* a finish_reason has come, while it is held back */
	bool unframed; /* complete by what it says, though the framing's end is missing */
	bool refused;  /* the model would not answer; of the Messages API alone */
	bool named;    /* the answer has said which model it is of */
	bool changed;  /* which is not what the node said before; see identity.h */
	enum sl_attempt_answer
		answer; /* as the plan has it, which may be gone when the stream is taken */
	struct sl_messages_decoder *decoder; /* of a stream that is decoded */
	enum sl_ending ending;
	int status;
	enum sl_openai_fault fault; /* what the server's error means; NONE: it sent none */
	bool has_retry_after;
	int64_t retry_after_ms; /* -1: none */
	bool is_json;
	const char *lines; /* end-to-end header lines of the answer, in the arena */
	size_t lines_len;
	struct sl_text body;   /* the whole answer, or what was held of a stream */
	size_t scanned;	       /* of a stream: events up to here were looked at */
	uint64_t first_ns;     /* first token; 0: none yet */
	uint32_t known_blocks; /* that the node was known for before, see affinity.h */
	uint64_t start_ns;
	uint64_t connect_until_ns;
	uint64_t sent_ns;
	uint64_t held_until_ns;	 /* an experiment lets it begin then; 0: it has begun */
	struct sl_strike strike; /* what befalls its answer; NONE: nothing */
	uint64_t kernel_signals; /* of the node, before the connect */
	char detail[SL_ATTEMPT_DETAIL_BYTES]; /* what happened, for people */
	char said[SL_ATTEMPT_SAID_BYTES];     /* model that the answer names, as it came, cut; "" */
};

/* Prepares for a request; body memory is reused between attempts. */
void sl_attempt_init(struct sl_attempt *attempt, struct sl_upstream *up, struct sl_arena *arena);
void sl_attempt_fini(struct sl_attempt *attempt);

/* Starts one on the granted node, for the running fiber. It may be over at once: poll. */
void sl_attempt_start(struct sl_attempt *attempt, const struct sl_upstream_grant *grant,
		      const struct sl_attempt_plan *plan);

/* Moves it on by what has happened since; the fiber's. Returns true when it is over. */
bool sl_attempt_poll(struct sl_attempt *attempt);

/* Loop time by which it must be polled, whatever wakes the fiber before. */
uint64_t sl_attempt_due_ns(const struct sl_attempt *attempt);

/*
 * Reports the ending of one that is over, and returns it. The grant is released, unless a stream
 * was opened (ending OK and is_stream).
 */
enum sl_ending sl_attempt_settle(struct sl_attempt *attempt);

/*
 * Instead of settling one that is not wanted any more, because another of the request decided it:
 * the connection is closed at once, and unless it was over already it is neutral for the node
 * (LOST). Nothing of it is kept, a stream that was opened neither. Returns its ending.
 */
enum sl_ending sl_attempt_cancel(struct sl_attempt *attempt);

/* Each takes the other's place, connections included. */
void sl_attempt_swap(struct sl_attempt *a, struct sl_attempt *b);

/* All of it: start, wait, settle. Returns its ending; see the fields. Releases the grant
 * unless a stream was opened (ending OK and is_stream). */
enum sl_ending sl_attempt_run(struct sl_attempt *attempt, const struct sl_upstream_grant *grant,
			      const struct sl_attempt_plan *plan);

/* The open stream's connection, to be given new ops by the caller, who owns connection and grant
 * from now on. complete is set when the stream has already ended. */
struct sl_client_conn *sl_attempt_take_stream(struct sl_attempt *attempt);

/* Its decoder, for the bytes that follow; the caller ends it with sl_attempt_free_decoder(). NULL: the
 * stream is not decoded. */
struct sl_messages_decoder *sl_attempt_take_decoder(struct sl_attempt *attempt);
void sl_attempt_free_decoder(struct sl_messages_decoder **decoder);

#endif
