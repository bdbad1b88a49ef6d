/* SPDX-License-Identifier: BSD-2-Clause */
/* The stage `context`: see context.h. */
#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/policy/tokens.h"
#include "user/stage/context.h"
#include "user/stage/context_count.h"
#include "user/store/counting.h"
#include "user/store/summaries.h"
#include "user/wire/chat_context.h"

#define BODY_BYTES_MAX (64u << 20)
#define NEAR_PERCENT   10u /* of the estimate: so near the limit it is worth to be counted */
#define DENSE_BYTES    3u  /* of a token: text that is worth to be counted may have as few */
#define ASKS_MAX       6u  /* of the nodes, until it is cut as far as is needed */
#define HISTORY_MAX    (4u << 20)
#define SUMMARY_ASK                                                                             \
	"Summarise the conversation below for the assistant that goes on with it. Keep names, " \
	"numbers, decisions, open questions and what the user wants. Write only the summary."

/* Of one request. */
struct state {
	struct sl_tokens *tokens; /* of the model that is asked; NULL: not known */
	uint64_t raw;		  /* of the request as it goes out */
};

struct fit {
	struct sl_stage *stage;
	const struct sl_config_route_context *config;
	const struct sl_upstream_pool *pool;
	struct state *state;
	struct sl_context context;
	uint64_t answer; /* tokens left for it */
	uint64_t exact;	 /* tokens of `all`, where the nodes have counted; 0: estimated */
	bool tokenized;	 /* the conversation's counts are tokens */
	uint64_t each;	 /* of these, what the template adds to a message at most */
	uint64_t all;	 /* raw, of the request as it came */
	struct sl_text summary;
	bool moved; /* another pool answers */
};

/* ---- limits ---------------------------------------------------------------------------------- */

static uint64_t estimate(const struct fit *fit, uint64_t raw)
{
	if (fit->exact) /* of this very text */
		return raw * fit->exact / (fit->all ? fit->all : 1);
	return fit->tokenized ? raw : sl_tokens_estimate(fit->state->tokens, raw);
}

static bool fits(const struct fit *fit, uint64_t raw, uint64_t limit)
{
	return estimate(fit, raw) + fit->answer <= limit;
}

/* The raw count that the prompt may have. */
static uint64_t raw_limit(const struct fit *fit, uint64_t limit)
{
	uint64_t room = limit > fit->answer ? limit - fit->answer : 0;
	uint64_t one = estimate(fit, 1u << 20);

	return (room << 20) / (one ? one : 1);
}

/* ---- the summary ----------------------------------------------------------------------------- */

/* A part of the conversation that may have been summarised before. */
struct history {
	struct sl_text text;
	uint8_t chain[SL_DIGEST_BYTES]; /* of all of it */
	struct sl_text known;		/* the summary of its longest known beginning */
	size_t known_to;		/* bytes of text that this covers */
};

/* Lines end with the messages; a text that has line ends only makes more of them. */
static void look_up(struct fit *fit, struct history *history)
{
	struct sl_span rest = sl_text_span(&history->text), line;
	struct sl_text found;

	memset(history->chain, 0, sizeof(history->chain));
	line = sl_span_string(
		sl_stage_pool_config(fit->stage, &fit->stage->pools[fit->config->summary_pool])
			->name);
	sl_summary_chain(history->chain, line);
	sl_text_init(&found, SL_SUMMARY_BYTES_MAX);
	while (rest.len) {
		line = sl_span_cut(&rest, '\n');
		sl_summary_chain(history->chain, line);
		sl_text_reset(&found);
		if (!sl_summaries_find(fit->stage->stores->summaries, history->chain, &found))
			continue;
		sl_text_reset(&history->known);
		sl_text_append(&history->known, found.data, found.len);
		history->known_to = (size_t)(line.data + line.len + 1 - history->text.data);
	}
	sl_text_fini(&found);
}

static void write_ask(const struct fit *fit, const struct history *history, struct sl_text *body)
{
	sl_text_printf(body,
		       "{\"model\":\"summary\",\"temperature\":0,\"max_tokens\":%u,\"messages\":["
		       "{\"role\":\"system\",\"content\":\"" SUMMARY_ASK "\"},"
		       "{\"role\":\"user\",\"content\":\"",
		       fit->config->summary_tokens);
	if (history->known_to) {
		sl_text_append_string(body, "Summary of what was before:\\n");
		sl_text_append_json(body, history->known.data, history->known.len);
		sl_text_append_string(body, "\\n");
	}
	sl_text_append_json(body, history->text.data + history->known_to,
			    history->text.len - history->known_to);
	sl_text_append_string(body, "\"}]}");
}

/* A summary without words, or one longer than is kept, is the node's failure. */
static enum sl_ending accept_summary(void *owner, const char *body, size_t body_len,
				     const char **ret_detail)
{
	struct sl_text *summary = owner;

	if (sl_chat_answer_text(sl_span_make(body, body_len), summary))
		return SL_ENDING_OK;
	*ret_detail = summary->error ? "the summary is too long" : "the answer is no summary";
	sl_text_reset(summary);
	return SL_ENDING_BAD;
}

static bool ask_summary(struct fit *fit, struct history *history)
{
	struct sl_stage *stage = fit->stage;
	struct sl_call_answer answer;
	struct sl_text body;
	struct sl_call call = {
		.pool = &stage->pools[fit->config->summary_pool],
		.path = SL_SPAN("/v1/chat/completions"),
		.chat = true,
		.json_object = true,
		.deadline_ns = stage->deadline_ns,
		.timeout_ms = fit->config->summary_ms,
		.id = stage->id,
		.traceparent = stage->traceparent,
		.gone = stage->gone,
		.accept = accept_summary,
		.owner = &fit->summary,
	};
	bool good;

	sl_text_init(&body, BODY_BYTES_MAX);
	write_ask(fit, history, &body);
	call.body = sl_text_span(&body);
	good = !body.error && sl_call_run(stage->up, stage->arena, &call, &answer) == SL_ENDING_OK;
	if (!good && !body.error && !*stage->gone)
		sl_log_limited(SL_LOG_WARN, "route \"%s\": summary: pool \"%s\": %s",
			       stage->route->model, call.pool->name, answer.detail);
	sl_text_fini(&body);
	if (good)
		sl_summaries_keep(stage->stores->summaries, history->chain,
				  sl_text_span(&fit->summary));
	return good;
}

/* True when the history has become a summary. */
static bool summarise(struct fit *fit)
{
	struct history history = {0};
	bool good = false;

	if (fit->config->summary_pool == UINT32_MAX)
		return false;
	sl_text_init(&history.text, HISTORY_MAX);
	sl_text_init(&history.known, SL_SUMMARY_BYTES_MAX);
	if (sl_context_history(&fit->context, &history.text) && !history.text.error) {
		look_up(fit, &history);
		if (history.known_to == history.text.len)
			good = sl_text_append(&fit->summary, history.known.data,
					      history.known.len) == 0;
		else
			good = ask_summary(fit, &history);
	}
	if (good)
		sl_context_summarised(&fit->context,
				      sl_tokens_raw(fit->summary.data, fit->summary.len));
	sl_text_fini(&history.known);
	sl_text_fini(&history.text);
	return good;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool may(const struct fit *fit, enum sl_config_context step)
{
	return fit->config->steps >> step & 1;
}

/* The pool of the chain, behind the first, with the smallest context that is long enough. */
static const struct sl_upstream_pool *find_larger(const struct fit *fit, uint64_t raw)
{
	const struct sl_config_chain *chain = &fit->stage->route->chains[SL_CAUSE_ERROR];
	const struct sl_upstream_pool *best = NULL;
	uint64_t best_limit = 0;

	for (uint32_t i = 0; i < chain->len; i++) {
		const struct sl_upstream_pool *pool = &fit->stage->pools[chain->pools[i]];
		uint64_t limit = sl_context_limit(fit->stage, pool);

		if (pool != fit->pool && limit && fits(fit, raw, limit) &&
		    (!best || limit < best_limit)) {
			best = pool;
			best_limit = limit;
		}
	}
	return best;
}

static bool move(struct fit *fit, uint64_t raw)
{
	const struct sl_upstream_pool *pool =
		may(fit, SL_CONFIG_CONTEXT_LARGER) ? find_larger(fit, raw) : NULL;

	if (!pool)
		return false;
	fit->stage->ops->set_pool(fit->stage, (uint32_t)(pool - fit->stage->pools));
	fit->stage->ops->step(fit->stage, SL_STEP_CONTEXT_LARGER);
	fit->moved = true;
	fit->state->tokens = NULL; /* nothing is learnt of the first one's model */
	return true;
}

/* The body with the messages that are left. */
static enum sl_stage_verdict send_on(struct fit *fit)
{
	struct sl_stage *stage = fit->stage;
	const struct sl_openai_request *facts = stage->facts;
	const char *messages = facts->prompt_field.value;
	const char *rest = messages + facts->prompt_field.value_len;
	struct sl_text body;
	int rc;

	sl_text_init(&body, BODY_BYTES_MAX);
	sl_text_append(&body, facts->body, (size_t)(messages - facts->body));
	sl_context_write(&fit->context, sl_text_span(&fit->summary), &body);
	rc = sl_text_append(&body, rest, (size_t)(facts->body + facts->body_len - rest));
	if (!rc)
		rc = stage->ops->set_body(stage, body.data, body.len);
	sl_text_fini(&body);
	if (rc) /* the server may still take it as it was */
		return SL_STAGE_GO_ON;
	fit->state->raw = fit->context.tokens;
	if (fit->context.dropped_outputs)
		stage->ops->step(stage, SL_STEP_CONTEXT_TOOLS);
	if (fit->context.dropped_turns)
		stage->ops->step(stage, SL_STEP_CONTEXT_TURNS);
	if (fit->summary.len)
		stage->ops->step(stage, SL_STEP_CONTEXT_SUMMARY);
	return SL_STAGE_GO_ON;
}

static enum sl_stage_verdict refuse(struct fit *fit, uint64_t limit)
{
	struct sl_stage *stage = fit->stage;

	stage->error = (struct sl_openai_error){
		.id = SL_OPENAI_ERROR_CONTEXT,
		.object = sl_arena_printf(stage->arena, "%llu", (unsigned long long)limit),
		.detail = sl_arena_printf(
			stage->arena, "about %llu",
			(unsigned long long)(estimate(fit, fit->context.tokens) + fit->answer)),
	};
	return SL_STAGE_REFUSE;
}

/* ---- cutting --------------------------------------------------------------------------------- */

static bool drop(struct fit *fit, uint64_t room)
{
	bool done = false;

	if (may(fit, SL_CONFIG_CONTEXT_TOOLS))
		done = sl_context_drop_outputs(&fit->context, room);
	if (!done && may(fit, SL_CONFIG_CONTEXT_TURNS))
		done = sl_context_drop_turns(&fit->context, room, fit->config->keep_turns);
	return done;
}

static uint32_t dropped(const struct fit *fit)
{
	return fit->context.dropped_outputs + fit->context.dropped_turns;
}

/* The conversation as it was, with so many results and turns dropped. False: there are not as many. */
static bool drop_to(struct fit *fit, const struct sl_context *before,
		    const struct sl_context_message *messages, uint32_t steps)
{
	struct sl_context_message *list = fit->context.messages;

	fit->context = *before;
	memcpy(list, messages, before->count * sizeof(*list));
	fit->context.steps_max = steps;
	drop(fit, 0);
	fit->context.steps_max = UINT32_MAX;
	return dropped(fit) == steps;
}

/* What the nodes count of it as it is by now. */
static uint64_t ask_now(struct fit *fit)
{
	struct sl_text text;
	uint64_t count = 0;

	sl_text_init(&text, BODY_BYTES_MAX);
	if (!sl_context_write(&fit->context, SL_SPAN(""), &text))
		count = sl_context_ask(fit->stage, fit->pool, sl_text_span(&text));
	sl_text_fini(&text);
	return count;
}

/* Too long by the nodes' count: as many steps more as their count makes of the estimate. */
static uint32_t more_steps(struct fit *fit, uint64_t count, uint64_t limit)
{
	uint32_t before = dropped(fit);

	fit->exact = count;
	fit->all = fit->context.tokens;
	drop(fit, raw_limit(fit, limit));
	return dropped(fit) > before ? dropped(fit) : before + 1;
}

/*
 * The nodes count: the fewest steps after which they say that it fits. Begins where the estimate stands,
 * and goes back one by one while there is room. False: it never fits.
 */
static bool drop_exactly(struct fit *fit, uint64_t limit)
{
	const struct sl_context before = fit->context;
	const uint64_t exact = fit->exact, all = fit->all;
	struct sl_context_message *messages = sl_arena_memdup(
		fit->stage->arena, before.messages, (before.count + 1) * sizeof(*messages));
	uint32_t good = UINT32_MAX, bad = 0, steps, asks;
	uint64_t count;
	bool done;

	drop(fit, raw_limit(fit, limit));
	steps = dropped(fit) ? dropped(fit) : 1;
	for (asks = 0; messages && asks < ASKS_MAX && steps > bad && steps < good; asks++) {
		if (!drop_to(fit, &before, messages, steps))
			break; /* all that could be dropped is */
		count = ask_now(fit);
		if (!count || *fit->stage->gone)
			break;
		if (count + fit->answer <= limit) {
			good = steps--;
		} else {
			bad = steps;
			steps = more_steps(fit, count, limit);
		}
	}
	if (*fit->stage->gone || !messages)
		return false;
	if (good != UINT32_MAX)
		done = drop_to(fit, &before, messages, good);
	else
		done = drop(fit, raw_limit(fit, limit)); /* as they counted last */
	fit->exact = exact;
	fit->all = all;
	return done;
}

static uint64_t messages_left(const struct sl_context *context)
{
	uint64_t left = 0;

	for (size_t i = 0; i < context->count; i++)
		left += !context->messages[i].dropped;
	return left;
}

/* What it is at least, by all that is known. */
static uint64_t least_of(const struct fit *fit)
{
	const struct sl_context *context = &fit->context;

	if (fit->exact)
		return estimate(fit, context->tokens);
	if (fit->tokenized) /* the text itself: how much the template adds is not sure */
		return context->tokens - fit->each * (messages_left(context) + 1);
	return sl_tokens_least(fit->state->tokens, context->tokens);
}

static enum sl_stage_verdict walk(struct fit *fit, uint64_t limit)
{
	struct sl_context *context = &fit->context;
	bool done;

	done = fit->exact ? drop_exactly(fit, limit) : drop(fit, raw_limit(fit, limit));
	if (!done && may(fit, SL_CONFIG_CONTEXT_SUMMARISE) && summarise(fit))
		done = context->tokens <= raw_limit(fit, limit);
	if (*fit->stage->gone)
		return SL_STAGE_GO_ON;
	if (done)
		return send_on(fit);
	if (move(fit, fit->all)) /* which takes all of it: nothing is dropped */
		return SL_STAGE_GO_ON;
	if (move(fit, context->tokens))
		return send_on(fit);
	if (least_of(fit) + fit->answer > limit)
		return refuse(fit, limit);
	return send_on(fit); /* it may fit, and the server knows */
}

/* ---- how long it is -------------------------------------------------------------------------- */

/* By the nodes: all of it, or enough of its beginning to be sure that it fits. */
static uint64_t count_by_nodes(struct fit *fit, uint64_t limit)
{
	const struct sl_json_field *messages = &fit->stage->facts->prompt_field;
	size_t covered = 0, i;
	uint64_t known, rest = 0;

	if (sl_stage_pool_config(fit->stage, fit->pool)->tokenize == SL_CONFIG_TOKENIZE_OFF)
		return 0;
	known = sl_context_known(fit->stage, fit->pool, messages, &covered);
	for (i = covered; known && i < fit->context.count; i++)
		rest += fit->context.messages[i].tokens;
	if (known && (!rest || known + estimate(fit, rest) + fit->answer <= limit)) {
		sl_counting_note(fit->stage->stores->counting, SL_COUNTING_KNOWN);
		return known + estimate(fit, rest);
	}
	return sl_context_ask(fit->stage, fit->pool,
			      sl_span_make(messages->value, messages->value_len));
}

static struct sl_tokens *named(const struct sl_stage *stage, const struct sl_upstream_pool *pool,
			       const char *prefix)
{
	const char *model = sl_stage_pool_config(stage, pool)->model;
	char name[SL_TOKENS_NAME];

	if (!stage->stores->tokens)
		return NULL;
	snprintf(name, sizeof(name), "%s%s", prefix, model ? model : stage->facts->model);
	return sl_tokens_of(stage->stores->tokens, name);
}

/* What is learnt from its answer: the template's share, where the text itself is counted. */
static void note_sample(struct fit *fit)
{
	const struct sl_context *context = &fit->context;
	uint64_t left = messages_left(context), text;

	text = context->tokens - fit->each * (left + 1);
	fit->state->raw = sl_tokens_sample(text, left);
}

static enum sl_stage_verdict fit_in(struct fit *fit, uint64_t limit)
{
	const struct sl_json_field *messages = &fit->stage->facts->prompt_field;
	uint64_t frame = fit->all - sl_tokens_raw(messages->value, messages->value_len);
	struct sl_tokens *template = named(fit->stage, fit->pool, "frame of ");
	enum sl_stage_verdict verdict = SL_STAGE_GO_ON;
	bool text = sl_context_is_text(messages);

	if (sl_context_read(&fit->context, fit->stage->arena, messages, frame))
		return SL_STAGE_GO_ON;
	fit->each = sl_tokens_frame(template);
	fit->tokenized =
		text && sl_context_tokenize(fit->stage, fit->pool, template, &fit->context);
	if (*fit->stage->gone)
		return SL_STAGE_GO_ON;
	fit->all = fit->context.tokens; /* images counted as such */
	fit->exact = text ? count_by_nodes(fit, limit) : 0;
	if (*fit->stage->gone)
		return SL_STAGE_GO_ON;
	if (!fit->exact && !fit->tokenized)
		sl_counting_note(fit->stage->stores->counting, SL_COUNTING_ESTIMATE);
	sl_text_init(&fit->summary, SL_SUMMARY_BYTES_MAX);
	if (!fits(fit, fit->all, limit))
		verdict = walk(fit, limit);
	if (fit->tokenized && !fit->summary.len && !fit->moved) {
		fit->state->tokens = template;
		note_sample(fit);
	}
	sl_text_fini(&fit->summary);
	return verdict;
}

/* Text that is unlike what was learnt from is only found out where it can be counted. */
static bool is_near(const struct fit *fit, uint64_t limit)
{
	const struct sl_config_pool *config = sl_stage_pool_config(fit->stage, fit->pool);
	uint64_t tokens = estimate(fit, fit->all);
	uint64_t dense = fit->stage->facts->body_len / DENSE_BYTES;

	if ((config->tokenizer || config->tokenize) && dense > tokens)
		tokens = dense;
	return tokens * (100 + NEAR_PERCENT) / 100 + fit->answer > limit;
}

enum sl_stage_verdict sl_context_stage_run(struct sl_stage *stage)
{
	const struct sl_config_chain *chain = &stage->route->chains[SL_CAUSE_ERROR];
	struct fit fit = {.stage = stage, .config = &stage->route->context};
	uint64_t limit;

	if (!fit.config->steps || stage->fixed || stage->facts->endpoint != SL_OPENAI_CHAT ||
	    stage->facts->prompt_field.type != SL_JSON_ARRAY)
		return SL_STAGE_GO_ON;
	fit.pool = &stage->pools[stage->asked_first ? stage->asked_first - 1 : chain->pools[0]];
	fit.state = sl_arena_zalloc(stage->arena, sizeof(*fit.state));
	if (!fit.state)
		return SL_STAGE_GO_ON;
	stage->state[SL_STAGE_CONTEXT] = fit.state;
	fit.state->tokens = named(stage, fit.pool, "");
	fit.all = fit.state->raw = sl_tokens_raw(stage->facts->body, stage->facts->body_len);
	fit.answer = stage->facts->max_tokens >= 0 ? (uint64_t)stage->facts->max_tokens
						   : fit.config->reserve;
	limit = sl_context_limit(stage, fit.pool);
	if (!limit || *stage->gone || !is_near(&fit, limit))
		return SL_STAGE_GO_ON;
	return fit_in(&fit, limit);
}

struct sl_tokens *sl_context_stage_learns(const struct sl_stage *stage, uint64_t *ret_raw)
{
	const struct state *state = stage->state[SL_STAGE_CONTEXT];

	*ret_raw = state ? state->raw : 0;
	return state ? state->tokens : NULL;
}

void sl_context_stage_learn(const struct sl_stage *stage, int64_t prompt_tokens)
{
	const struct state *state = stage->state[SL_STAGE_CONTEXT];

	if (state && state->tokens && prompt_tokens > 0)
		sl_tokens_learn(state->tokens, state->raw, (uint64_t)prompt_tokens);
}
