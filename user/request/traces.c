/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/traces.h"

#include <stdio.h>
#include <stdlib.h>
#include "user/base/clock.h"

_Static_assert(!(SL_TRACES_RECORDS & (SL_TRACES_RECORDS - 1)), "positions are masked");

void sl_traces_init(struct sl_traces *traces)
{
	*traces = (struct sl_traces){.ring = calloc(SL_TRACES_RECORDS, sizeof(*traces->ring))};
}

void sl_traces_fini(struct sl_traces *traces)
{
	free(traces->ring);
	traces->ring = NULL;
}

/* ---- begin ----------------------------------------------------------------------------------- */

/* Several traceparents are as good as none: whose would it be? */
static bool read_parent(const struct sl_h1_head *head, struct sl_trace_context *ret_trace)
{
	const struct sl_h1_header *found = sl_h1_head_find(head, SL_H1_ID_TRACEPARENT);

	for (uint32_t i = found ? head->first[SL_H1_ID_TRACEPARENT] + 1u : 0;
	     found && i < head->header_count; i++) {
		if (head->headers[i].id == SL_H1_ID_TRACEPARENT)
			return false;
	}
	return found && sl_trace_read(sl_span_make(found->value, found->value_len), ret_trace);
}

static bool has_state(const struct sl_h1_head *head)
{
	uint32_t members = 0;

	if (!sl_h1_head_find(head, SL_H1_ID_TRACESTATE))
		return false;
	for (uint32_t i = head->first[SL_H1_ID_TRACESTATE]; i < head->header_count; i++) {
		const struct sl_h1_header *header = &head->headers[i];

		if (header->id == SL_H1_ID_TRACESTATE &&
		    !sl_trace_state_is_valid(sl_span_make(header->value, header->value_len),
					     &members))
			return false;
	}
	return true;
}

static uint64_t random_id(struct sl_random *random)
{
	uint64_t id = sl_random_u64(random);

	return id ? id : 1;
}

struct sl_trace_context sl_traces_begin(const struct sl_config *config,
					const struct sl_h1_head *head, struct sl_random *random)
{
	struct sl_trace_context trace = {0};
	bool given = read_parent(head, &trace);

	if (!sl_config_traces(config))
		return trace;
	if (given) {
		trace.state = has_state(head);
	} else {
		trace.high = random_id(random);
		trace.low = random_id(random);
		trace.flags = SL_TRACE_RANDOM;
	}
	trace.span = random_id(random);
	if (!given || !config->tracing.follow) {
		trace.flags &= (uint8_t)~SL_TRACE_SAMPLED;
		if (sl_trace_is_in_share(&trace, config->tracing.share))
			trace.flags |= SL_TRACE_SAMPLED;
	}
	return trace;
}

/* ---- end ------------------------------------------------------------------------------------- */

static bool is_kept(const struct sl_config_tracing *tracing, const struct sl_trace_end *end)
{
	if ((tracing->keep & SL_CONFIG_KEEP_ERRORS) &&
	    (end->outcome == SL_FEED_FAILED || end->outcome == SL_FEED_BROKEN))
		return true;
	if ((tracing->keep & SL_CONFIG_KEEP_DEGRADED) && (end->degraded || end->fell_back))
		return true;
	return (tracing->keep & SL_CONFIG_KEEP_SLOW) &&
	       (end->duration_us / 1000u >= tracing->slow_ms ||
		end->first_us / 1000u >= tracing->slow_first_ms);
}

/* What is known of one whose trail is gone: a stream outlives a thousand requests. */
static void write_anew(struct sl_trail *trail, const struct sl_trail_ref *ref,
		       const struct sl_trace_end *end)
{
	uint64_t lasted_ns = end->duration_us * SL_NS_PER_US;
	uint64_t now_ns = sl_clock_ns();

	*trail = (struct sl_trail){
		.generation = ref->generation,
		.start_ns = now_ns > lasted_ns ? now_ns - lasted_ns : 0,
		.start_wall_ms = sl_clock_wall_ms() - end->duration_us / 1000u,
		.stream = true,
		.endpoint = ref->endpoint,
		.trace = ref->trace,
	};
	snprintf(trail->id, sizeof(trail->id), "%s", end->id);
	snprintf(trail->model, sizeof(trail->model), "%.*s", (int)sizeof(trail->model) - 1,
		 end->model ? end->model : "");
}

void sl_traces_end(struct sl_traces *traces, const struct sl_config *config,
		   const struct sl_trail_ref *ref, const struct sl_trace_end *end)
{
	const struct sl_trail *trail = sl_trail_of(ref);
	struct sl_trace_record *record;

	if (!ref->trace.span ||
	    !(ref->trace.flags & SL_TRACE_SAMPLED || is_kept(&config->tracing, end)))
		return;
	if (!traces->ring ||
	    traces->head - __atomic_load_n(&traces->tail, __ATOMIC_ACQUIRE) >= SL_TRACES_RECORDS) {
		__atomic_store_n(&traces->lost, traces->lost + 1, __ATOMIC_RELAXED);
		return;
	}
	record = &traces->ring[traces->head & (SL_TRACES_RECORDS - 1)];
	record->duration_us = end->duration_us;
	record->first_us = end->first_us;
	record->status = end->status;
	record->outcome = (uint8_t)end->outcome;
	record->overtaken = !trail;
	if (trail) {
		record->trail = *trail;
	} else {
		__atomic_store_n(&traces->overtaken, traces->overtaken + 1, __ATOMIC_RELAXED);
		write_anew(&record->trail, ref, end);
	}
	__atomic_store_n(&traces->head, traces->head + 1, __ATOMIC_RELEASE);
}

bool sl_traces_take(struct sl_traces *traces, struct sl_trace_record *ret_record)
{
	uint64_t head = __atomic_load_n(&traces->head, __ATOMIC_ACQUIRE);

	if (!traces->ring || traces->tail == head)
		return false;
	*ret_record = traces->ring[traces->tail & (SL_TRACES_RECORDS - 1)];
	__atomic_store_n(&traces->tail, traces->tail + 1, __ATOMIC_RELEASE);
	sl_trail_sort(&ret_record->trail);
	return true;
}
