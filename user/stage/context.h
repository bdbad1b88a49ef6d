/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * context.h - a conversation that is too long for a model, made to fit.
 *
 *   step               takes                                              until
 *   cut_tool_output   the text of the oldest tool results; the results   it fits, or none is left
 *                      stay, with a note in the text's place
 *   cut_turns         the oldest turns, whole                            it fits, or keep_turns are left
 *   summarise          all turns but the last for one message             -
 *
 * A turn is a user's message and all up to the next one. Never touched: messages of the roles system
 * and developer, the last turn but for tool results that the model has answered already, and results
 * that it has not. A call and its result are never parted: where a result stands in a later turn than
 * its call, the turns between go only together.
 *
 * The conversation borrows from the request's body and lives in the arena. Counts are raw ones
 * (policy/tokens.h), or tokens where a tokenizer has counted (context_count.h). One thread.
 */
#ifndef SL_STAGE_CONTEXT_H
#define SL_STAGE_CONTEXT_H

#include "user/stage/stage.h"
#include "user/wire/json_scan.h"

#define SL_CONTEXT_MESSAGES_MAX 16384u
#define SL_CONTEXT_IMAGE_RAW	1000u /* of data in base64, whatever its length */
#define SL_CONTEXT_NOTE		"[removed to fit the context]"

enum sl_context_kind {
	SL_CONTEXT_OTHER = 0, /* assistant, and roles not known */
	SL_CONTEXT_SYSTEM,    /* system, developer */
	SL_CONTEXT_USER,
	SL_CONTEXT_TOOL, /* tool, function: a result */
};

struct sl_context_message {
	struct sl_json_field raw;
	struct sl_json_field content;
	enum sl_context_kind kind;
	uint32_t turn; /* 0: before the first user's message */
	uint64_t tokens;
	uint64_t content_tokens; /* of them, its content's */
	bool dropped;
	bool blanked; /* a result without its text */
};

struct sl_context {
	struct sl_context_message *messages;
	size_t count;
	uint32_t turns;	    /* the last one's number */
	uint32_t kept_from; /* the first turn that is still there */
	bool *joined;	    /* of turn t: it may not be the first that is left */
	size_t results_to;  /* results from here on have not been answered */
	uint64_t tokens;    /* of what is there now, the frame included */
	uint64_t frame;	    /* of all but the messages: tools, formats */
	uint64_t note;	    /* of what stands for a result's text */
	uint32_t dropped_outputs, dropped_turns; /* counted */
	uint32_t steps_max;			 /* no more than that are dropped, both together */
};

/*
 * messages: a found array; frame: raw tokens of the rest of the request. -EINVAL: an element is no
 * object; -E2BIG: over SL_CONTEXT_MESSAGES_MAX; -ENOMEM.
 */
int sl_context_read(struct sl_context *context, struct sl_arena *arena,
		    const struct sl_json_field *messages, uint64_t frame);

/* The two steps; each until tokens <= limit (raw). True when it does fit. */
bool sl_context_drop_outputs(struct sl_context *context, uint64_t limit);
bool sl_context_drop_turns(struct sl_context *context, uint64_t limit, uint32_t keep_turns);

/*
 * What a summary would replace: all turns that are there but the last. Appends them as lines "role:
 * text" and returns how many messages they are; 0: there is nothing to summarise.
 */
size_t sl_context_history(const struct sl_context *context, struct sl_text *out);

/* Takes the history away; tokens: the raw count of its summary. */
void sl_context_summarised(struct sl_context *context, uint64_t tokens);

/*
 * The messages as they are now, as a JSON array. summary: a message's text, in the place of the
 * history, or empty.
 */
int sl_context_write(const struct sl_context *context, struct sl_span summary, struct sl_text *out);

/* ---- the stage (context_run.c) --------------------------------------------------------------- */

/*
 * Does the request fit the first pool that it will be asked of (its context_tokens, the answer's
 * included)? If the estimate says no, the nodes are asked, where they count. Then the steps of the route,
 * in the order above, until it does:
 *
 *   summarise     summary_pool makes it, in time; kept by the beginning of the conversation
 *   larger_pool   a pool of the route's chain whose context is long enough for all of it, or else for
 *                 what is left
 *   none helped   400 context_length_exceeded where it cannot fit; where it may, the server decides
 *
 * What was dropped before a larger pool was found that takes it all is not dropped.
 */
enum sl_stage_verdict sl_context_stage_run(struct sl_stage *stage);

/* The server counted so many tokens in the request's prompt. */
void sl_context_stage_learn(const struct sl_stage *stage, int64_t prompt_tokens);

/* The same for who outlives the stage: the model's estimate and the raw count. NULL: nothing to learn. */
struct sl_tokens *sl_context_stage_learns(const struct sl_stage *stage, uint64_t *ret_raw);

#endif
