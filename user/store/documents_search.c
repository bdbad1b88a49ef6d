/* SPDX-License-Identifier: BSD-2-Clause */
/* Searching an index that is finished. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/log.h"
#include "user/store/documents_parts.h"

#define WORD_BYTES_MAX 64u

/* ---- vectors --------------------------------------------------------------------------------- */

static struct sl_vectors_options vector_options(const struct sl_documents *d, uint32_t model,
						uint32_t flat_max)
{
	return (struct sl_vectors_options){.dimensions = d->facts.models[model].dimensions,
					   .entries_max = (uint32_t)d->facts.chunk_count + 1,
					   .flat_max = flat_max,
					   .model = d->facts.models[model].name};
}

/* Of one row, the part of that model. */
static int add_row(const struct sl_documents *d, uint32_t model, struct sl_db_statement *row,
		   struct sl_vectors *vectors, float *one)
{
	size_t at = model ? d->facts.models[0].dimensions * sizeof(float) : 0;
	struct sl_span value = sl_db_blob(row, 1);

	if (value.len != sl_documents_row_numbers(&d->facts) * sizeof(float))
		return -EBADMSG;
	memcpy(one, value.data + at, d->facts.models[model].dimensions * sizeof(float));
	return sl_vectors_add(vectors, (uint64_t)sl_db_i64(row, 0), one);
}

/* All rows into memory. flat_max decides whether a graph grows meanwhile. */
static int read_vectors(struct sl_documents *d, uint32_t model, uint32_t flat_max,
			struct sl_vectors **ret_vectors, struct sl_error *error)
{
	struct sl_vectors_options options = vector_options(d, model, flat_max);
	struct sl_vectors *vectors;
	struct sl_db_statement *all;
	float *one;
	int rc = sl_vectors_open(&options, &vectors);

	if (rc)
		return sl_error_set_errno(error, rc, "index \"%s\": vectors", d->path);
	one = malloc(options.dimensions * sizeof(float));
	rc = one != NULL ? sl_db_prepare(d->db, "SELECT chunk, value FROM vector", &all, error)
			 : sl_error_set_errno(error, -ENOMEM, "index \"%s\"", d->path);
	if (!rc) {
		while ((rc = sl_db_step(all, error)) == 1) {
			if (add_row(d, model, all, vectors, one)) {
				rc = sl_error_set(error, -EBADMSG,
						  "index \"%s\": a vector is damaged", d->path);
				break;
			}
		}
		sl_db_finish(&all);
	}
	free(one);
	if (rc)
		sl_vectors_close(&vectors);
	else
		*ret_vectors = vectors;
	return rc;
}

static int make_one_graph(struct sl_documents *d, uint32_t model, struct sl_error *error)
{
	char *near = sl_documents_near_path(d->path, model);
	struct sl_vectors *vectors;
	int rc = 0;

	if (near == NULL)
		return sl_error_set_errno(error, -ENOMEM, "index \"%s\"", d->path);
	unlink(near);
	if (d->facts.models[model].dimensions && d->facts.chunk_count > SL_DOCUMENTS_FLAT_MAX) {
		rc = read_vectors(d, model, 0, &vectors, error);
		if (!rc) {
			rc = sl_vectors_save(vectors, near);
			if (rc)
				sl_error_set_errno(error, rc, "index \"%s\": cannot be written",
						   near);
			sl_vectors_close(&vectors);
		}
	}
	free(near);
	return rc;
}

int sl_documents_make_graph(struct sl_documents *documents, struct sl_error *error)
{
	int rc = 0;

	for (uint32_t i = 0; i < SL_DOCUMENTS_MODELS_MAX && !rc; i++)
		rc = make_one_graph(documents, i, error);
	return rc;
}

/*
 * The graph is only a faster way to the same rows: where it is absent or torn, or tells of another
 * number of them, all are compared one by one.
 */
static int load_vectors(struct sl_documents *d, uint32_t model, struct sl_error *error)
{
	struct sl_vectors_options options = vector_options(d, model, 0);
	struct sl_vectors **vectors = &d->vectors[model];
	char *near = sl_documents_near_path(d->path, model);
	struct sl_error why = {0};
	int rc;

	if (near == NULL)
		return sl_error_set_errno(error, -ENOMEM, "index \"%s\"", d->path);
	rc = sl_vectors_load(near, &options, &why, vectors);
	if (!rc && sl_vectors_count(*vectors) != d->facts.chunk_count) {
		sl_error_set(&why, rc = -EBADMSG, "of %u chunks", sl_vectors_count(*vectors));
		sl_vectors_close(vectors);
	}
	if (rc && (rc != -ENOENT || d->facts.chunk_count > SL_DOCUMENTS_FLAT_MAX))
		sl_log(SL_LOG_WARN,
		       "index \"%s\": its graph cannot be used, searches take longer: %s", d->path,
		       why.text);
	free(near);
	if (rc)
		rc = read_vectors(d, model, SL_VECTORS_ENTRIES_MAX, vectors, error);
	if (!rc && sl_vectors_count(*vectors) != d->facts.chunk_count)
		rc = sl_error_set(error, -EBADMSG, "index \"%s\": has %llu chunks, but %u vectors",
				  d->path, (unsigned long long)d->facts.chunk_count,
				  sl_vectors_count(*vectors));
	return rc;
}

/* ---- open ------------------------------------------------------------------------------------ */

static bool same_model(const struct sl_documents_model *a, const struct sl_documents_model *b)
{
	return a->dimensions == b->dimensions && strcmp(a->name, b->name) == 0;
}

/* Which of its models are wanted: a bit each. */
static uint32_t find_models(const struct sl_documents *d, const struct sl_documents_model *models,
			    uint32_t count)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < SL_DOCUMENTS_MODELS_MAX; i++)
		for (uint32_t k = 0; k < count && d->facts.models[i].dimensions; k++)
			if (same_model(&d->facts.models[i], &models[k]))
				found |= 1u << i;
	return found;
}

static void say_models(const struct sl_documents_model *models, uint32_t count, struct sl_text *out)
{
	for (uint32_t i = 0; i < count && models[i].dimensions; i++)
		sl_text_printf(out, "%s\"%s\" (%u numbers)", i ? " and " : "", models[i].name,
			       models[i].dimensions);
}

static int refuse_models(const struct sl_documents *d, const struct sl_documents_model *models,
			 uint32_t count, struct sl_error *error)
{
	char room[2][SL_DOCUMENTS_MODELS_MAX * (SL_VECTORS_MODEL_BYTES + 32)];
	struct sl_text of, wanted;

	sl_text_init_fixed(&of, room[0], sizeof(room[0]));
	sl_text_init_fixed(&wanted, room[1], sizeof(room[1]));
	say_models(d->facts.models, SL_DOCUMENTS_MODELS_MAX, &of);
	say_models(models, count, &wanted);
	if (!of.len)
		return sl_error_set(error, -EPROTO,
				    "index \"%s\": has no vectors; build it with those of %s",
				    d->path, sl_text_string(&wanted));
	return sl_error_set(error, -EPROTO,
			    "index \"%s\": its vectors are of model %s, queries of %s: they "
			    "cannot be compared; build the index anew",
			    d->path, sl_text_string(&of), sl_text_string(&wanted));
}

static int load_models(struct sl_documents *d, const struct sl_documents_model *models,
		       uint32_t count, struct sl_error *error)
{
	uint32_t found = find_models(d, models, count);
	int rc = 0;

	if (!found)
		return refuse_models(d, models, count, error);
	for (uint32_t i = 0; i < SL_DOCUMENTS_MODELS_MAX && !rc; i++)
		if (found >> i & 1)
			rc = load_vectors(d, i, error);
	return rc;
}

#define CHUNK_COLUMNS "chunk.id, line, name, path, text"
#define GET_CHUNK                                                                    \
	"SELECT " CHUNK_COLUMNS " FROM chunk JOIN document ON document.id=document " \
	"WHERE chunk.id=?1"
/* A word of the headings counts twice. By `rank` both: what is left out is what scores least. */
#define MATCH                                                                                    \
	"SELECT chunk.id, line, name, chunk.path, chunk.text, score FROM (SELECT rowid AS hit, " \
	"-rank AS score FROM words WHERE words MATCH ?1 AND rank MATCH 'bm25(2.0, 1.0)' "        \
	"ORDER BY rank LIMIT ?2) "                                                               \
	"JOIN chunk ON chunk.id=hit JOIN document ON document.id=document ORDER BY score DESC, " \
	"hit"

int sl_documents_open_for(const char *path, const struct sl_documents_model *models, uint32_t count,
			  struct sl_documents **ret_documents, struct sl_error *error)
{
	struct sl_documents *d;
	bool finished;
	int rc = sl_documents_open_file(path, true, &d, error);

	if (rc)
		return rc;
	rc = sl_documents_read_facts(d, &finished, error);
	if (!rc && !finished)
		rc = sl_error_set(error, -EBADMSG,
				  "index \"%s\": was never finished; build it anew", path);
	if (!rc && count)
		rc = load_models(d, models, count, error);
	if (!rc)
		rc = sl_db_prepare(d->db, GET_CHUNK, &d->get_chunk, error);
	if (!rc)
		rc = sl_db_prepare(d->db, MATCH, &d->match, error);
	if (rc)
		sl_documents_put_away(&d);
	else
		*ret_documents = d;
	return rc;
}

int sl_documents_open(const char *path, const char *model, uint32_t dimensions,
		      struct sl_documents **ret_documents, struct sl_error *error)
{
	struct sl_documents_model one = {.dimensions = dimensions};

	if (model != NULL)
		snprintf(one.name, sizeof(one.name), "%s", model);
	return sl_documents_open_for(path, &one, model != NULL, ret_documents, error);
}

/* The vectors of that model, NULL: not loaded. */
static struct sl_vectors *vectors_of(const struct sl_documents *d, const char *model)
{
	for (uint32_t i = 0; i < SL_DOCUMENTS_MODELS_MAX; i++)
		if (d->vectors[i] != NULL &&
		    (model == NULL || strcmp(d->facts.models[i].name, model) == 0))
			return d->vectors[i];
	return NULL;
}

bool sl_documents_has_vectors(const struct sl_documents *documents)
{
	return vectors_of(documents, NULL) != NULL;
}

bool sl_documents_has_model(const struct sl_documents *documents, const char *model,
			    uint32_t dimensions)
{
	for (uint32_t i = 0; i < SL_DOCUMENTS_MODELS_MAX; i++)
		if (documents->vectors[i] != NULL &&
		    documents->facts.models[i].dimensions == dimensions &&
		    strcmp(documents->facts.models[i].name, model) == 0)
			return true;
	return false;
}

/* ---- hits ------------------------------------------------------------------------------------ */

void sl_documents_hits_fini(struct sl_documents_hits *hits)
{
	free(hits->memory);
	hits->memory = NULL;
	hits->count = 0;
}

/* Their text goes to one memory that moves while it grows: offsets first, pointers at the end. */
struct gathering {
	struct sl_documents_hits *hits;
	struct sl_text memory;
	size_t at[SL_DOCUMENTS_HITS_MAX][3];
};

static size_t keep(struct gathering *g, struct sl_span text)
{
	size_t at = g->memory.len;

	sl_text_append_span(&g->memory, text);
	sl_text_append_char(&g->memory, '\0');
	return at;
}

static void take_row(struct gathering *g, struct sl_db_statement *row, float score)
{
	uint32_t i = g->hits->count++;

	g->hits->items[i] = (struct sl_documents_hit){
		.chunk = sl_db_i64(row, 0), .line = (uint32_t)sl_db_i64(row, 1), .score = score};
	for (int column = 0; column < 3; column++)
		g->at[i][column] = keep(g, sl_db_text(row, column + 2));
}

static int end_gathering(struct gathering *g, int rc, const char *path, struct sl_error *error)
{
	struct sl_documents_hits *hits = g->hits;

	if (!rc && g->memory.error)
		rc = sl_error_set_errno(error, g->memory.error, "index \"%s\"", path);
	if (rc) {
		hits->count = 0;
		sl_text_fini(&g->memory);
		return rc;
	}
	hits->memory = g->memory.data;
	for (uint32_t i = 0; i < hits->count; i++) {
		hits->items[i].source = hits->memory + g->at[i][0];
		hits->items[i].path = hits->memory + g->at[i][1];
		hits->items[i].text = hits->memory + g->at[i][2];
	}
	return 0;
}

static int read_hits(struct sl_documents *d, const struct sl_vectors_result *results, int count,
		     struct gathering *g, struct sl_error *error)
{
	int rc = 0;

	for (int i = 0; i < count && rc == 0; i++) {
		sl_db_bind_i64(d->get_chunk, 1, (int64_t)results[i].id);
		rc = sl_db_step(d->get_chunk, error);
		if (rc == 1) {
			take_row(g, d->get_chunk, results[i].score);
			rc = 0;
		} else if (rc == 0) {
			rc = sl_error_set(error, -EBADMSG, "index \"%s\": a vector has no chunk",
					  d->path);
		}
		sl_db_reset(d->get_chunk);
	}
	return rc;
}

int sl_documents_near(struct sl_documents *documents, const char *model, const float *query,
		      uint32_t count, uint64_t deadline_ns, struct sl_documents_hits *ret_hits,
		      struct sl_error *error)
{
	struct sl_vectors *vectors = vectors_of(documents, model);
	struct sl_vectors_result results[SL_DOCUMENTS_HITS_MAX];
	struct gathering g = {.hits = ret_hits};
	int found, rc;

	*ret_hits = (struct sl_documents_hits){0};
	assert(count <= SL_DOCUMENTS_HITS_MAX);
	if (vectors == NULL)
		return sl_error_set(error, -EPROTO, "index \"%s\": was opened without vectors%s%s",
				    documents->path, model != NULL ? " of model " : "",
				    model != NULL ? model : "");
	found = sl_vectors_search(vectors, query, count, results);
	if (found < 0)
		return sl_error_set_errno(error, found, "index \"%s\"", documents->path);
	sl_text_init(&g.memory, 0);
	pthread_mutex_lock(&documents->lock);
	sl_db_set_deadline(documents->db, deadline_ns);
	rc = read_hits(documents, results, found, &g, error);
	pthread_mutex_unlock(&documents->lock);
	return end_gathering(&g, rc, documents->path, error);
}

/* ---- words ----------------------------------------------------------------------------------- */

static bool is_word_byte(char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
	       (byte >= 'A' && byte <= 'Z') || (unsigned char)byte >= 0x80;
}

/* Words in nearly every English text: they tell nothing, and each would be scored for every chunk. */
static bool says_nothing(struct sl_span word)
{
	static const char *const words[] = {
		"a",	 "about",  "all",   "an",    "and",   "any",   "are",  "as",   "at",
		"be",	 "been",   "but",   "by",    "can",   "could", "did",  "do",   "does",
		"for",	 "from",   "had",   "has",   "have",  "how",   "i",    "if",   "in",
		"into",	 "is",	   "it",    "its",   "me",    "my",    "of",   "on",   "or",
		"our",	 "should", "so",    "some",  "tell",  "than",  "that", "the",  "their",
		"them",	 "then",   "there", "these", "they",  "this",  "to",   "was",  "we",
		"were",	 "what",   "when",  "where", "which", "who",   "why",  "will", "with",
		"would", "you",	   "your"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (sl_span_equal_case(word, sl_span_string(words[i])))
			return true;
	return false;
}

/* Words in quotes, joined by OR: no byte of the question is syntax. False: no word in it. */
static bool write_match(struct sl_span question, bool common_too, struct sl_text *out)
{
	uint32_t words = 0;

	while (question.len && words < SL_DOCUMENTS_QUERY_WORDS) {
		struct sl_span word = question;

		word.len = 0;
		while (word.len < question.len && is_word_byte(question.data[word.len]))
			word.len++;
		question.data += word.len ? word.len : 1;
		question.len -= word.len ? word.len : 1;
		if (word.len == 0 || word.len > WORD_BYTES_MAX ||
		    (!common_too && says_nothing(word)))
			continue;
		sl_text_append_string(out, words++ ? " OR \"" : "\"");
		sl_text_append_span(out, word);
		sl_text_append_char(out, '"');
	}
	return words > 0;
}

int sl_documents_words(struct sl_documents *documents, struct sl_span question, uint32_t count,
		       uint64_t deadline_ns, struct sl_documents_hits *ret_hits,
		       struct sl_error *error)
{
	char memory[SL_DOCUMENTS_QUERY_WORDS * (WORD_BYTES_MAX + 8)];
	struct gathering g = {.hits = ret_hits};
	struct sl_db_statement *match = documents->match;
	struct sl_text words;
	int rc;

	*ret_hits = (struct sl_documents_hits){0};
	assert(count <= SL_DOCUMENTS_HITS_MAX);
	sl_text_init_fixed(&words, memory, sizeof(memory));
	if (!write_match(question, false, &words) && !write_match(question, true, &words))
		return 0;
	sl_text_init(&g.memory, 0);
	pthread_mutex_lock(&documents->lock);
	sl_db_set_deadline(documents->db, deadline_ns);
	sl_db_bind_text(match, 1, sl_text_span(&words));
	sl_db_bind_i64(match, 2, count);
	while ((rc = sl_db_step(match, error)) == 1)
		take_row(&g, match, (float)sl_db_real(match, 5));
	sl_db_reset(match);
	pthread_mutex_unlock(&documents->lock);
	return end_gathering(&g, rc, documents->path, error);
}

int sl_documents_sample(struct sl_documents *documents, uint32_t number, uint32_t of,
			struct sl_documents_hits *ret_hits, struct sl_error *error)
{
	struct gathering g = {.hits = ret_hits};
	struct sl_db_statement *get;
	int rc;

	*ret_hits = (struct sl_documents_hits){0};
	sl_text_init(&g.memory, 0);
	pthread_mutex_lock(&documents->lock);
	sl_db_set_deadline(documents->db, 0);
	rc = sl_db_prepare(documents->db,
			   "SELECT " CHUNK_COLUMNS
			   " FROM chunk JOIN document ON document.id=document WHERE chunk.id>="
			   "1+(SELECT max(id)-1 FROM chunk)*?1/?2 ORDER BY chunk.id LIMIT 1",
			   &get, error);
	if (!rc) {
		sl_db_bind_i64(get, 1, number);
		sl_db_bind_i64(get, 2, of);
		while ((rc = sl_db_step(get, error)) == 1)
			take_row(&g, get, 0);
		sl_db_finish(&get);
	}
	pthread_mutex_unlock(&documents->lock);
	return end_gathering(&g, rc, documents->path, error);
}

/* ---- verify ---------------------------------------------------------------------------------- */

int sl_documents_verify(const char *path, struct sl_documents_facts *ret_facts,
			struct sl_error *error)
{
	struct sl_documents *d;
	bool finished;
	int rc = sl_documents_open_file(path, true, &d, error);

	if (rc)
		return rc;
	rc = sl_db_check(d->db, error);
	if (!rc)
		rc = sl_documents_read_facts(d, &finished, error);
	if (!rc && !finished)
		rc = sl_error_set(error, -EBADMSG,
				  "index \"%s\": was never finished; build it anew", path);
	for (uint32_t i = 0; i < SL_DOCUMENTS_MODELS_MAX && !rc; i++)
		if (d->facts.models[i].dimensions)
			rc = load_vectors(d, i, error);
	if (!rc)
		*ret_facts = d->facts;
	sl_documents_put_away(&d);
	return rc;
}
