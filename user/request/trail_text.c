/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/trail_text.h"

#include <inttypes.h>
#include <stdio.h>
#include "user/base/address.h"
#include "user/base/clock.h"
#include "user/base/money.h"
#include "user/policy/hedge.h"
#include "user/policy/outcome.h"
#include "user/policy/queue.h"
#include "user/policy/retry.h"
#include "user/request/chain.h"
#include "user/request/near.h"
#include "user/request/fit.h"
#include "user/request/stats.h"
#include "user/request/trail_check.h"
#include "user/stage/admit.h"
#include "user/wire/openai.h"

enum detail {
	DETAIL_NONE = 0,
	DETAIL_ERROR,
	DETAIL_RECALL,
	DETAIL_CAUSE,
	DETAIL_WHY,
	DETAIL_ENDING,
	DETAIL_VERDICT,
	DETAIL_WAITS_FOR,
	DETAIL_QUEUE,
	DETAIL_FIT,
	DETAIL_HEDGE,
	DETAIL_STEP,
	DETAIL_NOTED,
	DETAIL_SAMPLING,
	DETAIL_CHECK
};

static const struct kind {
	const char *name;
	const char *detail_name;
	enum detail detail;
	const char *value_name; /* NULL: has none */
} kinds[SL_TRAIL_KINDS] = {
	[SL_TRAIL_NONE] = {"none", "", DETAIL_NONE, NULL},
	[SL_TRAIL_ADMITTED] = {"admitted", "", DETAIL_NONE, NULL},
	[SL_TRAIL_REFUSED] = {"refused", "error", DETAIL_ERROR, "status"},
	[SL_TRAIL_CACHE] = {"cache", "result", DETAIL_RECALL, NULL},
	[SL_TRAIL_LADDER] = {"degraded", "step", DETAIL_STEP, NULL},
	[SL_TRAIL_NOTED] = {"semantic_cache", "result", DETAIL_NOTED, "similarity_permille"},
	[SL_TRAIL_SAMPLING] = {"sampling_fixed", "parameter", DETAIL_SAMPLING, "overruled"},
	[SL_TRAIL_CHECK] = {"validation", "check", DETAIL_CHECK, NULL},
	[SL_TRAIL_POOL] = {"pool", "fallback_cause", DETAIL_CAUSE, NULL},
	[SL_TRAIL_NO_NODE] = {"no_node", "", DETAIL_NONE, NULL},
	[SL_TRAIL_UNFIT] = {"passed_over", "reason", DETAIL_FIT, NULL},
	[SL_TRAIL_ATTEMPT] = {"attempt", "why", DETAIL_WHY, NULL},
	[SL_TRAIL_CONNECTED] = {"sent", "", DETAIL_NONE, "kept_connection"},
	[SL_TRAIL_ENDING] = {"ending", "ending", DETAIL_ENDING, "status"},
	[SL_TRAIL_RETRY] = {"retry_budget", "verdict", DETAIL_VERDICT, NULL},
	[SL_TRAIL_BACK_OFF] = {"back_off", "", DETAIL_NONE, "ms"},
	[SL_TRAIL_WAIT] = {"wait_for_node", "", DETAIL_NONE, "ms"},
	[SL_TRAIL_HEDGE] = {"hedge", "verdict", DETAIL_HEDGE, "waited_ms"},
	[SL_TRAIL_HEDGE_WON] = {"hedge_won", "", DETAIL_NONE, NULL},
	[SL_TRAIL_HEDGE_LOST] = {"hedge_lost", "", DETAIL_NONE, NULL},
	[SL_TRAIL_STREAM] = {"stream", "", DETAIL_NONE, NULL},
	[SL_TRAIL_STREAM_BROKEN] = {"stream_broken", "ending", DETAIL_ENDING, "tokens"},
	[SL_TRAIL_STREAM_RESUMED] = {"stream_resumed", "", DETAIL_NONE, NULL},
	[SL_TRAIL_STREAM_END] = {"stream_end", "ending", DETAIL_ENDING, "tokens"},
	[SL_TRAIL_ANSWER] = {"answer", "error", DETAIL_ERROR, "status"},
	[SL_TRAIL_QUEUE] = {"queue", "for", DETAIL_WAITS_FOR, "in_line"},
	[SL_TRAIL_QUEUE_END] = {"queue_end", "result", DETAIL_QUEUE, "waited_ms"},
	[SL_TRAIL_KEEPALIVE] = {"keepalive", "", DETAIL_NONE, "waited_ms"},
	[SL_TRAIL_CLIENT_GONE] = {"client_gone", "", DETAIL_NONE, NULL},
};

static const char *why_of(uint8_t why, uint32_t affinity)
{
	static const char *const words[SL_AFFINITY_VERDICTS] = {
		[SL_AFFINITY_PREFIX] = "it knows the prompt's beginning",
		[SL_AFFINITY_SESSION] = "the session's node",
		[SL_AFFINITY_LOAD] = "lowest load: those with an affinity have too much of it",
		[SL_AFFINITY_ADAPTER] = "it has the adapter loaded",
		[SL_AFFINITY_ADAPTER_NEW] = "the adapter's place by its name",
	};

	if (why & SL_TRAIL_WHY_PANIC)
		return "least bad of a pool in panic";
	if (why & SL_TRAIL_WHY_PROBE)
		return "probe of a half-open breaker";
	if (why & SL_TRAIL_WHY_ONLY)
		return "the only one left";
	if (why & SL_TRAIL_WHY_LOAD)
		return "nearer nodes are too full";
	if (why & SL_TRAIL_WHY_LOSS)
		return "nearer nodes are out, or come back slowly";
	if (why & SL_TRAIL_WHY_KEPT)
		return "near nodes are full, and no more may leave";
	return affinity < SL_AFFINITY_VERDICTS && words[affinity] ? words[affinity] : "lowest load";
}

/* NULL: there is nothing to say. */
static const char *detail_of(const struct sl_trail_event *event)
{
	static const char *const recalls[SL_RECALLS] = {
		[SL_RECALL_BYPASS] = "bypass",
		[SL_RECALL_MISS] = "miss",
		[SL_RECALL_HIT] = "hit",
		[SL_RECALL_COALESCED] = "coalesced",
	};
	static const char *const verdicts[SL_RETRY_VERDICTS] = {"spent", "crowded", "charged",
								"moved"};

	switch (kinds[event->kind].detail) {
	case DETAIL_ERROR:
		return event->detail ? sl_openai_error_code((enum sl_openai_error_id)event->detail)
				     : NULL;
	case DETAIL_RECALL:
		return event->detail < SL_RECALLS ? recalls[event->detail] : NULL;
	case DETAIL_CAUSE:
		return event->detail ? sl_chain_cause_name((enum sl_cause)(event->detail - 1))
				     : NULL;
	case DETAIL_WHY:
		return why_of(event->detail, event->value & SL_TRAIL_AFFINITY_MASK);
	case DETAIL_ENDING:
		return event->detail < SL_ENDING_COUNT
			       ? sl_outcome_of((enum sl_ending)event->detail)->name
			       : NULL;
	case DETAIL_WAITS_FOR:
		return event->detail ? "a node" : "a place";
	case DETAIL_QUEUE:
		return event->detail < SL_QUEUE_VERDICTS
			       ? sl_queue_verdict_name((enum sl_queue_verdict)event->detail)
			       : NULL;
	case DETAIL_FIT:
		return event->detail < SL_FITS ? sl_fit_word((enum sl_fit)event->detail) : NULL;
	case DETAIL_VERDICT:
		return event->detail < SL_RETRY_VERDICTS ? verdicts[event->detail] : NULL;
	case DETAIL_HEDGE:
		return event->detail < SL_HEDGE_VERDICTS
			       ? sl_hedge_verdict_name((enum sl_hedge_verdict)event->detail)
			       : NULL;
	case DETAIL_STEP:
		return event->detail < SL_STEPS ? sl_steps[event->detail].text : NULL;
	case DETAIL_NOTED:
		return event->detail < SL_NOTEDS ? sl_noted_name((enum sl_noted)event->detail)
						 : NULL;
	case DETAIL_SAMPLING:
		return event->detail < SL_SAMPLINGS ? sl_samplings[event->detail].name : NULL;
	case DETAIL_CHECK:
		return event->detail < SL_CHECKS ? sl_check_name((enum sl_check)event->detail)
						 : NULL;
	default:
		return NULL;
	}
}

const char *sl_trail_node_of(const struct sl_trail_event *event,
			     const struct sl_upstream_state *state, char text[SL_ADDRESS_TEXT_SIZE])
{
	const struct sl_node_state *node = &state->nodes[event->node];

	if (!event->node)
		return NULL;
	if ((uint16_t)node->incarnation != event->incarnation)
		return "gone";
	return sl_address_format(&node->endpoint, text);
}

/* One "name": "value" or name=value. */
static void member(struct sl_text *text, bool json, const char *name, const char *value)
{
	if (!value)
		return;
	if (!json) {
		sl_text_printf(text, strchr(value, ' ') ? " %s=\"%s\"" : " %s=%s", name, value);
		return;
	}
	sl_text_printf(text, ",\"%s\":", name);
	sl_text_append_json_string(text, value);
}

static const char *zone_word(const struct sl_trail_event *event)
{
	uint32_t zone = event->value >> SL_TRAIL_ZONE_SHIFT;

	return event->kind == SL_TRAIL_ATTEMPT && zone < SL_ZONES
		       ? sl_near_zone_word((enum sl_zone)zone)
		       : NULL;
}

static bool has_value(const struct sl_trail_event *event)
{
	return kinds[event->kind].value_name && (event->value || event->kind != SL_TRAIL_ENDING);
}

struct sl_trail_words sl_trail_words_of(const struct sl_trail_event *event)
{
	const struct kind *kind = &kinds[event->kind < SL_TRAIL_KINDS ? event->kind : 0];

	if (event->kind >= SL_TRAIL_KINDS)
		return (struct sl_trail_words){kind->name, "", NULL, NULL, NULL};
	return (struct sl_trail_words){kind->name, kind->detail_name, detail_of(event),
				       has_value(event) ? kind->value_name : NULL,
				       zone_word(event)};
}

/* What a check did, behind which one it was. */
static void write_check(const struct sl_trail *trail, const struct sl_trail_event *event, bool json,
			struct sl_text *text)
{
	struct sl_trail_check_words words = sl_trail_check_words_of(trail, event);

	member(text, json, "of", words.of);
	member(text, json, "done", words.done);
	member(text, json, "what", words.what);
	if (words.number_name)
		sl_text_printf(text, json ? ",\"%s\":%" PRIu32 : " %s=%" PRIu32, words.number_name,
			       words.number);
}

/* Without its time. */
static void write_words(const struct sl_trail *trail, const struct sl_trail_event *event,
			const struct sl_upstream_state *state, bool json, struct sl_text *text)
{
	struct sl_trail_words words = sl_trail_words_of(event);
	char node[SL_ADDRESS_TEXT_SIZE];

	sl_text_printf(text, json ? "\"event\":\"%s\"" : "%s", words.name);
	member(text, json, "pool", event->pool ? state->pools[event->pool].name : NULL);
	member(text, json, "node", sl_trail_node_of(event, state, node));
	member(text, json, words.detail_name, words.detail);
	member(text, json, "zone", words.zone);
	if (words.value_name)
		sl_text_printf(text, json ? ",\"%s\":%" PRIu32 : " %s=%" PRIu32, words.value_name,
			       event->value);
	if (event->kind == SL_TRAIL_CHECK)
		write_check(trail, event, json, text);
}

static void write_event(const struct sl_trail *trail, const struct sl_trail_event *event,
			const struct sl_upstream_state *state, bool json, struct sl_text *text)
{
	if (json) {
		sl_text_append_string(text, "{\"at_ms\":");
		sl_text_append_scaled(text, event->at_us, 3);
		sl_text_append_char(text, ',');
	} else {
		sl_text_printf(text, "%8" PRIu32 ".%03" PRIu32 " ms  ", event->at_us / 1000,
			       event->at_us % 1000);
	}
	write_words(trail, event, state, json, text);
	sl_text_append_string(text, json ? "}" : "\n");
}

static void number(struct sl_text *text, bool json, const char *name, const char *value)
{
	sl_text_printf(text, json ? ",\"%s\":%s" : " %s=%s", name, value);
}

/* What limits and budgets had to do with it; nothing where there are none. */
static void write_bill(const struct sl_trail_bill *bill, bool json, struct sl_text *text)
{
	char tokens[SL_MONEY_TEXT_SIZE], cost[SL_MONEY_TEXT_SIZE];

	if (bill->refused_by)
		member(text, json, "refused_by",
		       sl_admit_refusal_name((enum sl_admit_refusal)(bill->refused_by - 1)));
	if (bill->reserved) {
		snprintf(tokens, sizeof(tokens), "%" PRIu32, bill->reserved_tokens);
		number(text, json, "reserved_tokens", tokens);
	}
	if (bill->reserved_nano)
		number(text, json, "reserved_cost", sl_money_format(bill->reserved_nano, cost));
	if (bill->settled && bill->reserved) {
		snprintf(tokens, sizeof(tokens), "%" PRIu32, bill->settled_tokens);
		number(text, json, "settled_tokens", tokens);
	}
	if (bill->settled && bill->priced)
		number(text, json, "cost", sl_money_format(bill->settled_nano, cost));
}

/* Where it is to be found elsewhere; and was it sent there? */
static void write_trace(const struct sl_trace_context *trace, bool json, struct sl_text *text)
{
	char id[SL_TRACE_ID_TEXT];

	if (!sl_trace_is(trace))
		return;
	sl_trace_write_id(trace, id);
	member(text, json, "trace_id", id);
	if (trace->span)
		number(text, json, "sampled", trace->flags & SL_TRACE_SAMPLED ? "true" : "false");
}

void sl_trail_write_json(const struct sl_trail *trail, const struct sl_upstream_state *state,
			 struct sl_text *text)
{
	char started[SL_CLOCK_ISO_SIZE];
	uint16_t i;

	sl_clock_format_iso(trail->start_wall_ms, started);
	sl_text_append_string(text, "{\"id\":");
	sl_text_append_json_string(text, trail->id);
	/* the clock that all requests of the machine share, for comparing two of them */
	sl_text_printf(text, ",\"started\":\"%s\",\"monotonic_ns\":%" PRIu64, started,
		       trail->start_ns);
	member(text, true, "model", trail->model[0] ? trail->model : NULL);
	member(text, true, "key_id", trail->key_id[0] ? trail->key_id : NULL);
	write_trace(&trail->trace, true, text);
	write_bill(&trail->bill, true, text);
	sl_text_printf(text, ",\"stream\":%s,\"prompt_tokens_estimated\":%" PRIu32 ",\"events\":[",
		       trail->stream ? "true" : "false", trail->prompt_tokens);
	for (i = 0; i < trail->event_count && i < SL_TRAIL_EVENTS_MAX; i++) {
		if (i)
			sl_text_append_char(text, ',');
		write_event(trail, &trail->events[i], state, true, text);
	}
	sl_text_printf(text, "],\"events_lost\":%u}\n", trail->lost);
}

void sl_trail_write_text(const struct sl_trail *trail, const struct sl_upstream_state *state,
			 struct sl_text *text)
{
	char started[SL_CLOCK_ISO_SIZE];
	uint16_t i;

	sl_clock_format_iso(trail->start_wall_ms, started);
	sl_text_printf(text, "request %s", trail->id);
	member(text, false, "model", trail->model[0] ? trail->model : NULL);
	member(text, false, "key_id", trail->key_id[0] ? trail->key_id : NULL);
	sl_text_printf(text, " stream=%s started=%s", trail->stream ? "true" : "false", started);
	write_trace(&trail->trace, false, text);
	write_bill(&trail->bill, false, text);
	sl_text_append_char(text, '\n');
	for (i = 0; i < trail->event_count && i < SL_TRAIL_EVENTS_MAX; i++)
		write_event(trail, &trail->events[i], state, false, text);
	if (trail->lost)
		sl_text_printf(text, "%u further events were not kept\n", trail->lost);
}

/* ---- in one line ----------------------------------------------------------------------------- */

static bool is_end(const struct sl_trail_event *event)
{
	return event->kind == SL_TRAIL_ANSWER || event->kind == SL_TRAIL_STREAM_END ||
	       event->kind == SL_TRAIL_CLIENT_GONE;
}

static bool is_decision(const struct sl_trail_event *event)
{
	switch (event->kind) {
	case SL_TRAIL_POOL: /* the first one is none */
		return event->detail;
	case SL_TRAIL_ATTEMPT:
		return event->detail & (SL_TRAIL_WHY_PROBE | SL_TRAIL_WHY_PANIC);
	case SL_TRAIL_ENDING:
		return event->detail < SL_ENDING_COUNT &&
		       sl_outcome_of((enum sl_ending)event->detail)->signal != SL_SIGNAL_SUCCESS;
	case SL_TRAIL_REFUSED:
	case SL_TRAIL_LADDER:
	case SL_TRAIL_CHECK:
	case SL_TRAIL_NO_NODE:
	case SL_TRAIL_RETRY:
	case SL_TRAIL_WAIT:
	case SL_TRAIL_HEDGE:
	case SL_TRAIL_HEDGE_WON:
	case SL_TRAIL_STREAM_BROKEN:
	case SL_TRAIL_STREAM_RESUMED:
	case SL_TRAIL_QUEUE:
	case SL_TRAIL_QUEUE_END:
		return true;
	default:
		return false;
	}
}

bool sl_trail_is_notable(const struct sl_trail *trail)
{
	for (uint16_t i = 0; i < trail->event_count && i < SL_TRAIL_EVENTS_MAX; i++) {
		if (is_decision(&trail->events[i]))
			return true;
	}
	return false;
}

void sl_trail_write_brief(const struct sl_trail *trail, const struct sl_upstream_state *state,
			  struct sl_text *text)
{
	const char *between = "";

	for (uint16_t i = 0; i < trail->event_count && i < SL_TRAIL_EVENTS_MAX; i++) {
		const struct sl_trail_event *event = &trail->events[i];

		if (!is_decision(event) && !is_end(event))
			continue;
		sl_text_append_string(text, between);
		write_words(trail, event, state, false, text);
		between = "; ";
	}
}
