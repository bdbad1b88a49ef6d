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
	float vector[SL_ENCODER_DIMENSIONS];
};

/* By meaning where there are vectors, else by words. -ENODATA: nothing in the text can be looked for. */
static int ask(struct check *c, struct sl_span text, uint32_t count, struct sl_documents_hits *hits,
	       struct sl_error *error)
{
	int rc;

	if (!sl_documents_has_vectors(c->documents))
		return sl_documents_words(c->documents, text, count, 0, hits, error);
	rc = sl_encoder_embed(c->index->encoder, text, c->vector, NULL);
	return rc ? rc : sl_documents_near(c->documents, c->vector, count, 0, hits, error);
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
	int rc = 0;

	for (uint32_t i = 0; i < SAMPLES && !rc; i++) {
		struct sl_documents_hits one;

		rc = sl_documents_sample(c->documents, i, SAMPLES, &one, error);
		if (!rc && one.count)
			rc = ask_for(c, &one.items[0], checked, error);
		sl_documents_hits_fini(&one);
	}
	if (!rc && checked->samples_found * 100 < checked->samples * SHARE_FOUND_PERCENT)
		rc = sl_error_set(error, -EBADMSG,
				  "index \"%s\": of %" PRIu32 " of its own chunks only %" PRIu32
				  " are found; build it anew",
				  c->index->status.name, checked->samples, checked->samples_found);
	return rc;
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

int sl_index_check(const struct sl_index *index, const char *path,
		   struct sl_index_checked *ret_checked, struct sl_error *error)
{
	struct sl_index_checked checked = {.samples = 0};
	struct check c = {.index = index};
	uint32_t dimensions;
	const char *model = sl_index_model(index, &dimensions);
	int rc = sl_documents_verify(path, &checked.facts, error);

	if (!rc)
		rc = sl_documents_open(path, dimensions ? model : NULL, dimensions, &c.documents,
				       error);
	if (rc)
		return rc;
	rc = ask_samples(&c, &checked, error);
	if (!rc)
		rc = ask_questions(&c, &checked.questions, error);
	sl_documents_put_away(&c.documents);
	if (!rc)
		*ret_checked = checked;
	return rc;
}
