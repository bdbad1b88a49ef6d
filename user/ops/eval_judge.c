/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eval_judge.c - a model says whether an answer is good, or a sentence supported (quality/judge.h).
 *
 * What says neither word is asked once more, then it is silent, which its fuse is told (policy/fuse.h): not
 * its breaker, for the question itself may have talked it into that, and its nodes may serve requests.
 */
#include <errno.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/ops/eval_parts.h"
#include "user/quality/judge.h"
#include "user/upstream/call.h"
#include "user/upstream/survey.h"

#define ANSWER_BYTES_MAX (64u << 10)
#define ARENA_BYTES_MAX	 (8u << 20)
#define TRIES		 2u
#define BYTES_OF_TOKEN	 3u /* guessed high */

struct ask {
	const struct sl_upstream_pool *pool;
	struct sl_fuse *fuse;
	struct sl_text body;
};

static void count_silence(struct sl_eval_part *part, enum sl_eval_silence silence)
{
	pthread_mutex_lock(&part->lock);
	part->silences[silence]++;
	pthread_mutex_unlock(&part->lock);
}

/* The fuse of that pool; a table that is full has one for all others. */
static struct sl_fuse *fuse_of(struct sl_eval_part *part, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i + 1 < SL_EVAL_JUDGES_MAX && part->judges[i].pool; i++) {
		if (part->judges[i].pool == slot)
			return &part->judges[i].fuse;
	}
	part->judges[i].pool = slot;
	return &part->judges[i].fuse;
}

static void count_blown(struct sl_eval_part *part)
{
	uint32_t blown = 0;

	for (uint32_t i = 0; i < SL_EVAL_JUDGES_MAX; i++)
		blown += part->judges[i].pool && sl_fuse_is_blown(&part->judges[i].fuse);
	pthread_mutex_lock(&part->lock);
	part->blown = blown;
	pthread_mutex_unlock(&part->lock);
}

static void spend(struct sl_eval_part *part, uint64_t tokens)
{
	sl_allowance_spend(&part->allowance, tokens);
	pthread_mutex_lock(&part->lock);
	part->judge_tokens += tokens;
	pthread_mutex_unlock(&part->lock);
}

/* Is there money, room and sense in asking now? */
static bool may_ask(struct sl_eval_look *look, const struct ask *ask)
{
	struct sl_eval_part *part = look->part;
	const struct sl_config_evaluation *config = &look->routes->config->evaluation;
	struct sl_allowance_rules rules = sl_eval_rules(config);
	struct sl_survey survey = sl_survey_make(&part->up, ask->pool);
	uint64_t tokens = ask->body.len / BYTES_OF_TOKEN;
	enum sl_eval_silence silence = SL_EVAL_SILENCES;

	if (!sl_allowance_has_tokens(&part->allowance, &rules, tokens))
		silence = SL_EVAL_SILENT_BUDGET;
	else if (survey.places &&
		 (uint64_t)survey.running * 100 >= (uint64_t)survey.places * config->load)
		silence = SL_EVAL_SILENT_BUSY;
	else if (!sl_fuse_may(ask->fuse, sl_clock_ms()))
		silence = SL_EVAL_SILENT_FUSE;
	if (silence == SL_EVAL_SILENCES)
		return true;
	count_silence(part, silence);
	return false;
}

/* Once. *ret_silence: why it is not known. */
static enum sl_eval_verdict ask_once(struct sl_eval_look *look, const struct ask *ask,
				     enum sl_eval_silence *ret_silence)
{
	struct sl_eval_part *part = look->part;
	static const enum sl_eval_verdict verdicts[] = {[SL_JUDGE_SILENT] = SL_EVAL_UNKNOWN,
							[SL_JUDGE_PASS] = SL_EVAL_GOOD,
							[SL_JUDGE_FAIL] = SL_EVAL_BAD};
	enum sl_eval_verdict verdict = SL_EVAL_UNKNOWN;
	struct sl_call_answer answer;
	struct sl_openai_usage usage;
	struct sl_arena arena;
	struct sl_call call = {
		.pool = ask->pool,
		.body = sl_text_span(&ask->body),
		.chat = true,
		.json_object = true,
		.deadline_ns = sl_loop_now_ns(part->place.loop) +
			       look->route->config->evaluate.judge_ms * SL_NS_PER_MS,
		.answer_bytes_max = ANSWER_BYTES_MAX,
		.id = look->sample->id,
		.gone = &part->stopping,
	};

	*ret_silence = SL_EVAL_SILENT_FAILED;
	sl_arena_init(&arena, 0, ARENA_BYTES_MAX);
	if (sl_call_run(&part->up, &arena, &call, &answer) == SL_ENDING_OK) {
		verdict = verdicts[sl_judge_read(answer.body)];
		*ret_silence = SL_EVAL_SILENT_WORDS;
		if (sl_openai_usage_read(answer.body.data, answer.body.len, &usage) ||
		    usage.total_tokens < 0)
			usage.total_tokens =
				(int64_t)((ask->body.len + answer.body.len) / BYTES_OF_TOKEN);
		spend(part, (uint64_t)usage.total_tokens);
	} else if (!part->stopping) {
		sl_log_limited(SL_LOG_WARN, "route \"%s\": evaluate: judge \"%s\": %s",
			       look->route->model, ask->pool->name, answer.detail);
	}
	sl_arena_fini(&arena);
	return verdict;
}

static enum sl_eval_verdict run_ask(struct sl_eval_look *look, struct ask *ask)
{
	struct sl_eval_part *part = look->part;
	enum sl_eval_verdict verdict = SL_EVAL_UNKNOWN;
	enum sl_eval_silence silence = SL_EVAL_SILENT_FAILED;

	ask->fuse = fuse_of(part, ask->pool->slot);
	if (ask->body.error || !may_ask(look, ask))
		return SL_EVAL_UNKNOWN;
	for (uint32_t i = 0; i < TRIES && verdict == SL_EVAL_UNKNOWN && !part->stopping; i++) {
		verdict = ask_once(look, ask, &silence);
		if (silence == SL_EVAL_SILENT_FAILED && verdict == SL_EVAL_UNKNOWN)
			break; /* the engine has tried again already */
	}
	if (part->stopping)
		return SL_EVAL_UNKNOWN;
	sl_fuse_note(ask->fuse, verdict != SL_EVAL_UNKNOWN, sl_clock_ms());
	count_blown(part);
	if (verdict == SL_EVAL_UNKNOWN) {
		count_silence(part, silence);
		return verdict;
	}
	pthread_mutex_lock(&part->lock);
	part->judge_answers++;
	pthread_mutex_unlock(&part->lock);
	return verdict;
}

static const struct sl_upstream_pool *judge_of(const struct sl_eval_look *look)
{
	return &look->routes->pools[look->route->config->evaluate.judge - 1];
}

enum sl_eval_verdict sl_eval_judge_answer(struct sl_eval_look *look, struct sl_span question,
					  struct sl_span context, struct sl_span answer)
{
	struct ask ask = {.pool = judge_of(look)};
	enum sl_eval_verdict verdict;

	sl_judge_write_answer(look->route->config->evaluate.rubric, question, context, answer,
			      &ask.body);
	verdict = run_ask(look, &ask);
	sl_text_fini(&ask.body);
	return verdict;
}

int sl_eval_judge_sentence(struct sl_eval_look *look, struct sl_span context,
			   struct sl_span sentence)
{
	struct ask ask = {.pool = judge_of(look)};
	enum sl_eval_verdict verdict;

	sl_judge_write_sentence(context, sentence, &ask.body);
	verdict = run_ask(look, &ask);
	sl_text_fini(&ask.body);
	return verdict == SL_EVAL_UNKNOWN ? -EIO : verdict == SL_EVAL_GOOD;
}
