/* SPDX-License-Identifier: BSD-2-Clause */
/* retrieve_parts.h - one question's way down the ladder of documents; what the files of the stage retrieve
 * share. See retrieve.h. */
#ifndef SL_STAGE_RETRIEVE_PARTS_H
#define SL_STAGE_RETRIEVE_PARTS_H

#include "user/stage/stage.h"
#include "user/store/lookup.h"
#include "user/store/retrieval.h"
#include "user/wire/vector_api.h"

struct sl_grounding;

/* What came of a step. */
enum sl_retrieve_outcome { SL_RETRIEVE_FAILED = 0, SL_RETRIEVE_FOUND, SL_RETRIEVE_GONE };

struct sl_retrieve_turn {
	struct sl_stage *stage;
	const struct sl_config_retrieve *config;
	struct sl_retrieval *shared;
	struct sl_text question;
	struct sl_cache_key key;  /* of the answer in need, */
	bool has_key;		  /* where such are kept */
	struct sl_lookup *lookup; /* NULL: a job that was given up has it */
	struct sl_vector_found found[SL_VECTOR_API_FOUND_MAX];
	uint32_t count;
	bool by_words;				/* scores are no cosines */
	bool by_builtin;			/* by the embedded encoder's vectors */
	const struct sl_config_embedder *tried; /* who was asked for the question's vector last, */
	bool has_vector;			/* and gave it to the lookup */
	const char *from;			/* "handbook" */
	uint32_t version;			/* 0: none */
	bool used;				/* the model got documents */
	bool of_candidate;			/* of a version that is rolled out */
	bool probe;				/* to see whether answers follow them again */
	struct sl_grounding *grounding;		/* the answer is to be judged; or NULL */
};

/* Only what is near enough; found by words, all is. Returns how many are left. */
uint32_t sl_retrieve_keep_good(struct sl_retrieve_turn *r);

/* The index should be searched by meaning, and was by words; by its pool's vectors, and was by others. */
bool sl_retrieve_lost_meaning(const struct sl_retrieve_turn *r);
bool sl_retrieve_lost_pool(const struct sl_retrieve_turn *r);

/* What a step may take, as a deadline. */
uint64_t sl_retrieve_deadline(const struct sl_retrieve_turn *r, uint32_t timeout_ms);

/* The configured item, index or pool of that name; NULL: there is none. */
const struct sl_config_item *sl_retrieve_item(const struct sl_config_items *items, size_t size,
					      const char *name);
const struct sl_config_index *sl_retrieve_index(const struct sl_retrieve_turn *r, const char *name);
const struct sl_upstream_pool *sl_retrieve_pool(const struct sl_stage *stage, const char *name);

/* Makes the lookup, where there is none yet. False: no memory for it. */
bool sl_retrieve_has_lookup(struct sl_retrieve_turn *r);

/*
 * Gives the lookup, which there is, the question's vector of the pool that `embedding` names: asked once, not
 * by each rung. False: there is none.
 */
bool sl_retrieve_give_vector(struct sl_retrieve_turn *r, const char *embedding);

/* Runs the lookup on a thread of the pool; after -ETIMEDOUT and -ECANCELED it is the pool's. */
int sl_retrieve_run_lookup(struct sl_retrieve_turn *r, enum sl_lookup_how how);

/* Searches that version of the index; by meaning, it asks for the vector first. */
enum sl_retrieve_outcome sl_retrieve_ask_index(struct sl_retrieve_turn *r, const char *name,
					       enum sl_indexes_which which, enum sl_lookup_how how);

/* ---- an index that is rolled out (retrieve_rollout.c) ------------------------------------------ */

/* The candidate, where this request is one of its share; FAILED: it is not, or it found nothing. */
enum sl_retrieve_outcome sl_retrieve_ask_candidate(struct sl_retrieve_turn *r);

/* The score of the best chunk of all that were found. */
float sl_retrieve_best(const struct sl_retrieve_turn *r);

/* For the record: how the version that this request's arm asks did. After keep_good. */
void sl_retrieve_note_found(struct sl_retrieve_turn *r, enum sl_retrieve_outcome outcome,
			    float best);

/* Looks the question up in the candidate beside the client, where that was decided. */
void sl_retrieve_shadow(struct sl_retrieve_turn *r);

#endif
