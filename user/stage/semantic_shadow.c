/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/semantic_shadow.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/stage/semantic_parts.h"
#include "user/store/linear.h"
#include "user/wire/chat_swap.h"

#define ONE	       1000000000.0
#define BODY_BYTES_MAX (16u << 20)
#define BYTES_OF_TOKEN 3u	   /* of an answer, guessed high */
#define WRAPPING_BYTES (64u << 10) /* of an answer, besides what may be kept of it */
#define PERMILLE       1000.0f

struct sl_shadows {
	pthread_mutex_t lock;
	struct sl_shadow routes[SL_SHADOW_ROUTES_MAX];
};

int sl_shadows_open(struct sl_shadows **ret_shadows)
{
	*ret_shadows = calloc(1, sizeof(**ret_shadows));
	if (!*ret_shadows)
		return -ENOMEM;
	pthread_mutex_init(&(*ret_shadows)->lock, NULL);
	return 0;
}

void sl_shadows_close(struct sl_shadows **shadows)
{
	if (*shadows)
		pthread_mutex_destroy(&(*shadows)->lock);
	free(*shadows);
	*shadows = NULL;
}

bool sl_shadows_read(struct sl_shadows *shadows, uint32_t number, struct sl_shadow *ret_shadow)
{
	if (!shadows || number >= SL_SHADOW_ROUTES_MAX)
		return false;
	pthread_mutex_lock(&shadows->lock);
	*ret_shadow = shadows->routes[number];
	pthread_mutex_unlock(&shadows->lock);
	return ret_shadow->configured != 0;
}

/* NULL: it has none. Locked. */
static struct sl_shadow *lock_route(const struct sl_stage *stage)
{
	struct sl_shadows *shadows = stage->stores->shadows;

	if (!shadows || stage->number >= SL_SHADOW_ROUTES_MAX)
		return NULL;
	pthread_mutex_lock(&shadows->lock);
	return &shadows->routes[stage->number];
}

static void unlock(const struct sl_stage *stage)
{
	pthread_mutex_unlock(&stage->stores->shadows->lock);
}

static struct sl_shadow_limits limits_of(const struct sl_stage *stage)
{
	const struct sl_config_route_semantic *config = &stage->route->semantic;

	return (struct sl_shadow_limits){
		.percent = config->shadow_percent,
		.threshold = config->threshold,
		.lowest = config->threshold_min,
		.highest = config->threshold_max,
		.target_percent = config->false_percent,
		.tokens_max = config->shadow_tokens,
	};
}

uint64_t sl_semantic_threshold(const struct sl_stage *stage)
{
	struct sl_shadow_limits limits = limits_of(stage);
	struct sl_shadow *shadow = lock_route(stage);
	uint64_t threshold = limits.threshold;

	if (shadow) {
		threshold = sl_shadow_threshold(shadow, &limits);
		unlock(stage);
	}
	return threshold;
}

/* ---- beside the client ----------------------------------------------------------------------- */

struct ask {
	uint64_t tokens; /* guessed */
	size_t body_len, kept_len, question_len;
	char data[]; /* body, text of the kept answer, question */
};

static uint64_t tokens_of(struct sl_span body, uint64_t guess)
{
	struct sl_openai_usage usage;

	if (sl_openai_usage_read(body.data, body.len, &usage) || usage.total_tokens < 0)
		return guess;
	return (uint64_t)usage.total_tokens;
}

/* Asks the pool. 0, or -errno. */
static int ask_model(struct sl_stage *stage, const struct ask *ask, struct sl_span *ret_text)
{
	struct sl_call call = {
		.pool = &stage->pools[stage->route->chains[SL_CAUSE_ERROR].pools[0]],
		.body = sl_span_make(ask->data, ask->body_len),
		.chat = true,
		.json_object = true,
		.deadline_ns = stage->deadline_ns,
		.attempts_max = 1,
		.answer_bytes_max = stage->route->semantic.answer_bytes_max + WRAPPING_BYTES,
		.id = stage->id,
		.traceparent = stage->traceparent,
		.gone = stage->gone,
	};
	struct sl_call_answer answer;
	struct sl_shadow *shadow;

	if (sl_call_run(stage->up, stage->arena, &call, &answer) != SL_ENDING_OK)
		return -EIO;
	shadow = lock_route(stage);
	sl_shadow_spend(shadow, tokens_of(answer.body, ask->tokens), sl_loop_now_ms(stage->loop));
	unlock(stage);
	return sl_semantic_text(answer.body, stage->arena, ret_text) ? 0 : -ENODATA;
}

/* How near the two texts are: 1 when they are one. */
static int compare(struct sl_stage *stage, struct sl_span kept, struct sl_span new,
		   float *ret_similarity)
{
	struct sl_embedding one, other;
	int rc = sl_embed_run(stage, kept, stage->deadline_ns, &one);

	if (rc == 0)
		rc = sl_embed_run(stage, new, stage->deadline_ns, &other);
	if (rc == 0 && one.dimensions != other.dimensions)
		rc = -EIO;
	if (rc == 0)
		*ret_similarity = sl_linear_best()->dot(one.vector, other.vector, one.dimensions);
	return rc;
}

/* What the judge says, counted; unjudged where there is none. */
static enum sl_semantic_judgement judge(struct sl_stage *stage, const struct ask *ask,
					struct sl_span kept, struct sl_span new)
{
	struct sl_span question =
		sl_span_make(ask->data + ask->body_len + ask->kept_len, ask->question_len);
	enum sl_semantic_judgement judgement;
	struct sl_shadow *shadow;
	struct sl_span answer;

	if (!stage->route->semantic.shadow_judge)
		return SL_SEMANTIC_UNJUDGED;
	judgement = sl_semantic_judge(stage, question, kept, new, &answer);
	if (*stage->gone)
		return judgement;
	shadow = lock_route(stage);
	if (judgement == SL_SEMANTIC_UNJUDGED) {
		shadow->judge_failed++;
	} else {
		shadow->judged++;
		sl_shadow_spend(shadow, tokens_of(answer, ask->tokens),
				sl_loop_now_ms(stage->loop));
	}
	unlock(stage);
	return judgement;
}

static void note_judgement(struct sl_stage *stage, bool agreed, float similarity)
{
	struct sl_shadow_limits limits = limits_of(stage);
	struct sl_shadow *shadow = lock_route(stage);
	enum sl_shadow_move move = sl_shadow_note(shadow, &limits, agreed);
	double threshold = (double)shadow->threshold / ONE;

	unlock(stage);
	stage->ops->note(stage, agreed ? SL_NOTED_SHADOW_AGREED : SL_NOTED_SHADOW_DIFFERED,
			 similarity > 0 ? (uint32_t)(similarity * PERMILLE) : 0);
	if (move != SL_SHADOW_STAYS)
		sl_log(SL_LOG_WARN, "route \"%s\": semantic cache: threshold %s to %.3f",
		       stage->route->model, move == SL_SHADOW_RAISED ? "raised" : "lowered",
		       threshold);
}

static void count_failed(struct sl_stage *stage)
{
	lock_route(stage)->failed++;
	unlock(stage);
	stage->ops->note(stage, SL_NOTED_SHADOW_FAILED, 0);
}

/* Do the two say the same? By their words, the judge, or their vectors. 0, or -errno. */
static int settle(struct sl_stage *stage, const struct ask *ask, struct sl_span kept,
		  struct sl_span new, bool *ret_agreed, float *ret_similarity)
{
	enum sl_semantic_judgement judgement = SL_SEMANTIC_SAME;
	int rc;

	if (!sl_span_equal(kept, new))
		judgement = judge(stage, ask, kept, new);
	*ret_agreed = judgement == SL_SEMANTIC_SAME;
	*ret_similarity = *ret_agreed;
	if (judgement != SL_SEMANTIC_UNJUDGED || *stage->gone)
		return 0;
	rc = compare(stage, kept, new, ret_similarity);
	*ret_agreed = *ret_similarity >= (float)((double)stage->route->semantic.shadow_agree / ONE);
	return rc;
}

static void run_ask(struct sl_stage *stage, void *argument)
{
	const struct ask *ask = argument;
	struct sl_span kept = sl_span_make(ask->data + ask->body_len, ask->kept_len), text;
	float similarity = 0;
	bool agreed = false;
	int rc = ask_model(stage, ask, &text);

	if (rc == 0)
		rc = settle(stage, ask, kept, text, &agreed, &similarity);
	if (*stage->gone)
		return;
	if (rc < 0)
		count_failed(stage);
	else
		note_judgement(stage, agreed, similarity);
}

/* ---- on the request's fiber ------------------------------------------------------------------ */

static struct ask *new_ask(struct sl_stage *stage, struct sl_span question, struct sl_span kept)
{
	struct sl_text body;
	struct ask *ask = NULL;

	sl_text_init(&body, BODY_BYTES_MAX);
	if (sl_chat_whole(stage->facts, &body) == 0)
		ask = malloc(sizeof(*ask) + body.len + kept.len + question.len);
	if (ask) {
		ask->body_len = body.len;
		ask->kept_len = kept.len;
		ask->question_len = question.len;
		memcpy(ask->data, body.data, body.len);
		memcpy(ask->data + body.len, kept.data, kept.len);
		memcpy(ask->data + body.len + kept.len, question.data, question.len);
	}
	sl_text_fini(&body);
	return ask;
}

static void spare(const struct sl_stage *stage)
{
	lock_route(stage)->spared++;
	unlock(stage);
}

void sl_semantic_shadow(struct sl_stage *stage, struct sl_span question, struct sl_span answer,
			float similarity)
{
	const struct sl_config_retrieve *retrieve = &stage->route->retrieve;
	struct sl_shadow_limits limits = limits_of(stage);
	bool alike = !retrieve->source && !retrieve->index; /* what would be asked, and was */
	struct sl_shadow *shadow = limits.percent && alike ? lock_route(stage) : NULL;
	struct sl_span kept;
	struct ask *ask;
	uint64_t tokens;
	bool wants;

	if (!shadow)
		return;
	tokens = (uint64_t)stage->facts->prompt_tokens_estimate + answer.len / BYTES_OF_TOKEN;
	if (stage->route->semantic.shadow_judge)
		tokens += (question.len + 2 * answer.len) / BYTES_OF_TOKEN;
	wants = sl_shadow_wants(shadow, &limits, tokens, sl_loop_now_ms(stage->loop));
	unlock(stage);
	if (!wants || !sl_semantic_text(answer, stage->arena, &kept))
		return;
	ask = new_ask(stage, question, kept);
	if (ask)
		ask->tokens = tokens;
	if (!ask || stage->ops->beside(stage, SL_SHADOW_TIME_MS, run_ask, free, ask) < 0) {
		free(ask);
		spare(stage);
		return;
	}
	stage->ops->note(stage, SL_NOTED_SHADOW, (uint32_t)(similarity * PERMILLE));
}
