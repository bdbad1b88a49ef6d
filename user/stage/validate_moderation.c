/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The moderation endpoint: OpenAI's POST /v1/moderations, asked like any dependency (upstream/call.h).
 *
 *   {"model": the pool's, "input": "all texts"}  ->  {"results": [{"flagged": bool, "categories": {..}}]}
 *
 * Whatever is not such an answer is a failure of the endpoint, never a yes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/stage/validate_parts.h"
#include "user/wire/json_tape.h"

#define MODERATIONS_PATH "/v1/moderations"
#define TEXT_BYTES_MAX	 (1u << 20) /* of one question or answer; a longer one cannot be moderated */
#define ANSWER_BYTES_MAX (256u << 10)
#define SCRATCH_MAX	 (4u << 20)

bool sl_validate_moderates(const struct sl_config_validate *v, uint32_t way)
{
	return v->moderation && (!v->moderated || v->moderated & way);
}

/* The flagged categories' names, as many as fit. */
static void name_categories(const struct sl_json_tape *tape, uint32_t result,
			    struct sl_arena *scratch, struct sl_text *why)
{
	uint32_t all = sl_json_tape_member(tape, result, SL_SPAN("categories"), scratch);
	uint32_t key = all + 1;

	if (!all || tape->nodes[all].type != SL_JSON_OBJECT)
		return;
	for (uint32_t i = 0; i < tape->nodes[all].count; i++) {
		struct sl_span name;

		if (tape->nodes[key + 1].type == SL_JSON_TRUE &&
		    sl_json_tape_string(tape, key, scratch, &name))
			sl_text_printf(why, "%s%.*s", why->len ? ", " : "",
				       (int)(name.len < 40 ? name.len : 40), name.data);
		key = tape->nodes[key + 1].next;
	}
}

/* Reads {"results":[{"flagged":...}]}. */
static enum sl_moderation read_answer(struct sl_span body, struct sl_arena *scratch,
				      struct sl_text *why)
{
	struct sl_json_tape tape;
	enum sl_moderation moderation = SL_MODERATION_DOWN;
	uint32_t results, result;

	if (sl_json_tape_make(body.data, body.len, scratch, &tape) ||
	    tape.nodes[0].type != SL_JSON_OBJECT)
		return SL_MODERATION_DOWN;
	results = sl_json_tape_member(&tape, 0, SL_SPAN("results"), scratch);
	if (!results || tape.nodes[results].type != SL_JSON_ARRAY)
		return SL_MODERATION_DOWN;
	result = results + 1;
	for (uint32_t i = 0; i < tape.nodes[results].count; i++, result = tape.nodes[result].next) {
		uint32_t flagged = 0;

		if (tape.nodes[result].type == SL_JSON_OBJECT)
			flagged = sl_json_tape_member(&tape, result, SL_SPAN("flagged"), scratch);
		if (!flagged || (tape.nodes[flagged].type != SL_JSON_TRUE &&
				 tape.nodes[flagged].type != SL_JSON_FALSE))
			return SL_MODERATION_DOWN;
		if (tape.nodes[flagged].type == SL_JSON_TRUE) {
			name_categories(&tape, result, scratch, why);
			return SL_MODERATION_FLAGGED;
		}
		moderation = SL_MODERATION_FINE;
	}
	return moderation;
}

/* For the call: an answer that says nothing is the node's failure, and its breaker's. */
static enum sl_ending judge_answer(void *owner, const char *body, size_t len,
				   const char **ret_detail)
{
	struct sl_arena scratch;
	struct sl_text why;
	bool good;

	(void)owner;
	sl_arena_init(&scratch, 0, SCRATCH_MAX);
	sl_text_init(&why, SL_ERROR_TEXT_SIZE);
	good = read_answer(sl_span_make(body, len), &scratch, &why) != SL_MODERATION_DOWN;
	sl_text_fini(&why);
	sl_arena_fini(&scratch);
	*ret_detail = "it does not say whether the text is flagged";
	return good ? SL_ENDING_OK : SL_ENDING_BAD;
}

static enum sl_moderation ask(struct sl_stage *stage, struct sl_span text, struct sl_arena *scratch,
			      struct sl_text *why)
{
	const struct sl_config_validate *v = &stage->route->validate;
	const struct sl_upstream_pool *pool = &stage->pools[v->moderation - 1];
	struct sl_call_answer answer;
	struct sl_text body;
	struct sl_call call = {
		.pool = pool,
		.path = SL_SPAN(MODERATIONS_PATH),
		.json_object = true,
		.deadline_ns = sl_loop_now_ns(stage->loop) + v->moderation_ms * 1000000ull,
		.timeout_ms = v->moderation_ms,
		.answer_bytes_max = ANSWER_BYTES_MAX,
		.id = stage->id,
		.traceparent = stage->traceparent,
		.gone = stage->gone,
		.accept = judge_answer,
	};
	enum sl_moderation moderation = SL_MODERATION_DOWN;

	if (stage->deadline_ns && stage->deadline_ns < call.deadline_ns)
		call.deadline_ns = stage->deadline_ns;
	sl_text_init(&body, 8 * TEXT_BYTES_MAX);
	sl_text_append_char(&body, '{');
	if (pool->model_json) {
		sl_text_append_string(&body, "\"model\":");
		sl_text_append(&body, pool->model_json, pool->model_json_len);
		sl_text_append_char(&body, ',');
	}
	sl_text_append_string(&body, "\"input\":\"");
	sl_text_append_json(&body, text.data, text.len);
	sl_text_append_string(&body, "\"}");
	call.body = sl_text_span(&body);
	if (!body.error && sl_call_run(stage->up, stage->arena, &call, &answer) == SL_ENDING_OK)
		moderation = read_answer(answer.body, scratch, why);
	sl_text_fini(&body);
	return moderation;
}

enum sl_moderation sl_validate_moderate(struct sl_stage *stage, struct sl_span body,
					struct sl_text *why)
{
	struct sl_arena scratch;
	struct sl_text texts;
	enum sl_moderation moderation = SL_MODERATION_DOWN;

	sl_arena_init(&scratch, SL_VALIDATE_SCRATCH_BLOCK, SL_VALIDATE_SCRATCH_MAX);
	sl_text_init(&texts, TEXT_BYTES_MAX);
	if (!sl_validate_gather(body.data, body.len, &scratch, &texts))
		moderation = texts.len ? ask(stage, sl_text_span(&texts), &scratch, why)
				       : SL_MODERATION_FINE;
	sl_text_fini(&texts);
	sl_arena_fini(&scratch);
	return moderation;
}

enum sl_moderation sl_validate_moderate_text(struct sl_stage *stage, struct sl_span text,
					     struct sl_text *why)
{
	struct sl_arena scratch;
	enum sl_moderation moderation;

	sl_arena_init(&scratch, SL_VALIDATE_SCRATCH_BLOCK, SL_VALIDATE_SCRATCH_MAX);
	moderation = text.len ? ask(stage, text, &scratch, why) : SL_MODERATION_FINE;
	sl_arena_fini(&scratch);
	return moderation;
}
