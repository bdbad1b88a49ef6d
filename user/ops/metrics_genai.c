/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_genai.h"

#include <string.h>

#define EDGES(list) (list), sizeof(list) / sizeof((list)[0])
#define US_DIGITS   6u

/* Bounds that the conventions ask for; times in us. */
static const uint64_t duration_edges[] = {10000,    20000,    40000,	80000,	 160000,
					  320000,   640000,   1280000,	2560000, 5120000,
					  10240000, 20480000, 40960000, 81920000};
static const uint64_t token_edges[] = {1,     4,     16,     64,      256,     1024,	 4096,
				       16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};
static const uint64_t first_edges[] = {1000,	5000,	 10000,	  20000,   40000,  60000,
				       80000,	100000,	 250000,  500000,  750000, 1000000,
				       2500000, 5000000, 7500000, 10000000};
static const uint64_t per_token_edges[] = {10000,  25000,  50000,  75000,  100000,  150000, 200000,
					   300000, 400000, 500000, 750000, 1000000, 2500000};

static const struct family {
	const char *name, *help;
	const uint64_t *edges;
	size_t edge_count;
	unsigned digits;
	struct part {
		size_t offset;
		const char *label; /* beside those that all have; NULL: none */
	} parts[2];
	size_t part_count;
} families[] = {
	{"gen_ai_client_operation_duration_seconds",
	 "Operations, from the complete request to the end of the answer.",
	 EDGES(duration_edges),
	 US_DIGITS,
	 {{offsetof(struct sl_genai_stats, duration_us[0]), NULL},
	  {offsetof(struct sl_genai_stats, duration_us[1]), "error_type=\"_OTHER\""}},
	 2},
	{"gen_ai_client_token_usage",
	 "Tokens of operations, as the servers counted them.",
	 EDGES(token_edges),
	 0,
	 {{offsetof(struct sl_genai_stats, tokens[0]), "gen_ai_token_type=\"input\""},
	  {offsetof(struct sl_genai_stats, tokens[1]), "gen_ai_token_type=\"output\""}},
	 2},
	{"gen_ai_server_time_to_first_token_seconds",
	 "Streams that went well, from the complete request to the first token.",
	 EDGES(first_edges),
	 US_DIGITS,
	 {{offsetof(struct sl_genai_stats, first_us), NULL}, {0, NULL}},
	 1},
	{"gen_ai_server_time_per_output_token_seconds",
	 "Streams that went well: time per token after the first.",
	 EDGES(per_token_edges),
	 US_DIGITS,
	 {{offsetof(struct sl_genai_stats, token_us), NULL}, {0, NULL}},
	 1},
};

static bool sum_up(const struct sl_metrics_source *source, uint32_t route, uint32_t kind,
		   size_t offset, struct sl_histogram *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < source->worker_count; i++) {
		const struct sl_route_stats *stats =
			__atomic_load_n(&source->workers[i]->stats.routes[route], __ATOMIC_ACQUIRE);
		const struct sl_genai_stats *genai =
			stats ? __atomic_load_n(&stats->genai[kind], __ATOMIC_ACQUIRE) : NULL;

		if (genai)
			sl_histogram_merge(
				sum, (const struct sl_histogram *)((const char *)genai + offset));
	}
	return sum->count > 0;
}

/* Nothing for what never occurred: most routes have one of six kinds. */
static void write_kind(const struct sl_metrics_source *source, const struct family *family,
		       uint32_t route, uint32_t kind, struct sl_text *labels, struct sl_text *text)
{
	const char *model = source->names->names[route];
	struct sl_histogram sum;

	for (size_t p = 0; p < family->part_count; p++) {
		const struct part *part = &family->parts[p];

		if (!sum_up(source, route, kind, part->offset, &sum))
			continue;
		sl_text_reset(labels);
		sl_text_printf(labels, "gen_ai_operation_name=\"%s\",gen_ai_provider_name=\"%s\",",
			       sl_genai_operation(kind), sl_genai_provider(kind));
		sl_text_append_string(labels, "gen_ai_request_model=\"");
		sl_text_append_json(labels, model, strlen(model));
		sl_text_append_char(labels, '"');
		if (part->label)
			sl_text_printf(labels, ",%s", part->label);
		sl_histogram_append_prometheus(&sum, text, family->name, sl_text_string(labels),
					       family->edges, family->edge_count, family->digits);
	}
}

void sl_metrics_write_genai(const struct sl_metrics_source *source, struct sl_text *text)
{
	uint32_t count = __atomic_load_n(&source->names->count, __ATOMIC_ACQUIRE);
	struct sl_text labels;

	sl_text_init(&labels, 0);
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		sl_text_printf(text, "# HELP %s %s\n# TYPE %s histogram\n", families[f].name,
			       families[f].help, families[f].name);
		for (uint32_t route = 1; route < count; route++) {
			for (uint32_t kind = 0; kind < SL_GENAI_KINDS; kind++)
				write_kind(source, &families[f], route, kind, &labels, text);
		}
	}
	sl_text_fini(&labels);
}
