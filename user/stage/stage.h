/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage.h - what a stage of the pipeline is given, and how it says what became of it. The order of the
 * stages is request/stages.c's alone; stages know neither each other nor the request.
 *
 *   called                        on the fiber  may
 *   before  (prompt ... inbound)   yes           replace the body, refuse, answer, make calls, wait
 *   lookup  (semantic cache)      yes           answer, make calls, wait
 *   prepare (retrieve ... degrade) yes          replace the body, refuse, answer, make calls, wait
 *   after   (validate)            yes           replace the answer, ask again, refuse, make calls
 *   kept    (semantic, retrieve)  yes           look at the answer that goes out
 *   filter  (validate ... retrieve) no          each event of a stream: pass, rewrite, hold, end
 *
 *	enum sl_stage_verdict sl_NAME_run(struct sl_stage *stage)
 *	{
 *		if (!stage->route->NAME.on)
 *			return SL_STAGE_GO_ON;
 *		...
 *		stage->ops->step(stage, SL_STEP_NAME_BACKUP);	one step down: counted, told, traced
 *		return SL_STAGE_GO_ON;
 *	}
 *
 * A stage that waited (a call, a job, a sleep) finds *stage->gone set when the client has left: it
 * returns at once, with any verdict. What a stage has not time for by deadline_ns it steps over: a part of
 * what is left belongs to the answer itself. Memory is the arena's, until the request ends.
 */
#ifndef SL_STAGE_STAGE_H
#define SL_STAGE_STAGE_H

#include "user/base/arena.h"
#include "user/base/config.h"
#include "user/base/key_file.h"
#include "user/base/text.h"
#include "user/base/trace_context.h"
#include "user/http/h1_parse.h"
#include "user/io/loop.h"
#include "user/io/work.h"
#include "user/policy/rollout_board.h"
#include "user/upstream/call.h"
#include "user/wire/openai.h"

#define SL_STEPS_MAX	     64u
#define SL_STAGE_FILTERS_MAX 5u

enum sl_stage_name {
#define SL_STAGE(name, text) SL_STAGE_##name,
#include "user/stage/steps.def"
	SL_STAGE_NAMES
};

/* A step of a ladder: SL_STEP_STAGE_NAME. */
enum sl_step {
#define SL_STEP(stage, name, text, keeps, help) SL_STEP_##stage##_##name,
#include "user/stage/steps.def"
	SL_STEPS
};

struct sl_step_info {
	enum sl_stage_name stage;
	const char *text; /* "stage=step" */
	bool keeps;
	const char *help;
};

extern const struct sl_step_info sl_steps[SL_STEPS];
const char *sl_stage_text(enum sl_stage_name stage);
/* The step alone. */
const char *sl_step_name(enum sl_step step);

/* Does a list of directives (Cache-Control) have this one, with or without a value? */
bool sl_stage_has_directive(struct sl_span value, struct sl_span directive);
/*
 * Does the client want no kept answer (Cache-Control: no-store or no-cache, x-sluice-cache: no)? Then its
 * own is not kept either. Every field counts, not the first alone: who says no twice means no.
 */
bool sl_stage_client_says_no(const struct sl_h1_head *head);

/* Is the name one of "a, b, c"? list NULL: no. */
bool sl_stage_is_listed(const char *list, const char *name);

/* A part of a key that will be digested, its length before it: other parts never make the same text. */
void sl_stage_key_add(struct sl_text *key, const void *data, size_t len);
/*
 * Whose kept answers these are: the tenant's; those of a key without one, which is a tenant of its own;
 * where there are no keys (record NULL), of who brings the same Authorization or X-Api-Key. Returns the
 * name, "" without keys.
 */
const char *sl_stage_key_add_owner(struct sl_text *key, const struct sl_key_record *record,
				   const struct sl_h1_head *head);

enum sl_stage_verdict {
	SL_STAGE_GO_ON = 0,
	SL_STAGE_ANSWER, /* stage->answer is the whole answer: no node is asked */
	SL_STAGE_REFUSE, /* stage->error is */
	SL_STAGE_AGAIN,	 /* after alone: ask once more, with the body as it is by now */
};

/* What the stages of the process share, opened by ops/stores.c; NULL: not configured. A stage's own
 * types stay in its store's header. */
struct sl_degrade;
struct sl_drift_board;
struct sl_schema_cache;
struct sl_prompts;
struct sl_summaries;
struct sl_tokens_table;
struct sl_counting;
struct sl_encoder;
struct sl_semantic;
struct sl_validate_lists;
struct sl_shadows;
struct sl_groundings;
struct sl_ratings;
struct sl_evals;

struct sl_stores {
	struct sl_prompts *prompts;	/* store/prompts.h */
	struct sl_summaries *summaries; /* store/summaries.h */
	struct sl_tokens_table *tokens; /* policy/tokens.h */
	struct sl_counting *counting;	/* store/counting.h */
	struct sl_work *work;
	struct sl_validate_lists *lists; /* of patterns: stage/validate_lists.h */
	struct sl_schema_cache *schemas; /* of all threads: wire/schema.h */
	struct sl_degrade *degrade;
	struct sl_drift_board *drift; /* policy/drift.h: which pools hold roll-outs */
	struct sl_rollout_board *rollouts;
	struct sl_encoder *encoder;	  /* of texts; set once, maybe later: sl_stores_apply() */
	struct sl_semantic *semantic;	  /* answers by meaning */
	struct sl_shadows *shadows;	  /* stage/semantic_shadow.h */
	struct sl_groundings *groundings; /* stage/retrieve_grounded.h */
	struct sl_retrieval *retrieval;	  /* documents for the model */
	struct sl_ratings *ratings;	  /* what clients think of answers: store/ratings.h */
	struct sl_evals *evals;		  /* answers that are to be looked at: stage/evaluate.h */
};

struct sl_stage;
struct sl_embedding;
struct sl_citation_chunk;

/* What `sluice explain` tells of a stage besides its steps down; names in stage.c. */
enum sl_noted {
	SL_NOTED_SEMANTIC_HIT = 0, /* value: similarity in thousandths */
	SL_NOTED_SHADOW,	   /* the model is asked as well; the same */
	SL_NOTED_SHADOW_AGREED,	   /* value: of the two answers */
	SL_NOTED_SHADOW_DIFFERED,
	SL_NOTED_SHADOW_FAILED,
	SL_NOTEDS
};

const char *sl_noted_name(enum sl_noted noted);

/* A check of a question or of an answer; names in stage.c. */
enum sl_check {
	SL_CHECK_FORM = 0, /* it cannot be looked at, or is too large to be */
	SL_CHECK_SCHEMA,
	SL_CHECK_LIST,
	SL_CHECK_PII,
	SL_CHECK_MODERATION,
	SL_CHECK_CITATION,
	SL_CHECK_REFUSAL,
	SL_CHECK_EMPTY,
	SL_CHECK_LANGUAGE,
	SL_CHECKS
};

enum sl_check_done {
	SL_CHECK_BLOCKED = 0, /* the question is refused */
	SL_CHECK_REPAIRED,    /* the same pool is asked anew; number: for which time */
	SL_CHECK_MOVED,	      /* another one is; the same */
	SL_CHECK_REFUSED,     /* a refusal in the answer's place, or an error */
	SL_CHECK_REDACTED,    /* number: so many times */
	SL_CHECK_MASKED,      /* the same */
	SL_CHECK_ENDED,	      /* the stream is */
	SL_CHECK_LET_THROUGH, /* nobody could tell */
	SL_CHECK_DONES
};

const char *sl_check_name(enum sl_check check);
const char *sl_check_done_name(enum sl_check_done done);

/* What a check did, for `sluice explain` and traces: without a word of the client or the model. */
struct sl_checked {
	enum sl_check check;
	enum sl_check_done done;
	bool is_answer; /* else the question */
	uint32_t number;
	/* A list's file, a kind of personal data, a keyword of a schema and a place; copied. NULL: none. */
	const char *what;
};

struct sl_stage_ops {
	/*
	 * The request's body becomes this one (copied): a chat completion, or of the endpoint that was
	 * asked. facts, estimates and what nodes get follow from it. Returns 0; -EINVAL: it is not a
	 * valid one, and nothing changed; -ENOMEM; -EOPNOTSUPP: stage->fixed.
	 */
	int (*set_body)(struct sl_stage *stage, const char *body, size_t len);
	/* after: the answer becomes this one (copied): a chat completion. 0, -EINVAL, -ENOMEM. */
	int (*set_answer)(struct sl_stage *stage, const char *body, size_t len);
	/* One step down a ladder. Twice is once for the header, and counted twice. */
	void (*step)(struct sl_stage *stage, enum sl_step step);
	/* The route's sampling was put in; overruled: in the place of the request's. */
	void (*sampled)(struct sl_stage *stage, enum sl_sampling which, bool overruled);
	/* A line of the answer's head, "x-sluice-NAME"; both copied. Before it goes out. */
	void (*header)(struct sl_stage *stage, const char *name, const char *value);
	/* The pool (index into stage->pools) is asked first from now on, then those of the route. */
	void (*set_pool)(struct sl_stage *stage, uint32_t pool);
	/* That one alone, whatever comes: later set_pool and the route's fallbacks do not count. */
	void (*keep_pool)(struct sl_stage *stage);
	void (*note)(struct sl_stage *stage, enum sl_noted what, uint32_t value);
	void (*checked)(struct sl_stage *stage, const struct sl_checked *checked);
	/*
	 * Has run(beside, argument) done on a fiber of its own while the client goes on, then
	 * drop(argument). beside is a stage without a request: key, head and facts are NULL, and of the
	 * operations it has `note` alone. 0; -EAGAIN (too many), -ESHUTDOWN, -ENOMEM: argument is still
	 * the caller's.
	 */
	int (*beside)(struct sl_stage *stage, uint32_t time_ms,
		      void (*run)(struct sl_stage *beside, void *argument),
		      void (*drop)(void *argument), void *argument);
	/*
	 * The same for as long as a stream goes on: for a filter, which tells run() when to end. Neither
	 * time nor number are bounded, but by the fibers of a thread (io/fiber.h); a drain waits for it.
	 */
	int (*along)(struct sl_stage *stage, void (*run)(struct sl_stage *beside, void *argument),
		     void (*drop)(void *argument), void *argument);
	/* Who waits for a place in the pool; either may be NULL. */
	void (*queue)(struct sl_stage *stage, const struct sl_upstream_pool *pool,
		      uint32_t *ret_waiting, uint64_t *ret_oldest_ms);
};

/* What `after` and `kept` look at. */
struct sl_stage_reply {
	int status;
	struct sl_span body; /* a chat completion, unless foreign */
	bool foreign;	     /* of the Messages API as it came: see `fixed` */
	bool given;	     /* not a node's: a stage's or the cache's */
	bool shared; /* others may be given it: recall.h's conditions, and no step against it */
	const struct sl_upstream_pool *pool;
	uint32_t tries;	   /* times that `after` has asked again so far */
	uint64_t degraded; /* bit by enum sl_step */
};

struct sl_stage_filter;

/* All borrowed for the request's life, and owned by the pipeline. */
struct sl_stage {
	const struct sl_stage_ops *ops;
	void *owner;
	const struct sl_config *config;
	const struct sl_config_route *route;
	uint32_t number; /* of the route, as in the counters: small, and the same after a reload */
	const struct sl_upstream_pool *pools; /* all of the configuration, by their index */
	const struct sl_stores *stores;
	struct sl_upstream *up;
	struct sl_loop *loop;
	struct sl_arena *arena;
	const bool *gone; /* the client has left */
	uint64_t deadline_ns;
	const char *id; /* of the request */
	char traceparent[SL_TRACE_PARENT_LEN +
			 1];		       /* for whom the stage asks; "": it is not traced */
	const struct sl_key_record *key;       /* NULL where no keys are asked for */
	enum sl_key_class class;	       /* priority */
	const struct sl_h1_head *head;	       /* the client's; NULL once it is gone */
	const struct sl_openai_request *facts; /* body and what it says; anew after set_body */
	/*
	 * The body cannot be told as a chat completion (Messages API, for a node that speaks it): facts
	 * are of the body as it came, set_body is refused, answers and streams are foreign.
	 */
	bool fixed;

	/* ---- with a verdict ---- */
	struct sl_span answer;	      /* ANSWER: a chat completion */
	struct sl_openai_error error; /* REFUSE */
	struct sl_stage_reply reply;  /* after, kept */

	uint32_t context_percent; /* of the context that may be used; 100 */
	uint32_t asked_first;	  /* pool of the last set_pool, index + 1; 0: the route's first */
	uint64_t
		similarity; /* decided by degrade: billionths that do for a kept answer; 0: the route's */
	bool no_hedge; /* decided by degrade before everything else; the attempt loop obeys */

	/* What goes into the key of the cache of answers besides the body: versions of what answers
	 * were made from. Stages mix theirs in (before). */
	uint64_t vary;
	uint64_t vary_but_index; /* the same without the index's version */

	/* The text that was embedded last, and its vector, so that no stage does it again: embed.h. */
	struct sl_span embedded_text;
	const struct sl_embedding *embedded;

	/* What the model was given of documents, by number: wire/citation.h. */
	const struct sl_citation_chunk *chunks;
	uint32_t chunk_count;

	uint8_t rollouts[SL_ROLLOUT_KINDS]; /* sl_rollout_mark(); 0: in none */
	/* Whose candidate is to be asked beside this request: request/shadowed.h; NULL: none. */
	struct sl_rollout_item *shadows[SL_ROLLOUT_KINDS];
	uint64_t start_ns;	       /* of the request, loop time */
	uint64_t prompt_version;       /* the first 64 bits of the one that is served; 0: none */
	uint32_t picked_index;	       /* version of the index that was asked for; 0: none */
	uint32_t index_version;	       /* that the model was given documents of; 0: none */
	struct sl_rollout_found found; /* what an index found that is rolled out */

	void *state[SL_STAGE_NAMES]; /* of each stage: NULL at first */
};

/*
 * Do routes send clients' requests to this pool? What a question can talk a model into saying must not open
 * a breaker that others wait behind, so who asks such a pool for a verdict only judges the answer's shape.
 */
bool sl_stage_pool_is_asked(const struct sl_stage *stage, const struct sl_upstream_pool *pool);

/* Who asks, as far as that can be known: the same for all requests of a conversation. Borrowed. */
struct sl_span sl_stage_asker(const struct sl_stage *stage);

/* The same, before there is a stage. head may be NULL, key too. */
struct sl_span sl_stage_asker_of(const struct sl_openai_request *facts,
				 const struct sl_h1_head *head, const struct sl_key_record *key);

/*
 * Is the request one of this subject's candidates? Notes its arm for the record, and says it in the head. NULL:
 * there is no roll-out of it, or the request is one of the baseline's.
 */
const struct sl_rollout_item *sl_stage_rollout(struct sl_stage *stage, enum sl_rollout_kind kind,
					       struct sl_span subject);

static inline const struct sl_config_pool *sl_stage_pool_config(const struct sl_stage *stage,
								const struct sl_upstream_pool *pool)
{
	return &stage->config->pools[pool - stage->pools];
}

/* ---- streams --------------------------------------------------------------------------------- */

enum sl_filter_verdict {
	SL_FILTER_PASS = 0, /* the event goes out as it came */
	SL_FILTER_ANEW,	    /* what is in out goes out instead: nothing (held back), or more */
	SL_FILTER_CLOSE,    /* out goes out, then the stream ends well: its last chunk is in out */
	SL_FILTER_FAIL,	    /* out goes out, then an error event: filter->error */
	SL_FILTER_WAIT, /* of end alone: not yet; ready() will be called, then end() once more */
};

/*
 * Looks at each chunk of a stream, without a fiber: it may not wait. First member of a struct of the
 * stage's own on the heap; it outlives the request, not the configuration (routes are kept).
 */
struct sl_stage_filter {
	/*
	 * One chunk, valid JSON, already read; errors and [DONE] do not come here. out: gets JSON
	 * documents, each with a '\n' behind it, each to be an event.
	 */
	enum sl_filter_verdict (*data)(struct sl_stage_filter *filter, const char *data, size_t len,
				       const struct sl_openai_chunk *chunk, struct sl_text *out);
	/* The node's stream ended well: what is still held back. PASS, ANEW or FAIL. */
	enum sl_filter_verdict (*end)(struct sl_stage_filter *filter, struct sl_text *out);
	/* NULL, or what there is to say after ready(): as of data, PASS for nothing. */
	enum sl_filter_verdict (*more)(struct sl_stage_filter *filter, struct sl_text *out);
	/* Frees it. whole: the client got all of a complete answer. */
	void (*fini)(struct sl_stage_filter *filter, bool whole);
	struct sl_openai_error error; /* FAIL: id and detail (a constant) */
	/* data and end only ever PASS: where all filters of a stream say so it goes out as it came, and
	 * the cache of answers may keep it. An event that none could look at makes it not whole. */
	bool looks_only;
	/* Set by the relay: a step was taken on the way whose answer is its client's alone. */
	bool unshared;
	/* Set by the relay: counts a step of a ladder, for the filter to call. */
	void (*step)(struct sl_stage_filter *filter, enum sl_step step);
	/* The same: as of struct sl_stage_ops. */
	void (*checked)(struct sl_stage_filter *filter, const struct sl_checked *checked);
	/* The same: has `more` called at once, which may end the stream, and so the filter. */
	void (*ready)(struct sl_stage_filter *filter);
	bool full; /* it holds so much that the node is not to be read for now */
	void *owner;
};

#endif
