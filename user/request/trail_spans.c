/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/trail_spans.h"

#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/policy/outcome.h"
#include "user/request/trail_check.h"
#include "user/request/trail_text.h"
#include "user/wire/openai.h"
#include "user/wire/otlp.h"

#define NAME_BYTES 128u
#define KEY_BYTES  64u
#define SPAN	   SL_OTLP_OF_SPAN
#define EVENT	   SL_OTLP_OF_EVENT

/* One trail being told. */
struct teller {
	const struct sl_trace_record *record;
	const struct sl_trail *trail;
	const struct sl_upstream_state *state;
	struct sl_text *text;
	uint64_t start_ns; /* Unix time of the request's start */
	uint32_t end_us;
	uint32_t count; /* spans written */
};

static uint64_t time_of(const struct teller *t, uint32_t at_us)
{
	return t->start_ns + at_us * SL_NS_PER_US;
}

static uint64_t child(const struct teller *t, uint32_t number)
{
	return sl_trace_child(&t->trail->trace, number);
}

static size_t begin(struct teller *t, const char *name, enum sl_otlp_kind kind, uint32_t number,
		    uint64_t parent, uint32_t begin_us, uint32_t end_us, const char *error)
{
	struct sl_otlp_span span = {
		.trace = &t->trail->trace,
		.id = number ? child(t, number) : t->trail->trace.span,
		.parent = parent,
		.remote = !number,
		.name = name,
		.kind = kind,
		.start_ns = time_of(t, begin_us),
		.end_ns = time_of(t, end_us > begin_us ? end_us : begin_us),
		.events_lost = number ? 0 : t->trail->lost,
		.error = error,
	};

	t->count++;
	return sl_otlp_span_begin(t->text, &span);
}

/* ---- attributes ------------------------------------------------------------------------------ */

static const char *operation_of(const struct sl_trail *trail)
{
	switch (trail->endpoint) {
	case SL_OPENAI_CHAT:
		return "chat";
	case SL_OPENAI_COMPLETIONS:
		return "text_completion";
	case SL_OPENAI_EMBEDDINGS:
		return "embeddings";
	default:
		return NULL;
	}
}

static void write_asked(const struct teller *t)
{
	const struct sl_trail *trail = t->trail;

	sl_otlp_string(t->text, SPAN, "gen_ai.operation.name", operation_of(trail));
	sl_otlp_string(t->text, SPAN, "gen_ai.request.model", trail->model);
	if (trail->stream)
		sl_otlp_bool(t->text, SPAN, "gen_ai.request.stream", true);
}

static void write_answered(const struct teller *t)
{
	const struct sl_trail *trail = t->trail;

	sl_otlp_string(t->text, SPAN, "gen_ai.response.model", trail->said);
	if (!trail->counted)
		return;
	sl_otlp_int(t->text, SPAN, "gen_ai.usage.input_tokens", trail->usage_input);
	sl_otlp_int(t->text, SPAN, "gen_ai.usage.output_tokens", trail->usage_output);
}

/* What the pool speaks, which is all that is known of who is behind it. */
static void write_provider(const struct teller *t, bool anthropic)
{
	sl_otlp_string(t->text, SPAN, "gen_ai.provider.name", anthropic ? "anthropic" : "openai");
}

static const char *pool_of(const struct teller *t, const struct sl_trail_event *event)
{
	return event->pool ? t->state->pools[event->pool].name : NULL;
}

static const char *ending_of(const struct sl_trail_event *event)
{
	return event->detail < SL_ENDING_COUNT ? sl_outcome_of((enum sl_ending)event->detail)->name
					       : NULL;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void write_check(const struct teller *t, const struct sl_trail_event *event, uint32_t of)
{
	struct sl_trail_check_words words = sl_trail_check_words_of(t->trail, event);
	char key[KEY_BYTES];

	sl_otlp_string(t->text, of, "sluice.validation.check", words.check);
	sl_otlp_string(t->text, of, "sluice.validation.of", words.of);
	sl_otlp_string(t->text, of, "sluice.validation.done", words.done);
	sl_otlp_string(t->text, of, "sluice.validation.what", words.what);
	snprintf(key, sizeof(key), "sluice.validation.%s",
		 words.number_name ? words.number_name : "");
	if (words.number_name)
		sl_otlp_int(t->text, of, key, words.number);
}

static void write_event(const struct teller *t, const struct sl_trail_event *event)
{
	struct sl_trail_words words = sl_trail_words_of(event);
	bool fallback = event->kind == SL_TRAIL_POOL && event->detail;
	char node[SL_ADDRESS_TEXT_SIZE], key[KEY_BYTES];
	size_t mark = sl_otlp_event_begin(t->text, fallback ? "fallback" : words.name,
					  time_of(t, event->at_us));

	sl_otlp_string(t->text, EVENT, "sluice.pool", pool_of(t, event));
	sl_otlp_string(t->text, EVENT, "sluice.node", sl_trail_node_of(event, t->state, node));
	if (event->kind == SL_TRAIL_CHECK) {
		write_check(t, event, EVENT);
		sl_otlp_close(t->text, mark);
		return;
	}
	snprintf(key, sizeof(key), "sluice.%s", words.detail_name);
	sl_otlp_string(t->text, EVENT, key, words.detail);
	snprintf(key, sizeof(key), "sluice.%s", words.value_name ? words.value_name : "");
	if (words.value_name)
		sl_otlp_int(t->text, EVENT, key, event->value);
	sl_otlp_close(t->text, mark);
}

/* Which span tells of it. */
enum place { PLACE_NONE, PLACE_REQUEST, PLACE_CACHE, PLACE_SCREEN, PLACE_VALIDATE, PLACE_GENERATE };

/* A stream has no stage of validation: its filters are the request's. */
static enum place place_of_check(const struct sl_trail *trail, const struct sl_trail_event *event)
{
	if (!sl_trail_check_is_answer(event))
		return PLACE_SCREEN;
	return trail->stages[SL_TRAIL_IN_VALIDATE].begin_us ? PLACE_VALIDATE : PLACE_REQUEST;
}

static enum place place_of(const struct sl_trail *trail, const struct sl_trail_event *event)
{
	switch (event->kind) {
	case SL_TRAIL_CHECK:
		return place_of_check(trail, event);
	case SL_TRAIL_REFUSED:
	case SL_TRAIL_LADDER:
	case SL_TRAIL_SAMPLING:
	case SL_TRAIL_KEEPALIVE:
	case SL_TRAIL_CLIENT_GONE:
		return PLACE_REQUEST;
	case SL_TRAIL_NOTED:
	case SL_TRAIL_CACHE:
		return PLACE_CACHE;
	case SL_TRAIL_POOL:
	case SL_TRAIL_NO_NODE:
	case SL_TRAIL_UNFIT:
	case SL_TRAIL_RETRY:
	case SL_TRAIL_BACK_OFF:
	case SL_TRAIL_WAIT:
	case SL_TRAIL_HEDGE:
	case SL_TRAIL_HEDGE_WON:
	case SL_TRAIL_HEDGE_LOST:
	case SL_TRAIL_STREAM_BROKEN:
	case SL_TRAIL_STREAM_RESUMED:
		return PLACE_GENERATE;
	default:
		return PLACE_NONE;
	}
}

/* As attributes of the span: the last check, which decided. */
static void write_checked(const struct teller *t, enum place place)
{
	for (uint16_t i = t->trail->event_count; i > 0; i--) {
		const struct sl_trail_event *event = &t->trail->events[i - 1];

		if (event->kind != SL_TRAIL_CHECK || place_of(t->trail, event) != place)
			continue;
		write_check(t, event, SPAN);
		return;
	}
}

static void write_events(const struct teller *t, enum place place)
{
	for (uint16_t i = 0; i < t->trail->event_count; i++) {
		if (place_of(t->trail, &t->trail->events[i]) == place)
			write_event(t, &t->trail->events[i]);
	}
}

/* ---- attempts -------------------------------------------------------------------------------- */

/* An attempt's own events; NULL: there is none. */
struct attempt {
	const struct sl_trail_event *begun, *sent, *ending;
	const struct sl_trail_event *first; /* of a stream: it is open */
	const struct sl_trail_event *last;  /* the stream is over, or broke */
	const struct sl_trail_event *hedged;
};

static struct attempt find_attempt(const struct sl_trail *trail, uint16_t position)
{
	struct attempt a = {.begun = &trail->events[position]};
	bool flows = false;

	for (uint16_t i = 0; i < trail->event_count; i++) {
		const struct sl_trail_event *event = &trail->events[i];

		if (i < position) { /* it was due when the attempt began */
			if (event->kind == SL_TRAIL_HEDGE && event->at_us == a.begun->at_us &&
			    event->node == a.begun->node)
				a.hedged = event;
			continue;
		}
		if (event->attempt == a.begun->attempt && event->kind == SL_TRAIL_CONNECTED)
			a.sent = event;
		if (event->attempt == a.begun->attempt && event->kind == SL_TRAIL_ENDING) {
			a.ending = event;
			flows = event->detail == SL_ENDING_OK && trail->stream;
		}
		if (!flows || a.last)
			continue;
		if (event->kind == SL_TRAIL_STREAM || event->kind == SL_TRAIL_STREAM_RESUMED)
			a.first = a.first ? a.first : event;
		else if (event->kind == SL_TRAIL_STREAM_END ||
			 event->kind == SL_TRAIL_STREAM_BROKEN)
			a.last = event;
	}
	return a;
}

/* NULL: it went well. */
static const char *error_of(const struct attempt *a)
{
	const struct sl_trail_event *over = a->last ? a->last : a->ending;

	if (!over || over->detail == SL_ENDING_OK || over->detail == SL_ENDING_LOST ||
	    over->detail == SL_ENDING_CLIENT_GONE)
		return NULL;
	return ending_of(over);
}

static void write_node(const struct teller *t, const struct sl_trail_event *begun)
{
	char node[SL_ADDRESS_TEXT_SIZE];
	const char *shown = sl_trail_node_of(begun, t->state, node);
	const struct sl_node_state *state = &t->state->nodes[begun->node];

	sl_otlp_string(t->text, SPAN, "sluice.pool", pool_of(t, begun));
	sl_otlp_string(t->text, SPAN, "sluice.node", shown);
	if (!begun->node || (uint16_t)state->incarnation != begun->incarnation)
		return;
	sl_otlp_int(t->text, SPAN, "server.port", sl_address_port(&state->endpoint));
	if (shown && strrchr(shown, ':'))
		*strrchr(node, ':') = '\0';
	sl_otlp_string(t->text, SPAN, "server.address", node);
}

static void write_attempt(struct teller *t, uint16_t position)
{
	struct attempt a = find_attempt(t->trail, position);
	struct sl_trail_words words = sl_trail_words_of(a.begun);
	const char *error = error_of(&a), *operation = operation_of(t->trail);
	const struct sl_trail_event *over = a.last ? a.last : a.ending;
	char name[NAME_BYTES];
	size_t mark;

	snprintf(name, sizeof(name), "%s %s", operation ? operation : "attempt", t->trail->model);
	mark = begin(t, name, SL_OTLP_CLIENT, a.begun->attempt, child(t, SL_TRAIL_SPAN_GENERATE),
		     a.begun->at_us, over ? over->at_us : t->end_us, error);
	write_asked(t);
	write_provider(t, t->trail->anthropic);
	write_node(t, a.begun);
	sl_otlp_int(t->text, SPAN, "sluice.attempt", a.begun->attempt);
	sl_otlp_string(t->text, SPAN, "sluice.attempt.reason", words.detail);
	sl_otlp_string(t->text, SPAN, "sluice.attempt.zone", words.zone);
	if (a.hedged)
		sl_otlp_bool(t->text, SPAN, "sluice.attempt.hedge", true);
	sl_otlp_string(t->text, SPAN, "sluice.attempt.ending", over ? ending_of(over) : NULL);
	sl_otlp_string(t->text, SPAN, "error.type", error);
	if (a.ending && a.ending->value)
		sl_otlp_int(t->text, SPAN, "http.response.status_code", a.ending->value);
	if (a.last)
		sl_otlp_int(t->text, SPAN, "sluice.tokens", a.last->value);
	if (a.ending && a.ending->detail == SL_ENDING_OK)
		write_answered(t);
	if (a.sent)
		write_event(t, a.sent);
	if (a.first) {
		size_t event =
			sl_otlp_event_begin(t->text, "first_token", time_of(t, a.ending->at_us));

		sl_otlp_close(t->text, event);
	}
	sl_otlp_close(t->text, mark);
}

/* ---- stages ---------------------------------------------------------------------------------- */

static void write_stages(struct teller *t)
{
	static const char *const names[SL_TRAIL_STAGES] = {
		[SL_TRAIL_IN_PROMPT] = "prompt", [SL_TRAIL_IN_SCREEN] = "screen",
		[SL_TRAIL_IN_CACHE] = "cache",	 [SL_TRAIL_IN_RETRIEVE] = "retrieve",
		[SL_TRAIL_IN_FIT] = "fit",	 [SL_TRAIL_IN_VALIDATE] = "validate",
	};

	for (uint32_t i = 0; i < SL_TRAIL_STAGES; i++) {
		const struct sl_trail_stamp *stamp = &t->trail->stages[i];
		size_t mark;

		if (!stamp->begin_us)
			continue;
		mark = begin(t, names[i], SL_OTLP_INTERNAL, SL_TRAIL_SPAN_STAGE + i,
			     t->trail->trace.span, stamp->begin_us - 1, stamp->end_us, NULL);
		if (i == SL_TRAIL_IN_CACHE)
			write_events(t, PLACE_CACHE);
		if (i == SL_TRAIL_IN_SCREEN || i == SL_TRAIL_IN_VALIDATE) {
			enum place place = i == SL_TRAIL_IN_SCREEN ? PLACE_SCREEN : PLACE_VALIDATE;

			write_checked(t, place);
			write_events(t, place);
		}
		sl_otlp_close(t->text, mark);
	}
}

static void write_admit(struct teller *t)
{
	for (uint16_t i = 0; i < t->trail->event_count; i++) {
		const struct sl_trail_event *event = &t->trail->events[i];
		size_t mark;

		if (event->kind != SL_TRAIL_ADMITTED && event->kind != SL_TRAIL_REFUSED)
			continue;
		mark = begin(t, "admit", SL_OTLP_INTERNAL, SL_TRAIL_SPAN_ADMIT,
			     t->trail->trace.span, 0, event->at_us,
			     event->kind == SL_TRAIL_REFUSED ? "" : NULL);
		sl_otlp_close(t->text, mark);
		return;
	}
}

static void write_queue(struct teller *t, uint16_t position)
{
	const struct sl_trail_event *event = &t->trail->events[position], *end = NULL;
	struct sl_trail_words words = sl_trail_words_of(event);
	size_t mark;

	for (uint16_t i = position; i < t->trail->event_count && !end; i++) {
		if (t->trail->events[i].kind == SL_TRAIL_QUEUE_END)
			end = &t->trail->events[i];
	}
	mark = begin(t, "queue", SL_OTLP_INTERNAL, SL_TRAIL_SPAN_QUEUE + position,
		     t->trail->trace.span, event->at_us, end ? end->at_us : t->end_us, NULL);
	sl_otlp_string(t->text, SPAN, "sluice.pool", pool_of(t, event));
	sl_otlp_string(t->text, SPAN, "sluice.queue.for", words.detail);
	sl_otlp_int(t->text, SPAN, "sluice.queue.in_line", event->value);
	if (end)
		sl_otlp_string(t->text, SPAN, "sluice.queue.result", sl_trail_words_of(end).detail);
	sl_otlp_close(t->text, mark);
}

/* From the first pool to the end of the last attempt. */
static void write_generate(struct teller *t)
{
	const struct sl_trail_event *first = NULL, *last = NULL;
	size_t mark;

	for (uint16_t i = 0; i < t->trail->event_count; i++) {
		const struct sl_trail_event *event = &t->trail->events[i];

		if (event->kind == SL_TRAIL_POOL && !first)
			first = event;
		if (place_of(t->trail, event) == PLACE_GENERATE || event->kind == SL_TRAIL_ENDING ||
		    event->kind == SL_TRAIL_STREAM_END)
			last = event;
	}
	if (!first)
		return;
	mark = begin(t, "generate", SL_OTLP_INTERNAL, SL_TRAIL_SPAN_GENERATE, t->trail->trace.span,
		     first->at_us, last->at_us, NULL);
	write_events(t, PLACE_GENERATE);
	sl_otlp_close(t->text, mark);
	for (uint16_t i = 0; i < t->trail->event_count; i++) {
		if (t->trail->events[i].kind == SL_TRAIL_ATTEMPT)
			write_attempt(t, i);
		else if (t->trail->events[i].kind == SL_TRAIL_QUEUE)
			write_queue(t, i);
	}
}

/* ---- the request ----------------------------------------------------------------------------- */

static void write_degraded(const struct teller *t)
{
	char steps[256];
	struct sl_text list;

	sl_text_init_fixed(&list, steps, sizeof(steps));
	for (uint16_t i = 0; i < t->trail->event_count; i++) {
		const struct sl_trail_event *event = &t->trail->events[i];

		if (event->kind == SL_TRAIL_LADDER)
			sl_text_printf(&list, "%s%s", list.len ? ", " : "",
				       sl_trail_words_of(event).detail);
	}
	sl_otlp_string(t->text, SPAN, "sluice.degraded", sl_text_string(&list));
}

static void write_request(struct teller *t)
{
	const struct sl_trace_record *record = t->record;
	const struct sl_trail *trail = t->trail;
	bool bad = record->outcome == SL_FEED_FAILED || record->outcome == SL_FEED_BROKEN;
	const char *outcome = sl_feed_outcome_name((enum sl_feed_outcome)record->outcome);
	char name[NAME_BYTES], status[8];
	size_t mark;

	snprintf(name, sizeof(name), trail->path[0] ? "POST %s" : "POST", trail->path);
	snprintf(status, sizeof(status), "%u", record->status);
	mark = begin(t, name, SL_OTLP_SERVER, 0, trail->trace.parent, 0, t->end_us,
		     bad ? outcome : NULL);
	sl_otlp_string(t->text, SPAN, "http.request.method", "POST");
	sl_otlp_string(t->text, SPAN, "http.route", trail->path);
	if (record->status)
		sl_otlp_int(t->text, SPAN, "http.response.status_code", record->status);
	if (bad)
		sl_otlp_string(t->text, SPAN, "error.type",
			       record->status >= 500 ? status : outcome);
	write_asked(t);
	write_provider(t, trail->anthropic);
	write_answered(t);
	sl_otlp_string(t->text, SPAN, "sluice.request.id", trail->id);
	sl_otlp_string(t->text, SPAN, "sluice.key.id", trail->key_id);
	sl_otlp_string(t->text, SPAN, "sluice.outcome", outcome);
	if (trail->stream && record->first_us)
		sl_otlp_int(t->text, SPAN, "sluice.first_token_us", record->first_us);
	if (trail->prompt_tokens)
		sl_otlp_int(t->text, SPAN, "sluice.prompt_tokens_estimated", trail->prompt_tokens);
	if (record->overtaken)
		sl_otlp_bool(t->text, SPAN, "sluice.trail_lost", true);
	write_degraded(t);
	write_checked(t, PLACE_REQUEST);
	write_events(t, PLACE_REQUEST);
	sl_otlp_close(t->text, mark);
}

uint32_t sl_trail_spans_write(const struct sl_trace_record *record, uint64_t offset_ns,
			      const struct sl_upstream_state *state, struct sl_text *text)
{
	struct teller t = {
		.record = record,
		.trail = &record->trail,
		.state = state,
		.text = text,
		.start_ns = record->trail.start_ns + offset_ns,
		.end_us = record->duration_us,
	};

	if (t.trail->event_count && t.trail->events[t.trail->event_count - 1].at_us > t.end_us)
		t.end_us = t.trail->events[t.trail->event_count - 1].at_us;
	write_request(&t);
	write_admit(&t);
	write_stages(&t);
	write_generate(&t);
	return t.count;
}
