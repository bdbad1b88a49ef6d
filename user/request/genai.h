/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * genai.h - the metrics that OpenTelemetry's semantic conventions name for generative AI, counted by route,
 * operation and what the pool speaks: how long operations took, tokens as the server counted them, time to the
 * first token, time per token after it.
 *
 * A block of 47 KB for each triple that occurs, made on its first request: three operations and two APIs, so at most
 * six a route, and routes are those of the configuration. No label is a client's text. Three to five records a
 * request, some 2 ns each.
 *
 * Written by the owning thread, read by any (histogram.h).
 */
#ifndef SL_REQUEST_GENAI_H
#define SL_REQUEST_GENAI_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/histogram.h"

#define SL_GENAI_OPERATIONS \
	3u		  /* chat, text_completion, embeddings: enum sl_openai_endpoint from 1 on */
#define SL_GENAI_APIS  2u /* openai, anthropic */
#define SL_GENAI_KINDS (SL_GENAI_OPERATIONS * SL_GENAI_APIS)

struct sl_genai_stats {
	struct sl_histogram duration_us[2]; /* good, and those that ended in an error */
	struct sl_histogram first_us;	    /* streams that went well */
	struct sl_histogram token_us;	    /* the same: per token after the first */
	struct sl_histogram tokens[2];	    /* input, output; as the server counted them */
};

struct sl_genai_end {
	uint8_t endpoint; /* enum sl_openai_endpoint; 0: none, nothing is counted */
	bool anthropic;
	bool error;
	bool counted; /* input and output are known */
	uint32_t duration_us;
	uint32_t first_us; /* of a stream; else 0 */
	uint64_t streamed; /* tokens of a stream, by its events */
	uint64_t input, output;
};

/* kinds: SL_GENAI_KINDS pointers of the route's counters. Without memory nothing is counted. */
void sl_genai_note(struct sl_genai_stats **kinds, const struct sl_genai_end *end);

const char *sl_genai_operation(uint32_t kind);
const char *sl_genai_provider(uint32_t kind);

#endif
