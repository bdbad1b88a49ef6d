/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/filtered.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/io/turns.h"
#include "user/request/stages.h"
#include "user/request/trail_check.h"
#include "user/stage/prompt.h"

struct sl_filtered {
	struct sl_stage_filter *filters[SL_STAGE_FILTERS_MAX];
	uint32_t count;
	bool ended;
	uint32_t end_at; /* filters before it have said their end */
	bool looks_only;
	bool missed; /* an event that the filters could not look at */
	const struct sl_stage_filter *failed;
	struct sl_prompt_late *late; /* the prompt learns how the stream ended */
	struct sl_relay *relay;
};

static void note_step(struct sl_stage_filter *filter, enum sl_step step)
{
	struct sl_filtered *filtered = filter->owner;
	struct sl_relay *relay = filtered->relay;
	uint32_t i;
	struct sl_route_stats *stats =
		sl_stats_route(&relay->worker->stats, relay->route->stats_index);

	for (i = 0; i < filtered->count; i++)
		filtered->filters[i]->unshared |= !sl_steps[step].keeps;
	relay->trail.degraded |= 1ull << step;
	if (stats)
		sl_stats_add(&stats->ladder[step], 1);
	sl_trail_note(&relay->trail, sl_loop_now_ns(relay->worker->loop),
		      &(struct sl_trail_event){.kind = SL_TRAIL_LADDER, .detail = (uint8_t)step});
}

static void note_checked(struct sl_stage_filter *filter, const struct sl_checked *checked)
{
	struct sl_filtered *filtered = filter->owner;
	const struct sl_relay *relay = filtered->relay;

	sl_trail_check_note(&relay->trail, sl_loop_now_ns(relay->worker->loop), checked);
}

static void note_ready(struct sl_stage_filter *filter)
{
	const struct sl_filtered *filtered = filter->owner;

	(void)sl_relay_filters_ready(filtered->relay);
}

int sl_filtered_new(struct sl_request *request, struct sl_filtered **ret_filtered)
{
	struct sl_stage_filter *filters[SL_STAGE_FILTERS_MAX];
	struct sl_filtered *filtered;
	int i, count = request->stage ? sl_stages_filters(request, filters) : 0;

	*ret_filtered = NULL;
	if (count <= 0)
		return count;
	filtered = calloc(1, sizeof(*filtered));
	if (filtered) {
		filtered->looks_only = true;
		filtered->late = sl_prompt_stage_defer(request->stage);
	}
	for (i = 0; i < count; i++) {
		if (!filtered) {
			filters[i]->fini(filters[i], false);
			continue;
		}
		filtered->filters[filtered->count++] = filters[i];
		filters[i]->owner = filtered;
		filters[i]->step = note_step;
		filters[i]->checked = note_checked;
		filters[i]->ready = note_ready;
		filtered->looks_only &= filters[i]->looks_only;
	}
	*ret_filtered = filtered;
	return filtered ? 0 : -ENOMEM;
}

void sl_filtered_bind(struct sl_filtered *filtered, struct sl_relay *relay)
{
	if (filtered)
		filtered->relay = relay;
}

bool sl_filtered_looks_only(const struct sl_filtered *filtered)
{
	return !filtered || filtered->looks_only;
}

void sl_filtered_miss(struct sl_filtered *filtered)
{
	if (filtered)
		filtered->missed = true;
}

void sl_filtered_free(struct sl_filtered **filtered_in, bool whole)
{
	struct sl_filtered *filtered = *filtered_in;
	uint32_t i;

	*filtered_in = NULL;
	if (!filtered)
		return;
	for (i = 0; i < filtered->count; i++)
		filtered->filters[i]->fini(filtered->filters[i], whole && !filtered->missed);
	sl_prompt_late_note(&filtered->late, filtered->failed ? SL_BURN_INVALID : SL_BURN_OK);
	free(filtered);
}

const struct sl_openai_error *sl_filtered_error(const struct sl_filtered *filtered)
{
	return &filtered->failed->error;
}

/* What the last filter let through. */
static enum sl_relay_verdict emit(struct sl_relay *relay, const char *data, size_t len,
				  const struct sl_openai_chunk *chunk, struct sl_text *out)
{
	const struct sl_dialect *dialect = sl_relay_dialect(relay);

	if (dialect)
		return dialect->stream_data(sl_relay_dialect_stream(relay), data, len, chunk, out)
			       ? SL_RELAY_UNTOLD
			       : SL_RELAY_GO_ON;
	if (out) { /* else it goes out as it came */
		sl_text_append_string(out, "data: ");
		sl_text_append(out, data, len);
		sl_text_append_string(out, "\n\n");
	}
	return SL_RELAY_GO_ON;
}

static enum sl_relay_verdict pass(struct sl_relay *relay, uint32_t i, const char *data, size_t len,
				  const struct sl_openai_chunk *chunk, struct sl_text *out);

/* The documents that a filter wrote, through those behind it. */
static enum sl_relay_verdict pass_all(struct sl_relay *relay, uint32_t i, struct sl_span docs,
				      struct sl_text *out)
{
	enum sl_relay_verdict verdict = SL_RELAY_GO_ON;
	struct sl_openai_chunk chunk;

	while (docs.len && verdict == SL_RELAY_GO_ON) {
		struct sl_span doc = sl_span_cut(&docs, '\n');

		if (!doc.len)
			continue;
		sl_openai_chunk_read(doc.data, doc.len, &chunk);
		verdict = pass(relay, i, doc.data, doc.len, &chunk, out);
	}
	return verdict;
}

/* What a filter's verdict, and what became of its documents, mean for the stream. */
static enum sl_relay_verdict conclude(struct sl_filtered *filtered,
				      const struct sl_stage_filter *filter,
				      enum sl_filter_verdict said, enum sl_relay_verdict behind)
{
	if (behind != SL_RELAY_GO_ON)
		return behind;
	if (said == SL_FILTER_CLOSE)
		return SL_RELAY_CLOSED;
	if (said != SL_FILTER_FAIL)
		return SL_RELAY_GO_ON;
	filtered->failed = filter;
	return SL_RELAY_FORBIDDEN;
}

static enum sl_relay_verdict pass(struct sl_relay *relay, uint32_t i, const char *data, size_t len,
				  const struct sl_openai_chunk *chunk, struct sl_text *out)
{
	struct sl_filtered *filtered = relay->filtered;
	enum sl_relay_verdict verdict = SL_RELAY_UNTOLD;
	enum sl_filter_verdict said;
	struct sl_stage_filter *filter;
	struct sl_text docs;

	if (i == filtered->count)
		return emit(relay, data, len, chunk, out);
	filter = filtered->filters[i];
	sl_text_init(&docs, SL_FILTERED_BYTES_MAX);
	said = filter->data(filter, data, len, chunk, &docs);
	if (said == SL_FILTER_PASS)
		verdict = pass(relay, i + 1, data, len, chunk, out);
	else if (!docs.error)
		verdict = conclude(filtered, filter, said,
				   pass_all(relay, i + 1, sl_text_span(&docs), out));
	sl_text_fini(&docs);
	return verdict;
}

enum sl_relay_verdict sl_filtered_data(struct sl_relay *relay, const char *data, size_t len,
				       const struct sl_openai_chunk *chunk, struct sl_text *out)
{
	const char *before = sl_turns_enter(relay->worker->loop, "filters");
	enum sl_relay_verdict verdict = pass(relay, 0, data, len, chunk, out);

	sl_turns_leave(relay->worker->loop, before);
	return verdict;
}

enum sl_relay_verdict sl_filtered_end(struct sl_relay *relay, struct sl_text *out)
{
	struct sl_filtered *filtered = relay->filtered;
	enum sl_relay_verdict verdict = SL_RELAY_GO_ON;
	struct sl_text docs;

	if (filtered->ended)
		return SL_RELAY_GO_ON;
	while (filtered->end_at < filtered->count && verdict == SL_RELAY_GO_ON) {
		struct sl_stage_filter *filter = filtered->filters[filtered->end_at];
		enum sl_filter_verdict said;

		sl_text_init(&docs, SL_FILTERED_BYTES_MAX);
		said = filter->end(filter, &docs);
		if (said == SL_FILTER_WAIT)
			return SL_RELAY_WAIT; /* it has said nothing, and is asked once more */
		filtered->end_at++;
		verdict = docs.error ? SL_RELAY_UNTOLD
				     : conclude(filtered, filter, said,
						pass_all(relay, filtered->end_at,
							 sl_text_span(&docs), out));
		sl_text_fini(&docs);
	}
	filtered->ended = true;
	return verdict;
}

enum sl_relay_verdict sl_filtered_more(struct sl_relay *relay, struct sl_text *out)
{
	struct sl_filtered *filtered = relay->filtered;
	enum sl_relay_verdict verdict = SL_RELAY_GO_ON;
	struct sl_text docs;

	for (uint32_t i = 0; i < filtered->count && verdict == SL_RELAY_GO_ON; i++) {
		struct sl_stage_filter *filter = filtered->filters[i];
		enum sl_filter_verdict said;

		if (!filter->more)
			continue;
		sl_text_init(&docs, SL_FILTERED_BYTES_MAX);
		said = filter->more(filter, &docs);
		verdict = docs.error ? SL_RELAY_UNTOLD
				     : conclude(filtered, filter, said,
						pass_all(relay, i + 1, sl_text_span(&docs), out));
		sl_text_fini(&docs);
	}
	return verdict;
}

bool sl_filtered_is_full(const struct sl_filtered *filtered)
{
	for (uint32_t i = 0; filtered && i < filtered->count; i++)
		if (filtered->filters[i]->full)
			return true;
	return false;
}
