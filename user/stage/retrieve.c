/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/retrieve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/digest.h"
#include "user/base/fnv.h"
#include "user/base/log.h"
#include "user/io/fiber.h"
#include "user/stage/retrieve_grounded.h"
#include "user/stage/retrieve_parts.h"
#include "user/stage/retrieve_postgres.h"
#include "user/wire/chat_context.h"
#include "user/wire/citation.h"

#define QUALITY_SCALE	1000000.0f
#define SPREAD_MAX	4000.0f
#define CHUNKS_HEADER	512u
#define INDEX_HEADER	160u
#define KEY_BYTES_MAX	(2u << 20) /* a longer conversation has no answer in need */
#define SPAN_OF(string) sl_span_make((string), strlen(string))

bool sl_retrieve_wanted(const struct sl_config_route *route)
{
	return route->retrieve.source != NULL || route->retrieve.index != NULL;
}

enum sl_stage_verdict sl_retrieve_vary(struct sl_stage *stage)
{
	const struct sl_config_retrieve *config = &stage->route->retrieve;
	uint32_t version, candidate;

	stage->vary_but_index = stage->vary;
	if (!sl_retrieve_wanted(stage->route) || config->index == NULL ||
	    stage->stores->retrieval == NULL)
		return SL_STAGE_GO_ON;
	version = sl_indexes_version(stage->stores->retrieval->indexes, config->index);
	candidate = sl_indexes_candidate(stage->stores->retrieval->indexes, config->index);
	if (stage->picked_index) /* whoever names a version has no part in its roll-out */
		version = stage->picked_index;
	else if (candidate &&
		 sl_stage_rollout(stage, SL_ROLLOUT_INDEX, sl_span_string(config->index)))
		version = candidate;
	stage->vary ^= (sl_fnv_text(SL_FNV_BASIS, config->index) ^ version) * SL_FNV_PRIME;
	return SL_STAGE_GO_ON;
}

/* ---- the vector database --------------------------------------------------------------------- */

struct reading {
	struct sl_retrieve_turn *r;
	const struct sl_config_source *source;
	int count;
};

static enum sl_vector_api api_of(const struct sl_config_source *source)
{
	return source->kind == SL_CONFIG_SOURCE_CHROMA ? SL_VECTOR_API_CHROMA
						       : SL_VECTOR_API_QDRANT;
}

/* An answer that is none of its shape is the node's failure: its breaker is to know. */
static enum sl_ending accept_found(void *owner, const char *body, size_t body_len,
				   const char **ret_detail)
{
	struct reading *reading = owner;
	struct sl_retrieve_turn *r = reading->r;

	reading->count = sl_vector_api_read(api_of(reading->source), sl_span_make(body, body_len),
					    reading->source->text, reading->source->name,
					    r->stage->arena, r->found);
	if (reading->count >= 0)
		return SL_ENDING_OK;
	*ret_detail = "its answer is no list of chunks";
	return reading->count == -ENOMEM ? SL_ENDING_LOCAL : SL_ENDING_BAD;
}

static int write_path(const struct sl_config_source *source, struct sl_text *out)
{
	bool qdrant = source->kind == SL_CONFIG_SOURCE_QDRANT;

	if (source->path != NULL)
		return sl_text_append_string(out, source->path);
	return sl_text_printf(out,
			      qdrant ? "/collections/%s/points/search"
				     : "/api/v2/tenants/default_tenant/databases/"
				       "default_database/collections/%s/query",
			      source->collection);
}

static enum sl_retrieve_outcome take_source(struct sl_retrieve_turn *r,
					    const struct sl_config_source *source, uint32_t count)
{
	r->count = count;
	r->by_words = r->by_builtin = false;
	r->from = source->item.name;
	r->version = 0;
	return SL_RETRIEVE_FOUND;
}

static enum sl_retrieve_outcome call_source(struct sl_retrieve_turn *r,
					    const struct sl_config_source *source,
					    const struct sl_upstream_pool *pool)
{
	struct sl_stage *stage = r->stage;
	struct reading reading = {.r = r, .source = source};
	struct sl_text body, path;
	struct sl_call_answer answer;
	struct sl_call call = {.pool = pool,
			       .deadline_ns = sl_retrieve_deadline(r, r->config->timeout_ms),
			       .json_object = true,
			       .id = stage->id,
			       .traceparent = stage->traceparent,
			       .gone = stage->gone,
			       .accept = accept_found,
			       .owner = &reading};
	enum sl_retrieve_outcome outcome = SL_RETRIEVE_FAILED;

	sl_text_init(&body, 0);
	sl_text_init(&path, SL_CONFIG_URL_MAX);
	if (!sl_vector_api_ask(api_of(source), sl_text_span(&r->lookup->vector_json),
			       r->config->candidates, &body) &&
	    !write_path(source, &path)) {
		call.body = sl_text_span(&body);
		call.path = sl_text_span(&path);
		if (sl_call_run(stage->up, stage->arena, &call, &answer) == SL_ENDING_OK) {
			outcome = take_source(r, source, (uint32_t)reading.count);
		} else {
			sl_log_limited(SL_LOG_WARN, "route \"%s\": source \"%s\": %s",
				       stage->route->model, source->item.name, answer.detail);
		}
	}
	sl_text_fini(&body);
	sl_text_fini(&path);
	return *stage->gone ? SL_RETRIEVE_GONE : outcome;
}

static enum sl_retrieve_outcome ask_postgres(struct sl_retrieve_turn *r,
					     const struct sl_config_source *source,
					     const struct sl_upstream_pool *pool)
{
	struct sl_retrieve_ask ask = {
		.source = source,
		.pool = pool,
		.postgres = r->shared->postgres,
		.vector = sl_text_string(&r->lookup->vector_json),
		.dimensions = r->lookup->write_given ? r->lookup->given_dimensions
						     : SL_ENCODER_DIMENSIONS,
		.count = r->config->candidates,
		.deadline_ns = sl_retrieve_deadline(r, r->config->timeout_ms)};
	struct sl_error error = {""};
	int count = sl_retrieve_postgres(r->stage, &ask, r->found, &error);

	if (count == -ECANCELED || *r->stage->gone)
		return SL_RETRIEVE_GONE;
	if (count >= 0)
		return take_source(r, source, (uint32_t)count);
	sl_log_limited(SL_LOG_WARN, "route \"%s\": source \"%s\": %s", r->stage->route->model,
		       source->item.name, error.text);
	return SL_RETRIEVE_FAILED;
}

static enum sl_retrieve_outcome ask_source(struct sl_retrieve_turn *r, const char *name)
{
	const struct sl_config_source *source = (const void *)sl_retrieve_item(
		&r->stage->config->sources, sizeof(struct sl_config_source), name);
	const struct sl_upstream_pool *pool = source != NULL && source->pool != NULL
						      ? sl_retrieve_pool(r->stage, source->pool)
						      : NULL;
	int rc;

	if (pool == NULL || !sl_retrieve_has_lookup(r) ||
	    (source->embedding != NULL && !sl_retrieve_give_vector(r, source->embedding)))
		return *r->stage->gone ? SL_RETRIEVE_GONE : SL_RETRIEVE_FAILED;
	r->lookup->write_given = source->embedding != NULL;
	rc = sl_retrieve_run_lookup(r, SL_LOOKUP_EMBED);
	if (rc == -ECANCELED)
		return SL_RETRIEVE_GONE;
	if (rc) {
		sl_log_limited(SL_LOG_WARN, "route \"%s\": source \"%s\": %s",
			       r->stage->route->model, name,
			       r->lookup != NULL && r->lookup->error.text[0] ? r->lookup->error.text
									     : sl_error_words(rc));
		return SL_RETRIEVE_FAILED;
	}
	return source->kind == SL_CONFIG_SOURCE_POSTGRES ? ask_postgres(r, source, pool)
							 : call_source(r, source, pool);
}

/* ---- rerank ---------------------------------------------------------------------------------- */

struct ordering {
	bool tei;
	uint32_t count;
	uint32_t order[SL_VECTOR_API_FOUND_MAX];
};

static enum sl_ending accept_order(void *owner, const char *body, size_t body_len,
				   const char **ret_detail)
{
	struct ordering *o = owner;

	if (sl_rerank_read(o->tei, sl_span_make(body, body_len), o->count, o->order) == 0)
		return SL_ENDING_OK;
	*ret_detail = "its answer is no order of the chunks";
	return SL_ENDING_BAD;
}

static bool call_reranker(struct sl_retrieve_turn *r, const struct sl_config_reranker *reranker,
			  const struct sl_upstream_pool *pool, struct ordering *o)
{
	struct sl_stage *stage = r->stage;
	struct sl_span texts[SL_VECTOR_API_FOUND_MAX];
	const char *path = reranker->path != NULL ? reranker->path
			   : o->tei		  ? "/rerank"
						  : "/v1/rerank";
	struct sl_call_answer answer;
	struct sl_call call = {.pool = pool,
			       .path = SPAN_OF(path),
			       .deadline_ns = sl_retrieve_deadline(r, r->config->rerank_timeout_ms),
			       .id = stage->id,
			       .traceparent = stage->traceparent,
			       .gone = stage->gone,
			       .accept = accept_order,
			       .owner = o};
	struct sl_text body;
	bool done = false;

	for (uint32_t i = 0; i < r->count; i++)
		texts[i] = sl_span_string(r->found[i].text);
	sl_text_init(&body, 0);
	if (!sl_rerank_ask(o->tei, reranker->model, sl_text_span(&r->question), texts, r->count,
			   &body)) {
		call.body = sl_text_span(&body);
		done = sl_call_run(stage->up, stage->arena, &call, &answer) == SL_ENDING_OK;
		if (!done)
			sl_log_limited(SL_LOG_WARN, "route \"%s\": reranker \"%s\": %s",
				       stage->route->model, reranker->item.name, answer.detail);
	}
	sl_text_fini(&body);
	return done;
}

/* Down or late: the order found is kept. */
static void rerank(struct sl_retrieve_turn *r)
{
	const struct sl_config_reranker *reranker = (const void *)sl_retrieve_item(
		&r->stage->config->rerankers, sizeof(struct sl_config_reranker), r->config->rerank);
	struct ordering o = {.count = r->count};
	struct sl_vector_found sorted[SL_VECTOR_API_FOUND_MAX];
	const struct sl_upstream_pool *pool;

	if (reranker == NULL || r->count < 2)
		return;
	o.tei = reranker->kind == SL_CONFIG_RERANK_TEI;
	pool = sl_retrieve_pool(r->stage, reranker->pool);
	if (pool == NULL || !call_reranker(r, reranker, pool, &o)) {
		r->stage->ops->step(r->stage, SL_STEP_RETRIEVE_UNRANKED);
		return;
	}
	for (uint32_t i = 0; i < r->count; i++)
		sorted[i] = r->found[o.order[i]];
	memcpy(r->found, sorted, r->count * sizeof(sorted[0]));
}

/* ---- the ladder ------------------------------------------------------------------------------ */

/* The version that was asked for, or none: see pick.h. */
static enum sl_retrieve_outcome ask_picked(struct sl_retrieve_turn *r)
{
	struct sl_indexes *indexes = r->shared->indexes;
	uint32_t picked = r->stage->picked_index;
	enum sl_indexes_which which = SL_INDEXES_BEFORE;
	enum sl_retrieve_outcome outcome;

	if (picked == sl_indexes_version(indexes, r->config->index))
		which = SL_INDEXES_CURRENT;
	else if (picked == sl_indexes_candidate(indexes, r->config->index))
		which = SL_INDEXES_CANDIDATE;
	outcome = sl_retrieve_ask_index(r, r->config->index, which, SL_LOOKUP_NEAR);
	if (outcome == SL_RETRIEVE_FOUND && r->version != picked)
		return SL_RETRIEVE_FAILED; /* another one is served since */
	return outcome;
}

static enum sl_retrieve_outcome ask_backup(struct sl_retrieve_turn *r, enum sl_lookup_how how)
{
	if (r->config->backup != NULL)
		return sl_retrieve_ask_index(r, r->config->backup, SL_INDEXES_CURRENT, how);
	return sl_retrieve_ask_index(r, r->config->index, SL_INDEXES_BEFORE, how);
}

/* Without an encoder an index that should be searched by meaning is by words. */
bool sl_retrieve_lost_meaning(const struct sl_retrieve_turn *r)
{
	const struct sl_config_index *index = sl_retrieve_index(r, r->from);

	return r->by_words && index != NULL && index->vectors != SL_CONFIG_VECTORS_NONE;
}

/* The pool of an index gave no vector, and it has others. */
bool sl_retrieve_lost_pool(const struct sl_retrieve_turn *r)
{
	const struct sl_config_index *index = sl_retrieve_index(r, r->from);

	return r->by_builtin && index != NULL && index->embedding != NULL;
}

static void tell_index(struct sl_retrieve_turn *r, bool backup)
{
	struct sl_stage *stage = r->stage;

	if (sl_retrieve_lost_meaning(r)) {
		stage->ops->step(stage, SL_STEP_RETRIEVE_WORDS);
		return;
	}
	if (backup)
		stage->ops->step(stage, SL_STEP_RETRIEVE_BACKUP);
	else if (r->config->source != NULL)
		stage->ops->step(stage, SL_STEP_RETRIEVE_INDEX);
	if (sl_retrieve_lost_pool(r))
		stage->ops->step(stage, SL_STEP_RETRIEVE_BUILTIN);
}

/* By meaning there is always a nearest chunk, so where none was found there is none at all: what lost its chunks
 * is no better than what does not answer. By words a question may well find nothing. */
static enum sl_retrieve_outcome refuse_empty(struct sl_retrieve_turn *r,
					     enum sl_retrieve_outcome outcome)
{
	if (outcome != SL_RETRIEVE_FOUND || r->count || r->by_words)
		return outcome;
	sl_retrieval_note_empty(r->shared, r->stage->route->model);
	sl_log_limited(SL_LOG_WARN,
		       "route \"%s\": retrieve: \"%s\" is empty: it has no chunk at all",
		       r->stage->route->model, r->from);
	return SL_RETRIEVE_FAILED;
}

/* The rungs that find chunks; what was reached is told. */
static enum sl_retrieve_outcome climb_down(struct sl_retrieve_turn *r)
{
	struct sl_stage *stage = r->stage;
	enum sl_retrieve_outcome outcome = SL_RETRIEVE_FAILED;

	if (stage->picked_index)
		return ask_picked(r);
	if (r->config->source != NULL)
		outcome = refuse_empty(r, ask_source(r, r->config->source));
	if (outcome != SL_RETRIEVE_FAILED || r->config->index == NULL)
		return outcome;
	outcome = sl_retrieve_ask_candidate(r);
	if (outcome == SL_RETRIEVE_FAILED)
		outcome =
			refuse_empty(r, sl_retrieve_ask_index(r, r->config->index,
							      SL_INDEXES_CURRENT, SL_LOOKUP_NEAR));
	if (outcome != SL_RETRIEVE_FAILED) {
		if (outcome == SL_RETRIEVE_FOUND)
			tell_index(r, false);
		return outcome;
	}
	outcome = refuse_empty(r, ask_backup(r, SL_LOOKUP_NEAR));
	if (outcome != SL_RETRIEVE_FAILED) {
		if (outcome == SL_RETRIEVE_FOUND)
			tell_index(r, true);
		return outcome;
	}
	outcome = sl_retrieve_ask_index(r, r->config->index, SL_INDEXES_CURRENT, SL_LOOKUP_WORDS);
	if (outcome == SL_RETRIEVE_FAILED)
		outcome = ask_backup(r, SL_LOOKUP_WORDS);
	if (outcome == SL_RETRIEVE_FOUND)
		stage->ops->step(stage, SL_STEP_RETRIEVE_WORDS);
	return outcome;
}

static float spread_of_found(const struct sl_retrieve_turn *r)
{
	float best = 0, worst = 0;

	for (uint32_t i = 0; i < r->count; i++) {
		best = i == 0 || r->found[i].score > best ? r->found[i].score : best;
		worst = i == 0 || r->found[i].score < worst ? r->found[i].score : worst;
	}
	return best - worst;
}

/*
 * Does none of several candidates stand out? Then the index knows no more of the question than chance does,
 * however near all of them are: a query's scores that lie close together foretell poor documents (Shtok and
 * others, Predicting query performance by query-drift estimation, TOIS 30, 2012).
 */
static bool is_flat(const struct sl_retrieve_turn *r)
{
	return r->config->flat != 0 && !r->by_words && r->count > 1 &&
	       spread_of_found(r) < (float)r->config->flat / (float)SL_QUALITY_ONE;
}

/* Only what is near enough; found by words, all is: their scores have no measure. */
uint32_t sl_retrieve_keep_good(struct sl_retrieve_turn *r)
{
	float least = (float)r->config->min_score / (float)SL_QUALITY_ONE;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < r->count; i++)
		if (r->by_words || r->found[i].score >= least)
			r->found[kept++] = r->found[i];
	r->count = kept;
	return kept;
}

/* Scores of a dot product have no bound. */
static uint32_t spread_of(float spread)
{
	return spread < SPREAD_MAX ? (uint32_t)(spread * QUALITY_SCALE)
				   : (uint32_t)(SPREAD_MAX * QUALITY_SCALE);
}

static bool note_quality(struct sl_retrieve_turn *r, bool flat)
{
	const struct sl_config_retrieve *config = r->config;
	struct sl_quality_rule rule = {.poor = config->poor_share,
				       .back = config->poor_back_share,
				       .questions = config->poor_queries};
	struct sl_retrieval_finding finding = {
		.good_chunks = r->count,
		.spread_ppm = r->by_words ? 0 : spread_of(spread_of_found(r)),
		.flat = flat,
	};

	return sl_retrieval_note(r->shared, r->stage->route->model, &rule, &finding);
}

/* ---- what the model gets --------------------------------------------------------------------- */

static int write_context(struct sl_retrieve_turn *r, struct sl_text *out)
{
	const char *template = r->config->template_text;
	const char *at = strstr(template, "{context}");
	uint32_t given = 0;
	size_t begin;

	sl_text_append(out, template, at != NULL ? (size_t)(at - template) : strlen(template));
	begin = out->len;
	for (uint32_t i = 0; i < r->count && given < r->config->top_k; i++) {
		const struct sl_vector_found *found = &r->found[i];
		size_t len = strlen(found->text) + strlen(found->name) + strlen(found->id) + 16;

		if (out->len - begin + len > r->config->context_bytes_max)
			continue; /* a shorter one behind it may still fit */
		sl_text_printf(out, "%s[%" PRIu32 "] (%s, chunk %s)\n%s", given ? "\n\n" : "\n",
			       given + 1, found->name, found->id, found->text);
		r->found[given++] = *found; /* the head names those that were given */
	}
	r->count = given;
	if (at != NULL)
		sl_text_append_string(out, at + strlen("{context}"));
	return out->error;
}

static void write_headers(const struct sl_retrieve_turn *r)
{
	char value[CHUNKS_HEADER];
	struct sl_text text;

	sl_text_init_fixed(&text, value, INDEX_HEADER);
	r->stage->index_version = r->version;
	if (r->version)
		sl_text_printf(&text, "%s@%" PRIu32, r->from, r->version);
	else
		sl_text_append_string(&text, r->from);
	r->stage->ops->header(r->stage, "x-sluice-index", value);
	sl_text_init_fixed(&text, value, sizeof(value));
	for (uint32_t i = 0; i < r->count && !text.error; i++)
		sl_text_printf(&text, "%s%s", i ? ", " : "", r->found[i].id);
	if (!text.error)
		r->stage->ops->header(r->stage, "x-sluice-chunks", value);
}

static int give_text(struct sl_retrieve_turn *r, struct sl_span message)
{
	struct sl_stage *stage = r->stage;
	struct sl_text body;
	int rc;

	sl_text_init(&body, 0);
	rc = sl_chat_add_system(stage->facts, message, &body);
	if (!rc)
		rc = stage->ops->set_body(stage, body.data, body.len);
	if (rc)
		sl_log_limited(SL_LOG_WARN,
			       "route \"%s\": retrieve: the request is left as it is: %s",
			       stage->route->model, sl_error_words(rc));
	sl_text_fini(&body);
	return rc;
}

/* For who looks at the answer's citations. Without memory none can be told from another. */
static void tell_chunks(struct sl_retrieve_turn *r)
{
	struct sl_citation_chunk *chunks =
		sl_arena_array(r->stage->arena, r->count, sizeof(*chunks));

	if (chunks == NULL)
		return;
	for (uint32_t i = 0; i < r->count; i++) {
		const struct sl_vector_found *found = &r->found[i];
		size_t len = found->document_len ? found->document_len : strlen(found->name);

		chunks[i] = (struct sl_citation_chunk){i + 1, found->id, found->name};
		chunks[i].document = sl_arena_strndup(r->stage->arena, found->name, len);
		if (chunks[i].document == NULL)
			return;
	}
	r->stage->chunks = chunks;
	r->stage->chunk_count = r->count;
}

/* Between two steps of some 15 us each. False: the client has left meanwhile. */
static bool share(struct sl_retrieve_turn *r)
{
	sl_fiber_share(r->stage->loop);
	return !*r->stage->gone;
}

static void give_context(struct sl_retrieve_turn *r)
{
	struct sl_text context;

	sl_text_init(&context, 0);
	if (!write_context(r, &context) && r->count && share(r) &&
	    !give_text(r, sl_text_span(&context)) && share(r)) {
		write_headers(r);
		tell_chunks(r);
		r->used = true;
		if (!r->of_candidate)
			r->grounding =
				sl_retrieve_grounded_begin(r->stage, r->probe, r->found, r->count);
	}
	sl_text_fini(&context);
}

/* ---- answers in need ------------------------------------------------------------------------- */

/* Who asks, the route, what was to be kept out of questions and answers, the conversation and the answer's
 * form; how it was to be sampled or sent does not count in need. The index's version does not either: an
 * answer from the one before is better than none. */
static int make_key(struct sl_retrieve_turn *r)
{
	const struct sl_stage *stage = r->stage;
	const struct sl_openai_request *facts = stage->facts;
	struct sl_json_field form[] = {SL_JSON_FIELD("response_format"), SL_JSON_FIELD("tools"),
				       SL_JSON_FIELD("n")};
	struct sl_text key;
	struct sl_span whole;
	int rc = sl_json_scan(facts->body, facts->body_len, form, 3) ? -EINVAL : 0;

	sl_text_init(&key, KEY_BYTES_MAX);
	sl_stage_key_add_owner(&key, stage->key, stage->head);
	sl_stage_key_add(&key, stage->route->model, strlen(stage->route->model) + 1);
	sl_stage_key_add(&key, &stage->vary_but_index, sizeof(stage->vary_but_index));
	for (size_t i = 0; i < sizeof(form) / sizeof(form[0]); i++)
		sl_stage_key_add(&key, form[i].value != NULL ? form[i].value : "",
				 form[i].value_len);
	sl_stage_key_add(&key, facts->prompt_field.value, facts->prompt_field.value_len);
	whole = sl_text_span(&key);
	if (!rc)
		rc = key.error;
	if (!rc)
		sl_digest_sha256(&whole, 1, r->key.bytes);
	sl_text_fini(&key);
	return rc;
}

static bool give_answer(struct sl_retrieve_turn *r)
{
	struct sl_stage *stage = r->stage;
	struct sl_cache_value *value;
	char *copy;

	if (r->config->answers_ms == 0 || !r->has_key)
		return false;
	value = sl_cache_find(r->shared->answers, &r->key, r->config->answers_ms * SL_NS_PER_MS,
			      sl_loop_now_ns(stage->loop));
	if (value == NULL)
		return false;
	copy = sl_arena_strndup(stage->arena, value->data, value->len);
	stage->answer = sl_span_make(copy, copy != NULL ? value->len : 0);
	sl_cache_value_put(&value);
	return copy != NULL;
}

void sl_retrieve_kept(struct sl_stage *stage)
{
	struct sl_retrieve_turn *r = stage->state[SL_STAGE_RETRIEVE];
	struct sl_cache_value *value;
	uint64_t now_ns = sl_loop_now_ns(stage->loop);

	sl_retrieve_grounded_kept(stage, r != NULL ? r->grounding : NULL);
	/* shared: neither a refusal of another stage nor an answer of a lower step than the first. */
	if (r == NULL || !r->used || r->of_candidate || !r->has_key || r->config->answers_ms == 0 ||
	    stage->reply.given || stage->reply.foreign || !stage->reply.shared ||
	    !sl_chat_answer_is_plain(stage->reply.body))
		return;
	value = sl_cache_value_new(stage->reply.body.data, stage->reply.body.len, now_ns);
	if (value == NULL)
		return;
	sl_cache_insert(r->shared->answers, &r->key, value, r->config->answers_ms * SL_NS_PER_MS,
			now_ns);
	sl_cache_value_put(&value);
}

int sl_retrieve_filter(struct sl_stage *stage, struct sl_stage_filter **ret_filter)
{
	const struct sl_retrieve_turn *r = stage->state[SL_STAGE_RETRIEVE];

	return sl_retrieve_grounded_filter(stage, r != NULL ? r->grounding : NULL, ret_filter);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static enum sl_stage_verdict finish(struct sl_retrieve_turn *r, enum sl_retrieve_outcome outcome)
{
	struct sl_stage *stage = r->stage;
	bool poor = false, flat;
	float best = 0;

	if (outcome == SL_RETRIEVE_GONE)
		return SL_STAGE_GO_ON;
	if (outcome == SL_RETRIEVE_FOUND) {
		best = sl_retrieve_best(r);
		flat = is_flat(r); /* of all that were found */
		sl_retrieve_keep_good(r);
		/* what a roll-out or a suite asked of another version says nothing of this one */
		poor = !r->of_candidate && !stage->picked_index && note_quality(r, flat);
	}
	sl_retrieve_note_found(r, outcome, best);
	if (poor) {
		stage->ops->step(stage, SL_STEP_RETRIEVE_POOR);
		return SL_STAGE_GO_ON;
	}
	if (outcome == SL_RETRIEVE_FOUND && r->count && !share(r))
		return SL_STAGE_GO_ON;
	if (outcome == SL_RETRIEVE_FOUND && r->count &&
	    sl_retrieve_grounded_refuses(stage, &r->probe)) {
		stage->ops->step(stage, SL_STEP_RETRIEVE_UNGROUNDED);
		return SL_STAGE_GO_ON;
	}
	if (outcome == SL_RETRIEVE_FOUND && r->count) {
		rerank(r);
		if (!*stage->gone)
			give_context(r);
		if (r->used || *stage->gone)
			return SL_STAGE_GO_ON;
	}
	if (outcome == SL_RETRIEVE_FAILED && give_answer(r)) {
		stage->ops->step(stage, SL_STEP_RETRIEVE_ANSWER);
		return SL_STAGE_ANSWER;
	}
	/* told is what the model was given, not what it was to be given */
	stage->ops->step(stage, give_text(r, SPAN_OF(r->config->disclaimer))
					? SL_STEP_RETRIEVE_BARE
					: SL_STEP_RETRIEVE_NONE);
	return SL_STAGE_GO_ON;
}

enum sl_stage_verdict sl_retrieve_run(struct sl_stage *stage)
{
	enum sl_stage_verdict verdict = SL_STAGE_GO_ON;
	struct sl_retrieve_turn *r;

	if (!sl_retrieve_wanted(stage->route) || stage->fixed || stage->stores->retrieval == NULL ||
	    stage->state[SL_STAGE_RETRIEVE] != NULL)
		return SL_STAGE_GO_ON;
	r = sl_arena_zalloc(stage->arena, sizeof(*r));
	if (r == NULL)
		return SL_STAGE_GO_ON;
	*r = (struct sl_retrieve_turn){.stage = stage,
				       .config = &stage->route->retrieve,
				       .shared = stage->stores->retrieval};
	sl_text_init(&r->question, 0);
	if (sl_chat_question(stage->facts, &r->question) == 0) {
		stage->state[SL_STAGE_RETRIEVE] = r;
		r->has_key = r->config->answers_ms != 0 && stage->head != NULL &&
			     !sl_stage_client_says_no(stage->head) && make_key(r) == 0;
		verdict = finish(r, climb_down(r));
		sl_retrieve_shadow(r);
	}
	if (r->lookup != NULL)
		sl_lookup_free(r->lookup);
	sl_text_fini(&r->question);
	return verdict;
}
