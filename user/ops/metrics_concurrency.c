/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_concurrency.h"

#include <inttypes.h>
#include <stddef.h>

#define US_DIGITS 6u

struct field {
	const char *name, *type, *help;
	size_t offset, size;
	bool seconds; /* it is in us */
};

#define FIELD(name, type, help, member, seconds)                              \
	{                                                                     \
		name, type, help, offsetof(struct sl_concurrency, member),    \
			sizeof(((struct sl_concurrency *)0)->member), seconds \
	}

static const struct field fields[] = {
	FIELD("sluice_node_concurrency_limit", "gauge",
	      "Requests that the node is given at once by what it has shown; no line: any number.",
	      limit, false),
	FIELD("sluice_node_token_gap_seconds", "gauge",
	      "Median time between two tokens of a stream, of the last window that had enough.",
	      gap_us, true),
	FIELD("sluice_node_token_gap_best_seconds", "gauge",
	      "The shortest such time, at the load that it was measured at.", best_us, true),
	FIELD("sluice_node_tokens_in_flight", "gauge",
	      "Prompts and longest answers of the requests in flight, estimated.", tokens, false),
	FIELD("sluice_node_concurrency_raised_total", "counter", "Times that the limit was raised.",
	      raised, false),
	FIELD("sluice_node_concurrency_lowered_total", "counter",
	      "Times that the limit was lowered.", lowered, false),
	FIELD("sluice_node_busy_total", "counter",
	      "Answers and time-outs of the node that meant: too much to do.", busy, false),
};

struct look {
	const struct sl_node_state *nodes;
	const struct sl_concurrency *states;
	const struct field *field;
};

/* What is 0 has no line: most nodes have no limit, and no gap. */
static void write_field(const struct sl_node_state *node, const char *labels, const void *arg,
			struct sl_text *text)
{
	const struct look *look = arg;
	const struct field *field = look->field;
	const struct sl_concurrency *state = &look->states[node - look->nodes];
	const char *at = (const char *)state + field->offset;
	uint64_t value;

	if (__atomic_load_n(&state->incarnation, __ATOMIC_RELAXED) != node->incarnation)
		return;
	value = field->size == sizeof(uint64_t)
			? __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED)
			: __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED);
	if (!value)
		return;
	sl_text_printf(text, "%s{%s} ", field->name, labels);
	sl_text_append_scaled(text, value, field->seconds ? US_DIGITS : 0);
	sl_text_append_char(text, '\n');
}

void sl_metrics_write_concurrency(const struct sl_metrics_source *source, struct sl_text *text)
{
	struct look look = {
		.nodes = source->plane->nodes,
		.states = source->workers[0]->upstream.state.retries->concurrency,
	};
	size_t i;

	if (!look.states)
		return;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		look.field = &fields[i];
		sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", fields[i].name, fields[i].help,
			       fields[i].name, fields[i].type);
		sl_metrics_each_node(source, text, write_field, &look);
	}
}
