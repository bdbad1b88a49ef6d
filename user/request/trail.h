/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trail.h - what was decided about a request, and when: for `sluice explain` and the request log.
 *
 * Each thread has a ring of SL_TRAIL_ENTRIES trails of 1184 bytes, so 1.16 MiB (touched as it fills). A request
 * takes the next one at its start and notes its decisions there; the oldest is lost. No allocation, no
 * text but its id, its endpoint, its models' names, the id of its key, and of checks a list's file or a place
 * in a schema's terms: no prompt, no answer, no secret. A request
 * whose trail was taken by a later one (older than the last SL_TRAIL_ENTRIES of its thread) notes
 * nothing more.
 *
 * Measured (build/unit/request/trail --measure, two busy cores): beginning a trail and six notes cost
 * 0.46 us a request together; a chat request costs some 15 us.
 *
 * Written by the owning thread; read by the control thread, which copies a trail and takes it for
 * void when its generation moved meanwhile.
 */
#ifndef SL_REQUEST_TRAIL_H
#define SL_REQUEST_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/base/api_key.h"
#include "user/base/text.h"
#include "user/base/trace_context.h"
#include "user/policy/rollout_board.h"

#define SL_TRAIL_ENTRIES     1024u /* a thread */
#define SL_TRAIL_EVENTS_MAX  44u   /* of one request; more are counted, not kept */
#define SL_TRAIL_ID_BYTES    64u
#define SL_TRAIL_MODEL_BYTES 64u /* longer names are cut */
#define SL_TRAIL_SAID_BYTES  48u /* the same of the model that an answer names */
#define SL_TRAIL_PATH_BYTES  24u
#define SL_TRAIL_TEXTS_BYTES 96u /* of all checks; what has no room is left out */

enum sl_trail_kind {
	SL_TRAIL_NONE = 0,
	SL_TRAIL_ADMITTED, /* key and route are in order, its limits have room */
	SL_TRAIL_REFUSED,  /* detail: enum sl_openai_error_id, value: status */
	SL_TRAIL_CACHE,	   /* detail: enum sl_recall */
	SL_TRAIL_LADDER,   /* a stage stepped down; detail: enum sl_step */
	SL_TRAIL_NOTED,	   /* of a stage; detail: enum sl_noted, value: thousandths */
	SL_TRAIL_SAMPLING, /* the route's value; detail: enum sl_sampling, value: 1 overruled one */
	SL_TRAIL_CHECK,	   /* of a question or an answer: trail_check.h */
	SL_TRAIL_POOL,	  /* enters a pool; detail: enum sl_cause + 1 of a fallback, 0: the first */
	SL_TRAIL_NO_NODE, /* nobody in the pool may be asked */
	SL_TRAIL_UNFIT,	  /* nor can anybody there be asked this; detail: enum sl_fit */
	SL_TRAIL_ATTEMPT, /* detail: SL_TRAIL_WHY_*; value: affinity and zone */
	SL_TRAIL_CONNECTED,	 /* the request goes out; value: 1 on a kept connection */
	SL_TRAIL_ENDING,	 /* of the attempt; detail: enum sl_ending, value: status */
	SL_TRAIL_RETRY,		 /* the pool's budget was asked; detail: enum sl_retry_verdict */
	SL_TRAIL_BACK_OFF,	 /* value: ms */
	SL_TRAIL_WAIT,		 /* for a node that is left alone; value: ms */
	SL_TRAIL_HEDGE,		 /* a second node was due; detail: enum sl_hedge_verdict, value: ms
				    that the first one had been waited for */
	SL_TRAIL_HEDGE_WON,	 /* the second node's answer counts */
	SL_TRAIL_HEDGE_LOST,	 /* it does not */
	SL_TRAIL_STREAM,	 /* the stream to the client is open */
	SL_TRAIL_STREAM_BROKEN,	 /* on its node; detail: enum sl_ending, value: tokens so far */
	SL_TRAIL_STREAM_RESUMED, /* on another one */
	SL_TRAIL_STREAM_END,	 /* detail: enum sl_ending, value: tokens */
	SL_TRAIL_ANSWER,	 /* a whole answer; value: status, detail: an error in a stream */
	SL_TRAIL_QUEUE,	    /* waits in a pool's queue; detail: 1 for a node, value: in it now */
	SL_TRAIL_QUEUE_END, /* or may not wait; detail: enum sl_queue_verdict, value: ms */
	SL_TRAIL_KEEPALIVE, /* the head was sent while waiting; value: ms */
	SL_TRAIL_CLIENT_GONE,
	SL_TRAIL_KINDS
};

/* Why a node was chosen. */
#define SL_TRAIL_WHY_PROBE 1u  /* its breaker's half-open probe */
#define SL_TRAIL_WHY_PANIC 2u  /* least bad of a pool in panic */
#define SL_TRAIL_WHY_ONLY  4u  /* no other was left */
#define SL_TRAIL_WHY_LOAD  8u  /* nearer ones are too full */
#define SL_TRAIL_WHY_LOSS  16u /* nearer ones are out, or come back slowly */
#define SL_TRAIL_WHY_KEPT  32u /* all near ones are full, and no more may leave */

/* The value of an attempt: enum sl_affinity_verdict below, enum sl_zone above. */
#define SL_TRAIL_ZONE_SHIFT    8u
#define SL_TRAIL_AFFINITY_MASK 0xffu

struct sl_trail_event {
	uint32_t at_us; /* since the request's start */
	uint8_t kind;
	uint8_t detail;
	uint8_t pool;	 /* slot; 0: none */
	uint8_t attempt; /* number of the attempt that it is of; 0: of none */
	uint16_t node;	 /* slot; 0: none */
	uint16_t incarnation;
	uint32_t value;
};

/* What stamps its begin and end; admission, queue and attempts have events of their own. */
enum sl_trail_stage {
	SL_TRAIL_IN_PROMPT = 0,
	SL_TRAIL_IN_SCREEN,
	SL_TRAIL_IN_CACHE,
	SL_TRAIL_IN_RETRIEVE,
	SL_TRAIL_IN_FIT,
	SL_TRAIL_IN_VALIDATE,
	SL_TRAIL_STAGES
};

/* Since the request's start; begin_us is one more than it was, 0: the stage was not run. */
struct sl_trail_stamp {
	uint32_t begin_us, end_us;
};

/* Numbers of spans below the request's own, for sl_trace_child(); attempts have 1 to 255. */
#define SL_TRAIL_SPAN_STAGE    256u /* and enum sl_trail_stage */
#define SL_TRAIL_SPAN_ADMIT    288u
#define SL_TRAIL_SPAN_GENERATE 289u
#define SL_TRAIL_SPAN_QUEUE    512u /* and the event's position */

/* What limits and budgets were asked for, and what they were charged. */
struct sl_trail_bill {
	uint64_t reserved_nano, settled_nano;
	uint32_t reserved_tokens, settled_tokens;
	uint8_t refused_by; /* enum sl_admit_refusal + 1; 0: nobody refused */
	bool reserved;
	bool settled;
	bool priced; /* settled_nano says something */
	uint8_t pad[4];
};

struct sl_trail {
	uint64_t generation; /* 0: never used; raised when a request takes it */
	uint64_t start_ns;
	uint64_t start_wall_ms;
	char id[SL_TRAIL_ID_BYTES];
	char model[SL_TRAIL_MODEL_BYTES]; /* "": no route was found */
	char key_id[SL_API_KEY_ID_LEN + 1];
	bool stream;
	bool counted;	  /* the node told the two usages */
	uint8_t endpoint; /* enum sl_openai_endpoint; 0: it was not read so far */
	bool anthropic;	  /* of the pool asked last: what it speaks */
	uint8_t texts_len;
	uint16_t event_count;
	uint16_t lost;		/* events beyond SL_TRAIL_EVENTS_MAX */
	uint32_t prompt_tokens; /* estimated */
	uint32_t usage_input, usage_output;
	struct sl_trace_context trace;
	char path[SL_TRAIL_PATH_BYTES]; /* that the client asked */
	char said[SL_TRAIL_SAID_BYTES]; /* the model that the last answer named, plain; "": none */
	char texts[SL_TRAIL_TEXTS_BYTES]; /* of checks, each with its end: trail_check.h */
	struct sl_trail_stamp stages[SL_TRAIL_STAGES];
	struct sl_trail_bill bill;
	struct sl_trail_event events[SL_TRAIL_EVENTS_MAX];
};

/* The thread's ring. */
struct sl_trails {
	struct sl_trail *ring; /* NULL: no memory, nothing is noted */
	uint64_t next;
};

/* What a request and its relay hold. All zero: nothing is noted. */
struct sl_trail_ref {
	struct sl_trail *trail;
	uint64_t generation;
	struct sl_trace_context trace; /* of the trail, which may be taken */
	uint8_t attempt_number;	       /* of the newest attempt; stays at 255 */
	uint8_t endpoint;	       /* enum sl_openai_endpoint */
	bool anthropic;		       /* of the pool asked last: what it speaks */
	bool counted;		       /* the node told the two usages */
	uint32_t usage_input, usage_output;
	/* For the log's line of a stream, which may outlive its trail. */
	uint64_t cost;	   /* nano, of a stream that was settled */
	uint32_t first_us; /* first token; 0: none yet */
	uint16_t attempts;
	uint8_t recall;			    /* enum sl_recall */
	uint8_t hedged;			    /* enum sl_hedged */
	uint8_t fallback;		    /* enum sl_cause + 1 */
	bool priced;			    /* cost says something */
	uint64_t degraded;		    /* bit by enum sl_step */
	struct sl_rollout_found found;	    /* as in struct sl_stage */
	uint8_t rollouts[SL_ROLLOUT_KINDS]; /* as in struct sl_stage, as the next two */
	uint64_t prompt_version;
	uint32_t index_version;
};

void sl_trails_init(struct sl_trails *trails);
void sl_trails_fini(struct sl_trails *trails);

struct sl_trail_ref sl_trail_begin(struct sl_trails *trails, const char *id, uint64_t now_ns);

/* The trail while it is still the request's, else NULL. */
static inline struct sl_trail *sl_trail_of(const struct sl_trail_ref *ref)
{
	return ref->trail && ref->trail->generation == ref->generation ? ref->trail : NULL;
}

void sl_trail_note(const struct sl_trail_ref *ref, uint64_t now_ns,
		   const struct sl_trail_event *event);

/* The request is in that stage from then on, until end. Several of one stage behind each other are one. */
void sl_trail_stage_begin(const struct sl_trail_ref *ref, enum sl_trail_stage stage,
			  uint64_t now_ns);
void sl_trail_stage_end(const struct sl_trail_ref *ref, enum sl_trail_stage stage, uint64_t now_ns);

/* Events by their times; one that is its owner's alone. */
void sl_trail_sort(struct sl_trail *trail);

/* Copies the newest trail of that id, or of that trace (32 digits), its events in the order of their
 * times. Returns false when there is none (any more). */
bool sl_trails_find(const struct sl_trails *trails, const char *id, struct sl_trail *ret_trail);

/* The trail of the request that began `back` requests before the newest; the same. Any thread. */
bool sl_trails_recent(const struct sl_trails *trails, uint32_t back, struct sl_trail *ret_trail);

#endif
