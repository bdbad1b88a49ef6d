/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a version may be served: it is whole, and finds what it should. The builder's thread. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "user/store/indexes_parts.h"
#include "user/wire/json_scan.h"

#define SAMPLES		    16u
#define SAMPLE_HITS	    8u
#define SHARE_FOUND_PERCENT 75u
#define QUESTIONS_MAX	    100u
#define QUESTION_HITS	    4u
#define QUESTION_LINE_BYTES 8192u

struct check {
	const struct sl_index *index;
	struct sl_documents *documents;
	struct sl_documents_model models[SL_DOCUMENTS_MODELS_MAX];
	uint32_t model;	 /* of these, that is asked by */
	bool by_meaning; /* else by words */
	float vector[SL_VECTORS_DIMENSIONS_MAX];
};

/* The built-in encoder's -ENODATA matters here: nothing in the text can be looked for. */
static int embed(struct check *c, struct sl_span text, struct sl_error *error)
{
	if (c->model == 0 && sl_index_is_by_pool(c->index))
		return sl_index_embed(c->index, 0, &text, 1, c->vector, 0, error);
	return sl_encoder_embed(c->index->encoder, text, c->vector, NULL);
}

/* By meaning where there are vectors, else by words. -ENODATA: nothing in the text can be looked for. */
static int ask(struct check *c, struct sl_span text, uint32_t count, struct sl_documents_hits *hits,
	       struct sl_error *error)
{
	int rc;

	if (!c->by_meaning)
		return sl_documents_words(c->documents, text, count, 0, hits, error);
	rc = embed(c, text, error);
	return rc ? rc
		  : sl_documents_near(c->documents, c->models[c->model].name, c->vector, count, 0,
				      hits, error);
}

static bool has_chunk(const struct sl_documents_hits *hits, const struct sl_documents_hit *wanted)
{
	for (uint32_t i = 0; i < hits->count; i++)
		if (hits->items[i].chunk == wanted->chunk ||
		    strcmp(hits->items[i].text, wanted->text) == 0)
			return true;
	return false;
}

/* As it was embedded: its headings, then itself. */
static int ask_for(struct check *c, const struct sl_documents_hit *chunk,
		   struct sl_index_checked *checked, struct sl_error *error)
{
	struct sl_documents_hits hits = {0};
	struct sl_text text;
	int rc;

	sl_text_init(&text, 0);
	rc = sl_text_printf(&text, "%s%s%s", chunk->path, *chunk->path ? "\n" : "", chunk->text);
	if (!rc)
		rc = ask(c, sl_text_span(&text), SAMPLE_HITS, &hits, error);
	sl_text_fini(&text);
	if (rc == -ENODATA || (!rc && hits.count == 0))
		return 0;
	if (rc)
		return rc;
	checked->samples++;
	checked->samples_found += has_chunk(&hits, chunk);
	sl_documents_hits_fini(&hits);
	return 0;
}

static int ask_samples(struct check *c, struct sl_index_checked *checked, struct sl_error *error)
{
	uint32_t samples = checked->samples, found = checked->samples_found;
	int rc = 0;

	for (uint32_t i = 0; i < SAMPLES && !rc; i++) {
		struct sl_documents_hits one;

		rc = sl_documents_sample(c->documents, i, SAMPLES, &one, error);
		if (!rc && one.count)
			rc = ask_for(c, &one.items[0], checked, error);
		sl_documents_hits_fini(&one);
	}
	samples = checked->samples - samples;
	found = checked->samples_found - found;
	if (!rc && found * 100 < samples * SHARE_FOUND_PERCENT)
		rc = sl_error_set(error, -EBADMSG,
				  "index \"%s\": of %" PRIu32 " of its own chunks only %" PRIu32
				  " are found%s%s; build it anew",
				  c->index->status.name, samples, found,
				  c->by_meaning ? " by " : "",
				  c->by_meaning ? c->models[c->model].name : "");
	return rc;
}

/* By the vectors of each model that is wanted, or by words. */
static int ask_samples_each(struct check *c, uint32_t count, struct sl_index_checked *checked,
			    struct sl_error *error)
{
	int rc = 0;

	c->by_meaning = count != 0;
	for (uint32_t i = count; i-- > 0 && !rc;) { /* ends with the first, which questions go by */
		c->model = i;
		rc = ask_samples(c, checked, error);
	}
	return count ? rc : ask_samples(c, checked, error);
}

/* ---- questions of the configuration ---------------------------------------------------------- */

static bool has_document(const struct sl_documents_hits *hits, const char *name)
{
	for (uint32_t i = 0; i < hits->count; i++)
		if (strcmp(hits->items[i].source, name) == 0)
			return true;
	return false;
}

static int ask_question(struct check *c, const char *line, uint32_t number, struct sl_error *error)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("question"), SL_JSON_FIELD("document")};
	char question[QUESTION_LINE_BYTES], document[SL_DOCUMENTS_NAME_MAX + 1];
	const char *of = c->index->config.questions;
	struct sl_documents_hits hits = {0};
	int rc;

	if (sl_json_scan(line, strlen(line), f, 2) ||
	    sl_json_string(&f[0], question, sizeof(question)) <= 0 ||
	    sl_json_string(&f[1], document, sizeof(document)) <= 0)
		return sl_error_set(error, -EINVAL,
				    "%s: line %" PRIu32 " is not {\"question\": TEXT, "
				    "\"document\": NAME}",
				    of, number);
	rc = ask(c, sl_span_string(question), QUESTION_HITS, &hits, error);
	if ((!rc || rc == -ENODATA) && !has_document(&hits, document))
		rc = sl_error_set(error, -EBADMSG,
				  "%s: line %" PRIu32 ": \"%.80s\" does not find \"%s\"", of,
				  number, question, document);
	sl_documents_hits_fini(&hits);
	return rc;
}

static int ask_questions(struct check *c, uint32_t *ret_count, struct sl_error *error)
{
	const char *path = c->index->config.questions;
	char line[QUESTION_LINE_BYTES];
	FILE *file = path != NULL ? fopen(path, "re") : NULL;
	uint32_t number = 0;
	int rc = 0;

	if (path != NULL && file == NULL)
		return sl_error_set_errno(error, -errno, "%s: cannot be read", path);
	while (file != NULL && !rc && fgets(line, sizeof(line), file) != NULL) {
		number++;
		if (line[strspn(line, " \t\r\n")] == '\0')
			continue;
		if (*ret_count == QUESTIONS_MAX)
			rc = sl_error_set(error, -E2BIG, "%s: over %u questions", path,
					  QUESTIONS_MAX);
		else
			rc = ask_question(c, line, number, error);
		*ret_count += rc == 0;
	}
	if (file != NULL)
		fclose(file);
	return rc;
}

static int run_check(struct check *c, const char *path, struct sl_index_checked *checked,
		     struct sl_error *error)
{
	uint32_t count = sl_index_models(c->index, c->models);
	int rc = sl_documents_open_for(path, c->models, count, &c->documents, error);

	for (uint32_t i = 0; i < count && !rc; i++)
		if (!sl_documents_has_model(c->documents, c->models[i].name,
					    c->models[i].dimensions))
			rc = sl_error_set(error, -EPROTO,
					  "index \"%s\": has no vectors of %s; build it anew",
					  c->index->status.name, c->models[i].name);
	if (!rc)
		rc = ask_samples_each(c, count, checked, error);
	if (!rc)
		rc = ask_questions(c, &checked->questions, error);
	sl_documents_put_away(&c->documents);
	return rc;
}

int sl_index_check(const struct sl_index *index, const char *path,
		   struct sl_index_checked *ret_checked, struct sl_error *error)
{
	struct sl_index_checked checked = {.samples = 0};
	struct check *c;
	int rc = sl_documents_verify(path, &checked.facts, error);

	if (rc)
		return rc;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return sl_error_set_errno(error, -ENOMEM, "index \"%s\"", index->status.name);
	c->index = index;
	rc = run_check(c, path, &checked, error);
	free(c);
	if (!rc)
		*ret_checked = checked;
	return rc;
}
