/* SPDX-License-Identifier: BSD-2-Clause */
/* An index that is rolled out: which version is asked, what is told of it, and its shadow. See retrieve.h. */
#include <stdlib.h>
#include <string.h>

#include "user/stage/retrieve_parts.h"

#define SHADOW_MS 10000u

float sl_retrieve_best(const struct sl_retrieve_turn *r)
{
	float best = 0;

	for (uint32_t i = 0; i < r->count; i++)
		best = i == 0 || r->found[i].score > best ? r->found[i].score : best;
	return best;
}

enum sl_retrieve_outcome sl_retrieve_ask_candidate(struct sl_retrieve_turn *r)
{
	struct sl_stage *stage = r->stage;
	enum sl_retrieve_outcome outcome;

	if (!sl_rollout_mark_candidate(stage->rollouts[SL_ROLLOUT_INDEX]))
		return SL_RETRIEVE_FAILED;
	outcome = sl_retrieve_ask_index(r, r->config->index, SL_INDEXES_CANDIDATE, SL_LOOKUP_NEAR);
	if (outcome == SL_RETRIEVE_FOUND && !r->count && !r->by_words)
		outcome =
			SL_RETRIEVE_FAILED; /* by meaning something is always nearest: it has none */
	r->of_candidate = outcome == SL_RETRIEVE_FOUND;
	if (outcome == SL_RETRIEVE_FAILED)
		stage->found.lookup = SL_ROLLOUT_LOOKUP_FAILED;
	return outcome;
}

/* By meaning where the index should be, and by its own pool's vectors: else its scores are none to compare. */
static bool is_as_wanted(const struct sl_retrieve_turn *r)
{
	return !sl_retrieve_lost_meaning(r) && !sl_retrieve_lost_pool(r);
}

void sl_retrieve_note_found(struct sl_retrieve_turn *r, enum sl_retrieve_outcome outcome,
			    float best)
{
	struct sl_stage *stage = r->stage;
	struct sl_rollout_found *found = &stage->found;
	const char *index = r->config->index;

	if (!stage->rollouts[SL_ROLLOUT_INDEX] || found->lookup)
		return;
	if (outcome == SL_RETRIEVE_FOUND && strcmp(r->from, index) != 0)
		return; /* another source answered */
	if (outcome != SL_RETRIEVE_FOUND || !is_as_wanted(r) ||
	    (!r->of_candidate && r->version != sl_indexes_version(r->shared->indexes, index)))
		*found = (struct sl_rollout_found){.lookup = SL_ROLLOUT_LOOKUP_FAILED};
	else
		*found = (struct sl_rollout_found){.lookup = r->count ? SL_ROLLOUT_LOOKUP_GOOD
								      : SL_ROLLOUT_LOOKUP_MISSED,
						   .score = best};
}

/* ---- the shadow ------------------------------------------------------------------------------ */

struct shadow {
	struct sl_rollout_item *item;
	size_t len;
	char question[];
};

/* Beside the client: the question in the candidate, and no model. */
static void run_shadow(struct sl_stage *stage, void *argument)
{
	const struct shadow *shadow = argument;
	struct sl_retrieve_turn *r = sl_arena_zalloc(stage->arena, sizeof(*r));
	struct sl_rollout_shadowed said = {.id = shadow->item->id};
	enum sl_retrieve_outcome outcome;
	float best;

	if (r == NULL) {
		sl_rollout_item_spare(shadow->item, SL_ROLLOUT_SPARED_BUSY);
		return;
	}
	*r = (struct sl_retrieve_turn){.stage = stage,
				       .config = &stage->route->retrieve,
				       .shared = stage->stores->retrieval,
				       .of_candidate = true};
	sl_text_init(&r->question, 0);
	sl_text_append(&r->question, shadow->question, shadow->len);
	stage->rollouts[SL_ROLLOUT_INDEX] = sl_rollout_mark(shadow->item, true);
	outcome = sl_retrieve_ask_index(r, r->config->index, SL_INDEXES_CANDIDATE, SL_LOOKUP_NEAR);
	if (outcome != SL_RETRIEVE_GONE) {
		best = sl_retrieve_best(r);
		if (outcome == SL_RETRIEVE_FOUND)
			sl_retrieve_keep_good(r);
		sl_retrieve_note_found(r, outcome, best);
		said.found = stage->found;
		said.failed = said.found.lookup == SL_ROLLOUT_LOOKUP_FAILED;
		(void)sl_rollout_board_shadowed(stage->stores->rollouts, &said);
	}
	if (r->lookup != NULL)
		sl_lookup_free(r->lookup);
	sl_text_fini(&r->question);
}

void sl_retrieve_shadow(struct sl_retrieve_turn *r)
{
	struct sl_stage *stage = r->stage;
	struct sl_rollout_item *item = stage->shadows[SL_ROLLOUT_INDEX];
	struct shadow *shadow;

	stage->shadows[SL_ROLLOUT_INDEX] = NULL;
	if (item == NULL || *stage->gone || stage->found.lookup == SL_ROLLOUT_LOOKUP_NONE)
		return;
	shadow = malloc(sizeof(*shadow) + r->question.len);
	if (shadow != NULL) {
		shadow->item = item;
		shadow->len = r->question.len;
		memcpy(shadow->question, r->question.data, r->question.len);
	}
	if (shadow == NULL || stage->ops->beside(stage, SHADOW_MS, run_shadow, free, shadow)) {
		free(shadow);
		sl_rollout_item_spare(item, SL_ROLLOUT_SPARED_BUSY);
	}
}
