/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/semantic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/io/fiber.h"
#include "user/policy/pii.h"
#include "user/stage/semantic_parts.h"
#include "user/stage/semantic_shadow.h"
#include "user/wire/chat_context.h"

#define ONE	   1000000000.0 /* a similarity of 1 as configured */
#define PERMILLE   1000.0f
#define ROOM_BYTES (64u << 10) /* of an arena, besides the text */

/* ---- looking --------------------------------------------------------------------------------- */

struct search {
	struct sl_semantic *cache;
	struct sl_semantic_query query; /* points into data */
	struct sl_semantic_found found;
	int rc;
	char data[]; /* vector, question */
};

static void run_search(void *argument)
{
	struct search *search = argument;

	search->rc = sl_semantic_find(search->cache, &search->query, &search->found);
}

static void drop_search(void *argument)
{
	struct search *search = argument;

	free(search->found.answer);
	free(search);
}

/* What is near enough for this request; in need less will do (see degrade.h). */
static uint64_t lowest(const struct sl_stage *stage)
{
	uint64_t usual = sl_semantic_threshold(stage);

	return stage->similarity && stage->similarity < usual ? stage->similarity : usual;
}

static struct search *new_search(const struct sl_stage *stage,
				 const struct sl_semantic_asked *asked)
{
	size_t vector_len = asked->embedding.dimensions * sizeof(float);
	struct search *search = malloc(sizeof(*search) + vector_len + asked->question.len);

	if (!search)
		return NULL;
	*search = (struct search){.cache = stage->stores->semantic};
	memcpy(search->data, asked->embedding.vector, vector_len);
	memcpy(search->data + vector_len, asked->question.data, asked->question.len);
	search->query = (struct sl_semantic_query){
		.vector = (const void *)search->data,
		.dimensions = asked->embedding.dimensions,
		.question = sl_span_make(search->data + vector_len, asked->question.len),
		.threshold = (float)((double)lowest(stage) / ONE),
		.ttl_ms = stage->route->semantic.ttl_ms,
		.now_ms = sl_clock_wall_ms(),
	};
	memcpy(search->query.fingerprint, asked->fingerprint, sizeof(asked->fingerprint));
	return search;
}

/* A hit: the answer is the arena's, the head says how near it was. */
static enum sl_stage_verdict give(struct sl_stage *stage, const struct sl_semantic_asked *asked,
				  const struct sl_semantic_found *found)
{
	char text[24];
	char *answer = sl_arena_memdup(stage->arena, found->answer, found->answer_len + 1);

	if (!answer)
		return SL_STAGE_GO_ON;
	stage->answer = sl_span_make(answer, found->answer_len);
	snprintf(text, sizeof(text), "%.3f", (double)found->score);
	stage->ops->header(stage, "x-sluice-cache", "semantic");
	stage->ops->header(stage, "x-sluice-similarity", text);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(found->age_ms / 1000));
	stage->ops->header(stage, "age", text);
	stage->ops->note(stage, SL_NOTED_SEMANTIC_HIT, (uint32_t)(found->score * PERMILLE));
	if (found->score < (float)((double)sl_semantic_threshold(stage) / ONE))
		stage->ops->step(stage, SL_STEP_DEGRADE_SIMILARITY);
	else
		sl_semantic_shadow(stage, asked->question, stage->answer, found->score);
	return SL_STAGE_ANSWER;
}

static int look(struct sl_stage *stage, const struct sl_semantic_asked *asked, uint64_t deadline_ns,
		enum sl_stage_verdict *ret_verdict)
{
	struct search *search;
	int rc;

	if (sl_upstream_is_down(stage->up, SL_STRIKE_STORE_SEMANTIC, stage->id))
		return -EIO;
	search = new_search(stage, asked);
	if (!search)
		return -ENOMEM;
	rc = sl_work_run(stage->stores->work, stage->loop, run_search, drop_search, search,
			 deadline_ns, stage->gone);
	if (rc == -ETIMEDOUT || rc == -ECANCELED)
		return rc; /* the search is the pool's */
	if (rc == 0)
		rc = search->rc;
	sl_fiber_share(stage->loop);
	if (rc == 0 && search->found.verdict == SL_SEMANTIC_HIT)
		*ret_verdict = give(stage, asked, &search->found);
	drop_search(search);
	return rc;
}

enum sl_stage_verdict sl_semantic_run(struct sl_stage *stage)
{
	const struct sl_config_route_semantic *config = &stage->route->semantic;
	uint64_t deadline_ns = sl_loop_now_ns(stage->loop) + config->wait_ms * SL_NS_PER_MS;
	enum sl_stage_verdict verdict = SL_STAGE_GO_ON;
	struct sl_semantic_asked *asked;
	const char *model;
	int rc;

	if (!config->ttl_ms || !stage->stores || !stage->stores->semantic)
		return SL_STAGE_GO_ON;
	model = sl_embed_model(stage);
	asked = model ? sl_arena_zalloc(stage->arena, sizeof(*asked)) : NULL;
	if (!asked || !sl_semantic_read(stage, model, asked))
		return SL_STAGE_GO_ON;
	if (deadline_ns > stage->deadline_ns)
		deadline_ns = stage->deadline_ns;
	sl_fiber_share(stage->loop); /* waking the pool is another 10 us */
	rc = *stage->gone ? -ECANCELED
			  : sl_embed_run(stage, asked->question, deadline_ns, &asked->embedding);
	if (rc == 0 && asked->embedding.cut)
		return SL_STAGE_GO_ON;
	if (rc == -ENODATA || rc == -EILSEQ)
		return SL_STAGE_GO_ON;
	if (rc == 0)
		rc = look(stage, asked, deadline_ns, &verdict);
	if (asked->embedding.vector)
		stage->state[SL_STAGE_SEMANTIC] = asked;
	if (rc < 0 && !*stage->gone)
		stage->ops->step(stage, SL_STEP_SEMANTIC_SKIPPED);
	return verdict;
}

/* ---- keeping --------------------------------------------------------------------------------- */

bool sl_semantic_text(struct sl_span body, struct sl_arena *arena, struct sl_span *ret_text)
{
	struct sl_json_field content;
	char *text;
	int len;

	if (!sl_chat_answer_plain_one(body, &content))
		return false;
	text = sl_arena_alloc(arena, content.value_len + 1);
	len = text ? sl_json_string(&content, text, content.value_len + 1) : -1;
	if (len <= 0)
		return false;
	*ret_text = sl_span_make(text, (size_t)len);
	return true;
}

static struct sl_semantic_insertion *begin(const struct sl_stage *stage)
{
	const struct sl_semantic_asked *asked = stage->state[SL_STAGE_SEMANTIC];

	if (!asked || !stage->reply.shared || stage->reply.foreign || stage->reply.given ||
	    sl_upstream_is_down(stage->up, SL_STRIKE_STORE_SEMANTIC, stage->id) ||
	    sl_pii_contains(asked->question.data, asked->question.len))
		return NULL;
	return sl_semantic_insertion_new(stage, asked);
}

void sl_semantic_keep(struct sl_stage *stage)
{
	struct sl_span body = stage->reply.body;
	struct sl_semantic_insertion *insertion;

	if (body.len > stage->route->semantic.answer_bytes_max || !stage->state[SL_STAGE_SEMANTIC])
		return;
	insertion = begin(stage);
	if (insertion)
		sl_semantic_insertion_post(&insertion, body);
}

/* ---- insertions ------------------------------------------------------------------------------ */

struct sl_semantic_insertion {
	struct sl_work *work;
	struct sl_semantic *cache;
	struct sl_semantic_entry entry; /* points into data, and to the answer */
	char *answer;
	char data[]; /* vector, question, owner, route, model */
};

struct sl_semantic_insertion *sl_semantic_insertion_new(const struct sl_stage *stage,
							const struct sl_semantic_asked *asked)
{
	size_t vector_len = asked->embedding.dimensions * sizeof(float);
	size_t owner_len = strlen(asked->owner) + 1, route_len = strlen(stage->route->model) + 1;
	size_t model_len = strlen(asked->embedding.model) + 1;
	struct sl_semantic_insertion *insertion =
		malloc(sizeof(*insertion) + vector_len + asked->question.len + owner_len +
		       route_len + model_len);
	char *at;

	if (!insertion)
		return NULL;
	*insertion = (struct sl_semantic_insertion){
		.work = stage->stores->work,
		.cache = stage->stores->semantic,
	};
	insertion->entry = (struct sl_semantic_entry){
		.dimensions = asked->embedding.dimensions,
		.version = stage->vary,
	};
	memcpy(insertion->entry.fingerprint, asked->fingerprint, sizeof(asked->fingerprint));
	at = insertion->data;
	insertion->entry.vector = memcpy(at, asked->embedding.vector, vector_len);
	at += vector_len;
	memcpy(at, asked->question.data, asked->question.len);
	insertion->entry.question = sl_span_make(at, asked->question.len);
	at += asked->question.len;
	insertion->entry.tenant = memcpy(at, asked->owner, owner_len);
	at += owner_len;
	insertion->entry.route = memcpy(at, stage->route->model, route_len);
	at += route_len;
	insertion->entry.model = memcpy(at, asked->embedding.model, model_len);
	return insertion;
}

void sl_semantic_insertion_free(struct sl_semantic_insertion **insertion)
{
	if (*insertion)
		free((*insertion)->answer);
	free(*insertion);
	*insertion = NULL;
}

/* Is it a plain answer without personal data? On a thread of the pool: a loop would wait for a long one. */
static bool may_keep(struct sl_span body)
{
	struct sl_arena arena;
	struct sl_span text;
	bool may;

	sl_arena_init(&arena, 0, body.len + ROOM_BYTES);
	may = sl_semantic_text(body, &arena, &text) && !sl_pii_contains(text.data, text.len);
	sl_arena_fini(&arena);
	return may;
}

static void run_insertion(void *argument)
{
	struct sl_semantic_insertion *insertion = argument;

	if (may_keep(insertion->entry.answer))
		sl_semantic_insert(insertion->cache, &insertion->entry);
}

static void drop_insertion(void *argument)
{
	struct sl_semantic_insertion *insertion = argument;

	sl_semantic_insertion_free(&insertion);
}

void sl_semantic_insertion_post(struct sl_semantic_insertion **insertion, struct sl_span answer)
{
	struct sl_semantic_insertion *taken = *insertion;

	*insertion = NULL;
	taken->answer = malloc(answer.len);
	if (taken->answer) {
		memcpy(taken->answer, answer.data, answer.len);
		taken->entry.answer = sl_span_make(taken->answer, answer.len);
		taken->entry.now_ms = sl_clock_wall_ms();
		if (sl_work_post(taken->work, run_insertion, drop_insertion, taken) == 0)
			return;
	}
	sl_semantic_insertion_free(&taken); /* full: it was only one answer */
}

/* ---- streams --------------------------------------------------------------------------------- */

/* Puts the chunks' texts together as they are written, escapes and all. */
struct filter {
	struct sl_stage_filter base; /* first */
	struct sl_semantic_insertion *insertion;
	struct sl_text head; /* id, created, model of the first chunk */
	struct sl_text text; /* inside of a JSON string */
	size_t bytes_max;
	bool stopped;
	bool spoilt;
};

static void note_head(struct filter *filter, const struct sl_json_field *fields)
{
	static const char *const names[] = {"id", "created", "model"};

	for (int i = 0; i < 3; i++) {
		if (fields[i].type == SL_JSON_ABSENT)
			continue;
		sl_text_printf(&filter->head, "\"%s\":", names[i]);
		sl_text_append(&filter->head, fields[i].value, fields[i].value_len);
		sl_text_append_char(&filter->head, ',');
	}
}

/* False: an answer like this is not kept. */
static bool read_chunk(struct filter *filter, const char *data, size_t len)
{
	struct sl_json_field fields[] = {SL_JSON_FIELD("id"), SL_JSON_FIELD("created"),
					 SL_JSON_FIELD("model"), SL_JSON_FIELD("choices")};
	struct sl_json_field parts[] = {
		SL_JSON_FIELD_IN("delta", "content"),
		SL_JSON_FIELD_IN("delta", "tool_calls"),
		SL_JSON_FIELD_IN("delta", "function_call"),
		SL_JSON_FIELD_IN("delta", "refusal"),
		SL_JSON_FIELD("finish_reason"),
	};
	struct sl_json_field choice;
	const char *cursor = NULL;

	if (sl_json_scan(data, len, fields, 4) || fields[3].type != SL_JSON_ARRAY)
		return false;
	if (!filter->head.len)
		note_head(filter, fields);
	while (sl_json_each(&fields[3], &cursor, &choice)) {
		if (choice.type != SL_JSON_OBJECT ||
		    sl_json_scan(choice.value, choice.value_len, parts, 5) ||
		    !sl_chat_is_none(&parts[1]) || !sl_chat_is_none(&parts[2]) ||
		    !sl_chat_is_none(&parts[3]))
			return false;
		if (parts[0].type == SL_JSON_STRING)
			sl_text_append(&filter->text, parts[0].value + 1, parts[0].value_len - 2);
		if (parts[4].type == SL_JSON_STRING) {
			if (!sl_json_string_equal(&parts[4], "stop", 4))
				return false;
			filter->stopped = true;
		}
	}
	return !filter->text.error && !filter->head.error && filter->text.len <= filter->bytes_max;
}

static enum sl_filter_verdict filter_data(struct sl_stage_filter *base, const char *data,
					  size_t len, const struct sl_openai_chunk *chunk,
					  struct sl_text *out)
{
	struct filter *filter = (struct filter *)base;

	(void)chunk;
	(void)out;
	if (!filter->spoilt && !read_chunk(filter, data, len))
		filter->spoilt = true;
	return SL_FILTER_PASS;
}

static enum sl_filter_verdict filter_end(struct sl_stage_filter *base, struct sl_text *out)
{
	(void)base;
	(void)out;
	return SL_FILTER_PASS;
}

static void keep_stream(struct filter *filter)
{
	struct sl_text body;

	sl_text_init(&body, 0);
	sl_text_append_char(&body, '{');
	sl_text_append_span(&body, sl_text_span(&filter->head));
	sl_text_append_string(&body, "\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"
				     "\"message\":{\"role\":\"assistant\",\"content\":\"");
	sl_text_append_span(&body, sl_text_span(&filter->text));
	sl_text_append_string(&body, "\"},\"finish_reason\":\"stop\"}]}");
	if (!body.error)
		sl_semantic_insertion_post(&filter->insertion, sl_text_span(&body));
	sl_text_fini(&body);
}

static void filter_fini(struct sl_stage_filter *base, bool whole)
{
	struct filter *filter = (struct filter *)base;

	if (whole && filter->stopped && !filter->spoilt && !base->unshared)
		keep_stream(filter);
	sl_semantic_insertion_free(&filter->insertion);
	sl_text_fini(&filter->head);
	sl_text_fini(&filter->text);
	free(filter);
}

int sl_semantic_filter(struct sl_stage *stage, struct sl_stage_filter **ret_filter)
{
	struct sl_semantic_insertion *insertion = begin(stage);
	struct filter *filter = insertion ? calloc(1, sizeof(*filter)) : NULL;

	if (!filter) { /* without memory it is not kept, and flows on */
		sl_semantic_insertion_free(&insertion);
		return 0;
	}
	filter->base.data = filter_data;
	filter->base.end = filter_end;
	filter->base.fini = filter_fini;
	filter->base.looks_only = true;
	filter->insertion = insertion;
	filter->bytes_max = stage->route->semantic.answer_bytes_max;
	sl_text_init(&filter->head, 4096);
	sl_text_init(&filter->text, filter->bytes_max + 1);
	*ret_filter = &filter->base;
	return 0;
}
