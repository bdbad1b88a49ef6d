/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lookup.h - one question to an index, as a job for a worker thread: embed it, search. Memory of its own,
 * as user/io/work.h wants it: the job copies all that it reads.
 */
#ifndef SL_STORE_LOOKUP_H
#define SL_STORE_LOOKUP_H

#include "user/store/indexes.h"

enum sl_lookup_how {
	SL_LOOKUP_EMBED = 0, /* the vector alone */
	/* By meaning: by the vector that was given, where the index has those of its model, else by that of
	 * the embedded encoder, which is made when it is not there yet. One without any by words. */
	SL_LOOKUP_NEAR,
	SL_LOOKUP_WORDS,
};

struct sl_lookup {
	struct sl_indexes *indexes;
	char *question;
	char name[SL_CONFIG_NAME_MAX + 1]; /* of the index */
	enum sl_lookup_how how;
	enum sl_indexes_which which;
	uint32_t count;
	uint64_t deadline_ns;
	bool has_vector;
	float vector[SL_ENCODER_DIMENSIONS]; /* of the embedded encoder */
	float *given;			     /* of a pool; NULL: none */
	uint32_t given_dimensions;
	char given_model[SL_VECTORS_MODEL_BYTES];
	bool write_given; /* SL_LOOKUP_EMBED: vector_json is of that one */
	/* the outcome */
	int rc; /* 0; -ENOENT: nothing is served there; -ENOTSUP: no encoder; as documents.h */
	bool by_words;
	bool by_builtin; /* NEAR: by the embedded encoder's vectors */
	uint32_t version;
	struct sl_documents_hits hits;
	struct sl_text vector_json; /* SL_LOOKUP_EMBED: "[0.1,...]" */
	struct sl_error error;
};

/* Copies the question. NULL without memory. */
struct sl_lookup *sl_lookup_new(struct sl_indexes *indexes, struct sl_span question);
/* A pool's vector of the question, copied; in place of one that was given before. 0, -ENOMEM. */
int sl_lookup_give(struct sl_lookup *lookup, const char *model, const float *vector,
		   uint32_t dimensions);
/* For sl_work_run(): a struct sl_lookup *. The outcome of a run before is dropped. */
void sl_lookup_run(void *lookup);
void sl_lookup_free(void *lookup);

#endif
