/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is pure of the checks of a text: nothing of the request is changed here, so a long text is looked at on
 * a thread of the pool while the fiber waits. What becomes of it is validate.c's.
 *
 * Measured (tests/bench/turns.sh, CPU of the loop's thread; build/bench/validate for the bare checks): an
 * answer of 4 KB with a schema takes 19 us again and again and 50 us where other requests come between, for
 * caches are cold then; handing it over takes some 10 us.
 */
#include "user/stage/validate_parts.h"

#include <stdlib.h>
#include <string.h>
#include "user/io/fiber.h"

#define ANSWER_SCRATCH	(16u << 20)
#define SCHEMA_HERE_MAX 2048u /* longer ones with a schema go to the pool */
#define SCREEN_HERE_MAX 8192u /* and those without one */

/* ---- what is wrong with an answer ----------------------------------------------------------- */

static uint32_t member(struct sl_validate_check *check, uint32_t object, const char *name)
{
	return sl_json_tape_member(&check->body.tape, object, sl_span_string(name),
				   &check->scratch);
}

static struct sl_span string_of(struct sl_validate_check *check, uint32_t node)
{
	struct sl_span text = {"", 0};

	if (node && check->body.tape.nodes[node].type == SL_JSON_STRING)
		sl_json_tape_string(&check->body.tape, node, &check->scratch, &text);
	return text;
}

static bool is_wrong(struct sl_validate_check *check, struct sl_span said)
{
	check->fault.said = said;
	return true;
}

static bool wrong_call(struct sl_validate_check *check, uint32_t call)
{
	uint32_t function = member(check, call, "function");
	struct sl_span name = string_of(check, function ? member(check, function, "name") : 0);
	struct sl_span said = string_of(check, function ? member(check, function, "arguments") : 0);
	const struct sl_schema *schema = sl_validate_rules_tool(&check->rules, name);

	if (!schema || !sl_validate_check_schema(schema, said, &check->scratch, &check->fault))
		return false;
	sl_error_prefix(&check->fault.reason, 0, "the arguments of the call of %.*s",
			(int)(name.len < 64 ? name.len : 64), name.data);
	return is_wrong(check, said);
}

/* string_of() of what is screened behind this as well. */
static struct sl_span content_of(struct sl_validate_check *check, uint32_t node)
{
	struct sl_span text = {"", 0};

	if (node && check->body.tape.nodes[node].type == SL_JSON_STRING)
		sl_validate_body_string(&check->body, node, &check->scratch, &text);
	return text;
}

static bool wrong_choice(struct sl_validate_check *check, uint32_t choice)
{
	const struct sl_json_node *nodes = check->body.tape.nodes;
	uint32_t message = member(check, choice, "message");
	uint32_t calls = message ? member(check, message, "tool_calls") : 0;
	struct sl_span text = content_of(check, message ? member(check, message, "content") : 0);
	struct sl_span refusal = string_of(check, message ? member(check, message, "refusal") : 0);
	uint32_t call_count = calls && nodes[calls].type == SL_JSON_ARRAY ? nodes[calls].count : 0;
	uint32_t call = calls + 1;

	if (!message || (refusal.len && !check->v->refusals))
		return false;
	if (refusal.len) {
		sl_error_set(&check->fault.reason, 0, "it refuses a request that is allowed here");
		check->fault.check = SL_CHECK_REFUSAL;
		return is_wrong(check, refusal);
	}
	if (!call_count && (sl_validate_is_poor(check->v, check->question, text, &check->fault) ||
			    sl_validate_is_uncited(check->stage, text, &check->fault)))
		return is_wrong(check, text);
	for (uint32_t i = 0; i < call_count; i++, call = nodes[call].next)
		if (wrong_call(check, call))
			return true;
	return check->rules.format && !call_count &&
	       sl_validate_check_schema(check->rules.format, text, &check->scratch,
					&check->fault) &&
	       is_wrong(check, text);
}

static bool find_fault(struct sl_validate_check *check)
{
	const struct sl_json_node *nodes;
	uint32_t choices, choice;

	if (sl_validate_body_read(&check->body, &check->scratch)) {
		sl_error_set(&check->fault.reason, 0, "the answer is too large to be checked");
		return true;
	}
	nodes = check->body.tape.nodes;
	choices = member(check, 0, "choices");
	choice = choices + 1;
	for (uint32_t i = 0; choices && i < nodes[choices].count; i++, choice = nodes[choice].next)
		if (wrong_choice(check, choice))
			return true;
	return false;
}

/* ---- where it is looked at ------------------------------------------------------------------- */

/* On a thread of the pool, or here. Nobody else reads or writes the check meanwhile, nor the stage. */
static void look(void *argument)
{
	struct sl_validate_check *check = argument;

	check->wrong = check->wrong || (check->judges && find_fault(check));
	if (!check->wrong && check->screens)
		check->rc = sl_validate_rewrite(&check->body, &check->screen, &check->scratch,
						&check->out, &check->changed);
}

static void begin(struct sl_validate_check *check, struct sl_stage *stage, struct sl_span text,
		  size_t scratch_max)
{
	*check = (struct sl_validate_check){
		.stage = stage,
		.v = &stage->route->validate,
		.question = {stage->facts->body, stage->facts->body_len},
		.body = {.text = text},
	};
	sl_arena_init(&check->scratch, SL_VALIDATE_SCRATCH_BLOCK, scratch_max);
	sl_text_init(&check->out, SL_VALIDATE_SCRATCH_MAX);
}

/* A list that is missing is found by nobody: the text may not pass. */
static void hold(struct sl_validate_check *check, unsigned int kinds, enum sl_config_found found,
		 const struct sl_config_paths *lists, bool block)
{
	if (!kinds && !lists->count)
		return;
	check->screens = sl_validate_hold(check->stage->stores->lists, lists, &check->held);
	check->unlisted = !check->screens;
	if (check->screens)
		sl_validate_screen(kinds, found, &check->held, block, &check->screen);
}

/* The question goes with its client, who may leave meanwhile. False: without memory. */
static bool keep_question(struct sl_validate_check *check)
{
	bool is_text = check->body.text.data == check->question.data;

	if (!is_text && !check->judges)
		return true;				   /* nobody reads it */
	if (check->question.len <= SL_JSON_TAPE_BYTES_MAX) /* else it is refused unread */
		check->kept = malloc(check->question.len + 1);
	if (!check->kept)
		return false;
	memcpy(check->kept, check->question.data, check->question.len);
	check->question.data = check->kept;
	if (is_text)
		check->body.text.data = check->kept;
	return true;
}

static void run(struct sl_validate_check *check, size_t here_max)
{
	const struct sl_stage *stage = check->stage;

	if (check->wrong || (!check->judges && !check->screens))
		return;
	if (check->body.text.len <= here_max || !stage->stores->work ||
	    !sl_fiber_self(stage->loop) || !keep_question(check) ||
	    sl_work_run_whole(stage->stores->work, stage->loop, look, check))
		look(check);
}

void sl_validate_check_question(struct sl_stage *stage, struct sl_validate_check *check)
{
	const struct sl_config_validate *v = &stage->route->validate;

	begin(check, stage, sl_span_make(stage->facts->body, stage->facts->body_len),
	      SL_VALIDATE_SCRATCH_MAX);
	hold(check, v->pii_in, v->pii_in_found, &v->lists_in, v->lists_in_block);
	run(check, SCREEN_HERE_MAX);
}

void sl_validate_check_answer(struct sl_stage *stage, struct sl_validate_check *check)
{
	const struct sl_config_validate *v = &stage->route->validate;
	const struct sl_openai_request *facts = stage->facts;
	bool schemas = v->schema && (facts->has_tools || facts->has_response_format);
	const char *param;

	begin(check, stage, stage->reply.body, ANSWER_SCRATCH);
	check->judges = facts->endpoint == SL_OPENAI_CHAT && (v->schema || sl_validate_judges(v));
	/* here, for a schema that is not known any more is compiled under a lock of all threads */
	check->wrong = check->judges && schemas &&
		       sl_validate_rules_init(&check->rules, stage->stores->schemas, facts->body,
					      facts->body_len, &param, &check->fault.reason);
	if (check->wrong)
		check->fault.check = SL_CHECK_SCHEMA;
	hold(check, v->pii_out, v->pii_out_found, &v->lists_out, v->lists_out_block);
	run(check, schemas ? SCHEMA_HERE_MAX : SCREEN_HERE_MAX);
}

void sl_validate_check_fini(struct sl_validate_check *check)
{
	if (check->screens)
		sl_screen_fini(&check->screen);
	sl_validate_release(&check->held);
	sl_validate_rules_fini(&check->rules);
	sl_text_fini(&check->out);
	sl_arena_fini(&check->scratch);
	free(check->kept);
}
