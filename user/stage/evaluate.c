/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/evaluate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/policy/share.h"
#include "user/wire/chat_context.h"
#include "user/wire/chat_gather.h"

#define BILLION	   1000000000ull
#define FORMAT_MAX (64u << 10) /* of a response_format */
#define QUESTIONED (SL_EVAL_BYTES + 1)
#define STEER_SALT "steer"

struct sl_evals {
	struct sl_eval_sample *pushed; /* newest first; any thread */
	struct sl_eval_sample *oldest; /* the reader's */
	uint32_t waiting, most;	       /* atomic */
	uint64_t dropped[SL_EVAL_DROPS];
	struct sl_strata *strata[SL_EVAL_ROUTES_MAX]; /* atomic; NULL: none is looked at */
	uint32_t steer[SL_EVAL_ROUTES_MAX];	      /* atomic */
};

struct sl_evals *sl_evals_open(void)
{
	return calloc(1, sizeof(struct sl_evals));
}

void sl_eval_sample_free(struct sl_eval_sample **sample)
{
	if (*sample)
		free((*sample)->own_answer);
	free(*sample);
	*sample = NULL;
}

void sl_evals_close(struct sl_evals **evals)
{
	struct sl_eval_sample *sample;

	if (!*evals)
		return;
	while ((sample = sl_evals_take(*evals)))
		sl_eval_sample_free(&sample);
	for (uint32_t i = 0; i < SL_EVAL_ROUTES_MAX; i++)
		free((*evals)->strata[i]);
	free(*evals);
	*evals = NULL;
}

/* ---- the list -------------------------------------------------------------------------------- */

void sl_evals_drop(struct sl_evals *evals, enum sl_eval_drop why)
{
	__atomic_fetch_add(&evals->dropped[why], 1, __ATOMIC_RELAXED);
}

uint64_t sl_evals_dropped(const struct sl_evals *evals, enum sl_eval_drop why)
{
	return __atomic_load_n(&evals->dropped[why], __ATOMIC_RELAXED);
}

const char *sl_eval_drop_name(enum sl_eval_drop why)
{
	static const char *const names[SL_EVAL_DROPS] = {"full", "private", "long", "form",
							 "memory"};

	return names[why];
}

/* Takes it in any case. */
static void push(struct sl_evals *evals, struct sl_eval_sample *sample)
{
	uint32_t most = __atomic_load_n(&evals->most, __ATOMIC_RELAXED);

	if (__atomic_fetch_add(&evals->waiting, 1, __ATOMIC_RELAXED) >= most) {
		__atomic_fetch_sub(&evals->waiting, 1, __ATOMIC_RELAXED);
		sl_evals_drop(evals, SL_EVAL_DROP_FULL);
		sl_eval_sample_free(&sample);
		return;
	}
	sample->next = __atomic_load_n(&evals->pushed, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&evals->pushed, &sample->next, sample, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

struct sl_eval_sample *sl_evals_take(struct sl_evals *evals)
{
	struct sl_eval_sample *sample;

	if (!evals->oldest) { /* takes all that came, and turns them round */
		sample = __atomic_exchange_n(&evals->pushed, NULL, __ATOMIC_ACQUIRE);
		while (sample) {
			struct sl_eval_sample *older = sample->next;

			sample->next = evals->oldest;
			evals->oldest = sample;
			sample = older;
		}
	}
	sample = evals->oldest;
	if (!sample)
		return NULL;
	evals->oldest = sample->next;
	__atomic_fetch_sub(&evals->waiting, 1, __ATOMIC_RELAXED);
	return sample;
}

uint32_t sl_evals_waiting(const struct sl_evals *evals)
{
	return __atomic_load_n(&evals->waiting, __ATOMIC_RELAXED);
}

void sl_evals_set_queue(struct sl_evals *evals, uint32_t most)
{
	__atomic_store_n(&evals->most, most, __ATOMIC_RELAXED);
}

int sl_evals_prepare(struct sl_evals *evals, uint32_t number)
{
	struct sl_strata *strata;

	if (number >= SL_EVAL_ROUTES_MAX)
		return -E2BIG;
	if (evals->strata[number])
		return 0;
	strata = calloc(1, sizeof(*strata));
	if (!strata)
		return -ENOMEM;
	__atomic_store_n(&evals->strata[number], strata, __ATOMIC_RELEASE);
	return 0;
}

void sl_evals_steer(struct sl_evals *evals, uint32_t number, uint32_t share)
{
	if (number < SL_EVAL_ROUTES_MAX)
		__atomic_store_n(&evals->steer[number], share, __ATOMIC_RELAXED);
}

/* ---- whose turn it is -------------------------------------------------------------------------- */

bool sl_evaluate_wanted(const struct sl_config_route *route)
{
	return route->evaluate.sample || route->evaluate.steer;
}

static bool client_says_no(const struct sl_h1_head *head)
{
	static const char ours[] = "x-sluice-evaluate";

	for (uint32_t i = 0; i < head->header_count; i++) {
		const struct sl_h1_header *header = &head->headers[i];
		struct sl_span value = {header->value, header->value_len};

		if (header->id == SL_H1_ID_CACHE_CONTROL &&
		    sl_stage_has_directive(value, SL_SPAN("no-store")))
			return true;
		if (header->id == SL_H1_ID_X_SLUICE && header->name_len == sizeof(ours) - 1 &&
		    sl_h1_text_equal(header->name, ours, sizeof(ours) - 1) &&
		    sl_span_equal_case(value, SL_SPAN("no")))
			return true;
	}
	return false;
}

static bool is_private(const struct sl_stage *stage)
{
	const uint64_t redacted =
		1ull << SL_STEP_INBOUND_REDACTED | 1ull << SL_STEP_VALIDATE_REDACTED;

	if (stage->reply.degraded & redacted)
		return true;
	if (stage->key && sl_stage_is_listed(stage->config->evaluation.not_of, stage->key->tenant))
		return true;
	return stage->head && client_says_no(stage->head);
}

static enum sl_strata_arm arm_of(const struct sl_stage *stage)
{
	enum sl_strata_arm arm = SL_STRATA_NO_ARM;

	for (int kind = 0; kind < SL_ROLLOUT_KINDS; kind++) {
		if (!stage->rollouts[kind])
			continue;
		if (sl_rollout_mark_candidate(stage->rollouts[kind]))
			return SL_STRATA_CANDIDATE;
		arm = SL_STRATA_BASELINE;
	}
	return arm;
}

static uint32_t share_of(const struct sl_config_route_evaluate *config, enum sl_strata_arm arm)
{
	uint64_t share = config->sample;

	if (share && arm != SL_STRATA_NO_ARM && config->rollouts > share)
		share = config->rollouts;
	share = share * SL_STRATA_SHARES / BILLION;
	return share || !config->sample ? (uint32_t)share : 1;
}

static bool is_turn(struct sl_stage *stage, bool kept, uint32_t *ret_weight)
{
	const struct sl_config_route_evaluate *config = &stage->route->evaluate;
	struct sl_evals *evals = stage->stores->evals;
	struct sl_stratum_of of = {.kept = kept, .stream = stage->facts->stream};
	struct sl_strata *strata;

	if (!config->sample || !evals || stage->number >= SL_EVAL_ROUTES_MAX ||
	    stage->facts->endpoint != SL_OPENAI_CHAT)
		return false;
	strata = __atomic_load_n(&evals->strata[stage->number], __ATOMIC_ACQUIRE);
	if (!strata)
		return false;
	if (is_private(stage)) {
		sl_evals_drop(evals, SL_EVAL_DROP_PRIVATE);
		return false;
	}
	if (stage->key)
		of.tenant =
			sl_span_string(stage->key->tenant[0] ? stage->key->tenant : stage->key->id);
	of.degraded = stage->reply.degraded != 0;
	of.arm = arm_of(stage);
	return sl_strata_take(strata, sl_strata_find(&of), share_of(config, of.arm),
			      config->rare_ms, sl_loop_now_ms(stage->loop), ret_weight);
}

/* ---- setting aside ------------------------------------------------------------------------------ */

static struct sl_span response_format(const struct sl_openai_request *facts)
{
	struct sl_json_field f = SL_JSON_FIELD("response_format");

	if (!facts->has_response_format || sl_json_scan(facts->body, facts->body_len, &f, 1) ||
	    f.type != SL_JSON_OBJECT || f.value_len > FORMAT_MAX)
		return SL_SPAN("");
	return sl_span_make(f.value, f.value_len);
}

static struct sl_span copy_span(char **at, struct sl_span from)
{
	char *to = *at;

	if (from.len)
		memcpy(to, from.data, from.len);
	to[from.len] = '\0';
	*at += from.len + 1;
	return sl_span_make(to, from.len);
}

static struct sl_eval_sample *copy_all(const struct sl_stage *stage, struct sl_span question,
				       struct sl_span context, struct sl_span answer)
{
	struct sl_span format = response_format(stage->facts);
	struct sl_eval_sample *sample = calloc(1, sizeof(*sample) + question.len + context.len +
							  answer.len + format.len + 4);
	char *at;

	if (!sample)
		return NULL;
	at = (char *)(sample + 1);
	sample->question = copy_span(&at, question);
	sample->context = copy_span(&at, context);
	sample->answer = copy_span(&at, answer);
	sample->response_format = copy_span(&at, format);
	sample->number = stage->number;
	sample->prompt_version = stage->prompt_version;
	sample->index_version = stage->index_version;
	sample->stream = stage->facts->stream;
	sample->degraded = stage->reply.degraded != 0;
	memcpy(sample->rollouts, stage->rollouts, sizeof(sample->rollouts));
	snprintf(sample->id, sizeof(sample->id), "%s", stage->id);
	return sample;
}

/* What the answer is held against, as the route has it. */
static void write_context(const struct sl_stage *stage, struct sl_text *out)
{
	uint32_t which = stage->route->evaluate.context;

	if (which == SL_CONFIG_EVAL_NO_CONTEXT ||
	    (which == SL_CONFIG_EVAL_DOCUMENTS && !stage->chunk_count && !stage->index_version))
		return;
	/* documents went in as a message of the system */
	(void)sl_chat_material(stage->facts, which == SL_CONFIG_EVAL_MESSAGES, out);
}

/* NULL: it cannot be set aside, which is counted. */
static struct sl_eval_sample *set_aside(const struct sl_stage *stage, struct sl_span answer,
					uint32_t weight)
{
	struct sl_evals *evals = stage->stores->evals;
	struct sl_eval_sample *sample = NULL;
	struct sl_text question, context;

	sl_text_init(&question, QUESTIONED);
	sl_text_init(&context, SL_EVAL_CONTEXT);
	(void)sl_chat_question(stage->facts, &question);
	write_context(stage, &context);
	if (question.error == -E2BIG || context.error == -E2BIG || answer.len > SL_EVAL_BYTES) {
		sl_evals_drop(evals, SL_EVAL_DROP_LONG);
	} else {
		sample = copy_all(stage, sl_text_span(&question), sl_text_span(&context), answer);
		if (!sample)
			sl_evals_drop(evals, SL_EVAL_DROP_MEMORY);
	}
	sl_text_fini(&question);
	sl_text_fini(&context);
	if (sample)
		sample->weight = weight;
	return sample;
}

static void set_whole_aside(struct sl_stage *stage, struct sl_span body, uint32_t weight,
			    uint8_t pool)
{
	struct sl_evals *evals = stage->stores->evals;
	struct sl_eval_sample *sample;
	struct sl_json_field content;
	char *text;
	int len;

	if (!sl_chat_answer_plain_one(body, &content)) {
		sl_evals_drop(evals, SL_EVAL_DROP_FORM);
		return;
	}
	text = sl_arena_alloc(stage->arena, content.value_len + 1);
	len = text ? sl_json_string(&content, text, content.value_len + 1) : -ENOMEM;
	if (len < 0) {
		sl_evals_drop(evals, SL_EVAL_DROP_MEMORY);
		return;
	}
	sample = set_aside(stage, sl_span_make(text, (size_t)len), weight);
	if (!sample)
		return;
	sample->pool = pool;
	push(evals, sample);
}

void sl_evaluate_kept(struct sl_stage *stage)
{
	const struct sl_upstream_pool *pool = stage->reply.pool;
	uint32_t weight;

	if (!stage->reply.given && !stage->reply.foreign && is_turn(stage, false, &weight))
		set_whole_aside(stage, stage->reply.body, weight, pool ? (uint8_t)pool->slot : 0);
}

void sl_evaluate_given(struct sl_stage *stage)
{
	uint32_t weight;

	if (!stage->fixed && is_turn(stage, true, &weight))
		set_whole_aside(stage, stage->answer, weight, 0);
}

/* ---- shadows ----------------------------------------------------------------------------------- */

struct sl_eval_sample *sl_evaluate_shadow(struct sl_stage *stage, enum sl_rollout_kind kind)
{
	uint8_t marks[SL_ROLLOUT_KINDS];
	struct sl_eval_sample *sample = NULL;
	uint32_t weight;

	memcpy(marks, stage->rollouts, sizeof(marks));
	memset(stage->rollouts, 0, sizeof(marks));
	stage->rollouts[kind] = sl_rollout_mark(stage->shadows[kind], true);
	if (is_turn(stage, false, &weight))
		sample = set_aside(stage, SL_SPAN(""), weight);
	memcpy(stage->rollouts, marks, sizeof(marks));
	if (sample)
		sample->shadow = true;
	return sample;
}

void sl_evaluate_push_shadow(struct sl_evals *evals, struct sl_eval_sample **sample_in,
			     struct sl_span body)
{
	struct sl_eval_sample *sample = *sample_in;
	struct sl_json_field content;
	int len = -EINVAL;

	*sample_in = NULL;
	if (sl_chat_answer_plain_one(body, &content) && content.value_len <= SL_EVAL_BYTES) {
		sample->own_answer = malloc(content.value_len + 1);
		if (sample->own_answer)
			len = sl_json_string(&content, sample->own_answer, content.value_len + 1);
	}
	if (len < 0) {
		sl_evals_drop(evals, SL_EVAL_DROP_FORM);
		sl_eval_sample_free(&sample);
		return;
	}
	sample->answer = sl_span_make(sample->own_answer, (size_t)len);
	push(evals, sample);
}

/* ---- streams ----------------------------------------------------------------------------------- */

struct filter {
	struct sl_stage_filter base; /* first */
	struct sl_evals *evals;
	struct sl_eval_sample *sample;
	struct sl_chat_gather gather;
};

static enum sl_filter_verdict filter_data(struct sl_stage_filter *base, const char *data,
					  size_t len, const struct sl_openai_chunk *chunk,
					  struct sl_text *out)
{
	(void)chunk;
	(void)out;
	sl_chat_gather_chunk(&((struct filter *)base)->gather, data, len);
	return SL_FILTER_PASS;
}

static enum sl_filter_verdict filter_end(struct sl_stage_filter *base, struct sl_text *out)
{
	(void)base;
	(void)out;
	return SL_FILTER_PASS;
}

/* One that broke off, or whose client left, says nothing of its model's answers. */
static void filter_fini(struct sl_stage_filter *base, bool whole)
{
	struct filter *filter = (struct filter *)base;
	struct sl_eval_sample *sample = filter->sample;

	if (filter->gather.text.error == -E2BIG) {
		sl_evals_drop(filter->evals, SL_EVAL_DROP_LONG);
	} else if (!whole || !sl_chat_gather_is_whole(&filter->gather)) {
		sl_evals_drop(filter->evals, SL_EVAL_DROP_FORM);
	} else {
		sample->own_answer = sl_chat_gather_take(&filter->gather, &sample->answer.len);
		sample->answer.data = sample->own_answer ? sample->own_answer : "";
		if (!sample->own_answer)
			sample->answer.len = 0;
		push(filter->evals, sample);
		sample = NULL;
	}
	sl_eval_sample_free(&sample);
	sl_chat_gather_fini(&filter->gather);
	free(filter);
}

int sl_evaluate_filter(struct sl_stage *stage, struct sl_stage_filter **ret_filter)
{
	const struct sl_upstream_pool *pool = stage->reply.pool;
	struct filter *filter;
	uint32_t weight;

	if (stage->reply.foreign || !is_turn(stage, false, &weight))
		return 0;
	filter = calloc(1, sizeof(*filter));
	if (!filter) { /* it flows on */
		sl_evals_drop(stage->stores->evals, SL_EVAL_DROP_MEMORY);
		return 0;
	}
	filter->sample = set_aside(stage, SL_SPAN(""), weight);
	if (!filter->sample) {
		free(filter);
		return 0;
	}
	filter->sample->pool = pool ? (uint8_t)pool->slot : 0;
	filter->evals = stage->stores->evals;
	filter->base.data = filter_data;
	filter->base.end = filter_end;
	filter->base.fini = filter_fini;
	filter->base.looks_only = true;
	sl_chat_gather_init(&filter->gather, SL_EVAL_BYTES);
	*ret_filter = &filter->base;
	return 0;
}

/* ---- steering ---------------------------------------------------------------------------------- */

enum sl_stage_verdict sl_evaluate_steer(struct sl_stage *stage)
{
	const struct sl_config_chain *chain = &stage->route->chains[SL_CAUSE_ERROR];
	struct sl_evals *evals = stage->stores->evals;
	uint32_t share;

	/* who is part of a roll-out of a model was told already whom to ask */
	if (!stage->route->evaluate.steer || !evals || stage->number >= SL_EVAL_ROUTES_MAX ||
	    chain->len < 2 || stage->rollouts[SL_ROLLOUT_MODEL] || stage->asked_first)
		return SL_STAGE_GO_ON;
	share = __atomic_load_n(&evals->steer[stage->number], __ATOMIC_RELAXED);
	if (share && sl_share_takes(sl_stage_asker(stage), SL_SPAN(STEER_SALT), share))
		stage->ops->set_pool(stage, chain->pools[1]);
	return SL_STAGE_GO_ON;
}
