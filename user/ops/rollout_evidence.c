/* SPDX-License-Identifier: BSD-2-Clause */
/* What speaks for a candidate and against it: ended requests, what was asked beside, what was judged. */
#include <stdlib.h>
#include "user/ops/rollout_parts.h"
#include "user/stage/stage.h"

static const uint64_t invalid_steps =
	1ull << SL_STEP_VALIDATE_REPAIRED | 1ull << SL_STEP_VALIDATE_MODEL |
	1ull << SL_STEP_VALIDATE_REFUSED | 1ull << SL_STEP_VALIDATE_ENDED;

/* Did the request have to leave the pool that was asked first, for that pool's fault? */
static bool left_pool(const struct sl_feed_record *record)
{
	return record->fallback && record->fallback != SL_CAUSE_QUOTA + 1 &&
	       record->fallback != SL_CAUSE_CONTEXT_LENGTH + 1 &&
	       record->fallback != SL_CAUSE_CONTENT_POLICY + 1;
}

/*
 * One request of that arm. Whom somebody else answered than the candidate, for no fault of its own (a smaller
 * model in need, a larger context), says nothing of it; for its fault it is a bad one.
 */
static void count(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
		  const struct sl_feed_record *record, bool candidate)
{
	struct sl_rollout_request request = {
		.candidate = candidate,
		.failed = record->outcome == SL_FEED_FAILED || record->outcome == SL_FEED_BROKEN ||
			  record->outcome == SL_FEED_REFUSED || left_pool(record),
		.invalid = (record->degraded & invalid_steps) != 0,
		.first_us = record->first_us,
		.looked_up = record->found.lookup == SL_ROLLOUT_LOOKUP_GOOD ||
			     record->found.lookup == SL_ROLLOUT_LOOKUP_MISSED,
		.missed = record->found.lookup == SL_ROLLOUT_LOOKUP_MISSED,
		.score = record->found.score,
	};

	if (entry->item->kind == SL_ROLLOUT_INDEX) {
		if (!record->found.lookup)
			return; /* it was not asked: another source, a kept answer */
		request.failed |= record->found.lookup == SL_ROLLOUT_LOOKUP_FAILED;
	} else {
		request.looked_up = false; /* documents are none of its doing */
	}
	if (candidate && entry->item->kind == SL_ROLLOUT_PROMPT)
		request.failed |= record->degraded >> SL_STEP_PROMPT_KNOWN_GOOD & 1;
	if (candidate && entry->item->kind == SL_ROLLOUT_MODEL && !request.failed &&
	    record->pool != entry->candidate_pool)
		return;
	pthread_mutex_lock(&rollouts->lock);
	entry->seen += candidate;
	sl_rollout_note(&entry->state, &entry->rules, &request);
	pthread_mutex_unlock(&rollouts->lock);
}

static struct sl_rollout_entry *entry_of(struct sl_rollouts *rollouts, uint8_t id)
{
	for (uint32_t i = 0; i < SL_ROLLOUTS_MAX; i++) {
		struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (entry->used && entry->item->id == id)
			return entry;
	}
	return NULL;
}

/* A node's 4xx that is never the question's doing: key, path and the model's name are the configuration's. */
static bool is_ours(const struct sl_feed_record *record)
{
	return record->ending == SL_ENDING_STATUS_4XX &&
	       (record->status == 401 || record->status == 403 || record->status == 404);
}

void sl_rollouts_take_record(void *part, const struct sl_feed_record *record)
{
	struct sl_rollouts *rollouts = part;
	uint32_t kind;

	if (record->outcome == SL_FEED_REFUSED && !is_ours(record))
		return;
	/* Whom the client's own fault, its leaving or a kept answer ended says nothing of a model. */
	if (record->outcome == SL_FEED_GONE || (record->outcome == SL_FEED_GOOD && !record->pool))
		return;
	for (kind = 0; kind < SL_ROLLOUT_KINDS; kind++) {
		uint8_t mark = record->rollouts[kind];
		struct sl_rollout_entry *entry =
			mark ? entry_of(rollouts, sl_rollout_mark_id(mark)) : NULL;

		if (entry)
			count(rollouts, entry, record, sl_rollout_mark_candidate(mark));
	}
}

/* What was asked beside, and came back. */
void sl_rollouts_take_shadowed(struct sl_rollouts *rollouts)
{
	struct sl_rollout_shadowed *said = sl_rollout_board_take(rollouts->place.stores->rollouts);

	pthread_mutex_lock(&rollouts->lock);
	while (said) {
		struct sl_rollout_shadowed *next = said->next;
		struct sl_rollout_entry *entry = entry_of(rollouts, said->id);

		if (entry) {
			entry->shadowed++;
			sl_rollout_note(
				&entry->state, &entry->rules,
				&(struct sl_rollout_request){
					.candidate = true,
					.failed = said->failed,
					.invalid = said->invalid,
					.first_us = said->first_us,
					.looked_up = said->found.lookup == SL_ROLLOUT_LOOKUP_GOOD ||
						     said->found.lookup == SL_ROLLOUT_LOOKUP_MISSED,
					.missed = said->found.lookup == SL_ROLLOUT_LOOKUP_MISSED,
					.score = said->found.score,
				});
		}
		free(said);
		said = next;
	}
	pthread_mutex_unlock(&rollouts->lock);
}

/* What was judged meanwhile: by evaluators, by clients. */
void sl_rollouts_take_signals(struct sl_rollouts *rollouts)
{
	struct sl_rollout_board *board = rollouts->place.stores->rollouts;
	uint32_t k;

	pthread_mutex_lock(&rollouts->lock);
	for (k = 0; k < board->signal_count; k++) {
		const struct sl_rollout_signal *signal = &board->signals[k];
		struct sl_rollout_entry *entry =
			entry_of(rollouts, sl_rollout_mark_id(signal->mark));

		if (entry)
			sl_rollout_note_quality(&entry->state, &entry->rules,
						sl_rollout_mark_candidate(signal->mark),
						signal->bad);
	}
	board->signal_count = 0;
	pthread_mutex_unlock(&rollouts->lock);
}
