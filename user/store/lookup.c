/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/lookup.h"

#include <errno.h>
#include <stdlib.h>

#define VECTOR_BYTES_MAX (SL_ENCODER_DIMENSIONS * 24u)

struct sl_lookup *sl_lookup_new(struct sl_indexes *indexes, struct sl_span question)
{
	struct sl_lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	lookup->indexes = indexes;
	lookup->question = strndup(question.data, question.len);
	sl_text_init(&lookup->vector_json, VECTOR_BYTES_MAX);
	if (lookup->question == NULL) {
		free(lookup);
		return NULL;
	}
	return lookup;
}

void sl_lookup_free(void *arg)
{
	struct sl_lookup *lookup = arg;

	sl_documents_hits_fini(&lookup->hits);
	sl_text_fini(&lookup->vector_json);
	free(lookup->question);
	free(lookup);
}

static int embed(struct sl_lookup *lookup)
{
	const struct sl_encoder *encoder = sl_indexes_encoder(lookup->indexes);
	int rc;

	if (lookup->has_vector)
		return 0;
	if (encoder == NULL)
		return sl_error_set(&lookup->error, -ENOTSUP,
				    "no embedded encoder (see: embedding.model)");
	rc = sl_encoder_embed(encoder, sl_span_string(lookup->question), lookup->vector, NULL);
	if (rc)
		return sl_error_set_errno(&lookup->error, rc, "the question cannot be embedded");
	lookup->has_vector = true;
	return 0;
}

static int write_vector(struct sl_lookup *lookup)
{
	struct sl_text *out = &lookup->vector_json;

	sl_text_reset(out);
	for (uint32_t i = 0; i < SL_ENCODER_DIMENSIONS; i++)
		sl_text_printf(out, "%c%.8g", i ? ',' : '[', (double)lookup->vector[i]);
	return sl_text_append_char(out, ']');
}

static int search(struct sl_lookup *lookup, struct sl_documents *documents)
{
	struct sl_span question = sl_span_string(lookup->question);
	int rc;

	lookup->by_words = lookup->how == SL_LOOKUP_WORDS || !sl_documents_has_vectors(documents);
	if (lookup->by_words)
		return sl_documents_words(documents, question, lookup->count, lookup->deadline_ns,
					  &lookup->hits, &lookup->error);
	rc = embed(lookup);
	return rc ? rc
		  : sl_documents_near(documents, lookup->vector, lookup->count, lookup->deadline_ns,
				      &lookup->hits, &lookup->error);
}

void sl_lookup_run(void *arg)
{
	struct sl_lookup *lookup = arg;
	struct sl_documents *documents;

	sl_documents_hits_fini(&lookup->hits);
	lookup->error.text[0] = '\0';
	if (lookup->how == SL_LOOKUP_EMBED) {
		lookup->rc = embed(lookup);
		if (!lookup->rc)
			lookup->rc = write_vector(lookup);
		return;
	}
	documents = sl_indexes_get(lookup->indexes, lookup->name, lookup->which, &lookup->version);
	if (documents == NULL) {
		lookup->rc = sl_error_set(&lookup->error, -ENOENT,
					  "index \"%s\": no such version is served", lookup->name);
		return;
	}
	lookup->rc = search(lookup, documents);
	sl_documents_put_away(&documents);
}
