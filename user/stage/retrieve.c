/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/retrieve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/digest.h"
#include "user/base/log.h"
#include "user/stage/embed.h"
#include "user/stage/retrieve_grounded.h"
#include "user/stage/retrieve_postgres.h"
#include "user/store/lookup.h"
#include "user/store/retrieval.h"
#include "user/wire/chat_context.h"
#include "user/wire/citation.h"
#include "user/wire/vector_api.h"

#define QUALITY_SCALE	1000000.0f
#define SPREAD_MAX	4000.0f
#define SHARE_OF_LEFT	4u /* a step may take a quarter of what is left to the request */
#define PATH_BYTES_MAX	256u
#define CHUNKS_HEADER	512u
#define INDEX_HEADER	160u
#define KEY_BYTES_MAX	(2u << 20) /* a longer conversation has no answer in need */
#define SPAN_OF(string) sl_span_make((string), strlen(string))

/* What came of a step. */
enum outcome { OUTCOME_FAILED = 0, OUTCOME_FOUND, OUTCOME_GONE };

struct retrieval {
	struct sl_stage *stage;
	const struct sl_config_retrieve *config;
	struct sl_retrieval *shared;
	struct sl_text question;
	struct sl_cache_key key;  /* of the answer in need, */
	bool has_key;		  /* where such are kept */
	struct sl_lookup *lookup; /* NULL: a job that was given up has it */
	struct sl_vector_found found[SL_VECTOR_API_FOUND_MAX];
	uint32_t count;
	bool by_words;			/* scores are no cosines */
	const char *from;		/* "handbook" */
	uint32_t version;		/* 0: none */
	bool used;			/* the model got documents */
	bool probe;			/* to see whether answers follow them again */
	struct sl_grounding *grounding; /* the answer is to be judged; or NULL */
};

bool sl_retrieve_wanted(const struct sl_config_route *route)
{
	return route->retrieve.source != NULL || route->retrieve.index != NULL;
}

enum sl_stage_verdict sl_retrieve_vary(struct sl_stage *stage)
{
	const struct sl_config_retrieve *config = &stage->route->retrieve;
	uint64_t hash = 14695981039346656037ull;
	uint32_t version;

	stage->vary_but_index = stage->vary;
	if (!sl_retrieve_wanted(stage->route) || config->index == NULL ||
	    stage->stores->retrieval == NULL)
		return SL_STAGE_GO_ON;
	version = sl_indexes_version(stage->stores->retrieval->indexes, config->index);
	for (const char *at = config->index; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 1099511628211ull;
	stage->vary ^= (hash ^ version) * 1099511628211ull;
	return SL_STAGE_GO_ON;
}

/* ---- time ------------------------------------------------------------------------------------ */

static uint64_t step_deadline(const struct retrieval *r, uint32_t timeout_ms)
{
	uint64_t now_ns = sl_loop_now_ns(r->stage->loop);
	uint64_t left_ns = r->stage->deadline_ns > now_ns ? r->stage->deadline_ns - now_ns : 0;
	uint64_t most_ns = timeout_ms * SL_NS_PER_MS;

	left_ns /= SHARE_OF_LEFT;
	return now_ns + (left_ns < most_ns ? left_ns : most_ns) + 1;
}

/* ---- the index ------------------------------------------------------------------------------- */

/* Takes the question's vector from the semantic cache, which has asked by it before. */
static void take_vector(struct retrieval *r)
{
	const struct sl_encoder *encoder = sl_indexes_encoder(r->shared->indexes);
	const struct sl_embedding *known =
		encoder != NULL ? sl_embed_known(r->stage, sl_text_span(&r->question),
						 sl_encoder_identity(encoder))
				: NULL;

	if (known == NULL || known->dimensions != SL_ENCODER_DIMENSIONS)
		return;
	memcpy(r->lookup->vector, known->vector, sizeof(r->lookup->vector));
	r->lookup->has_vector = true;
	sl_retrieval_note_shared(r->shared, r->stage->route->model);
}

/* False: no memory for it. */
static bool has_lookup(struct retrieval *r)
{
	if (r->lookup != NULL)
		return true;
	r->lookup = sl_lookup_new(r->shared->indexes, sl_text_span(&r->question));
	if (r->lookup != NULL)
		take_vector(r);
	return r->lookup != NULL;
}

static int run_lookup(struct retrieval *r, enum sl_lookup_how how)
{
	struct sl_stage *stage = r->stage;
	uint64_t deadline_ns = step_deadline(r, r->config->timeout_ms);
	int rc;

	if (how != SL_LOOKUP_EMBED &&
	    sl_upstream_is_down(stage->up, SL_STRIKE_STORE_DOCUMENTS, stage->id))
		return -EIO;
	if (!has_lookup(r))
		return -ENOMEM;
	r->lookup->how = how;
	r->lookup->count = r->config->candidates;
	r->lookup->deadline_ns = deadline_ns;
	rc = sl_work_run(stage->stores->work, stage->loop, sl_lookup_run, sl_lookup_free, r->lookup,
			 deadline_ns, stage->gone);
	if (rc == -ETIMEDOUT || rc == -ECANCELED) {
		r->lookup = NULL;
		return rc;
	}
	return rc ? rc : r->lookup->rc;
}

static int take_hits(struct retrieval *r, const char *name)
{
	const struct sl_documents_hits *hits = &r->lookup->hits;

	r->count = 0;
	for (uint32_t i = 0; i < hits->count; i++) {
		const struct sl_documents_hit *hit = &hits->items[i];
		struct sl_vector_found *found = &r->found[r->count];

		*found = (struct sl_vector_found){.score = hit->score};
		found->id = sl_arena_printf(r->stage->arena, "%" PRId64, hit->chunk);
		found->text = sl_arena_strdup(r->stage->arena, hit->text);
		found->name = sl_arena_printf(r->stage->arena, "%s%s%.*s:%" PRIu32, hit->source,
					      *hit->path ? ", " : "", (int)PATH_BYTES_MAX,
					      hit->path, hit->line);
		found->document_len = (uint32_t)strlen(hit->source);
		if (found->id == NULL || found->text == NULL || found->name == NULL)
			return -ENOMEM;
		r->count++;
	}
	r->by_words = r->lookup->by_words;
	r->from = name;
	r->version = r->lookup->version;
	return 0;
}

static enum outcome ask_index(struct retrieval *r, const char *name, enum sl_indexes_which which,
			      enum sl_lookup_how how)
{
	int rc;

	if (!has_lookup(r))
		return OUTCOME_FAILED;
	snprintf(r->lookup->name, sizeof(r->lookup->name), "%s", name);
	r->lookup->which = which;
	rc = run_lookup(r, how);
	if (rc == -ECANCELED)
		return OUTCOME_GONE;
	if (!rc)
		rc = take_hits(r, name);
	if (rc)
		sl_log_limited(SL_LOG_WARN, "route \"%s\": retrieve: %s", r->stage->route->model,
			       r->lookup != NULL && r->lookup->error.text[0] ? r->lookup->error.text
									     : sl_error_words(rc));
	return rc ? OUTCOME_FAILED : OUTCOME_FOUND;
}

/* ---- the vector database --------------------------------------------------------------------- */

static const struct sl_config_item *item_of(const struct sl_config_items *items, size_t size,
					    const char *name)
{
	for (uint32_t i = 0; name != NULL && i < items->count; i++) {
		const struct sl_config_item *item =
			(const void *)((const char *)items->items + i * size);

		if (strcmp(item->name, name) == 0)
			return item;
	}
	return NULL;
}

static const struct sl_upstream_pool *pool_of(const struct sl_stage *stage, const char *name)
{
	for (uint32_t i = 0; i < stage->config->pool_count; i++)
		if (strcmp(stage->pools[i].name, name) == 0)
			return &stage->pools[i];
	return NULL;
}

struct reading {
	struct retrieval *r;
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
	struct retrieval *r = reading->r;

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

static enum outcome take_source(struct retrieval *r, const struct sl_config_source *source,
				uint32_t count)
{
	r->count = count;
	r->by_words = false;
	r->from = source->item.name;
	r->version = 0;
	return OUTCOME_FOUND;
}

static enum outcome call_source(struct retrieval *r, const struct sl_config_source *source,
				const struct sl_upstream_pool *pool)
{
	struct sl_stage *stage = r->stage;
	struct reading reading = {.r = r, .source = source};
	struct sl_text body, path;
	struct sl_call_answer answer;
	struct sl_call call = {.pool = pool,
			       .deadline_ns = step_deadline(r, r->config->timeout_ms),
			       .json_object = true,
			       .id = stage->id,
			       .gone = stage->gone,
			       .accept = accept_found,
			       .owner = &reading};
	enum outcome outcome = OUTCOME_FAILED;

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
	return *stage->gone ? OUTCOME_GONE : outcome;
}

static enum outcome ask_postgres(struct retrieval *r, const struct sl_config_source *source,
				 const struct sl_upstream_pool *pool)
{
	struct sl_retrieve_ask ask = {.source = source,
				      .pool = pool,
				      .postgres = r->shared->postgres,
				      .vector = sl_text_string(&r->lookup->vector_json),
				      .dimensions = SL_ENCODER_DIMENSIONS,
				      .count = r->config->candidates,
				      .deadline_ns = step_deadline(r, r->config->timeout_ms)};
	struct sl_error error = {""};
	int count = sl_retrieve_postgres(r->stage, &ask, r->found, &error);

	if (count == -ECANCELED || *r->stage->gone)
		return OUTCOME_GONE;
	if (count >= 0)
		return take_source(r, source, (uint32_t)count);
	sl_log_limited(SL_LOG_WARN, "route \"%s\": source \"%s\": %s", r->stage->route->model,
		       source->item.name, error.text);
	return OUTCOME_FAILED;
}

static enum outcome ask_source(struct retrieval *r, const char *name)
{
	const struct sl_config_source *source = (const void *)item_of(
		&r->stage->config->sources, sizeof(struct sl_config_source), name);
	const struct sl_upstream_pool *pool =
		source != NULL && source->pool != NULL ? pool_of(r->stage, source->pool) : NULL;
	int rc;

	if (pool == NULL)
		return OUTCOME_FAILED;
	rc = run_lookup(r, SL_LOOKUP_EMBED);
	if (rc == -ECANCELED)
		return OUTCOME_GONE;
	if (rc) {
		sl_log_limited(SL_LOG_WARN, "route \"%s\": source \"%s\": %s",
			       r->stage->route->model, name,
			       r->lookup != NULL && r->lookup->error.text[0] ? r->lookup->error.text
									     : sl_error_words(rc));
		return OUTCOME_FAILED;
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

static bool call_reranker(struct retrieval *r, const struct sl_config_reranker *reranker,
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
			       .deadline_ns = step_deadline(r, r->config->rerank_timeout_ms),
			       .id = stage->id,
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
static void rerank(struct retrieval *r)
{
	const struct sl_config_reranker *reranker = (const void *)item_of(
		&r->stage->config->rerankers, sizeof(struct sl_config_reranker), r->config->rerank);
	struct ordering o = {.count = r->count};
	struct sl_vector_found sorted[SL_VECTOR_API_FOUND_MAX];
	const struct sl_upstream_pool *pool;

	if (reranker == NULL || r->count < 2)
		return;
	o.tei = reranker->kind == SL_CONFIG_RERANK_TEI;
	pool = pool_of(r->stage, reranker->pool);
	if (pool == NULL || !call_reranker(r, reranker, pool, &o)) {
		r->stage->ops->step(r->stage, SL_STEP_RETRIEVE_UNRANKED);
		return;
	}
	for (uint32_t i = 0; i < r->count; i++)
		sorted[i] = r->found[o.order[i]];
	memcpy(r->found, sorted, r->count * sizeof(sorted[0]));
}

/* ---- the ladder ------------------------------------------------------------------------------ */

static enum outcome ask_backup(struct retrieval *r, enum sl_lookup_how how)
{
	if (r->config->backup != NULL)
		return ask_index(r, r->config->backup, SL_INDEXES_CURRENT, how);
	return ask_index(r, r->config->index, SL_INDEXES_BEFORE, how);
}

/* Without an encoder an index that should be searched by meaning is by words. */
static bool lost_meaning(const struct retrieval *r)
{
	const struct sl_config_index *index = (const void *)item_of(
		&r->stage->config->indexes, sizeof(struct sl_config_index), r->from);

	return r->by_words && index != NULL && index->vectors == SL_CONFIG_VECTORS_BUILTIN;
}

static void tell_index(struct retrieval *r, bool backup)
{
	struct sl_stage *stage = r->stage;

	if (lost_meaning(r))
		stage->ops->step(stage, SL_STEP_RETRIEVE_WORDS);
	else if (backup)
		stage->ops->step(stage, SL_STEP_RETRIEVE_BACKUP);
	else if (r->config->source != NULL)
		stage->ops->step(stage, SL_STEP_RETRIEVE_INDEX);
}

/* The rungs that find chunks; what was reached is told. */
static enum outcome climb_down(struct retrieval *r)
{
	struct sl_stage *stage = r->stage;
	enum outcome outcome = OUTCOME_FAILED;

	if (r->config->source != NULL)
		outcome = ask_source(r, r->config->source);
	if (outcome != OUTCOME_FAILED || r->config->index == NULL)
		return outcome;
	outcome = ask_index(r, r->config->index, SL_INDEXES_CURRENT, SL_LOOKUP_NEAR);
	if (outcome != OUTCOME_FAILED) {
		if (outcome == OUTCOME_FOUND)
			tell_index(r, false);
		return outcome;
	}
	outcome = ask_backup(r, SL_LOOKUP_NEAR);
	if (outcome != OUTCOME_FAILED) {
		if (outcome == OUTCOME_FOUND)
			tell_index(r, true);
		return outcome;
	}
	outcome = ask_index(r, r->config->index, SL_INDEXES_CURRENT, SL_LOOKUP_WORDS);
	if (outcome == OUTCOME_FAILED)
		outcome = ask_backup(r, SL_LOOKUP_WORDS);
	if (outcome == OUTCOME_FOUND)
		stage->ops->step(stage, SL_STEP_RETRIEVE_WORDS);
	return outcome;
}

/* Only what is near enough; found by words, all is: their scores have no measure. */
static uint32_t keep_good(struct retrieval *r)
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

static bool note_quality(struct retrieval *r)
{
	const struct sl_config_retrieve *config = r->config;
	struct sl_quality_rule rule = {.poor = config->poor_share,
				       .back = config->poor_back_share,
				       .questions = config->poor_queries};
	float best = 0, worst = 0;

	for (uint32_t i = 0; i < r->count; i++) {
		best = i == 0 || r->found[i].score > best ? r->found[i].score : best;
		worst = i == 0 || r->found[i].score < worst ? r->found[i].score : worst;
	}
	return sl_retrieval_note(r->shared, r->stage->route->model, &rule, r->count,
				 r->by_words ? 0 : spread_of(best - worst));
}

/* ---- what the model gets --------------------------------------------------------------------- */

static int write_context(struct retrieval *r, struct sl_text *out)
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

static void write_headers(const struct retrieval *r)
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

static int give_text(struct retrieval *r, struct sl_span message)
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
static void tell_chunks(struct retrieval *r)
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

static void give_context(struct retrieval *r)
{
	struct sl_text context;

	sl_text_init(&context, 0);
	if (!write_context(r, &context) && r->count && !give_text(r, sl_text_span(&context))) {
		write_headers(r);
		tell_chunks(r);
		r->used = true;
		r->grounding = sl_retrieve_grounded_begin(r->stage, r->probe, r->found, r->count);
	}
	sl_text_fini(&context);
}

/* ---- answers in need ------------------------------------------------------------------------- */

/* Who asks, the route, what was to be kept out of questions and answers, the conversation and the answer's
 * form; how it was to be sampled or sent does not count in need. The index's version does not either: an
 * answer from the one before is better than none. */
static int make_key(struct retrieval *r)
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

static bool give_answer(struct retrieval *r)
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
	struct retrieval *r = stage->state[SL_STAGE_RETRIEVE];
	struct sl_cache_value *value;
	uint64_t now_ns = sl_loop_now_ns(stage->loop);

	sl_retrieve_grounded_kept(stage, r != NULL ? r->grounding : NULL);
	/* shared: neither a refusal of another stage nor an answer of a lower step than the first. */
	if (r == NULL || !r->used || !r->has_key || r->config->answers_ms == 0 ||
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
	const struct retrieval *r = stage->state[SL_STAGE_RETRIEVE];

	return sl_retrieve_grounded_filter(stage, r != NULL ? r->grounding : NULL, ret_filter);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static enum sl_stage_verdict finish(struct retrieval *r, enum outcome outcome)
{
	struct sl_stage *stage = r->stage;
	bool poor = false;

	if (outcome == OUTCOME_GONE)
		return SL_STAGE_GO_ON;
	if (outcome == OUTCOME_FOUND) {
		keep_good(r);
		poor = note_quality(r);
	}
	if (poor) {
		stage->ops->step(stage, SL_STEP_RETRIEVE_POOR);
		return SL_STAGE_GO_ON;
	}
	if (outcome == OUTCOME_FOUND && r->count &&
	    sl_retrieve_grounded_refuses(stage, &r->probe)) {
		stage->ops->step(stage, SL_STEP_RETRIEVE_UNGROUNDED);
		return SL_STAGE_GO_ON;
	}
	if (outcome == OUTCOME_FOUND && r->count) {
		rerank(r);
		if (!*stage->gone)
			give_context(r);
		if (r->used || *stage->gone)
			return SL_STAGE_GO_ON;
	}
	if (outcome == OUTCOME_FAILED && give_answer(r)) {
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
	struct retrieval *r;

	if (!sl_retrieve_wanted(stage->route) || stage->fixed || stage->stores->retrieval == NULL ||
	    stage->state[SL_STAGE_RETRIEVE] != NULL)
		return SL_STAGE_GO_ON;
	r = sl_arena_zalloc(stage->arena, sizeof(*r));
	if (r == NULL)
		return SL_STAGE_GO_ON;
	*r = (struct retrieval){.stage = stage,
				.config = &stage->route->retrieve,
				.shared = stage->stores->retrieval};
	sl_text_init(&r->question, 0);
	if (sl_chat_question(stage->facts, &r->question) == 0) {
		stage->state[SL_STAGE_RETRIEVE] = r;
		r->has_key = r->config->answers_ms != 0 && stage->head != NULL &&
			     !sl_stage_client_says_no(stage->head) && make_key(r) == 0;
		verdict = finish(r, climb_down(r));
	}
	if (r->lookup != NULL)
		sl_lookup_free(r->lookup);
	sl_text_fini(&r->question);
	return verdict;
}
