/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/shadowed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/request/beside.h"
#include "user/stage/evaluate.h"
#include "user/stage/prompt.h"
#include "user/stage/validate.h"
#include "user/wire/chat_swap.h"

#define BODY_BYTES_MAX	 (16u << 20)
#define ANSWER_BYTES_MAX (1u << 20)

struct ask {
	struct sl_rollout_item *item; /* the board's: it outlives the workers */
	uint32_t pool;
	uint64_t start_ns; /* of the request */
	bool stream;
	struct sl_eval_sample *sample; /* NULL: its answer is not looked at */
	size_t len;
	char body[];
};

static void drop_ask(void *argument)
{
	struct ask *ask = argument;

	sl_eval_sample_free(&ask->sample);
	free(ask);
}

/* 4xx that are never the question's doing: the key, the path and the model's name are ours. */
static bool is_ours(int status)
{
	return status == 401 || status == 403 || status == 404;
}

/* False: it says nothing of the candidate, which is counted. */
static bool has_failed(struct sl_rollout_item *item, const struct sl_call_answer *answer,
		       bool *ret_failed)
{
	*ret_failed = answer->ending != SL_ENDING_OK;
	if (answer->ending == SL_ENDING_LOCAL || answer->ending == SL_ENDING_BUSY)
		sl_rollout_item_spare(item, SL_ROLLOUT_SPARED_BUSY);
	else if (answer->ending == SL_ENDING_STATUS_4XX && !is_ours(answer->status))
		sl_rollout_item_spare(item, SL_ROLLOUT_SPARED_REFUSED);
	else
		return true;
	return false;
}

/* Would validation step in? */
static bool is_invalid(struct sl_stage *stage, const struct ask *ask, struct sl_span answer)
{
	struct sl_openai_request facts;
	struct sl_openai_error error;
	bool minds;

	if (sl_openai_request_read(SL_OPENAI_CHAT, ask->body, ask->len, &facts, &error))
		return false;
	stage->facts = &facts;
	stage->reply.body = answer;
	minds = sl_validate_minds(stage);
	stage->facts = NULL;
	return minds;
}

static void run_ask(struct sl_stage *stage, void *argument)
{
	struct ask *ask = argument;
	struct sl_call call = {
		.pool = &stage->pools[ask->pool],
		.body = sl_span_make(ask->body, ask->len),
		.chat = true,
		.json_object = true,
		.deadline_ns = stage->deadline_ns,
		.attempts_max = 1,
		.answer_bytes_max = ANSWER_BYTES_MAX,
		.id = stage->id,
		.traceparent = stage->traceparent,
		.gone = stage->gone,
	};
	struct sl_rollout_shadowed said = {.id = ask->item->id};
	struct sl_call_answer answer;
	uint64_t took_ns;

	(void)sl_call_run(stage->up, stage->arena, &call, &answer);
	if (*stage->gone || !has_failed(ask->item, &answer, &said.failed))
		return;
	took_ns = sl_loop_now_ns(stage->loop) - ask->start_ns;
	if (!said.failed && !ask->stream)
		said.first_us = (uint32_t)(took_ns / SL_NS_PER_US) + 1;
	if (!said.failed)
		said.invalid = is_invalid(stage, ask, answer.body);
	(void)sl_rollout_board_shadowed(stage->stores->rollouts, &said);
	if (!said.failed && ask->sample)
		sl_evaluate_push_shadow(stage->stores->evals, &ask->sample, answer.body);
}

/* ---- on the request's fiber -------------------------------------------------------------------- */

static uint32_t pool_of(const struct sl_stage *stage, const struct sl_rollout_item *item)
{
	uint32_t i = 0;

	if (item->kind != SL_ROLLOUT_MODEL)
		return stage->asked_first ? stage->asked_first - 1
					  : stage->route->chains[SL_CAUSE_ERROR].pools[0];
	while (i < stage->config->pool_count &&
	       strcmp(stage->config->pools[i].name, item->candidate) != 0)
		i++;
	return i;
}

static int write_body(struct sl_stage *stage, enum sl_rollout_kind kind, struct sl_text *out)
{
	return kind == SL_ROLLOUT_PROMPT ? sl_prompt_stage_shadow(stage, out)
					 : sl_chat_whole(stage->facts, out);
}

static struct ask *new_ask(struct sl_request *request, enum sl_rollout_kind kind,
			   const struct sl_text *body)
{
	struct sl_stage *stage = request->stage;
	struct ask *ask = malloc(sizeof(*ask) + body->len + 1);

	if (!ask)
		return NULL;
	*ask = (struct ask){
		.item = stage->shadows[kind],
		.pool = pool_of(stage, stage->shadows[kind]),
		.start_ns = request->start_ns,
		.stream = stage->facts->stream,
		.sample = sl_evaluate_shadow(stage, kind),
		.len = body->len,
	};
	memcpy(ask->body, body->data, body->len);
	ask->body[body->len] = '\0';
	return ask;
}

static void start(struct sl_request *request, enum sl_rollout_kind kind)
{
	struct sl_stage *stage = request->stage;
	struct sl_rollout_item *item = stage->shadows[kind];
	struct ask *ask = NULL;
	struct sl_text body;
	int rc;

	sl_text_init(&body, BODY_BYTES_MAX);
	rc = write_body(stage, kind, &body);
	if (rc == -EBADMSG) {
		(void)sl_rollout_board_shadowed(
			stage->stores->rollouts,
			&(struct sl_rollout_shadowed){.id = item->id, .failed = true});
	} else if (rc == -ENOENT || rc == -EINVAL) {
		sl_rollout_item_spare(item, SL_ROLLOUT_SPARED_FORM);
	} else {
		ask = rc ? NULL : new_ask(request, kind, &body);
		if (!ask || ask->pool == stage->config->pool_count ||
		    sl_beside_start(request, SL_SHADOWED_TIME_MS, run_ask, drop_ask, ask)) {
			if (ask)
				drop_ask(ask);
			sl_rollout_item_spare(item, SL_ROLLOUT_SPARED_BUSY);
		}
	}
	sl_text_fini(&body);
}

void sl_shadowed_run(struct sl_request *request)
{
	static const enum sl_rollout_kind kinds[] = {SL_ROLLOUT_MODEL, SL_ROLLOUT_PROMPT};
	struct sl_stage *stage = request->stage;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct sl_rollout_item *item = stage->shadows[kinds[i]];

		if (!item)
			continue;
		if (stage->fixed || stage->facts->endpoint != SL_OPENAI_CHAT)
			sl_rollout_item_spare(item, SL_ROLLOUT_SPARED_FORM);
		else if (stage->facts->has_tools)
			sl_rollout_item_spare(item, SL_ROLLOUT_SPARED_TOOLS);
		else
			start(request, kinds[i]);
		stage->shadows[kinds[i]] = NULL;
	}
}
