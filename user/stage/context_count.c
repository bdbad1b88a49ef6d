/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/context_count.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/policy/tokens.h"
#include "user/store/counting.h"
#include "user/store/summaries.h"

#define BODY_BYTES_MAX	  (64u << 20)
#define COUNT_MS	  2000u	      /* a node counts by then, or a thread of ours */
#define ANSWERS_BYTES_MAX (64u << 20) /* of one count */
#define TELL_MS		  500u	      /* or tells its context */

static uint64_t now_ms_of(const struct sl_stage *stage)
{
	return sl_loop_now_ms(stage->loop);
}

/* ---- answers --------------------------------------------------------------------------------- */

static uint32_t number_of(const struct sl_json_field *field)
{
	int64_t value;

	return sl_json_int(field, &value) == 0 && value > 0 && value <= INT32_MAX ? (uint32_t)value
										  : 0;
}

enum { VLLM_COUNT, VLLM_CONTEXT, VLLM_FIELDS };

/* vLLM: {"count", "max_model_len", ...} */
static bool read_vllm(struct sl_span answer, struct sl_json_field f[VLLM_FIELDS])
{
	f[VLLM_COUNT] = (struct sl_json_field)SL_JSON_FIELD("count");
	f[VLLM_CONTEXT] = (struct sl_json_field)SL_JSON_FIELD("max_model_len");
	return sl_json_scan(answer.data, answer.len, f, VLLM_FIELDS) == 0 &&
	       number_of(&f[VLLM_COUNT]) > 0;
}

/* llama.cpp's template: {"prompt": TEXT} */
static bool read_prompt(struct sl_span answer, struct sl_json_field *prompt)
{
	*prompt = (struct sl_json_field)SL_JSON_FIELD("prompt");
	return sl_json_scan(answer.data, answer.len, prompt, 1) == 0 &&
	       prompt->type == SL_JSON_STRING;
}

/* llama.cpp: how many {"tokens": [ID, ...]}; 0: it is no such list. */
static uint64_t read_tokens(struct sl_span answer)
{
	struct sl_json_field tokens = SL_JSON_FIELD("tokens"), token;
	const char *cursor = NULL;
	uint64_t count = 0;

	if (sl_json_scan(answer.data, answer.len, &tokens, 1) || tokens.type != SL_JSON_ARRAY)
		return 0;
	while (sl_json_each(&tokens, &cursor, &token)) {
		if (token.type != SL_JSON_NUMBER && token.type != SL_JSON_OBJECT)
			return 0; /* an object where it is asked for pieces too, as some always are */
		count++;
	}
	return count;
}

/* A node that says something else than it was asked for has failed, and its breaker is to know. */
static enum sl_ending end_of(bool good, const char *why, const char **ret_detail)
{
	*ret_detail = good ? NULL : why;
	return good ? SL_ENDING_OK : SL_ENDING_BAD;
}

static enum sl_ending accept_vllm(void *owner, const char *body, size_t len,
				  const char **ret_detail)
{
	struct sl_json_field f[VLLM_FIELDS];

	(void)owner;
	return end_of(read_vllm(sl_span_make(body, len), f), "it does not say how many tokens",
		      ret_detail);
}

static enum sl_ending accept_prompt(void *owner, const char *body, size_t len,
				    const char **ret_detail)
{
	struct sl_json_field prompt;

	(void)owner;
	return end_of(read_prompt(sl_span_make(body, len), &prompt), "it has no prompt",
		      ret_detail);
}

static enum sl_ending accept_tokens(void *owner, const char *body, size_t len,
				    const char **ret_detail)
{
	(void)owner;
	return end_of(read_tokens(sl_span_make(body, len)) > 0, "it has no tokens", ret_detail);
}

/* What may be asked of a node. */
struct question {
	const char *path;
	enum sl_ending (*accept)(void *owner, const char *body, size_t len,
				 const char **ret_detail);
};

static const struct question count_vllm = {"/tokenize", accept_vllm},
			     apply_template = {"/apply-template", accept_prompt},
			     count_llama = {"/tokenize", accept_tokens};
/* Any object: many servers tell no context, and are none the worse. */
static const struct question list_models = {"/v1/models", NULL}, tell_props = {"/props", NULL};

/* The answer is in the arena, which is not the request's: of a long conversation it is long, too. */
static bool ask(struct sl_stage *stage, const struct sl_upstream_pool *pool,
		const struct question *question, const struct sl_text *body, struct sl_arena *arena,
		struct sl_call_answer *ret_answer)
{
	const struct sl_call call = {
		.pool = pool,
		.method = body ? NULL : "GET",
		.path = sl_span_string(question->path),
		.accept = question->accept,
		.body = body ? sl_text_span(body) : SL_SPAN(""),
		.deadline_ns = stage->deadline_ns,
		.timeout_ms = body ? COUNT_MS : TELL_MS,
		.attempts_max = 1,
		.json_object = true,
		.id = stage->id,
		.traceparent = stage->traceparent,
		.gone = stage->gone,
	};

	*ret_answer = (struct sl_call_answer){.ending = SL_ENDING_LOCAL};
	return (!body || !body->error) &&
	       sl_call_run(stage->up, arena, &call, ret_answer) == SL_ENDING_OK;
}

/* ---- contexts -------------------------------------------------------------------------------- */

/* {"data": [{"id", "max_model_len"}]}: that of the pool's model, else of the first. */
static uint32_t context_of_models(struct sl_span answer, const struct sl_config_pool *config)
{
	struct sl_json_field data = SL_JSON_FIELD("data"), model;
	const char *cursor = NULL;
	uint32_t first = 0;

	if (sl_json_scan(answer.data, answer.len, &data, 1) || data.type != SL_JSON_ARRAY)
		return 0;
	while (sl_json_each(&data, &cursor, &model)) {
		struct sl_json_field f[] = {SL_JSON_FIELD("id"), SL_JSON_FIELD("max_model_len")};

		if (model.type != SL_JSON_OBJECT ||
		    sl_json_scan(model.value, model.value_len, f, 2))
			continue;
		if (config->model &&
		    sl_json_string_equal(&f[0], config->model, strlen(config->model)))
			return number_of(&f[1]);
		if (!first)
			first = number_of(&f[1]);
	}
	return first;
}

/* llama.cpp: {"default_generation_settings": {"n_ctx"}}, of one slot. */
static uint32_t context_of_props(struct sl_span answer)
{
	struct sl_json_field f[] = {SL_JSON_FIELD_IN("default_generation_settings", "n_ctx"),
				    SL_JSON_FIELD("n_ctx")};

	if (sl_json_scan(answer.data, answer.len, f, 2))
		return 0;
	return f[0].type ? number_of(&f[0]) : number_of(&f[1]);
}

static uint32_t ask_context(struct sl_stage *stage, const struct sl_upstream_pool *pool)
{
	struct sl_call_answer answer;
	struct sl_arena arena;
	uint32_t tokens = 0;

	sl_arena_init(&arena, 0, ANSWERS_BYTES_MAX);
	if (ask(stage, pool, &list_models, NULL, &arena, &answer))
		tokens = context_of_models(answer.body, sl_stage_pool_config(stage, pool));
	if (!tokens && !*stage->gone && ask(stage, pool, &tell_props, NULL, &arena, &answer))
		tokens = context_of_props(answer.body);
	sl_arena_fini(&arena);
	return tokens;
}

uint64_t sl_context_limit(struct sl_stage *stage, const struct sl_upstream_pool *pool)
{
	const struct sl_config_pool *config = sl_stage_pool_config(stage, pool);
	struct sl_counting *counting = stage->stores->counting;
	uint32_t tokens = config->context_tokens, told;
	bool due = false;

	if (!tokens && config->api == SL_CONFIG_API_OPENAI)
		tokens = sl_counting_context(counting, config->name, now_ms_of(stage), &due);
	if (due) {
		told = ask_context(stage, pool);
		sl_counting_tell_context(counting, config->name, told, now_ms_of(stage));
		tokens = told ? told : tokens;
	}
	return (uint64_t)tokens * stage->context_percent / 100;
}

/* ---- counts of nodes ------------------------------------------------------------------------- */

/* What beside the messages makes the prompt longer. */
enum { TOOLS, FUNCTIONS, TEMPLATE, EXTRAS };

static void find_extras(const struct sl_stage *stage, struct sl_json_field extras[EXTRAS])
{
	const struct sl_json_field wanted[EXTRAS] = {SL_JSON_FIELD("tools"),
						     SL_JSON_FIELD("functions"),
						     SL_JSON_FIELD("chat_template_kwargs")};

	memcpy(extras, wanted, sizeof(wanted));
	if (sl_json_scan(stage->facts->body, stage->facts->body_len, extras, EXTRAS))
		memset(extras, 0, sizeof(wanted));
}

static void begin_chain(const struct sl_stage *stage, const struct sl_upstream_pool *pool,
			uint8_t chain[SL_DIGEST_BYTES])
{
	struct sl_json_field extras[EXTRAS];

	find_extras(stage, extras);
	memset(chain, 0, SL_DIGEST_BYTES);
	sl_summary_chain(chain, sl_span_string(sl_stage_pool_config(stage, pool)->name));
	sl_summary_chain(chain, sl_span_string(stage->facts->model));
	for (int i = 0; i < EXTRAS; i++)
		sl_summary_chain(chain, sl_span_make(extras[i].value_len ? extras[i].value : "",
						     extras[i].value_len));
}

uint64_t sl_context_known(struct sl_stage *stage, const struct sl_upstream_pool *pool,
			  const struct sl_json_field *messages, size_t *ret_covered)
{
	uint8_t chain[SL_DIGEST_BYTES];
	struct sl_json_field message;
	const char *cursor = NULL;
	uint64_t known = 0, tokens;
	size_t count = 0;

	begin_chain(stage, pool, chain);
	while (sl_json_each(messages, &cursor, &message)) {
		sl_summary_chain(chain, sl_span_make(message.value, message.value_len));
		count++;
		tokens = sl_counting_find(stage->stores->counting, chain);
		if (tokens) {
			known = tokens;
			*ret_covered = count;
		}
	}
	return known;
}

static void keep(struct sl_stage *stage, const struct sl_upstream_pool *pool,
		 const struct sl_json_field *messages, uint64_t tokens)
{
	uint8_t chain[SL_DIGEST_BYTES];
	struct sl_json_field message;
	const char *cursor = NULL;

	begin_chain(stage, pool, chain);
	while (sl_json_each(messages, &cursor, &message))
		sl_summary_chain(chain, sl_span_make(message.value, message.value_len));
	sl_counting_keep(stage->stores->counting, chain, tokens);
}

static void write_ask(const struct sl_stage *stage, const struct sl_upstream_pool *pool,
		      struct sl_span messages, struct sl_text *body)
{
	struct sl_json_field extras[EXTRAS];

	find_extras(stage, extras);
	sl_text_append_string(body, "{\"model\":");
	if (pool->model_json)
		sl_text_append(body, pool->model_json, pool->model_json_len);
	else
		sl_text_append(body, stage->facts->model_field.value,
			       stage->facts->model_field.value_len);
	for (int i = 0; i < EXTRAS; i++) {
		if (i == FUNCTIONS || !extras[i].value_len)
			continue;
		sl_text_append_string(body,
				      i == TOOLS ? ",\"tools\":" : ",\"chat_template_kwargs\":");
		sl_text_append(body, extras[i].value, extras[i].value_len);
	}
	sl_text_append_string(body, ",\"messages\":");
	sl_text_append_span(body, messages);
	sl_text_append_char(body, '}');
}

static uint64_t take_vllm(struct sl_stage *stage, const struct sl_upstream_pool *pool,
			  struct sl_span answer)
{
	struct sl_json_field f[VLLM_FIELDS];

	if (!read_vllm(answer, f))
		return 0;
	sl_counting_tell_context(stage->stores->counting, sl_stage_pool_config(stage, pool)->name,
				 number_of(&f[VLLM_CONTEXT]), now_ms_of(stage));
	return number_of(&f[VLLM_COUNT]);
}

/* llama.cpp: the template's text, then its tokens. */
static uint64_t count_prompt(struct sl_stage *stage, const struct sl_upstream_pool *pool,
			     struct sl_span answer, struct sl_arena *arena,
			     struct sl_call_answer *counted)
{
	struct sl_json_field prompt;
	struct sl_text body;
	uint64_t count = 0;

	if (!read_prompt(answer, &prompt))
		return 0;
	sl_text_init(&body, BODY_BYTES_MAX);
	sl_text_append_string(&body, "{\"add_special\":true,\"parse_special\":true,\"content\":");
	sl_text_append(&body, prompt.value, prompt.value_len);
	sl_text_append_char(&body, '}');
	if (ask(stage, pool, &count_llama, &body, arena, counted))
		count = read_tokens(counted->body);
	sl_text_fini(&body);
	return count;
}

/*
 * Is it the server that cannot count, so that it is left alone for a while? Not where the request is the
 * cause: its messages are refused, it has no time left, there is no place for it.
 */
static bool says_it_cannot(const struct sl_call_answer *answer)
{
	switch (answer->ending) {
	case SL_ENDING_LOCAL:
	case SL_ENDING_BUSY:
		return false;
	default:
		return answer->status < 400 || answer->status == 404 || answer->status == 405 ||
		       answer->status >= 500;
	}
}

uint64_t sl_context_ask(struct sl_stage *stage, const struct sl_upstream_pool *pool,
			struct sl_span messages)
{
	const struct sl_config_pool *config = sl_stage_pool_config(stage, pool);
	bool vllm = config->tokenize == SL_CONFIG_TOKENIZE_VLLM;
	struct sl_json_field list = {
		.type = SL_JSON_ARRAY, .value = messages.data, .value_len = messages.len};
	struct sl_counting *counting = stage->stores->counting;
	struct sl_call_answer answer;
	struct sl_arena arena;
	struct sl_text body;
	uint64_t count = 0;
	bool cannot;

	if (!config->tokenize || !sl_counting_may_ask(counting, config->name, now_ms_of(stage)))
		return 0;
	sl_text_init(&body, BODY_BYTES_MAX);
	sl_arena_init(&arena, 0, ANSWERS_BYTES_MAX);
	write_ask(stage, pool, messages, &body);
	if (ask(stage, pool, vllm ? &count_vllm : &apply_template, &body, &arena, &answer))
		count = vllm ? take_vllm(stage, pool, answer.body)
			     : count_prompt(stage, pool, answer.body, &arena, &answer);
	cannot = says_it_cannot(&answer);
	sl_text_fini(&body);
	sl_arena_fini(&arena);
	if (count) {
		sl_counting_note(counting, SL_COUNTING_SERVER);
		keep(stage, pool, &list, count);
	} else if (!*stage->gone) {
		sl_counting_note(counting, SL_COUNTING_FAILED);
		if (cannot)
			sl_counting_tell_failed(counting, config->name, now_ms_of(stage));
	}
	return count;
}

/* ---- counts by a tokenizer ------------------------------------------------------------------- */

/* Texts one behind the other, counted on a thread of the pool. */
struct job {
	const struct sl_tokenizer *tokenizer;
	struct sl_text text;
	size_t count;
	size_t *ends;
	int64_t *counts;
};

static void run_job(void *argument)
{
	struct job *job = argument;
	size_t from = 0;

	for (size_t i = 0; i < job->count; i++) {
		job->counts[i] = sl_tokenizer_count(
			job->tokenizer,
			sl_span_make(sl_text_string(&job->text) + from, job->ends[i] - from));
		from = job->ends[i];
	}
}

static void free_job(void *argument)
{
	struct job *job = argument;

	sl_text_fini(&job->text);
	free(job->ends);
	free(job->counts);
	free(job);
}

static struct job *new_job(const struct sl_tokenizer *tokenizer, size_t count)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	sl_text_init(&job->text, BODY_BYTES_MAX);
	job->tokenizer = tokenizer;
	job->count = count;
	job->ends = calloc(count, sizeof(*job->ends));
	job->counts = calloc(count, sizeof(*job->counts));
	if (!job->ends || !job->counts) {
		free_job(job);
		return NULL;
	}
	return job;
}

static void append_decoded(const struct sl_json_field *field, struct sl_text *text)
{
	int len;

	if (field->type != SL_JSON_STRING || sl_text_reserve(text, field->value_len))
		return;
	len = sl_json_string(field, text->data + text->len, text->size - text->len);
	if (len > 0)
		text->len += (size_t)len;
}

/* The text of a part of a content; false: it is no text. */
static bool text_of(const struct sl_json_field *part, struct sl_json_field *ret_text)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("text"), SL_JSON_FIELD("refusal")};

	if (part->type != SL_JSON_OBJECT || sl_json_scan(part->value, part->value_len, f, 2))
		return false;
	*ret_text = f[0].type == SL_JSON_STRING ? f[0] : f[1];
	return ret_text->type == SL_JSON_STRING;
}

static bool has_text_alone(const struct sl_json_field *content)
{
	struct sl_json_field part, text;
	const char *cursor = NULL;

	while (sl_json_each(content, &cursor, &part))
		if (!text_of(&part, &text))
			return false;
	return true;
}

bool sl_context_is_text(const struct sl_json_field *messages)
{
	struct sl_json_field message, content = SL_JSON_FIELD("content");
	const char *cursor = NULL;

	while (sl_json_each(messages, &cursor, &message))
		if (message.type == SL_JSON_OBJECT &&
		    sl_json_scan(message.value, message.value_len, &content, 1) == 0 &&
		    content.type == SL_JSON_ARRAY && !has_text_alone(&content))
			return false;
	return true;
}

/* The texts of a content. */
static void append_content(const struct sl_json_field *content, struct sl_text *text)
{
	struct sl_json_field part, inner;
	const char *cursor = NULL;

	append_decoded(content, text);
	if (content->type != SL_JSON_ARRAY)
		return;
	while (sl_json_each(content, &cursor, &part))
		if (text_of(&part, &inner))
			append_decoded(&inner, text);
}

/* Content, then what else of a message the model reads. */
static void append_message(const struct sl_context_message *message, struct job *job, size_t at)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("tool_calls"),
				    SL_JSON_FIELD("reasoning_content")};

	append_content(&message->content, &job->text);
	job->ends[at] = job->text.len;
	if (sl_json_scan(message->raw.value, message->raw.value_len, f, 2) == 0) {
		if (f[0].value_len)
			sl_text_append(&job->text, f[0].value, f[0].value_len);
		append_decoded(&f[1], &job->text);
	}
	job->ends[at + 1] = job->text.len;
}

static void take_counts(struct sl_context *context, const struct job *job, uint64_t each)
{
	size_t i;

	context->note = (uint64_t)job->counts[2 * context->count];
	context->frame = (uint64_t)job->counts[2 * context->count + 1] + each;
	context->tokens = context->frame;
	for (i = 0; i < context->count; i++) {
		struct sl_context_message *message = &context->messages[i];

		message->content_tokens = (uint64_t)job->counts[2 * i];
		message->tokens = message->content_tokens + (uint64_t)job->counts[2 * i + 1] + each;
		context->tokens += message->tokens;
	}
}

static bool all_counted(const struct job *job)
{
	for (size_t i = 0; i < job->count; i++) {
		if (job->counts[i] < 0)
			return false;
	}
	return true;
}

bool sl_context_tokenize(struct sl_stage *stage, const struct sl_upstream_pool *pool,
			 const struct sl_tokens *frame, struct sl_context *context)
{
	const struct sl_tokenizer *tokenizer = sl_counting_tokenizer(
		stage->stores->counting, sl_stage_pool_config(stage, pool)->tokenizer);
	const uint64_t until_ns = sl_loop_now_ns(stage->loop) + COUNT_MS * SL_NS_PER_MS;
	struct sl_json_field extras[EXTRAS];
	struct job *job = tokenizer ? new_job(tokenizer, 2 * context->count + 2) : NULL;
	size_t i;
	int rc;

	if (!job)
		return false;
	for (i = 0; i < context->count; i++)
		append_message(&context->messages[i], job, 2 * i);
	sl_text_append_string(&job->text, SL_CONTEXT_NOTE);
	job->ends[2 * i] = job->text.len;
	find_extras(stage, extras);
	for (int e = 0; e < EXTRAS; e++)
		sl_text_append(&job->text, extras[e].value_len ? extras[e].value : "",
			       extras[e].value_len);
	job->ends[2 * i + 1] = job->text.len;
	if (job->text.error) {
		free_job(job);
		return false;
	}
	rc = sl_work_run(stage->stores->work, stage->loop, run_job, free_job, job,
			 until_ns < stage->deadline_ns ? until_ns : stage->deadline_ns,
			 stage->gone);
	if (rc == -ETIMEDOUT || rc == -ECANCELED)
		return false; /* the job is the pool's */
	if (rc == 0 && all_counted(job)) {
		take_counts(context, job, sl_tokens_frame(frame));
		sl_counting_note(stage->stores->counting, SL_COUNTING_TOKENIZER);
	} else {
		rc = rc ? rc : -EIO;
	}
	free_job(job);
	return rc == 0;
}
