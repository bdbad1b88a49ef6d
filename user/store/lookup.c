/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VECTOR_BYTES_MAX (SL_VECTORS_DIMENSIONS_MAX * 24u)

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
	free(lookup->given);
	free(lookup);
}

int sl_lookup_give(struct sl_lookup *lookup, const char *model, const float *vector,
		   uint32_t dimensions)
{
	float *copy = malloc(dimensions * sizeof(*copy));

	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, vector, dimensions * sizeof(*copy));
	free(lookup->given);
	lookup->given = copy;
	lookup->given_dimensions = dimensions;
	snprintf(lookup->given_model, sizeof(lookup->given_model), "%s", model);
	return 0;
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
	const float *vector = lookup->write_given ? lookup->given : lookup->vector;
	uint32_t count = lookup->write_given ? lookup->given_dimensions : SL_ENCODER_DIMENSIONS;
	struct sl_text *out = &lookup->vector_json;

	sl_text_reset(out);
	for (uint32_t i = 0; i < count; i++)
		sl_text_printf(out, "%c%.8g", i ? ',' : '[', (double)vector[i]);
	return sl_text_append_char(out, ']');
}

static int search_builtin(struct sl_lookup *lookup, struct sl_documents *documents)
{
	const struct sl_encoder *encoder = sl_indexes_encoder(lookup->indexes);
	const char *model = encoder != NULL ? sl_encoder_identity(encoder) : NULL;
	int rc;

	if (model == NULL || !sl_documents_has_model(documents, model, SL_ENCODER_DIMENSIONS))
		return sl_error_set(&lookup->error, -ENOTSUP,
				    "index \"%s\": the question has no vector of its model",
				    lookup->name);
	lookup->by_builtin = true;
	rc = embed(lookup);
	return rc ? rc
		  : sl_documents_near(documents, model, lookup->vector, lookup->count,
				      lookup->deadline_ns, &lookup->hits, &lookup->error);
}

static int search(struct sl_lookup *lookup, struct sl_documents *documents)
{
	lookup->by_words = lookup->how == SL_LOOKUP_WORDS || !sl_documents_has_vectors(documents);
	if (lookup->by_words)
		return sl_documents_words(documents, sl_span_string(lookup->question),
					  lookup->count, lookup->deadline_ns, &lookup->hits,
					  &lookup->error);
	if (lookup->given != NULL &&
	    sl_documents_has_model(documents, lookup->given_model, lookup->given_dimensions))
		return sl_documents_near(documents, lookup->given_model, lookup->given,
					 lookup->count, lookup->deadline_ns, &lookup->hits,
					 &lookup->error);
	return search_builtin(lookup, documents);
}

void sl_lookup_run(void *arg)
{
	struct sl_lookup *lookup = arg;
	struct sl_documents *documents;

	sl_documents_hits_fini(&lookup->hits);
	lookup->error.text[0] = '\0';
	lookup->by_builtin = false;
	if (lookup->how == SL_LOOKUP_EMBED) {
		lookup->rc = lookup->write_given ? 0 : embed(lookup);
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
