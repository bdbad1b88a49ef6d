/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/genai.h"

#include <stdlib.h>

static const char *const operations[SL_GENAI_OPERATIONS] = {"chat", "text_completion",
							    "embeddings"};

const char *sl_genai_operation(uint32_t kind)
{
	return operations[kind % SL_GENAI_OPERATIONS];
}

const char *sl_genai_provider(uint32_t kind)
{
	return kind / SL_GENAI_OPERATIONS ? "anthropic" : "openai";
}

static struct sl_genai_stats *stats_of(struct sl_genai_stats **kinds,
				       const struct sl_genai_end *end)
{
	uint32_t kind = end->endpoint - 1u + (end->anthropic ? SL_GENAI_OPERATIONS : 0);
	struct sl_genai_stats *stats = kinds[kind];

	if (!stats) {
		stats = calloc(1, sizeof(*stats));
		__atomic_store_n(&kinds[kind], stats, __ATOMIC_RELEASE);
	}
	return stats;
}

void sl_genai_note(struct sl_genai_stats **kinds, const struct sl_genai_end *end)
{
	struct sl_genai_stats *stats;

	if (!end->endpoint || end->endpoint > SL_GENAI_OPERATIONS)
		return;
	stats = stats_of(kinds, end);
	if (!stats)
		return;
	sl_histogram_record(&stats->duration_us[end->error], end->duration_us);
	if (end->counted) {
		sl_histogram_record(&stats->tokens[0], end->input);
		sl_histogram_record(&stats->tokens[1], end->output);
	}
	if (end->error || !end->first_us)
		return;
	sl_histogram_record(&stats->first_us, end->first_us);
	if (end->streamed > 1 && end->duration_us >= end->first_us)
		sl_histogram_record(&stats->token_us,
				    (end->duration_us - end->first_us) / (end->streamed - 1));
}
